//! Connections to servers: TCP, a proxy where the environment names one, TLS.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::Uri;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout_at,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, pki_types::ServerName},
};
use tokio_tungstenite::MaybeTlsStream;

use super::{
    authorities::Authorities,
    dial::DialError,
    happy_eyeballs, now,
    proxy::{Kind, Proxies, Proxy, without_brackets},
    proxy_error::ProxyError,
    socks, tls, tunnel,
};
use crate::wire::stream_url::without_secrets;

/// A connection to a server, with TLS or without.
pub type Connection = MaybeTlsStream<Carrier>;

/// What a connection's own TLS runs over: TCP, or TLS with a proxy.
pub type Carrier = MaybeTlsStream<TcpStream>;

/// Opens connections. Cheap to clone; certificates are looked at when they are first needed.
#[derive(Clone)]
pub struct Connector {
    authorities: Authorities,
    proxies: Proxies,
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Connector {
    /// One that trusts `authorities`, and goes by `proxies`.
    pub fn new(authorities: Authorities, proxies: Proxies) -> Self {
        Self { authorities, proxies, tls: Arc::default() }
    }

    /// The proxy on the way to `url`.
    ///
    /// # Errors
    /// As [`Proxies::way_to`].
    pub fn way_to(&self, url: &Uri) -> Result<Option<Proxy>, ProxyError> {
        self.proxies.way_to(url)
    }

    /// Connects to the server of an `http`, `https`, `ws` or `wss` URL within `limit`. To an `http`
    /// URL that an HTTP proxy leads to the connection is one with the proxy, which is to be asked for the
    /// whole URL; to all others it is one through the proxy.
    ///
    /// # Errors
    /// The URL is another one, or any step fails or takes too long.
    pub async fn connect(&self, url: &Uri, limit: Duration) -> Result<Connection, DialError> {
        let server = Server::of(url)?;
        let until = now() + limit;
        let carrier = match self.way_to(url)? {
            None => {
                let tcp = happy_eyeballs::connect_for_messages(
                    without_brackets(&server.host),
                    server.port,
                );
                let tcp = within(until, tcp).await.ok_or_else(|| server.late(limit))?;
                MaybeTlsStream::Plain(tcp.map_err(|source| server.unreachable(source))?)
            }
            Some(proxy) => self.through(&proxy, &server, until, limit).await?,
        };
        if !server.has_tls {
            return Ok(MaybeTlsStream::Plain(carrier));
        }
        let secured = within(until, self.secure(&server.host, carrier)).await;
        let secured = secured.ok_or_else(|| server.late(limit))?;
        secured.map_err(|error| error.of_server(server.shown))
    }

    async fn through(
        &self,
        proxy: &Proxy,
        server: &Server,
        until: Instant,
        limit: Duration,
    ) -> Result<Carrier, DialError> {
        tracing::debug!("{} is reached through the proxy {}", server.shown, proxy.address());
        // What is left when it has had its time is for the server's TLS.
        let after = limit.min(PROXY_LIMIT);
        let until = until.min(now() + after);
        let opened = within(until, async {
            let connect_error = |source| ProxyError::Connect { proxy: proxy.address(), source };
            let tcp =
                happy_eyeballs::connect_for_messages(without_brackets(&proxy.host), proxy.port)
                    .await;
            let tcp = tcp.map_err(connect_error)?;
            let carrier = match proxy.has_tls() {
                false => MaybeTlsStream::Plain(tcp),
                true => {
                    self.secure(&proxy.host, tcp).await.map_err(|error| error.of_proxy(proxy))?
                }
            };
            match &proxy.kind {
                Kind::Socks(login) => {
                    Ok(socks::open(carrier, proxy, login.as_ref(), server.name_and_port()).await?)
                }
                Kind::Http { .. } if server.is_asked_through_proxy => Ok(carrier),
                Kind::Http { .. } => Ok(tunnel::open(carrier, proxy, &server.shown).await?),
            }
        });
        opened.await.unwrap_or_else(|| {
            let (proxy, host) = (proxy.address(), server.shown.clone());
            Err(ProxyError::Timeout { proxy, host, after }.into())
        })
    }

    async fn secure<S>(&self, host: &str, stream: S) -> Result<MaybeTlsStream<S>, NotSecured>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = match self.tls.get() {
            Some(config) => config,
            None => {
                let config = tls::client_config(&self.authorities)?;
                self.tls.get_or_init(|| config)
            }
        };
        let name = ServerName::try_from(without_brackets(host).to_owned());
        let name = name.map_err(|error| NotSecured::Failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        stream.map(MaybeTlsStream::Rustls).map_err(NotSecured::of)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorities, proxies, tls: _ } = self;
        f.debug_struct("Connector")
            .field("authorities", authorities)
            .field("proxies", proxies)
            .finish_non_exhaustive()
    }
}

/// Whom a URL leads to.
struct Server {
    /// In brackets if it is an address of IPv6.
    host: String,
    port: u16,
    has_tls: bool,
    /// An HTTP proxy is asked for the URL itself, not for a tunnel.
    is_asked_through_proxy: bool,
    /// Host and port, as messages name it.
    shown: String,
}

