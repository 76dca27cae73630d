//! What sessions lead to: small TCP servers of this machine.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A server; it ends with this value at the latest.
pub struct TcpTarget {
    pub port: u16,
    tasks: JoinSet<()>,
}

impl TcpTarget {
    /// Serves each connection with `serve`.
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, serve)
    }

    pub fn on<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                connections.spawn(serve(socket));
            }
        });
        Self { port, tasks }
    }

    /// Ends it, so that its port refuses connections from now on.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    /// Sends back what comes.
    pub async fn echo() -> Self {
        Self::start(echo).await
    }
}

pub async fn echo(mut socket: TcpStream) {
    let (mut from, mut to) = socket.split();
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// Sends `text` through `address` and expects it back.
pub async fn echoes(socket: &mut TcpStream, text: &[u8]) {
    let exchange = async {
        socket.write_all(text).await.expect("sent");
        let mut back = vec![0; text.len()];
        socket.read_exact(&mut back).await.expect("an answer");
        assert_eq!(back, text);
    };
    tokio::time::timeout(super::raw_peer::PATIENCE, exchange).await.expect("an answer in time");
}

/// A port on which nobody listens.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Bytes that repeat after a prime number of them, from a place on.
pub fn pattern(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64)
        .map(|at| ((at % 1_000_003).wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}
