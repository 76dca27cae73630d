//! An HTTP proxy of a few lines, that remembers what it was asked, and misbehaves if it is to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// A proxy on a free loopback port; it ends with its guard.
pub struct ConnectProxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    cut: watch::Sender<u32>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What a proxy does once it has heard what it is asked for.
#[derive(Clone)]
pub enum Habit {
    /// Connects everybody to this address, whatever host was asked for.
    LeadTo(SocketAddr),
    /// Says this and hangs up.
    Say(Vec<u8>),
    /// Begins an answer and never ends it.
    TalkOn,
    /// Says nothing.
    KeepSilent,
}

impl ConnectProxy {
    pub fn start(habit: Habit) -> Self {
        Self::run(habit, None)
    }

    /// One that is spoken to over TLS, with the certificate in `folder`.
    pub fn with_tls(habit: Habit, folder: &Path) -> Self {
        let pem = |name: &str| folder.join(name);
        let certificate = CertificateDer::from_pem_file(pem("cert.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(pem("key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a key that fits");
        Self::run(habit, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn run(habit: Habit, tls: Option<TlsAcceptor>) -> Self {
        let asked = Arc::new(Mutex::default());
        let (stop, stopped) = oneshot::channel();
        let (cut, _) = watch::channel(0);
        let (tell, address) = std::sync::mpsc::channel();
        let thread = {
            let (asked, cut) = (Arc::clone(&asked), cut.clone());
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                    let listener = listener.expect("a free port");
                    tell.send(listener.local_addr().expect("an address")).expect("a listener");
                    tokio::select! {
                        () = accept_all(listener, habit, tls, asked, cut) => {}
                        _ = stopped => {}
                    }
                });
            })
        };
        let address = address.recv().expect("the proxy's address");
        Self { address, asked, cut, stop: Some(stop), thread: Some(thread) }
    }

    /// The heads of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }

    /// The hosts, with their ports, that it was to connect to so far.
    pub fn hosts(&self) -> Vec<String> {
        let asked = self.asked();
        let hosts =
            asked.iter().filter_map(|head| head.strip_prefix("CONNECT ")?.split(' ').next());
        hosts.map(str::to_owned).collect()
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept_all(
    listener: TcpListener,
    habit: Habit,
    tls: Option<TlsAcceptor>,
    asked: Arc<Mutex<Vec<String>>>,
    cut: watch::Sender<u32>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        let (habit, tls, asked) = (habit.clone(), tls.clone(), Arc::clone(&asked));
        let mut cut = cut.subscribe();
        connections.spawn(async move {
            let serve = async {
                match tls {
                    // A client that goes away in the middle is no concern of the proxy's.
                    Some(tls) => match tls.accept(client).await {
                        Ok(client) => serve(client, habit, &asked).await,
                        Err(_) => Ok(()),
                    },
                    None => serve(client, habit, &asked).await,
                }
            };
            tokio::select! {
                _ = serve => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn serve<C>(mut client: C, habit: Habit, asked: &Mutex<Vec<String>>) -> std::io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    lock(asked).push(head.clone());
    match habit {
        Habit::LeadTo(server) => {
            let mut server = TcpStream::connect(server).await?;
            match head.starts_with("CONNECT ") {
                true => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
                false => server.write_all(head.as_bytes()).await?,
            }
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Habit::Say(words) => {
            client.write_all(&words).await?;
            client.shutdown().await?;
        }
        Habit::TalkOn => {
            client.write_all(b"HTTP/1.1 200 OK\r\nX-Story: ").await?;
            loop {
                client.write_all(&[b'a'; 1024]).await?;
            }
        }
        Habit::KeepSilent => std::future::pending().await,
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
