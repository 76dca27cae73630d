//! A service that a caller needs beside ours, as an HTTP server of a few lines.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, thread};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

/// A server on a free loopback port; it ends with its guard.
pub struct HttpServer {
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl HttpServer {
    /// Answers every request with what `answer` makes of it.
    pub fn start(
        answer: impl Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("an address")).expect("a listener");
                tokio::select! {
                    () = serve(listener, Arc::new(answer)) => {}
                    _ = stopped => {}
                }
            });
        });
        let address: SocketAddr = address.recv().expect("the server's address");
        Self { url: format!("http://{address}"), stop: Some(stop), thread: Some(thread) }
    }
}

async fn serve<A>(listener: TcpListener, answer: Arc<A>)
where
    A: Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        let answer = Arc::clone(&answer);
        connections.spawn(async move {
            let service = service_fn(|request: Request<Incoming>| async {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("the whole body").to_bytes();
                Ok::<_, Infallible>(answer(Request::from_parts(head, body)).map(Full::new))
            });
            // A caller that goes away in the middle is no concern of the server's.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
