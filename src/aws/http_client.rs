//! HTTP for all calls: the SDK's and those that are signed here go the same way. The connections are
//! those of data channels: the same proxies, the same trust, the same words when there is none.

use std::{
    collections::HashMap,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, UNIX_EPOCH},
};

use aws_sdk_ssm::{
    config::{
        RuntimeComponents, SharedHttpClient,
        http::{HttpRequest, HttpResponse},
        timeout::TimeoutConfig,
    },
    error::{BoxError, ConnectorError},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    retries::ErrorKind,
};
use aws_smithy_types::body::SdkBody;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{DATE, PROXY_AUTHORIZATION},
    uri::Scheme,
};
use http_body_util::Limited;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{self, connect::Connected},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;

use super::expiration;
use crate::net::{Authorities, Connection, Connector, DialError, Proxies, Proxy, ProxyError};

/// How calls reach AWS. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct HttpWay {
    connector: Connector,
    /// By the time that a connection may take to open.
    pools: Arc<Mutex<HashMap<Duration, Pool>>>,
}

type Pool = legacy::Client<Opener, SdkBody>;

impl HttpWay {
    /// One that trusts `authorities`, and goes by the proxies of the environment.
    pub(super) fn new(authorities: &Authorities) -> Self {
        let connector = Connector::new(authorities.clone(), Proxies::of_environment());
        Self { connector, pools: Arc::default() }
    }

    /// For tests, which do without the machine's certificates and proxies.
    #[cfg(test)]
    pub(super) fn trusting_nobody() -> Self {
        let connector = Connector::new(Authorities::default(), Proxies::default());
        Self { connector, pools: Arc::default() }
    }

    /// For the SDK's clients.
    pub(super) fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Opens connections by themselves.
    pub(super) fn dialler(&self) -> &Connector {
        &self.connector
    }

    /// For calls without a client of the SDK.
    pub(super) fn connector(&self) -> SharedHttpConnector {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ATTEMPT_TIMEOUT)
            .build();
        self.with_settings(&settings)
    }

    /// For calls that keep to these limits of time.
    fn with_settings(&self, settings: &HttpConnectorSettings) -> SharedHttpConnector {
        let connect_limit = settings.connect_timeout().unwrap_or(CONNECT_TIMEOUT);
        let (pool, connector) = (self.pool(connect_limit), self.connector.clone());
        // A connection that has to be opened first has its own time.
        let limit = settings.read_timeout().map(|read_limit| connect_limit + read_limit);
        SharedHttpConnector::new(Exchanger { pool, connector, limit })
    }

    fn pool(&self, limit: Duration) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(limit).or_insert_with(|| {
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_LIMIT)
                .build(Opener { connector: self.connector.clone(), limit })
        });
        pool.clone()
    }
}

impl HttpClient for HttpWay {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.with_settings(settings)
    }
}

/// Makes calls.
#[derive(Clone, Debug)]
struct Exchanger {
    pool: Pool,
    connector: Connector,
    /// How long it may take until an answer begins.
    limit: Option<Duration>,
}

impl HttpConnector for Exchanger {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let caller = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            caller.exchange(request.map_err(|error| ConnectorError::user(error.into()))?).await
        })
    }
}

impl Exchanger {
    async fn exchange(
        &self,
        mut request: Request<SdkBody>,
    ) -> Result<HttpResponse, ConnectorError> {
        let asked = self.asked_proxy(request.uri()).map_err(|error| failure(error.into()))?;
        let authorization = asked.as_ref().and_then(Proxy::authorization);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let answer = self.pool.request(request);
        let answer = match self.limit {
            Some(limit) => timeout(limit, answer).await.map_err(|_| {
                ConnectorError::timeout(io::Error::from(io::ErrorKind::TimedOut).into())
            })?,
            None => answer.await,
        };
        let mut answer = answer.map_err(|error| failure(error.into()))?;
        if let (Some(proxy), StatusCode::PROXY_AUTHENTICATION_REQUIRED) = (asked, answer.status()) {
            return Err(failure(DialError::from(proxy.wants_authentication()).into()));
        }
        // The SDK signs its next attempt by this clock, and panics at the end of time.
        if !answer.headers().get(DATE).is_some_and(is_within_reason) {
            answer.headers_mut().remove(DATE);
        }
        // Nobody who reads it asks how long it is.
        let answer = answer.map(|body| Limited::new(body, LONGEST_ANSWER));
        HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }

