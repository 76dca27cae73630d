//! From a connection to a WebSocket: the request that asks for it, and every answer that HTTP allows.
//!
//! hyper reads the answer: it takes what proxies and load balancers make of one, such as
//! `Connection: keep-alive, upgrade`, interim answers and many headers.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_ENCODING, HOST, LOCATION, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use super::{driver::broken, head::headers_len, refusal_text, request_first::RequestFirst};
use crate::wire::stream_url::without_secrets;

/// What came of asking for a WebSocket.
pub(super) enum Answer<S> {
    /// It stands.
    Upgraded(Box<WebSocketStream<S>>),
    /// The server has an answer of another kind.
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says of it, in one line; empty for nothing.
        said: String,
    },
}

/// Why there is neither a WebSocket nor a refusal.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The connection broke, or what came is no HTTP.
    #[error("{}", chain(.0))]
    Http(#[from] hyper::Error),
    /// More headers than anything on the way adds.
    #[error("the answer's head is longer than {LONGEST_HEAD} bytes")]
    Length,
    /// The server agrees to something else.
    #[error("the answer's {0} header is not that of a WebSocket")]
    Agreement(HeaderName),
    /// The first message could not be sent.
    #[error("{}", broken(.0))]
    WebSocket(Box<tungstenite::Error>),
}

impl From<tungstenite::Error> for UpgradeError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// Asks the server of `url` for a WebSocket on `connection`, with `headers` added.
///
/// There is no limit of time here; what is read is bounded.
///
/// # Errors
/// The connection breaks, or the answer is none.
pub(super) async fn ask<S>(
    url: &Uri,
    headers: HeaderMap,
    connection: S,
    config: WebSocketConfig,
) -> Result<Answer<S>, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let key = generate_key();
    let request = request(url, headers, &key);
    let secrets = secrets(request.headers());
    let (mut sender, carrier) = http1::Builder::new()
        .title_case_headers(true)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(RequestFirst::new(connection)))
        .await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        if headers_len(response.headers()) > LONGEST_HEAD {
            return Err(UpgradeError::Length);
        }
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Err(Answer::Refused { status, said: said(response, &secrets).await }));
        }
        check(response.headers(), &key)?;
        Ok::<_, UpgradeError>(Ok(hyper::upgrade::on(response).await?))
    };
    let (mut exchange, mut carrier) = (pin!(exchange), pin!(carrier.with_upgrades()));
    let answer = tokio::select! {
        answer = &mut exchange => answer?,
        // It ends when it is handed over, and the exchange hears of it; a failure it hears as well.
        _ = &mut carrier => exchange.await?,
    };
    let upgraded = match answer {
        Ok(upgraded) => upgraded,
        Err(refusal) => return Ok(refusal),
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<RequestFirst<S>>>() else {
        return Err(UpgradeError::Agreement(UPGRADE));
    };
    // The service may have gone on talking.
    let (io, early) = (parts.io.into_inner().into_inner(), parts.read_buf.to_vec());
    let websocket =
        WebSocketStream::from_partially_read(io, early, Role::Client, Some(config)).await;
    Ok(Answer::Upgraded(Box::new(websocket)))
}

fn request(url: &Uri, headers: HeaderMap, key: &str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().unwrap_or_default();
    let own = request.headers_mut();
    let value = |text: &str| HeaderValue::try_from(text).ok();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    for (name, text) in [
        (HOST, host),
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, key),
    ] {
        own.extend(value(text).map(|value| (name, value)));
    }
    // A signed `Host` replaces the one from the URL.
    for (name, value) in &headers {
        own.insert(name, value.clone());
    }
    request
}

/// Whether the server agrees to this WebSocket, and to no other. One that names a subprotocol or an
/// extension that nobody asked for has answered somebody else's request (RFC 6455, 4.1).
fn check(headers: &HeaderMap, key: &str) -> Result<(), UpgradeError> {
    for (name, word) in [(UPGRADE, "websocket"), (CONNECTION, "upgrade")] {
        let values = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        if !words.any(|other| other.trim().eq_ignore_ascii_case(word)) {
            return Err(UpgradeError::Agreement(name));
        }
    }
    for name in [SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL] {
        if headers.get_all(&name).iter().any(|value| !value.as_bytes().trim_ascii().is_empty()) {
            return Err(UpgradeError::Agreement(name));
        }
    }
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    match accepted == Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        true => Ok(()),
        false => Err(UpgradeError::Agreement(SEC_WEBSOCKET_ACCEPT)),
    }
}

/// What a refusal says, fit for a line. A body that comes slowly, or is compressed, says nothing.
async fn said(response: Response<Incoming>, secrets: &[String]) -> String {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(to) = header(LOCATION).filter(|_| response.status().is_redirection()) {
        let to = format!("it leads to {}", without_secrets(to));
        return refusal_text::one_line(&to, secrets);
    }
    if header(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return String::new();
    }
    let (mut body, mut read) = (response.into_body(), Vec::new());
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            read.extend(frame.into_data().into_iter().flatten());
            if read.len() >= LONGEST_BODY {
                break;
            }
        }
    };
    let _ = timeout(BODY_LIMIT, reading).await;
    read.truncate(LONGEST_BODY);
    refusal_text::of_body(&String::from_utf8_lossy(&read), secrets)
}

