//! SOCKS5 (RFC 1928, RFC 1929): a proxy's way through to a host.

use std::{io, net::IpAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    proxy::{Login, Proxy},
    proxy_error::ProxyError,
};

/// Has `proxy`, whom `carrier` is connected to, connect it to `server`, a name or an address and a
/// port, instead. Names are looked up by the proxy.
///
/// There is no limit of time here; what is read is bounded, and no byte more than the answers is.
///
/// # Errors
/// The proxy refuses, or is none.
pub(super) async fn open<C>(
    mut carrier: C,
    proxy: &Proxy,
    login: Option<&Login>,
    server: (&str, u16),
) -> Result<C, ProxyError>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    authenticate(&mut carrier, proxy, login).await?;
    connect(&mut carrier, proxy, server).await?;
    Ok(carrier)
}

async fn authenticate<C>(
    carrier: &mut C,
    proxy: &Proxy,
    login: Option<&Login>,
) -> Result<(), ProxyError>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: io::Error| proxy.answer(error.to_string());
    let methods: &[u8] = match login {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(carrier, methods).await.map_err(broken)?;
    let [version, method] = receive(carrier).await.map_err(broken)?;
    if version != VERSION {
        return Err(proxy.answer("that is not SOCKS5".to_owned()));
    }
    match (method, login) {
        (NO_AUTHENTICATION, _) => Ok(()),
        (PASSWORD, Some(Login { user, password })) => {
            let mut request = vec![PASSWORD_VERSION];
            for text in [user, password] {
                // Nobody has a longer one there.
                let length = u8::try_from(text.len()).map_err(|_| proxy.wants_authentication())?;
                request.push(length);
                request.extend_from_slice(text.as_bytes());
            }
            send(carrier, &request).await.map_err(broken)?;
            // Some close the connection instead of saying no.
            let [_, status] = receive(carrier).await.map_err(|_| proxy.wants_authentication())?;
            if status == SUCCEEDED { Ok(()) } else { Err(proxy.wants_authentication()) }
        }
        (PASSWORD | NOT_ACCEPTABLE, _) => Err(proxy.wants_authentication()),
        (other, _) => Err(proxy.answer(format!("it chooses the method {other}"))),
    }
}

async fn connect<C>(
    carrier: &mut C,
    proxy: &Proxy,
    (host, port): (&str, u16),
) -> Result<(), ProxyError>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: io::Error| proxy.answer(error.to_string());
    let refused = |said: &str, is_temporary| {
        proxy.refusal(&format!("{host}:{port}"), said.to_owned(), is_temporary)
    };
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(V4);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(V6);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let length =
                u8::try_from(host.len()).map_err(|_| refused("the name is too long", false))?;
            request.extend([NAME, length]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    send(carrier, &request).await.map_err(broken)?;
    let [version, status, _, kind] = receive(carrier).await.map_err(broken)?;
    if version != VERSION {
        return Err(proxy.answer("that is not SOCKS5".to_owned()));
    }
    if status != SUCCEEDED {
        // Neither its rules nor its abilities change.
        return Err(refused(meaning(status), !matches!(status, 2 | 7 | 8)));
    }
    // Where it connects from, which is nobody's business; a port follows.
    let length = match kind {
        V4 => 4,
        V6 => 16,
        NAME => {
            let [length] = receive(carrier).await.map_err(broken)?;
            usize::from(length)
        }
        other => return Err(proxy.answer(format!("it has an address of type {other}"))),
    };
    let mut address = vec![0; length + 2];
    carrier.read_exact(&mut address).await.map_err(broken)?;
    Ok(())
}

async fn send(carrier: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    carrier.write_all(bytes).await?;
    carrier.flush().await
}

async fn receive<const N: usize>(carrier: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    carrier.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// RFC 1928, section 6.
fn meaning(status: u8) -> &'static str {
    match status {
        2 => "its rules do not allow that",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection is refused there",
        6 => "the time is up",
        7 => "it connects to nobody",
        8 => "it has no addresses of this kind",
        _ => "it fails",
    }
}

const VERSION: u8 = 5;
const PASSWORD_VERSION: u8 = 1;
const SUCCEEDED: u8 = 0;
// Methods.
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NOT_ACCEPTABLE: u8 = 0xff;
// Commands.
const CONNECT: u8 = 1;
// Types of addresses.
const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;

