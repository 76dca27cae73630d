//! SPEC: what to forward, in the grammar of `ssh -L`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use super::target::Target;
use crate::malformed::Malformed;

/// `[[BIND:]LOCAL:][HOST:]PORT`, or `PATH:[HOST:]PORT`. Where HOST stands first, LOCAL is PORT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spec {
    pub(crate) bind: Bind,
    /// 0 for a free port.
    pub(crate) local_port: u16,
    /// `None` for the node itself.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

/// Which addresses to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Bind {
    /// 127.0.0.1, and ::1 where there is one.
    Loopback,
    /// This address.
    Address(IpAddr),
    /// All addresses.
    Any,
    /// A Unix socket at this path; there is no port then.
    Socket(PathBuf),
}

/// `[BIND:]PORT`, or a path: where a proxy listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    pub(crate) bind: Bind,
    /// 0 for a free port.
    pub(crate) port: u16,
}

impl FromStr for Listen {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.contains('/') {
            return Ok(Self { bind: Bind::Socket(text.into()), port: 0 });
        }
        let fields = split(text).unwrap_or_default();
        match &fields[..] {
            [port] => Ok(Self { bind: Bind::Loopback, port: parse_port(port)? }),
            [bind, port] => Ok(Self { bind: parse_bind(Some(bind))?, port: parse_port(port)? }),
            _ => Err(format!("`{text}` is not of the form [BIND:]PORT, such as 1080").into()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bind {
            Bind::Loopback => write!(f, "{}", self.port),
            Bind::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Bind::Any => write!(f, "*:{}", self.port),
            Bind::Socket(path) => path.display().fmt(f),
        }
    }
}

impl Spec {
    /// Host and port as the node sees them.
    pub(crate) fn destination(&self) -> String {
        match self.host.as_deref() {
            None => format!("localhost:{}", self.port),
            Some(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Some(host) => format!("{host}:{}", self.port),
        }
    }

    /// Whether both want one address of this machine.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        if let (Bind::Socket(one), Bind::Socket(another)) = (&self.bind, &other.bind) {
            return one == another;
        }
        let is_same = |one: &IpAddr, another: &IpAddr| {
            one == another
                || one.is_ipv4() == another.is_ipv4()
                    && (one.is_unspecified() || another.is_unspecified())
        };
        let others = other.bind.addresses();
        self.local_port != 0
            && self.local_port == other.local_port
            && self
                .bind
                .addresses()
                .iter()
                .any(|one| others.iter().any(|other| is_same(one, other)))
    }

    /// What stands behind LOCAL.
    pub(crate) fn remote(&self) -> String {
        self.host.as_ref().map_or_else(|| self.port.to_string(), |_| self.destination())
    }
}

impl Bind {
    fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::Loopback => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Self::Address(address) => vec![*address],
            Self::Any => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            Self::Socket(_) => Vec::new(),
        }
    }
}

impl FromStr for Spec {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let fields = split(text).ok_or_else(|| wrong_form(text))?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        if fields.len() > 1 && fields.last().is_some_and(|last| last.contains('/')) {
            return Err(no_remote_socket(text).into());
        }
        // One colon is before a port, two are in no host: it is an address without its brackets.
        if text.starts_with("::") {
            let why = format!("`{text}`: an IPv6 address stands in brackets, as in [::1]:5432");
            return Err(why.into());
        }
        let (bind, local, host, port) = match fields[..] {
            [path, port] if path.contains('/') => (Some(path), None, None, port),
            [path, host, port] if path.contains('/') => (Some(path), None, Some(host), port),
            [port] => (None, Some(port), None, port),
            [bind, port] if is_open(bind) => (Some(bind), Some(port), None, port),
            [host, port] if is_host(host) => {
                (None, Some(port), Some(node_apart(host, port)?), port)
            }
            [local, port] => (None, Some(local), None, port),
            [bind, local, port] if is_bind(bind) && is_number(local) => {
                (Some(bind), Some(local), None, port)
            }
            [local, host, port] => (None, Some(local), Some(host), port),
            [bind, local, host, port] => (Some(bind), Some(local), Some(host), port),
            _ => return Err(wrong_form(text).into()),
        };
        let port = match parse_port(port)? {
            0 => return Err("the port to forward to cannot be 0".into()),
            port => port,
        };
        let local_port = match local {
            None | Some("") => 0,
            Some(local) => parse_port(local)?,
        };
        let host = match host {
            Some("") => return Err(format!("the host in `{text}` is empty").into()),
            host => host.filter(|host| !is_loopback(host)).map(str::to_owned),
        };
        Ok(Self { bind: parse_bind(bind)?, local_port, host, port })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bind {
            Bind::Socket(path) => write!(f, "{}:{}", path.display(), self.destination()),
            _ => write!(f, "{}:{}", self.local_port, self.destination()),
        }
    }
}

