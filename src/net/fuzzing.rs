//! The readers of answers on the way to a data channel, for the fuzz target `answers`.

use http::{HeaderMap, HeaderValue, Uri};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    proxy::{Login, Proxies, Proxy},
    socks, tunnel,
    upgrade::{self, Answer},
    websocket_config,
};

/// The password of the proxy, and the token of the credentials; no error has it.
pub const SECRET: &str = "s3cret-5ef0";

/// The proxy on the way to `https://HOST`, as messages name it.
///
/// # Errors
/// There is one that cannot be used.
pub fn proxy_for(proxy: &str, no_proxy: &str, host: &str) -> Result<Option<String>, String> {
    let Ok(url) = format!("https://{host}/").parse::<Uri>() else { return Ok(None) };
    let proxies = Proxies::of_variables(proxy, no_proxy);
    let way = proxies.way_to(&url).map_err(|error| error.to_string())?;
    Ok(way.map(|proxy| proxy.address()))
}

/// What comes of an HTTP proxy that answers so.
///
/// # Errors
/// It is no way through.
pub async fn connect_answer(answer: &[u8]) -> Result<(), String> {
    let proxy = proxy("http");
    let opening = |client| async move {
        let opened = tunnel::open(client, &proxy, "aws.test:443").await;
        opened.map(drop).map_err(|error| error.to_string())
    };
    converse(answer, opening).await
}

/// As [`connect_answer`], of SOCKS5.
///
/// # Errors
/// As there.
pub async fn socks_answer(answer: &[u8], has_login: bool) -> Result<(), String> {
    let proxy = proxy("socks5");
    let login = Login { user: "jane".to_owned(), password: SECRET.to_owned() };
    let login = has_login.then_some(login);
    let opening = |client| async move {
        let opened = socks::open(client, &proxy, login.as_ref(), ("aws.test", 443)).await;
        opened.map(drop).map_err(|error| error.to_string())
    };
    converse(answer, opening).await
}

/// What comes of a server that is asked for a WebSocket and answers so, with the accepted key in the
/// place of `KEY`.
///
/// # Errors
/// It refuses, or its answer is none.
pub async fn upgrade_answer(answer: &[u8]) -> Result<(), String> {
    let url = Uri::from_static("ws://aws.test/v1/data-channel/s-1");
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-security-token", HeaderValue::from_static(SECRET));
    let opening = |client| async move {
        match upgrade::ask(&url, headers, client, websocket_config()).await {
            Ok(Answer::Upgraded(_)) => Ok(()),
            Ok(Answer::Refused { said, .. }) => Err(said),
            Err(error) => Err(error.to_string()),
        }
    };
    converse(answer, opening).await
}

fn proxy(scheme: &str) -> Proxy {
    let proxies = Proxies::of_variables(&format!("{scheme}://jane:{SECRET}@p.test"), "");
    let way = proxies.way_to(&Uri::from_static("https://aws.test"));
    way.ok().flatten().expect("a proxy that can be used")
}

/// `open` on a connection whose other side answers once, and closes.
async fn converse<F: Future<Output = Result<(), String>>>(
    answer: &[u8],
    open: impl FnOnce(DuplexStream) -> F,
) -> Result<(), String> {
    let (client, mut server) = duplex(64 << 10);
    let serving = async {
        let mut asked = [0; 4096];
        let length = server.read(&mut asked).await.unwrap_or(0);
        let asked = String::from_utf8_lossy(&asked[..length]);
        let key = asked.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: "));
        let key = key.map(|key| derive_accept_key(key.as_bytes())).unwrap_or_default();
        let answer = match answer.windows(3).position(|window| window == b"KEY") {
            Some(at) => [&answer[..at], key.as_bytes(), &answer[at + 3..]].concat(),
            None => answer.to_vec(),
        };
        // Who has heard enough hangs up.
        let _ = server.write_all(&answer).await;
        let _ = server.shutdown().await;
        let _ = server.read_to_end(&mut Vec::new()).await;
    };
    let opening = timeout(PATIENCE, open(client));
    let (opened, ()) = tokio::join!(opening, serving);
    opened.map_err(|_| "it did not end".to_owned())?
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
