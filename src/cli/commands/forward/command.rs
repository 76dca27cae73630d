//! The command behind `--`, which runs while the ports are open.

use std::{
    ffi::OsString,
    io::{Error, ErrorKind},
    process::Command,
};

use crate::cli::{
    child,
    failure::{Code, Failure},
};

/// Runs a program and its arguments to the end; what it fails with is its own exit code. It finds `port`,
/// the first of the forwarded ones, in its environment.
pub(crate) async fn run(words: &[OsString], port: u16) -> Result<(), Failure> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|word| filled_in(word, port)));
    // A Unix socket has a path, which was given.
    match port {
        0 => command.env_remove(PORT).env_remove(HOST),
        port => command.env(PORT, port.to_string()).env(HOST, LOOPBACK),
    };
    match child::run(command).await {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::new(Code::Command(code), "")),
        Err(error) => Err(cannot_run(program, &error)),
    }
}

/// A word with the address in the places that are kept for it.
fn filled_in(word: &OsString, port: u16) -> OsString {
    match word.to_str() {
        Some(text) if port != 0 => {
            text.replace(PORT_HERE, &port.to_string()).replace(HOST_HERE, LOOPBACK).into()
        }
        _ => word.clone(),
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

/// Stands for the local port.
pub(crate) const PORT_HERE: &str = "{port}";
const HOST_HERE: &str = "{host}";
const PORT: &str = "SSMPORT_PORT";
const HOST: &str = "SSMPORT_HOST";
/// Where the port is; it may be open on others, too.
const LOOPBACK: &str = "127.0.0.1";