/// Splits at colons outside brackets, and takes the brackets off.
fn split(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        let field = fields.last_mut()?;
        match next {
            ':' => fields.push(String::new()),
            '[' if field.is_empty() => {
                let brackets = rest.split_once(']').filter(|(inside, _)| !inside.contains('['));
                let (inside, after) = brackets?;
                field.push_str(inside);
                rest = after;
                if !(rest.is_empty() || rest.starts_with(':')) {
                    return None;
                }
            }
            '[' | ']' => return None,
            other => field.push(other),
        }
    }
    Some(fields)
}

fn wrong_form(text: &str) -> String {
    format!(
        "`{text}` is not of the form [[BIND:]LOCAL:][HOST:]PORT, such as 15432:db.internal:5432, or \
         PATH:[HOST:]PORT"
    )
}

/// What AWS-StartPortForwardingSessionToSocket wants to be told is not published.
fn no_remote_socket(text: &str) -> String {
    format!(
        "`{text}` leads to a socket of the node, and Session Manager's ways to ports do not; with SSH: \
         ssmport ssh -N -L {text} TARGET"
    )
}

/// All addresses of this machine: nothing that a node could reach.
fn is_open(text: &str) -> bool {
    text == "*" || text.parse().is_ok_and(|address: IpAddr| address.is_unspecified())
}

fn is_bind(text: &str) -> bool {
    text == "localhost" || is_open(text) || text.parse::<IpAddr>().is_ok()
}

/// Whether it can be nothing but a host: a name or an address, and no port with a slip in it.
fn is_host(text: &str) -> bool {
    let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.contains(|c: char| c.is_ascii_alphabetic());
    is_name || text.parse::<IpAddr>().is_ok()
}

/// What is behind a node's id is no host of that name, but a port of the node.
fn node_apart<'a>(host: &'a str, port: &str) -> Result<&'a str, Malformed> {
    match host.parse() {
        Ok(Target::Id(_)) => Err(format!(
            "`{host}` is a node, and stands apart from what is forwarded: ssmport forward {host} {port}"
        ).into()),
        _ => Ok(host),
    }
}

/// Whether there are digits and nothing else.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_port(text: &str) -> Result<u16, Malformed> {
    let port = text.parse().ok().filter(|_| is_number(text));
    port.ok_or_else(|| format!("`{text}` is not a port (0 to 65535)").into())
}

fn parse_bind(text: Option<&str>) -> Result<Bind, Malformed> {
    match text {
        Some(path) if path.contains('/') => Ok(Bind::Socket(path.into())),
        None | Some("localhost") => Ok(Bind::Loopback),
        Some("" | "*") => Ok(Bind::Any),
        Some(address) => address
            .parse()
            .map(Bind::Address)
            .map_err(|_| format!("`{address}` is not an address to listen on").into()),
    }
}

