//! The command behind `--`, which runs while the ports are open.

use std::{
    ffi::OsString,
    io::{Error, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::Command,
};

use crate::{
    cli::{
        child,
        failure::{Code, Failure},
    },
    client::Listener,
};

/// Where a program finds what is forwarded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Tcp(IpAddr, u16),
    /// A Unix socket has a path, which was given.
    Unix,
}

impl Place {
    /// Of what listens for one SPEC. An address, since to some programs `localhost` is a socket.
    pub(crate) fn of(listeners: &[Listener]) -> Self {
        listeners.iter().find_map(Listener::tcp_address).map_or(Self::Unix, Self::at)
    }

    /// Of what listens at an address, which may be that of every network.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self::Tcp(ip, address.port())
    }
}

/// A command that knows where everything is.
pub(crate) struct Wanted {
    program: OsString,
    command: Command,
}

impl Wanted {
    /// `None` without words. In them `{host}` and `{port}` stand for the first place, `{host2}` and
    /// `{port2}` for the second one; its environment has the same.
    ///
    /// # Errors
    /// There is no such place.
    pub(crate) fn of(words: &[OsString], places: &[Place]) -> Result<Option<Self>, Failure> {
        let mut words = words.iter().map(|word| filled(word, places));
        let Some(program) = words.next().transpose()? else { return Ok(None) };
        let mut command = Command::new(&program);
        command.args(words.collect::<Result<Vec<_>, _>>()?);
        for (place, number) in places.iter().zip(1..) {
            let number = if number == 1 { String::new() } else { number.to_string() };
            let (host, port) = (format!("{HOST}{number}"), format!("{PORT}{number}"));
            match place {
                Place::Tcp(ip, at) => command.env(host, ip.to_string()).env(port, at.to_string()),
                Place::Unix => command.env_remove(host).env_remove(port),
            };
        }
        Ok(Some(Self { program, command }))
    }

    /// Runs it to the end; what it fails with is its own exit code.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match child::run(self.command).await {
            Ok(0) => Ok(()),
            Ok(code) => Err(Failure::new(Code::Command(code), "")),
            Err(error) => Err(cannot_run(&self.program, &error)),
        }
    }
}

/// A word with what its `{host}` and `{port}` stand for. Other braces are its own.
fn filled(word: &OsString, places: &[Place]) -> Result<OsString, Failure> {
    let Some(text) = word.to_str().filter(|text| text.contains('{')) else {
        return Ok(word.clone());
    };
    let mut done = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        done += &rest[..start];
        rest = &rest[start..];
        let name = rest.split_once('}').map(|(before, _)| &before[1..]);
        let meant = name.and_then(|name| Some((name, meant(name)?)));
        match meant {
            Some((name, (what, number))) => {
                done += &value(name, what, number, places)?;
                rest = &rest[name.len() + 2..];
            }
            None => {
                done.push('{');
                rest = &rest[1..];
            }
        }
    }
    Ok((done + rest).into())
}

enum What {
    Host,
    Port,
}

/// What is asked for, of which place.
fn meant(name: &str) -> Option<(What, usize)> {
    let (what, number) = match name.strip_prefix("host") {
        Some(number) => (What::Host, number),
        None => (What::Port, name.strip_prefix("port")?),
    };
    match number {
        "" => Some((what, 1)),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((what, digits.parse().ok()?))
        }
        _ => None,
    }
}

fn value(name: &str, what: What, number: usize, places: &[Place]) -> Result<String, Failure> {
    let failure = |why: String| {
        Failure::new(Code::Usage, format!("{{{name}}} stands for nothing")).because(why)
    };
    let place = number.checked_sub(1).and_then(|at| places.get(at));
    match (place, what) {
        (Some(Place::Tcp(ip, _)), What::Host) => Ok(ip.to_string()),
        (Some(Place::Tcp(_, port)), What::Port) => Ok(port.to_string()),
        (Some(Place::Unix), _) => Err(failure("a Unix socket has no host and no port".to_owned())
            .next("write the socket's path")),
        (None, _) => Err(failure(match places.len() {
            1 => "there is one SPEC".to_owned(),
            many => format!("there are {many} SPECs"),
        })
        .next("{host} and {port} are those of the first SPEC, {host2} and {port2} of the second")),
    }
}

fn cannot_run(program: &OsString, error: &Error) -> Failure {
    let failure = Failure::local(format!("cannot run {}", program.display()));
    match error.kind() {
        ErrorKind::NotFound => failure
            .because("there is no program of this name")
            .next("behind -- stand a program and its arguments; for a line of shell: sh -c 'LINE'"),
        _ => failure.because(error),
    }
}

const HOST: &str = "SSMPORT_HOST";
const PORT: &str = "SSMPORT_PORT";

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 3] = [
        Place::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST), 15432),
        Place::Unix,
        Place::Tcp(IpAddr::V6(Ipv6Addr::LOCALHOST), 16379),
    ];

    #[test]
    fn hosts_and_ports_are_filled_in_and_other_braces_stay() {
        for (word, expected) in [
            ("-h{host}", "-h127.0.0.1"),
            ("postgres://{host}:{port}/shop", "postgres://127.0.0.1:15432/shop"),
            ("{port}{port1}{port3}", "154321543216379"),
            ("[{host3}]", "[::1]"),
            ("{ports} {Port} {} {port", "{ports} {Port} {} {port"),
            ("awk {print $1}{{port}}", "awk {print $1}{15432}"),
            ("{사용자}{port}", "{사용자}15432"),
        ] {
            assert_eq!(filled(&word.into(), &PLACES).unwrap(), expected, "{word}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_said() {
        for (word, why) in [
            ("{port2}", "a Unix socket has no host"),
            ("{host4}", "there are 3 SPECs"),
            ("{port0}", "there are 3 SPECs"),
        ] {
            let failure = filled(&word.into(), &PLACES).unwrap_err();
            assert_eq!(
                (failure.code, &*failure.what),
                (Code::Usage, &*format!("{word} stands for nothing"))
            );
            assert!(failure.why.unwrap().starts_with(why), "{word}");
        }
    }
}
