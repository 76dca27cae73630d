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
pub(super) async fn run(words: &[OsString], port: u16) -> Result<(), Failure> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments);
    // A Unix socket has a path, which was given.
    match port {
        0 => command.env_remove(PORT),
        port => command.env(PORT, port.to_string()),
    };
    match child::run(command).await {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::new(Code::Command(code), "")),
        Err(error) => Err(cannot_run(program, &error)),
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

const PORT: &str = "SSMPORT_PORT";
