//! Opening the WebSocket of a stream URL.

use std::{io, time::Duration};

use http::{HeaderMap, Uri};
use tokio::time::timeout_at;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::WebSocketConfig};

use super::{
    connect::{Connection, Connector, tcp_of},
    now,
    proxy_error::ProxyError,
    tls::TlsError,
    upgrade::{self, Answer, UpgradeError},
};
use crate::wire::stream_url::without_secrets;

/// A data channel's carrier, on the client's side.
pub type WebSocket = WebSocketStream<Connection>;

/// Why there is no connection with a server, or no WebSocket on it. Each message names the host, or
/// the proxy that is to blame.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL leads to no server.
    #[error("`{0}` is not the address of a server (http, https, ws or wss, with a host)")]
    Url(String),
    /// No TCP connection.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{host} did not answer within {} s", .after.as_secs())]
    Timeout {
        /// Host and port.
        host: String,
        /// The time that it had.
        after: Duration,
    },
    /// The proxy on the way does not lead there.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// TLS cannot be used here.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server shows a certificate that nobody should trust.
    #[error("the certificate of {host} is not to be trusted: {why}")]
    Certificate {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS failed otherwise.
    #[error("no TLS with {host}: {source}")]
    Handshake {
        /// Host and port.
        host: String,
        /// What failed.
        source: io::Error,
    },
    /// The server does not take the upgrade.
    #[error("{host} refused the data channel: HTTP {status}{}", behind_colon(.said))]
    Refused {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: http::StatusCode,
        /// What the server says of it, in one line; may be empty.
        said: String,
    },
    /// The WebSocket handshake failed otherwise.
    #[error("no data channel with {host}: {source}")]
    Upgrade {
        /// Host and port.
        host: String,
        /// What failed.
        source: UpgradeError,
    },
}

impl DialError {
    /// Whether the server may take the upgrade a little later: it is overloaded, or not up yet.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if matches!(status.as_u16(), 429 | 502..=504))
    }

    /// Whether another attempt with the same token may succeed: the network, a proxy or the gateway
    /// had a moment. Whom nobody should trust, and what leads elsewhere, stays so.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Handshake { .. } | Self::Upgrade { .. } => true,
            Self::Refused { status, .. } => status.is_client_error() || status.is_server_error(),
            Self::Proxy(error) => error.may_pass(),
            Self::Url(_) | Self::Timeout { .. } | Self::Tls(_) | Self::Certificate { .. } => false,
        }
    }

    /// What to do about it, as a short sentence without capital or full stop; `None` when it may be
    /// anything on the way.
    pub fn next_step(&self) -> Option<String> {
        match self {
            Self::Proxy(error) => Some(error.next_step()),
            Self::Certificate { .. } => Some(
                "if a proxy or a private authority is on the way, name its certificates in \
                 AWS_CA_BUNDLE"
                    .to_owned(),
            ),
            Self::Tls(_) => Some("check AWS_CA_BUNDLE, and `ca_bundle` of the profile".to_owned()),
            _ => None,
        }
    }
}

/// Opens the WebSocket of `url`, with `headers` added to the upgrade. A redirection is a refusal:
/// nobody has vouched for where it leads.
///
/// # Errors
/// When the URL is not a WebSocket's, or any step of connecting fails or takes more than 20 s.
pub async fn dial(
    url: &Uri,
    headers: HeaderMap,
    connector: &Connector,
) -> Result<WebSocket, DialError> {
    if !matches!(url.scheme_str(), Some("ws" | "wss")) {
        return Err(DialError::Url(without_secrets(&url.to_string())));
    }
    let until = now() + CONNECT_TIMEOUT;
    let connection = connector.connect(url, CONNECT_TIMEOUT).await?;
    let host = shown(url);
    let asked = upgrade::ask(url, headers, connection, websocket_config());
    match timeout_at(until.into(), asked).await {
        Ok(Ok(Answer::Upgraded(websocket))) => Ok(*websocket),
        Ok(Ok(Answer::Refused { status, said })) => Err(DialError::Refused { host, status, said }),
        Ok(Err(source)) => Err(DialError::Upgrade { host, source }),
        Err(_) => Err(DialError::Timeout { host, after: CONNECT_TIMEOUT }),
    }
}

/// Has the system break a connection whose bytes are not acknowledged for `limit`, where it can:
/// it would try for a quarter of an hour.
pub fn break_off_after(websocket: &WebSocket, limit: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(tcp) = tcp_of(websocket.get_ref()) {
        // Pings find it out as well, a little later.
        let _ = socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(limit));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (tcp_of(websocket.get_ref()), limit);
}

/// Host and port, as messages name it.
fn shown(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("ws") { 80 } else { 443 });
    format!("{}:{port}", url.host().unwrap_or_default())
}

fn behind_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
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
    use crate::net::{Authorities, Proxies};

    async fn failure(url: &str) -> String {
        let direct = Connector::new(Authorities::default(), Proxies::default());
        let dialled = dial(&url.parse().unwrap(), HeaderMap::new(), &direct).await;
        dialled.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_no_websocket_url_is_refused_without_its_query() {
        for url in ["http://h/p?X-Amz-Signature=s", "/v1/data-channel?X-Amz-Signature=s", "h:1"] {
            let message = failure(url).await;
            assert!(message.contains("is not the address of a server"), "{message}");
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
}