impl Server {
    fn of(url: &Uri) -> Result<Self, DialError> {
        let form = || DialError::Url(without_secrets(&url.to_string()));
        let scheme = url.scheme_str().ok_or_else(form)?;
        let (default_port, has_tls) = match scheme {
            "http" | "ws" => (80, false),
            "https" | "wss" => (443, true),
            _ => return Err(form()),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(form)?.to_owned();
        let port = url.port_u16().unwrap_or(default_port);
        let shown = format!("{host}:{port}");
        Ok(Self { host, port, has_tls, is_asked_through_proxy: scheme == "http", shown })
    }

    fn name_and_port(&self) -> (&str, u16) {
        (without_brackets(&self.host), self.port)
    }

    fn unreachable(&self, source: io::Error) -> DialError {
        DialError::Connect { host: self.shown.clone(), source }
    }

    fn late(&self, after: Duration) -> DialError {
        DialError::Timeout { host: self.shown.clone(), after }
    }
}

/// Why there is no TLS.
enum NotSecured {
    Unusable(tls::TlsError),
    Certificate(String),
    Failed(io::Error),
}

impl NotSecured {
    fn of(error: io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause.map(|cause| (tls::certificate_fault(cause), cause)) {
            Some((Some(why), _)) => Self::Certificate(why),
            Some((None, cause)) => Self::Failed(io::Error::new(error.kind(), tls::told(cause))),
            None => Self::Failed(error),
        }
    }

    fn of_server(self, host: String) -> DialError {
        match self {
            Self::Unusable(error) => error.into(),
            Self::Certificate(why) => DialError::Certificate { host, why },
            Self::Failed(source) => DialError::Handshake { host, source },
        }
    }

    fn of_proxy(self, proxy: &Proxy) -> DialError {
        match self {
            Self::Failed(error) => proxy.answer(format!("TLS: {error}")).into(),
            fault => fault.of_server(proxy.address()),
        }
    }
}

impl From<tls::TlsError> for NotSecured {
    fn from(error: tls::TlsError) -> Self {
        Self::Unusable(error)
    }
}

async fn within<T>(until: Instant, step: impl Future<Output = T>) -> Option<T> {
    timeout_at(until.into(), step).await.ok()
}

/// The socket at the bottom of a connection.
pub(super) fn tcp_of(connection: &Connection) -> Option<&TcpStream> {
    let carrier = match connection {
        MaybeTlsStream::Plain(carrier) => carrier,
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
        _ => return None,
    };
    match carrier {
        MaybeTlsStream::Plain(tcp) => Some(tcp),
        MaybeTlsStream::Rustls(tls) => Some(tls.get_ref().0),
        _ => None,
    }
}

/// How long a proxy may take to connect to a host: some are slow, none is that slow.
const PROXY_LIMIT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn through(proxy: &str) -> Connector {
        Connector::new(Authorities::default(), Proxies::of_https(proxy))
    }

    async fn failure(connector: &Connector, url: &str, limit: Duration) -> String {
        let connected = connector.connect(&url.parse().unwrap(), limit).await;
        connected.map(drop).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_there_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let proxied = through(&format!("http://jane:s3cret@{address}"));
        let message = failure(&proxied, "wss://aws.test/s", Duration::from_secs(5)).await;
        assert!(
            message.starts_with(&format!("cannot connect to the proxy {address}: ")),
            "{message}"
        );
        assert!(!message.contains("s3cret"), "{message}");
    }

    /// The accepting side is in the system's queue: it takes what is sent and says nothing.
    #[tokio::test]
    async fn a_proxy_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for scheme in ["http", "https"] {
            let proxied = through(&format!("{scheme}://{address}"));
            let message = failure(&proxied, "https://aws.test", Duration::from_millis(50)).await;
            let expected =
                format!("the proxy {address} did not connect to aws.test:443 within 0 s");
            assert_eq!(message, expected);
        }
    }

    #[tokio::test]
    async fn a_proxy_without_the_tls_that_it_is_said_to_have_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut hello = [0; 5];
            socket.read_exact(&mut hello).await.unwrap();
            socket.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.unwrap();
            socket
        };
        let proxied = through(&format!("https://{address}"));
        let failure = failure(&proxied, "https://aws.test", Duration::from_secs(5));
        let (message, _socket) = tokio::join!(failure, server);
        let expected = format!("{address} does not answer as a proxy does: TLS: ");
        assert!(message.starts_with(&expected), "{message}");
    }

    #[tokio::test]
    async fn this_machine_needs_no_proxy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let message = failure(&through("http://p.test:1"), &url, Duration::from_millis(50)).await;
        let expected = format!("{} did not answer within 0 s", listener.local_addr().unwrap());
        assert_eq!(message, expected);
    }

    #[tokio::test]
    async fn addresses_of_ipv6_are_dialled() {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("ws://[::1]:{port}/s").parse().unwrap();
        let direct = Connector::new(Authorities::default(), Proxies::default());
        let connection = direct.connect(&url, Duration::from_secs(5)).await.unwrap();
        assert_eq!(tcp_of(&connection).unwrap().peer_addr().unwrap().port(), port);
    }
}
