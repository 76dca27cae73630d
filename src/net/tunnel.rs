//! CONNECT: a proxy's way through to a host.

use std::pin::pin;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{HOST, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1, ext::ReasonPhrase};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{head::headers_len, proxy::Proxy, proxy_error::ProxyError, refusal_text};
use crate::wire::foreign_text;

/// Has `proxy`, whom `carrier` is connected to, connect it to `host`, with its port, instead.
///
/// There is no limit of time here; what is read is bounded.
///
/// # Errors
/// The proxy refuses, or is none.
pub(super) async fn open<C>(carrier: C, proxy: &Proxy, host: &str) -> Result<C, ProxyError>
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let not_a_proxy = |error: hyper::Error| proxy.answer(told(&error));
    let request = request(proxy, host).ok_or_else(|| {
        let said = "that is no name of a host".to_owned();
        proxy.refusal(host, said, false)
    })?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(carrier))
        .await
        .map_err(not_a_proxy)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(not_a_proxy)?;
        if headers_len(response.headers()) > LONGEST_HEAD {
            return Err(proxy.answer(format!("the head is longer than {LONGEST_HEAD} bytes")));
        }
        match response.status() {
            StatusCode::OK => hyper::upgrade::on(response).await.map_err(not_a_proxy),
            // tinyproxy says 401 to a wrong password.
            StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED => {
                Err(proxy.wants_authentication())
            }
            status => {
                let said = said(&response, &proxy.secrets());
                Err(proxy.refusal(host, said, status.is_server_error()))
            }
        }
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection.with_upgrades()));
    let tunnel = tokio::select! {
        tunnel = &mut exchange => tunnel,
        // It ends when it is handed over, and the exchange hears of it; a failure it hears as well.
        _ = &mut connection => exchange.await,
    };
    let parts = tunnel?.downcast::<TokioIo<C>>();
    match parts {
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
        // Neither TLS nor a WebSocket begins with the server.
        _ => Err(proxy.answer("it goes on talking".to_owned())),
    }
}

fn request(proxy: &Proxy, host: &str) -> Option<Request<Empty<Bytes>>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = host.parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(host).ok()?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(authorization) = proxy.authorization() {
        headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Some(request)
}

/// The status and its reason, fit for a line.
fn said(response: &Response<Incoming>, secrets: &[String]) -> String {
    let own = response.extensions().get::<ReasonPhrase>();
    let own = own.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
    let usual = || response.status().canonical_reason().unwrap_or_default().to_owned();
    let reason = refusal_text::one_line(&own.unwrap_or_else(usual), secrets);
    let reason = foreign_text::one_line_within(LONGEST_REASON, &reason);
    format!("HTTP {} {reason}", response.status().as_u16()).trim_end().to_owned()
}

/// The whole chain: hyper's own message says only at which step it was.
fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

const AGENT: &str = concat!("ssmport/", env!("CARGO_PKG_VERSION"));
/// In bytes. Proxies say little here; pages that explain a refusal are not read.
const LONGEST_HEAD: usize = 16 * 1024;
/// In characters.
const LONGEST_REASON: usize = 100;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::net::Proxies;

    fn proxy(url: &str) -> Proxy {
        let proxies = Proxies::of_https(url);
        proxies.way_to(&Uri::from_static("https://aws.test")).unwrap().unwrap()
    }

    /// What comes of a proxy that says `answer`, and what it was asked.
    async fn through(url: &str, answer: &[u8]) -> (Result<DuplexStream, String>, String) {
        let (client, mut server) = duplex(64 * 1024);
        let proxy = proxy(url);
        let serve = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(server.read_u8().await.unwrap());
            }
            server.write_all(answer).await.unwrap();
            // The tunnel's other end is open for as long as somebody may look.
            (String::from_utf8(asked).unwrap(), server)
        };
        let open = async { open(client, &proxy, "aws.test:443").await };
        let (tunnel, (asked, mut server)) = tokio::join!(open, serve);
        if let Ok(tunnel) = tunnel {
            let mut tunnel = tunnel;
            tunnel.write_all(b"hello").await.unwrap();
            let mut heard = [0; 5];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"hello");
            return (Ok(tunnel), asked);
        }
        (tunnel.map_err(|error| error.to_string()), asked)
    }

    #[tokio::test]
    async fn a_tunnel_carries_bytes_as_they_are() {
        for answer in
            ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 Connection established\r\nX: y\r\n\r\n"]
        {
            let (tunnel, asked) = through("http://p.test:3128", answer.as_bytes()).await;
            assert!(tunnel.is_ok(), "{tunnel:?}");
            let (line, headers) = asked.split_once("\r\n").unwrap();
            assert_eq!(line, "CONNECT aws.test:443 HTTP/1.1");
            assert!(headers.contains("host: aws.test:443\r\n"), "{headers}");
            assert!(!headers.contains("authorization"), "{headers}");
        }
        let (_, asked) = through("http://u:p@p.test:3128", b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(asked.contains("proxy-authorization: Basic dTpw\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_proxys_words() {
        let refused = |answer: &'static str| async move {
            through("http://p.test:3128", answer.as_bytes()).await.0.unwrap_err()
        };
        assert_eq!(
            refused("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
            "the proxy p.test:3128 wants authentication"
        );
        assert_eq!(
            refused("HTTP/1.1 502 Stopped\tby us\r\n\r\n").await,
            "the proxy p.test:3128 does not connect to aws.test:443: HTTP 502 Stopped by us"
        );
        assert_eq!(
            refused("HTTP/1.1 403 Access violation\r\nContent-Length: 5\r\n\r\nno!!!").await,
            "the proxy p.test:3128 does not connect to aws.test:443: HTTP 403 Access violation"
        );
        assert_eq!(
            refused("HTTP/1.1 503\r\n\r\n").await,
            "the proxy p.test:3128 does not connect to aws.test:443: HTTP 503"
        );
        let answer = "HTTP/1.1 502 No to u:p4ss, p4ss or dTpwNHNz\r\n\r\n";
        let told = through("http://u:p4ss@p.test", answer.as_bytes()).await.0.unwrap_err();
        assert!(told.ends_with("HTTP 502 No to ..., ... or ..."), "{told}");
        for answer in ["HTTP/1.1 407 No\r\n\r\n", "HTTP/1.0 401 Unauthorized\r\n\r\n"] {
            let told = through("http://u:p@p.test", answer.as_bytes()).await.0.unwrap_err();
            assert_eq!(told, "the proxy p.test:80 does not accept that user and password");
        }
    }

    #[tokio::test]
    async fn what_is_no_proxy_is_told_and_not_read_for_ever() {
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 60_000]].concat();
        // It ends within what is read at once.
        let long: String = (0..90).map(|i| format!("X-{i}: {}\r\n", "a".repeat(180))).collect();
        let long = [b"HTTP/1.1 200 OK\r\n", long.as_bytes(), b"\r\n"].concat();
        for (answer, why) in [
            (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "invalid HTTP version"),
            (&endless[..], "too large"),
            (&long[..], "head is"),
            (b"\x15\x03\x01\x00\x02\x02\x50", "invalid HTTP version"),
            (b"HTTP/1.1 200 OK\r\n\r\nearly", "it goes on talking"),
        ] {
            let (tunnel, _) = through("http://p.test:3128", answer).await;
            let error = tunnel.unwrap_err();
            let expected = "p.test:3128 does not answer as a proxy does: ";
            assert!(error.starts_with(expected) && error.contains(why), "{error}");
        }
    }
}
