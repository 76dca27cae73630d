//! Opening the WebSocket of a stream URL.

use std::time::Duration;

use http::{HeaderMap, Request, Uri};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{self, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{
    authorities::Authorities,
    tls::{self, TlsError},
};
use crate::wire::stream_url::without_query;

/// A data channel's carrier, on the client's side.
pub type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a WebSocket could not be opened. Each message names the host.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL is none of a WebSocket.
    #[error("`{0}` is not the address of a WebSocket (ws:// or wss:// with a host)")]
    Url(String),
    /// No TCP connection.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("{host} did not answer within {} s", .after.as_secs())]
    Timeout {
        /// Host and port.
        host: String,
        /// The time that it had.
        after: Duration,
    },
    /// TLS cannot be used here.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server does not take the upgrade.
    #[error("{host} refused the data channel: HTTP {status}")]
    Refused {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: http::StatusCode,
    },
    /// The server shows a certificate that nobody should trust.
    #[error("the certificate of {host} is not to be trusted: {why}")]
    Certificate {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS or the WebSocket handshake failed otherwise.
    #[error("no WebSocket with {host}: {source}")]
    Upgrade {
        /// Host and port.
        host: String,
        /// What failed.
        source: Box<tungstenite::Error>,
    },
}

/// Opens the WebSocket of `url`, with `headers` added to the upgrade. A redirection is a refusal:
/// nobody has vouched for where it leads.
///
/// # Errors
/// When the URL is not a WebSocket's, or any step of connecting fails or takes more than 20 s.
pub async fn dial(
    url: &Uri,
    headers: HeaderMap,
    authorities: &Authorities,
) -> Result<WebSocket, DialError> {
    let (host, port) = host_and_port(url)?;
    let shown = format!("{host}:{port}");
    let attempt = timeout(CONNECT_TIMEOUT, connect(url, headers, authorities, &host, port, &shown));
    attempt
        .await
        .unwrap_or_else(|_| Err(DialError::Timeout { host: shown.clone(), after: CONNECT_TIMEOUT }))
}

async fn connect(
    url: &Uri,
    headers: HeaderMap,
    authorities: &Authorities,
    host: &str,
    port: u16,
    shown: &str,
) -> Result<WebSocket, DialError> {
    let request = request(url, headers)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let connect_error = |source| DialError::Connect { host: shown.to_owned(), source };
    let tcp = TcpStream::connect((bare, port)).await.map_err(connect_error)?;
    // Without it a one-byte message may wait 40 ms for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(connect_error)?;

    let connector = if url.scheme_str() == Some("wss") {
        Connector::Rustls(tls::client_config(authorities)?)
    } else {
        Connector::Plain
    };
    let config = Some(websocket_config());
    match client_async_tls_with_config(request, tcp, config, Some(connector)).await {
        Ok((websocket, _response)) => Ok(websocket),
        Err(tungstenite::Error::Http(response)) => {
            Err(DialError::Refused { host: shown.to_owned(), status: response.status() })
        }
        Err(source) => Err(not_upgraded(shown.to_owned(), source)),
    }
}

fn not_upgraded(host: String, error: tungstenite::Error) -> DialError {
    let cause = match &error {
        tungstenite::Error::Io(error) => error.get_ref(),
        _ => None,
    };
    match cause.and_then(|cause| tls::certificate_fault(cause)) {
        Some(why) => DialError::Certificate { host, why },
        None => DialError::Upgrade { host, source: Box::new(error) },
    }
}

/// Has the system break a connection whose bytes are not acknowledged for `limit`, where it can:
/// it would try for a quarter of an hour.
pub fn break_off_after(websocket: &WebSocket, limit: Duration) {
    #[cfg(target_os = "linux")]
    {
        let tcp = match websocket.get_ref() {
            MaybeTlsStream::Plain(tcp) => tcp,
            MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
            _ => return,
        };
        // Pings find it out as well, a little later.
        let _ = socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(limit));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (websocket, limit);
}

fn host_and_port(url: &Uri) -> Result<(String, u16), DialError> {
    let default_port = match url.scheme_str() {
        Some("ws") => 80,
        Some("wss") => 443,
        _ => return Err(DialError::Url(without_query(&url.to_string()))),
    };
    let host = url.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| DialError::Url(without_query(&url.to_string())))?;
    Ok((host.to_owned(), url.port_u16().unwrap_or(default_port)))
}

fn request(url: &Uri, headers: HeaderMap) -> Result<Request<()>, DialError> {
    let request = url.clone().into_client_request();
    let mut request = request.map_err(|_| DialError::Url(without_query(&url.to_string())))?;
    // A signed `Host` replaces the one that tungstenite has set.
    for (name, value) in &headers {
        request.headers_mut().insert(name, value.clone());
    }
    Ok(request)
}

/// How both ends of a data channel set up their WebSocket.
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Largest message that is accepted, in bytes. The service's own limit is not known; messages of
/// the reference are 1144 bytes, ours up to 32 KiB.
pub const MAX_MESSAGE: usize = 1 << 20;
/// Many messages leave in one write of this size.
const WRITE_BUFFER: usize = 64 * 1024;
/// Never reached: the driver stops at the first write that blocks.
const MAX_WRITE_BUFFER: usize = 4 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    async fn failure(url: &str) -> String {
        dial(&url.parse().unwrap(), HeaderMap::new(), &Authorities::default())
            .await
            .unwrap_err()
            .to_string()
    }

    #[tokio::test]
    async fn what_is_no_websocket_url_is_refused_without_its_query() {
        for url in ["http://h/p?X-Amz-Signature=s", "/v1/data-channel?X-Amz-Signature=s", "h:1"] {
            let message = failure(url).await;
            assert!(message.contains("is not the address of a WebSocket"), "{message}");
            assert!(!message.contains("Signature"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let message = failure(&format!("ws://{address}/")).await;
        assert!(message.starts_with(&format!("cannot connect to {address}: ")), "{message}");
    }

    #[tokio::test]
    async fn an_http_refusal_gives_its_status() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            socket
        };
        let url = format!("ws://{address}/");
        let (message, _socket) = tokio::join!(failure(&url), server);
        let expected = format!("{address} refused the data channel: HTTP 403 Forbidden");
        assert_eq!(message, expected);
    }

    /// With Nagle's algorithm on, an echo of one byte takes 43 ms instead of one or two.
    #[tokio::test]
    async fn a_small_message_does_not_wait_for_the_one_before() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = async {
            let (socket, _) = listener.accept().await.unwrap();
            tokio_tungstenite::accept_async(socket).await.unwrap()
        };
        let authorities = Authorities::default();
        let (websocket, _server) = tokio::join!(dial(&url, HeaderMap::new(), &authorities), server);
        let websocket = websocket.unwrap();
        let MaybeTlsStream::Plain(tcp) = websocket.get_ref() else {
            panic!("no TLS was asked for")
        };
        assert!(tcp.nodelay().unwrap());
    }
}