/// Whether that is the name or an address of whoever is asked. New agents refuse one as the remote host; the
/// node itself is meant.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(bind: Bind, local_port: u16, host: Option<&str>, port: u16) -> Spec {
        Spec { bind, local_port, host: host.map(str::to_owned), port }
    }

    #[test]
    fn forms_of_ssh_are_understood() {
        let address = |text: &str| Bind::Address(text.parse().unwrap());
        let socket = |path: &str| Bind::Socket(path.into());
        for (text, expected) in [
            ("5432", spec(Bind::Loopback, 5432, None, 5432)),
            ("15432:5432", spec(Bind::Loopback, 15432, None, 5432)),
            ("0:5432", spec(Bind::Loopback, 0, None, 5432)),
            (":5432", spec(Bind::Loopback, 0, None, 5432)),
            ("15432:db.internal:5432", spec(Bind::Loopback, 15432, Some("db.internal"), 5432)),
            ("1:[2001:db8::1]:2", spec(Bind::Loopback, 1, Some("2001:db8::1"), 2)),
            ("0.0.0.0:15432:db:5432", spec(address("0.0.0.0"), 15432, Some("db"), 5432)),
            ("[::1]:1:h:2", spec(address("::1"), 1, Some("h"), 2)),
            ("*:1:h:2", spec(Bind::Any, 1, Some("h"), 2)),
            (":1:h:2", spec(Bind::Any, 1, Some("h"), 2)),
            ("/run/db.sock:5432", spec(socket("/run/db.sock"), 0, None, 5432)),
            ("./s:db:5432", spec(socket("./s"), 0, Some("db"), 5432)),
            ("localhost:1:h:2", spec(Bind::Loopback, 1, Some("h"), 2)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_proxy_listens_at_a_port_an_address_or_a_socket() {
        for (text, shown) in [
            ("1080", "1080"),
            ("localhost:1080", "1080"),
            ("0", "0"),
            ("127.0.0.1:1080", "127.0.0.1:1080"),
            ("[::1]:1080", "[::1]:1080"),
            ("*:1080", "*:1080"),
            (":1080", "*:1080"),
            ("/run/proxy.sock", "/run/proxy.sock"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), shown, "{text}");
        }
        for (text, part) in [
            ("", "is not a port"),
            ("web", "`web` is not a port"),
            ("web:1080", "`web` is not an address to listen on"),
            ("::1:1080", "[BIND:]PORT"),
            ("1:2:3", "[BIND:]PORT"),
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_loopback_host_is_the_node_itself() {
        for text in ["1:localhost:2", "1:127.0.0.1:2", "1:[::1]:2", "1:LOCALHOST:2"] {
            assert_eq!(text.parse(), Ok(spec(Bind::Loopback, 1, None, 2)), "{text}");
        }
    }

    #[test]
    fn a_host_may_stand_first_and_an_address_to_listen_on_without_a_host() {
        let address = |text: &str| Bind::Address(text.parse().unwrap());
        for (text, expected) in [
            ("db.internal:5432", spec(Bind::Loopback, 5432, Some("db.internal"), 5432)),
            ("10.0.0.7:80", spec(Bind::Loopback, 80, Some("10.0.0.7"), 80)),
            ("[2001:db8::1]:80", spec(Bind::Loopback, 80, Some("2001:db8::1"), 80)),
            ("localhost:8080", spec(Bind::Loopback, 8080, None, 8080)),
            ("127.0.0.1:8080", spec(Bind::Loopback, 8080, None, 8080)),
            ("0.0.0.0:15432:5432", spec(address("0.0.0.0"), 15432, None, 5432)),
            ("127.0.0.1:15432:5432", spec(address("127.0.0.1"), 15432, None, 5432)),
            ("[::1]:15432:5432", spec(address("::1"), 15432, None, 5432)),
            ("localhost:15432:5432", spec(Bind::Loopback, 15432, None, 5432)),
            ("*:15432:5432", spec(Bind::Any, 15432, None, 5432)),
            ("0.0.0.0:5432", spec(address("0.0.0.0"), 5432, None, 5432)),
            ("*:5432", spec(Bind::Any, 5432, None, 5432)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let node = "i-0123456789abcdef0";
        let error = format!("{node}:5432").parse::<Spec>().unwrap_err();
        assert!(error.to_string().ends_with(&format!("ssmport forward {node} 5432")), "{error}");
    }

    #[test]
    fn malformed_specs_are_told_apart() {
        for (text, part) in [
            ("", "is not a port"),
            ("x", "`x` is not a port"),
            ("65536", "`65536` is not a port"),
            ("+1", "`+1` is not a port"),
            ("99999:80", "`99999` is not a port"),
            ("+1:80", "`+1` is not a port"),
            ("db internal:80", "`db internal` is not a port"),
            ("db.internal:x", "`x` is not a port"),
            ("db.internal:0", "cannot be 0"),
            ("0", "cannot be 0"),
            ("1:0", "cannot be 0"),
            ("1::2", "is empty"),
            ("1:h:2:3:4", "is not of the form"),
            ("nowhere:1:h:2", "`nowhere` is not an address"),
            ("::1:1:h:2", "stands in brackets"),
            ("::1:5432", "as in [::1]:5432"),
            ("[::1:1:h:2", "is not of the form"),
            ("[::1]x:1:h:2", "is not of the form"),
            ("8080:/run/docker.sock", "with SSH: ssmport ssh -N -L 8080:/run/docker.sock TARGET"),
            ("/tmp/s:/run/docker.sock", "leads to a socket of the node"),
            ("127.0.0.1:8080:/run/docker.sock", "leads to a socket of the node"),
            ("/run/docker.sock", "is not a port"),
            ("1:[2[h]:2", "is not of the form"),
        ] {
            let error = text.parse::<Spec>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn destinations_are_written_with_brackets_where_needed() {
        assert_eq!(spec(Bind::Any, 1, Some("2001:db8::1"), 2).destination(), "[2001:db8::1]:2");
        assert_eq!(spec(Bind::Any, 1, None, 2).destination(), "localhost:2");
    }
}
