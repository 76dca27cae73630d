//! SOCKS5 (RFC 1928), and SOCKS4 with names (4a), as a proxy hears them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Destination, Manner, Misplaced, ProxyFailure, ProxyRequest, Rest, Wanted,
    destination::NoDestination,
};

/// The length of a greeting that offers to do without authentication; `None` while it is not whole.
pub(super) fn greeting(bytes: &[u8]) -> Result<Option<usize>, Misplaced> {
    let Some(&count) = bytes.get(1) else { return Ok(None) };
    let length = 2 + usize::from(count);
    let Some(methods) = bytes.get(2..length) else { return Ok(None) };
    match methods.contains(&NO_AUTHENTICATION) {
        true => Ok(Some(length)),
        false => Err(Misplaced::new(
            [V5, NOT_ACCEPTABLE],
            "it insists on a user and a password, and there are none here",
        )),
    }
}

/// What comes behind the greeting.
pub(super) fn request(bytes: &[u8]) -> Result<Option<Wanted>, Misplaced> {
    let &[_, command, _, kind, ref rest @ ..] = bytes else { return Ok(None) };
    if command != CONNECT {
        let why = format!("it asks for command {command} of SOCKS5, and there is CONNECT alone");
        return Err(Misplaced::new(reply(COMMAND_NOT_SUPPORTED), why));
    }
    let wrong = |why: String| Misplaced::new(reply(GENERAL_FAILURE), why);
    let (host, rest) = match kind {
        ADDRESS_V4 => match rest.split_first_chunk::<4>() {
            Some((address, rest)) => (Host::Address(Ipv4Addr::from(*address).into()), rest),
            None => return Ok(None),
        },
        ADDRESS_V6 => match rest.split_first_chunk::<16>() {
            Some((address, rest)) => (Host::Address(Ipv6Addr::from(*address).into()), rest),
            None => return Ok(None),
        },
        NAME => {
            let Some((&length, rest)) = rest.split_first() else { return Ok(None) };
            match rest.split_at_checked(length.into()) {
                Some((name, rest)) => (Host::Name(name), rest),
                None => return Ok(None),
            }
        }
        other => {
            let why = format!("it gives an address of type {other}");
            return Err(Misplaced::new(reply(ADDRESS_NOT_SUPPORTED), why));
        }
    };
    let Some((port, ahead)) = rest.split_first_chunk() else { return Ok(None) };
    let destination = host.with(u16::from_be_bytes(*port));
    let destination = destination.map_err(|why| wrong(why.to_string()))?;
    Ok(Some(connection(destination, Manner::Socks5, ahead)))
}

/// SOCKS4, whole.
pub(super) fn request_of_4(bytes: &[u8]) -> Result<Option<Wanted>, Misplaced> {
    let &[_, command, high, low, a, b, c, d, ref rest @ ..] = bytes else { return Ok(None) };
    let wrong = |why: String| Misplaced::new(FAILED_BY_4, why);
    if command != CONNECT {
        return Err(wrong(format!("it asks for command {command} of SOCKS4")));
    }
    // The user, whoever that is.
    let Some((_, rest)) = text(rest).map_err(|why| wrong(why.to_string()))? else {
        return Ok(None);
    };
    let (host, ahead) = match [a, b, c, d] {
        [0, 0, 0, last] if last > 0 => match text(rest).map_err(|why| wrong(why.to_string()))? {
            Some((name, ahead)) => (Host::Name(name), ahead),
            None => return Ok(None),
        },
        address => (Host::Address(Ipv4Addr::from(address).into()), rest),
    };
    let destination = host.with(u16::from_be_bytes([high, low]));
    let destination = destination.map_err(|why| wrong(why.to_string()))?;
    Ok(Some(connection(destination, Manner::Socks4, ahead)))
}

/// The answer of SOCKS5 to a request that cannot be served.
pub(super) fn failed(failure: ProxyFailure) -> [u8; 10] {
    reply(match failure {
        ProxyFailure::NoSession | ProxyFailure::Busy => GENERAL_FAILURE,
        ProxyFailure::NotAllowed => 2,
        ProxyFailure::NoWay => 3,
        ProxyFailure::NotReached => 4,
        ProxyFailure::Refused => 5,
        ProxyFailure::TimedOut => 6,
    })
}

pub(super) fn not_the_same_version() -> Misplaced {
    Misplaced::new(reply(GENERAL_FAILURE), "it begins in SOCKS5 and goes on in something else")
}

enum Host<'a> {
    Address(IpAddr),
    Name(&'a [u8]),
}

impl Host<'_> {
    fn with(self, port: u16) -> Result<Destination, NoDestination> {
        match self {
            Self::Address(address) if port > 0 => Ok(Destination::of_address(address, port)),
            Self::Address(address) => Destination::new(&address.to_string(), port),
            Self::Name(name) => Destination::new(&String::from_utf8_lossy(name), port),
        }
    }
}

fn connection(destination: Destination, manner: Manner, ahead: &[u8]) -> Wanted {
    let ahead = ahead.to_vec();
    Wanted::Connection(ProxyRequest {
        destination,
        manner,
        ahead,
        rest: Rest::All,
        is_followed: false,
    })
}

type Split<'a> = (&'a [u8], &'a [u8]);

#[derive(Debug, thiserror::Error)]
#[error("a text in its request of SOCKS4 is too long")]
struct TooLong;

/// A text that ends in a zero, and what is behind it.
fn text(bytes: &[u8]) -> Result<Option<Split<'_>>, TooLong> {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) if end <= LONGEST_TEXT => Ok(Some((&bytes[..end], &bytes[end + 1..]))),
        None if bytes.len() <= LONGEST_TEXT => Ok(None),
        _ => Err(TooLong),
    }
}

/// Where the connection comes from is nobody's business.
const fn reply(status: u8) -> [u8; 10] {
    [V5, status, 0, ADDRESS_V4, 0, 0, 0, 0, 0, 0]
}

pub(super) const V5: u8 = 5;
pub(super) const V4: u8 = 4;
pub(super) const WITHOUT_AUTHENTICATION: &[u8] = &[V5, NO_AUTHENTICATION];
pub(super) const ACCEPTED: &[u8] = &reply(0);
pub(super) const ACCEPTED_BY_4: &[u8] = &[0, 90, 0, 0, 0, 0, 0, 0];
pub(super) const FAILED_BY_4: [u8; 8] = [0, 91, 0, 0, 0, 0, 0, 0];
const NO_AUTHENTICATION: u8 = 0;
const NOT_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;
const GENERAL_FAILURE: u8 = 1;
const COMMAND_NOT_SUPPORTED: u8 = 7;
const ADDRESS_NOT_SUPPORTED: u8 = 8;
/// Of SOCKS4, which has no lengths.
const LONGEST_TEXT: usize = 255;
