//! `ssmport connect NAME`: a tunnel of the configuration file, and the program that goes with it.

use std::ffi::OsString;

use super::forward::{
    self,
    command::{Place, Wanted},
    opener::Opener,
};
use crate::cli::{
    args::{ConnectArgs, ForwardArgs, Global, ReadinessArgs, SshHabits},
    failure::{Code, Failure},
    output::Output,
};
#[cfg(unix)]
use crate::client::bind::listening;
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
    let words = words(&tunnel, command, output)?;
    if let Some((place, listening)) = place_kept_up(&name).await? {
        return match Wanted::of(&words, &[place])? {
            Some(wanted) => wanted.run().await,
            None => {
                output.note(&format!("{name} listens on {listening}"));
                Ok(())
            }
        };
    }
    let spec = spec(tunnel.spec, &words);
    let forward = ForwardArgs {
        words: Vec::new(),
        target: Some(tunnel.target),
        lanes: tunnel.lanes,
        as_of_ssh: vec![spec],
        command: words,
        open: None,
        background: false,
        ready_file: None,
        pid_file: None,
        log: None,
        detach_to: None,
        readiness: ReadinessArgs::default(),
        reason: None,
        turbo: tunnel.turbo,
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

/// What was typed, else what the file says, else what goes with the port.
fn words(
    tunnel: &ConfiguredTunnel,
    typed: Vec<OsString>,
    output: &Output,
) -> Result<Vec<OsString>, Failure> {
    if !typed.is_empty() {
        return Ok(typed);
    }
    let opener = Opener::of(tunnel).ok_or_else(|| {
        let what = format!("the tunnel {} has no program that goes with it", tunnel.name);
        Failure::new(Code::Usage, what).next(
            "name one behind --, or as its `open` in the configuration file, such as: \
             open = \"psql -h {host} -p {port}\"",
        )
    })?;
    Ok(opener.words(output))
}

/// Where a tunnel is that `ssmport up` has already, for a program and for people.
///
/// # Errors
/// It does not stand: what it is to listen on is taken all the same.
#[cfg(unix)]
async fn place_kept_up(name: &str) -> Result<Option<(Place, String)>, Failure> {
    let names = vec![name.to_owned()];
    let statuses = Remote::statuses(&Request::Status { names }).await?.unwrap_or_default();
    let Some(status) = statuses.into_iter().find(|status| status.name == name) else {
        return Ok(None);
    };
    if !status.state.stands() {
        let failure = Failure::new(Code::Lost, format!("the tunnel {name} does not stand yet"));
        let why = status.why.unwrap_or_else(|| "it is being started".to_owned());
        return Err(failure.because(why).next("look with: ssmport status, ssmport logs"));
    }
    let mut addresses = status.local.iter().filter_map(|local| local.parse().ok());
    let place = addresses.next().map_or(Place::Unix, Place::at);
    Ok(Some((place, listening(&status.local))))
}

#[cfg(not(unix))]
async fn place_kept_up(_: &str) -> Result<Option<(Place, String)>, Failure> {
    Ok(None)
}

/// A program that is told its port takes any, so that several can be open at once.
fn spec(spec: Spec, words: &[OsString]) -> Spec {
    let is_told = words.iter().any(|word| {
        let word = word.to_string_lossy();
        word.contains("{port}") || word.contains("{port1}")
    });
    match spec.bind {
        Bind::Socket(_) => spec,
        _ if is_told => Spec { bind: Bind::Loopback, local_port: 0, ..spec },
        _ => spec,
    }
}