    /// The proxy that is asked for the URL itself, instead of a tunnel.
    fn asked_proxy(&self, url: &Uri) -> Result<Option<Proxy>, DialError> {
        match url.scheme() == Some(&Scheme::HTTP) {
            true => Ok(self.connector.way_to(url)?.filter(Proxy::takes_requests)),
            false => Ok(None),
        }
    }
}

/// Whether a clock may show this. How wrong ours is does not matter.
fn is_within_reason(date: &HeaderValue) -> bool {
    let date = date.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    date.and_then(|date| date.duration_since(UNIX_EPOCH).ok())
        .is_some_and(|age| age < expiration::END)
}

/// Sorts a failure by whether the next attempt may do better.
fn failure(error: BoxError) -> ConnectorError {
    let mut chain =
        std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |e| e.source());
    let dialled = chain.clone().find_map(|error| error.downcast_ref::<DialError>());
    match dialled {
        Some(DialError::Timeout { .. } | DialError::Proxy(ProxyError::Timeout { .. })) => {
            ConnectorError::timeout(error)
        }
        Some(DialError::Proxy(ProxyError::Connect { .. })) => ConnectorError::io(error),
        Some(DialError::Proxy(_) | DialError::Certificate { .. } | DialError::Tls(_)) => {
            ConnectorError::other(error, None)
        }
        Some(_) => ConnectorError::io(error),
        None if chain.any(|error| error.is::<hyper::Error>()) => {
            ConnectorError::other(error, Some(ErrorKind::TransientError))
        }
        None => ConnectorError::io(error),
    }
}

/// Opens the connections of a pool.
#[derive(Clone, Debug)]
struct Opener {
    connector: Connector,
    limit: Duration,
}

impl Service<Uri> for Opener {
    type Response = Wire;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let Self { connector, limit } = self.clone();
        Box::pin(async move {
            let proxy = connector.way_to(&url)?.filter(Proxy::takes_requests);
            let asks_proxy = url.scheme() == Some(&Scheme::HTTP) && proxy.is_some();
            let connection = connector.connect(&url, limit).await?;
            Ok(Wire { io: TokioIo::new(connection), asks_proxy })
        })
    }
}

/// A connection, for hyper.
struct Wire {
    io: TokioIo<Connection>,
    /// Requests name the whole URL.
    asks_proxy: bool,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("asks_proxy", &self.asks_proxy).finish_non_exhaustive()
    }
}

impl legacy::connect::Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.asks_proxy)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// In bytes. A page of a thousand instances has a few MiB.
const LONGEST_ANSWER: usize = 16 << 20;

/// Shorter than anything on the way remembers an idle connection for.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// All attempts together.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn clocks_at_the_end_of_time_are_not_heeded() {
        for (date, is_heeded) in [
            ("Fri, 27 Nov 2026 10:00:00 GMT", true),
            ("Thu, 01 Jan 1970 00:00:00 GMT", true),
            ("Fri, 31 Dec 9999 23:59:59 GMT", false),
            ("now", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let server = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.read(&mut [0; 4096]).await.unwrap();
                let answer =
                    format!("HTTP/1.1 403 No\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.unwrap();
            };
            let request = Request::get(url).body(SdkBody::empty()).unwrap();
            let connector = HttpWay::trusting_nobody().connector();
            let (answer, ()) = tokio::join!(connector.call(request.try_into().unwrap()), server);
            let heeded = answer.unwrap().headers().get("date").map(str::to_owned);
            assert_eq!(heeded.as_deref(), is_heeded.then_some(date));
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_an_error_soon() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let sent = AtomicUsize::new(0);
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            socket.write_all(head).await.unwrap();
            let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
            while socket.write_all(&chunk).await.is_ok() {
                sent.fetch_add(chunk.len(), Ordering::Relaxed);
            }
        };
        let client = async {
            let request = Request::get(url).body(SdkBody::empty()).unwrap();
            let connector = HttpWay::trusting_nobody().connector();
            let answer = connector.call(request.try_into().unwrap()).await.unwrap();
            answer.into_body().collect().await.unwrap_err()
        };
        let both = async { tokio::join!(server, client).1 };
        let error = timeout(Duration::from_secs(10), both).await.expect("it ends");
        assert!(error.to_string().contains("limit"), "{error}");
        // What the sockets hold comes on top.
        assert!(sent.load(Ordering::Relaxed) < 2 * LONGEST_ANSWER);
    }
}
