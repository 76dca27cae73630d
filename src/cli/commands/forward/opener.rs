//! The program that goes with a tunnel: what the configuration names, or a client for the port that it leads to.

use std::{env, ffi::OsString, path::Path};

use crate::cli::{
    args::ForwardArgs,
    failure::{Code, Failure},
    output::Output,
};
use crate::client::{
    config_file::{ConfigFile, ConfiguredTunnel},
    spec::Spec,
};

/// Puts the program that `--open` asks for in the place of the command that was not typed.
pub(super) fn fill(
    arguments: &mut ForwardArgs,
    specs: &[Spec],
    output: &Output,
) -> Result<(), Failure> {
    let Some(name) = &arguments.open else { return Ok(()) };
    let opener = match name.as_deref() {
        None => specs.first().and_then(|spec| Opener::for_port(spec.port)),
        Some(name) => Opener::named(name)?,
    };
    let opener = opener.ok_or_else(|| {
        let port = specs.first().map(|spec| spec.port).unwrap_or_default();
        let what = format!("there is no program that goes with port {port} by itself");
        usage(what).next("name one behind --, or a tunnel of the configuration file: --open=NAME")
    })?;
    arguments.command = opener.words(output);
    Ok(())
}

/// What opens a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Opener {
    /// A program and its arguments, with `{host}` and `{port}`.
    Words(Vec<String>),
    /// One of these, of which there is none.
    Missing(&'static Kind),
}

impl Opener {
    /// What the configuration says of a tunnel, or what goes with its port.
    pub(crate) fn of(tunnel: &ConfiguredTunnel) -> Option<Self> {
        match &tunnel.open {
            // It was checked as the file was read.
            Some(line) => shlex::split(line).map(Self::Words),
            None => Self::for_port(tunnel.spec.port),
        }
    }

    fn for_port(port: u16) -> Option<Self> {
        KINDS.iter().find(|kind| kind.port == port).map(Self::of_kind)
    }

    /// A client by its name, or the program of a configured tunnel.
    fn named(name: &str) -> Result<Option<Self>, Failure> {
        if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
            return Ok(Some(Self::of_kind(kind)));
        }
        let tunnels = ConfigFile::load()?.tunnels()?;
        let tunnel = tunnels.iter().find(|tunnel| tunnel.name == name).ok_or_else(|| {
            let names = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            let next = format!("name one of the configuration file that has an `open`, or {names}");
            usage(format!("there is no tunnel `{name}` whose program could be run")).next(next)
        })?;
        Self::of(tunnel).map(Some).ok_or_else(|| {
            let what = format!("the tunnel {name} has no program that goes with it");
            usage(what).next(
                "give it an `open` in the configuration file, such as: \
                 open = \"psql -h {host} -p {port}\"",
            )
        })
    }

    fn of_kind(kind: &'static Kind) -> Self {
        let found = kind.clients.iter().find(|client| is_on_path(client[0]));
        match found {
            Some(client) => Self::Words(client.iter().map(|word| (*word).to_owned()).collect()),
            None => Self::Missing(kind),
        }
    }

    /// The program and its arguments; none where there is no client, which is told.
    pub(crate) fn words(self, output: &Output) -> Vec<OsString> {
        match self {
            Self::Words(words) => words.into_iter().map(OsString::from).collect(),
            Self::Missing(Kind { about, clients, .. }) => {
                let names = clients.iter().map(|client| client[0]).collect::<Vec<_>>().join(", ");
                output.note(&format!(
                    "There is no {about} here ({names}): give the address below to yours."
                ));
                Vec::new()
            }
        }
    }
}

/// Clients of a protocol.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    name: &'static str,
    port: u16,
    about: &'static str,
    /// The first one that there is, with its arguments.
    clients: &'static [&'static [&'static str]],
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).any(|folder| is_program(&folder.join(&file)))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, what)
}

const KINDS: [Kind; 2] = [
    Kind { name: "rdp", port: 3389, about: "client of Remote Desktop", clients: REMOTE_DESKTOP },
    Kind {
        name: "sqlcmd",
        port: 1433,
        about: "client of SQL Server",
        clients: &[&["sqlcmd", "-S", "tcp:{host},{port}"]],
    },
];
#[cfg(target_os = "macos")]
const REMOTE_DESKTOP: &[&[&str]] = &[
    // The tunnel is there for as long as the program is.
    &["open", "-W", "rdp://full%20address=s:{host}:{port}"],
    &["xfreerdp", "/v:{host}:{port}"],
];
#[cfg(windows)]
const REMOTE_DESKTOP: &[&[&str]] = &[&["mstsc", "/v:{host}:{port}"]];
#[cfg(not(any(windows, target_os = "macos")))]
const REMOTE_DESKTOP: &[&[&str]] = &[
    &["xfreerdp3", "/v:{host}:{port}"],
    &["xfreerdp", "/v:{host}:{port}"],
    &["remmina", "-c", "rdp://{host}:{port}"],
];
