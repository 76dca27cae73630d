//! `ssmport connect NAME`: a tunnel of the configuration file, and the program that goes with it.

use std::{ffi::OsString, net::Ipv4Addr};

use super::forward::{
    self,
    command::{Place, Wanted},
};
use crate::cli::{
    args::{ConnectArgs, ForwardArgs, Global, ReadinessArgs, SshHabits},
    failure::{Code, Failure},
    output::Output,
};
#[cfg(unix)]
use crate::client::upkeep::control::{Remote, Request};
use crate::client::{
    Error,
    config_file::{ConfigFile, ConfiguredTunnel},
    spec::{Bind, Spec},
    upkeep,
};

pub(crate) async fn run(
    arguments: ConnectArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let ConnectArgs { name, command } = arguments;
    let tunnels = ConfigFile::load()?.tunnels()?;
    let tunnel = upkeep::find(tunnels, &name).map_err(|error| or_shell(error, &name))?;
    let words = words(&tunnel, command)?;
    if let Some(port) = port_kept_up(&name).await? {
        let place = Place::Tcp(Ipv4Addr::LOCALHOST.into(), port);
        return match Wanted::of(&words, &[place])? {
            Some(wanted) => wanted.run().await,
            None => Ok(()),
        };
    }
    let spec = spec(tunnel.spec, &words);
    let forward = ForwardArgs {
        words: Vec::new(),
        target: Some(tunnel.target),
        as_of_ssh: vec![spec],
        command: words,
        background: false,
        ready_file: None,
        pid_file: None,
        log: None,
        detach_to: None,
        readiness: ReadinessArgs::default(),
        reason: None,
        habits: SshHabits::default(),
    };
    forward::run(forward, global, output).await
}

/// Other programs have this word for what is a shell here.
fn or_shell(error: Error, name: &str) -> Failure {
    let failure = Failure::from(error);
    let next = failure.next.as_ref().map(|next| format!("{next}; ")).unwrap_or_default();
    failure.next(format!("{next}a shell on a node: ssmport shell {name}"))
}

/// What was typed, else what the file says.
fn words(tunnel: &ConfiguredTunnel, typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    if !typed.is_empty() {
        return Ok(typed);
    }
    let open = tunnel.open.as_deref().and_then(shlex::split);
    let open = open.ok_or_else(|| {
        let what = format!("the tunnel {} has no program that goes with it", tunnel.name);
        Failure::new(Code::Usage, what).next(
            "name one behind --, or as its `open` in the configuration file, such as: \
             open = \"psql -h {host} -p {port}\"",
        )
    })?;
    Ok(open.into_iter().map(OsString::from).collect())
}

/// The port of a tunnel that stands already.
#[cfg(unix)]
async fn port_kept_up(name: &str) -> Result<Option<u16>, Failure> {
    let names = vec![name.to_owned()];
    let statuses = Remote::statuses(&Request::Status { names }).await?.unwrap_or_default();
    let stands = statuses.iter().find(|status| status.state.stands());
    Ok(stands.map(|status| status.port).filter(|port| *port != 0))
}

#[cfg(not(unix))]
async fn port_kept_up(_: &str) -> Result<Option<u16>, Failure> {
    Ok(None)
}

/// A program that is told its port takes any, so that several can be open at once.
fn spec(spec: Spec, words: &[OsString]) -> Spec {
    let is_told = words.iter().any(|word| word.to_string_lossy().contains("{port}"));
    match spec.bind {
        Bind::Socket(_) => spec,
        _ if is_told => Spec { bind: Bind::Loopback, local_port: 0, ..spec },
        _ => spec,
    }
}