#[cfg(test)]
mod tests {
    use http::Uri;
    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::net::{Proxies, proxy::Kind};

    /// What comes of a proxy that says `answers`, and what it was asked.
    async fn through(
        url: &str,
        server: (&str, u16),
        answers: &[u8],
    ) -> (Result<DuplexStream, String>, Vec<u8>) {
        let proxies = Proxies::of_https(url);
        let proxy = proxies.way_to(&Uri::from_static("https://aws.test")).unwrap().unwrap();
        let Kind::Socks(login) = &proxy.kind else { panic!("{proxy:?}") };
        let (client, mut there) = duplex(64 * 1024);
        there.write_all(answers).await.unwrap();
        there.shutdown().await.unwrap();
        let opened = open(client, &proxy, login.as_ref(), server).await;
        let opened = opened.map_err(|error| error.to_string());
        let (opened, mut asked) = match opened {
            Ok(mut client) => {
                client.shutdown().await.unwrap();
                (Ok(client), Vec::new())
            }
            refused => (refused, Vec::new()),
        };
        there.read_to_end(&mut asked).await.unwrap();
        (opened, asked)
    }

    const PLAIN: &str = "socks5://p.test:1080";
    const WITH_LOGIN: &str = "socks5h://jane:s3cret@p.test:1080";

    #[tokio::test]
    async fn a_host_is_asked_for_by_its_name_or_address_and_not_a_byte_is_lost() {
        for (host, address) in [
            ("aws.test", [&[3, 8], &b"aws.test"[..]].concat()),
            ("10.0.0.5", vec![1, 10, 0, 0, 5]),
            ("fd00::5", [&[4, 0xfd][..], &[0; 14], &[5]].concat()),
        ] {
            let answers = b"\x05\x00\x05\x00\x00\x03\x02me\x00\x50first bytes";
            let (opened, asked) = through(PLAIN, (host, 443), answers).await;
            let expected = [&[5, 1, 0, 5, 1, 0][..], &address, &[1, 187]].concat();
            assert_eq!(asked, expected, "{host}");
            let mut early = String::new();
            opened.unwrap().read_to_string(&mut early).await.unwrap();
            assert_eq!(early, "first bytes");
        }
    }

    #[tokio::test]
    async fn a_user_is_told_where_the_proxy_wants_one() {
        let done = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
        let answers = [b"\x05\x02\x01\x00".as_slice(), done].concat();
        let (opened, asked) = through(WITH_LOGIN, ("a", 1), &answers).await;
        assert!(opened.is_ok(), "{opened:?}");
        assert_eq!(asked, b"\x05\x02\x00\x02\x01\x04jane\x06s3cret\x05\x01\x00\x03\x01a\x00\x01");
        // One that does not care is told nothing.
        let (opened, asked) =
            through(WITH_LOGIN, ("a", 1), &[b"\x05\x00", &done[..]].concat()).await;
        assert!(opened.is_ok() && !asked.windows(6).any(|part| part == b"s3cret"), "{asked:?}");
    }

    #[tokio::test]
    async fn refusals_are_told_in_words() {
        for (url, answers, expected) in [
            (PLAIN, &b"\x05\xff"[..], "the proxy p.test:1080 wants authentication"),
            (
                WITH_LOGIN,
                b"\x05\x02\x01\x01",
                "the proxy p.test:1080 does not accept that user and password",
            ),
            (
                WITH_LOGIN,
                b"\x05\x02",
                "the proxy p.test:1080 does not accept that user and password",
            ),
            (
                PLAIN,
                b"\x05\x00\x05\x02\x00\x01",
                "the proxy p.test:1080 does not connect to a.test:1: its rules do not allow that",
            ),
            (
                PLAIN,
                b"\x05\x00\x05\x04\x00\x01",
                "the proxy p.test:1080 does not connect to a.test:1: the host cannot be reached",
            ),
            (
                PLAIN,
                b"HTTP/1.1 400",
                "p.test:1080 does not answer as a proxy does: that is not SOCKS5",
            ),
            (PLAIN, b"\x05", "p.test:1080 does not answer as a proxy does: early eof"),
            (
                PLAIN,
                b"\x05\x07",
                "p.test:1080 does not answer as a proxy does: it chooses the method 7",
            ),
        ] {
            let (opened, _) = through(url, ("a.test", 1), answers).await;
            assert_eq!(opened.unwrap_err(), expected);
        }
    }
}