/// Values that a server may repeat, and nobody is to read: AWS shows what it was to be signed.
fn secrets(headers: &HeaderMap) -> Vec<String> {
    let security_token = HeaderName::from_static("x-amz-security-token");
    let values = [AUTHORIZATION, security_token].into_iter().filter_map(|name| headers.get(name));
    values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

/// hyper's own message says only at which step it was.
fn chain(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// More than load balancers and portals add.
const MOST_HEADERS: usize = 1000;
/// In bytes.
const LONGEST_HEAD: usize = 256 * 1024;
/// In bytes. Reasons are short; pages for people are longer, and their titles stand at the beginning.
const LONGEST_BODY: usize = 4096;
/// The status is known: what it is about is not worth much waiting.
const BODY_LIMIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    /// What comes of a server that answers with `answer`, with the accepted key in place of `KEY`.
    async fn asked(answer: &str) -> Result<Answer<TcpStream>, UpgradeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: "));
            let key = derive_accept_key(key.unwrap().as_bytes());
            // Who has heard enough hangs up.
            let _ = socket.write_all(answer.replace("KEY", &key).as_bytes()).await;
            let _ = socket.shutdown().await;
            socket
        };
        let url: Uri = format!("ws://{address}/v1/data-channel/s-1?role=x").parse().unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-security-token", HeaderValue::from_static("s3cret"));
        let asked = async { ask(&url, headers, tcp, WebSocketConfig::default()).await };
        let (answer, _socket) = tokio::join!(asked, server);
        answer
    }

    fn agreement(more: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: KEY\r\n{more}\r\n"
        )
    }

    #[tokio::test]
    async fn every_valid_agreement_is_one() {
        let many: String =
            (0..300).map(|i| format!("X-Header-{i}: {}\r\n", "v".repeat(50))).collect();
        for answer in [
            agreement(""),
            agreement("").replace("Connection: Upgrade", "connection: keep-alive, upgrade"),
            agreement("")
                .replace("Connection: Upgrade", "Connection: close\r\nConnection: UPGRADE"),
            agreement("").replace("websocket", "WebSocket"),
            agreement("").replace(" Switching Protocols", ""),
            agreement(&many),
            agreement(&format!("Set-Cookie: {}\r\n", "v".repeat(100_000))),
            agreement("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Extensions: \r\n"),
            format!("HTTP/1.1 100 Continue\r\n\r\n{}", agreement("")),
            format!("{}early", agreement("")),
        ] {
            let asked = asked(&answer).await;
            assert!(matches!(asked, Ok(Answer::Upgraded(_))), "{answer}");
        }
    }

    #[tokio::test]
    async fn another_agreement_is_none() {
        for (answer, part) in [
            (agreement("").replace("KEY", "AAAA"), "sec-websocket-accept"),
            (agreement("").replace("Upgrade: websocket", "Upgrade: h2c"), "upgrade"),
            (agreement("").replace("Connection: Upgrade", "Connection: close"), "connection"),
            (agreement("Sec-WebSocket-Protocol: chat\r\n"), "sec-websocket-protocol"),
            (
                agreement("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x\r\n"),
                "sec-websocket-extensions",
            ),
            ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "invalid HTTP version"),
            (String::new(), "connection closed"),
        ] {
            let error = asked(&answer).await.err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    /// hyper's buffer grows to twice its limit before it looks.
    #[tokio::test]
    async fn a_head_beyond_the_limit_is_none() {
        for length in [LONGEST_HEAD, LONGEST_HEAD + 50_000, 2 * LONGEST_HEAD + 50_000] {
            let answer = agreement(&format!("Set-Cookie: {}\r\n", "v".repeat(length)));
            let error = asked(&answer).await.err().unwrap().to_string();
            assert!(error.contains("longer than") || error.contains("too large"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_keeps_secrets() {
        let body = r#"{"message":"the token s3cret has expired"}"#;
        let length = body.len();
        for (answer, status, expected) in [
            (
                format!("HTTP/1.1 403 No\r\nContent-Length: {length}\r\n\r\n{body}"),
                403,
                "the token ... has expired",
            ),
            (format!("HTTP/1.1 400 No\r\n\r\n{}", "why ".repeat(1_000_000)), 400, "why why"),
            (
                "HTTP/1.1 403 No\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x08x"
                    .to_owned(),
                403,
                "",
            ),
            (
                "HTTP/1.1 301 No\r\nLocation: https://u:p@portal.test/login#session=1\r\n\
                 Content-Length: 0\r\n\r\n"
                    .to_owned(),
                301,
                "it leads to https://portal.test/login",
            ),
        ] {
            let Ok(Answer::Refused { status: told, said }) = asked(&answer).await else {
                panic!("{status}")
            };
            assert_eq!(told.as_u16(), status);
            assert!(said.starts_with(expected) && said.len() < 300, "{said}");
        }
    }
}
