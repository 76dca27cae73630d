//! HTTP/1 as a proxy hears it (RFC 9110, 9112): CONNECT, a request to be passed on, and pages of the
//! proxy's own.
//!
//! What is passed on is one request, whose answer ends with the connection: bodies go through untouched
//! then, whatever their form, and what comes behind them does not.

use httparse::{EMPTY_HEADER, Error, Header, Request, Status};

use super::{Destination, Manner, Misplaced, ProxyFailure, ProxyRequest, Rest, Wanted};
use crate::wire::foreign_text;

/// A request's head; `None` while it is not whole.
pub(super) fn request(bytes: &[u8]) -> Result<Option<Wanted>, Misplaced> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(too_long()),
        Err(error) => return Err(bad_request(&format!("that is no request of HTTP: {error}"))),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(bad_request("that is no request of HTTP"));
    };
    let behind = bytes.get(length..).unwrap_or_default();
    if method == "CONNECT" {
        let destination = Destination::parse(target, None);
        let destination = destination.map_err(|why| bad_request(&format!("CONNECT: {why}")))?;
        let (manner, ahead) = (Manner::Connect, behind.to_vec());
        return Ok(Some(Wanted::Connection(ProxyRequest {
            destination,
            manner,
            ahead,
            rest: Rest::All,
            is_followed: false,
        })));
    }
    if target.starts_with('/') {
        return own_page(method, target, request.headers).map(Some);
    }
    match scheme(target) {
        Some(("http", rest)) => passed_on(&request, method, rest, behind).map(Some),
        Some((scheme, _)) => {
            let why = format!("this proxy leads to {scheme}:// by way of CONNECT");
            Err(refusal("501 Not Implemented", &why))
        }
        None => Err(bad_request("the address of the request is none")),
    }
}

fn scheme(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    match scheme.eq_ignore_ascii_case("http") {
        true => Some(("http", rest)),
        false => Some((scheme, rest)),
    }
}

fn own_page(method: &str, target: &str, headers: &[Header<'_>]) -> Result<Wanted, Misplaced> {
    if !["GET", "HEAD"].contains(&method) {
        return Err(refusal(
            "405 Method Not Allowed",
            "this is a proxy: give it to a program as one",
        ));
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let host = headers.iter().find(|header| is(header, "host"));
    let host = host.map(|header| String::from_utf8_lossy(header.value).trim().to_owned());
    Ok(Wanted::Page { path, host, is_head: method == "HEAD" })
}

/// The request as the destination is to have it.
fn passed_on(
    request: &Request<'_, '_>,
    method: &str,
    rest: &str,
    behind: &[u8],
) -> Result<Wanted, Misplaced> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    let destination =
        Destination::parse(authority, Some(80)).map_err(|why| bad_request(&why.to_string()))?;
    let version = request.version.unwrap_or(1);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut ahead = format!("{method} {slash}{path} HTTP/1.{version}\r\nHost: {authority}\r\n");
    ahead.push_str("Connection: close\r\n");
    let mut ahead = ahead.into_bytes();

    let named = request.headers.iter().filter(|header| is(header, "connection"));
    let named: Vec<String> = named
        .flat_map(|header| {
            let names = String::from_utf8_lossy(header.value).to_ascii_lowercase();
            names.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let (mut length, mut is_chunked) = (None, false);
    for header in request.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        match &*name {
            "content-length" => {
                let value = std::str::from_utf8(header.value).ok();
                let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
                let value: Option<u64> = digits.and_then(|value| value.parse().ok());
                match (value, length) {
                    (Some(value), None) => length = Some(value),
                    (Some(value), Some(before)) if value == before => continue,
                    _ => return Err(bad_request("its Content-Length is no number, or two")),
                }
            }
            "transfer-encoding" => {
                // Of anything else nobody knows where it ends.
                if is_chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    let why = "the one Transfer-Encoding of a request is `chunked`";
                    return Err(refusal("501 Not Implemented", why));
                }
                is_chunked = true;
            }
            _ if DROPPED.contains(&&*name) || named.contains(&name) => continue,
            _ => {}
        }
        ahead.extend_from_slice(header.name.as_bytes());
        ahead.extend_from_slice(b": ");
        ahead.extend_from_slice(header.value);
        ahead.extend_from_slice(b"\r\n");
    }
    if is_chunked && length.is_some() {
        // Whoever reads it may think one thing or the other.
        return Err(bad_request("it has both Content-Length and Transfer-Encoding"));
    }
    if is_chunked && version == 0 {
        return Err(bad_request("HTTP/1.0 has no Transfer-Encoding"));
    }
    ahead.extend_from_slice(b"\r\n");
    // Another request behind it is not for this destination.
    let mut rest = if is_chunked { Rest::CHUNKED } else { Rest::Counted(length.unwrap_or(0)) };
    let taken = rest.take(behind);
    ahead.extend_from_slice(&behind[..taken]);
    let is_followed = begins_request(&behind[taken..]);
    let manner = Manner::Plain;
    Ok(Wanted::Connection(ProxyRequest { destination, manner, ahead, rest, is_followed }))
}

/// Whether what comes behind a request is another one: some end a body with an empty line of their own.
pub(in crate::streams) fn begins_request(behind: &[u8]) -> bool {
    !behind.iter().all(|byte| b"\r\n".contains(byte))
}

fn is(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// The page that says why there is no connection.
pub(super) fn failed(failure: ProxyFailure, words: &str) -> Vec<u8> {
    let (status, header) = match failure {
        ProxyFailure::NotAllowed => ("403 Forbidden", ""),
        ProxyFailure::NoSession
        | ProxyFailure::NoWay
        | ProxyFailure::Refused
        | ProxyFailure::NotReached => ("502 Bad Gateway", ""),
        ProxyFailure::Busy => ("503 Service Unavailable", "Retry-After: 5\r\n"),
        ProxyFailure::TimedOut => ("504 Gateway Timeout", ""),
    };
    answer(status, PLAIN, header, &told(words))
}

pub(super) fn too_long() -> Misplaced {
    refusal("431 Request Header Fields Too Large", "the head of the request is too long")
}

fn bad_request(why: &str) -> Misplaced {
    refusal("400 Bad Request", why)
}

fn refusal(status: &str, why: &str) -> Misplaced {
    Misplaced::new(answer(status, PLAIN, "", &told(why)), why)
}

fn told(words: &str) -> String {
    format!("ssmport: {}\n", foreign_text::one_line(words))
}

pub(super) fn answer(status: &str, content_type: &str, header: &str, body: &str) -> Vec<u8> {
    let mut answer = head(status, content_type, header, body);
    answer.extend_from_slice(body.as_bytes());
    answer
}

/// An answer without its body.
pub(super) fn head(status: &str, content_type: &str, header: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         {header}Connection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\r\n",
        body.len()
    )
    .into_bytes()
}

pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";
const PLAIN: &str = "text/plain; charset=utf-8";
/// Between a client and its proxy alone; `Host` and `Connection` are written anew.
const DROPPED: [&str; 8] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "upgrade",
    "http2-settings",
];
const MOST_HEADERS: usize = 100;
