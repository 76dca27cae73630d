//! Errors as people see them: what failed, why, what to do, and the exit code.

use std::{fmt::Display, process::ExitCode};

use super::signals::INTERRUPT;
use crate::client::{Error, Kind, Setting};

/// One line each of what failed, why, and what to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) why: Option<String>,
    pub(super) next: Option<String>,
    pub(super) code: Code,
}

/// The program's exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    /// A check that the command makes failed.
    Check,
    /// Wrong usage.
    Usage,
    /// AWS refused, or there are no credentials.
    Refused,
    /// The target is unknown or not connected.
    Target,
    /// A local port or file.
    Local,
    /// The session could not be had, or not again.
    Lost,
    /// The network, or a proxy, did not lead to the service.
    Unreachable,
    /// It took longer than the user wanted.
    TimedOut,
    /// The remote command's own.
    Command(u8),
    /// A signal ended the program; nothing is to be said about it.
    Signal(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

impl Code {
    /// What the program exits with.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Check => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Target => 4,
            Self::Local => 5,
            Self::Lost => 6,
            Self::Unreachable => 7,
            // As of timeout(1).
            Self::TimedOut => 124,
            Self::Command(code) => code,
            Self::Signal(number) => 128u8.saturating_add(number),
        }
    }
}

impl Failure {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, next: None, code }
    }

    pub(super) fn local(what: impl Into<String>) -> Self {
        Self::new(Code::Local, what)
    }

    pub(super) fn because(self, why: impl Display) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    pub(super) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error { kind, what, why, next, setting, .. } = error;
        let next = next.map(|next| with_option(next, setting));
        let code = match kind {
            Kind::Usage => Code::Usage,
            Kind::Refused => Code::Refused,
            Kind::Target => Code::Target,
            Kind::Local => Code::Local,
            Kind::Lost => Code::Lost,
            Kind::Unreachable => Code::Unreachable,
            Kind::Interrupted => Code::Signal(INTERRUPT),
        };
        Self { what, why, next, code }
    }
}

/// The next step, and the option that saves it.
fn with_option(next: String, setting: Option<Setting>) -> String {
    match setting {
        Some(Setting::Region) => format!("give --region, or {next}"),
        Some(Setting::MfaCode) => format!("give --mfa-code, or {next}"),
        Some(Setting::MfaSerial) => format!("give --mfa-serial, or {next}"),
        Some(Setting::Everybody) => format!("give --all, or {next}"),
        Some(Setting::All) => format!("{next}; exec --on runs a command on all of them"),
        Some(Setting::Start) => format!("give --start, or {next}"),
        Some(Setting::Wait) => format!("give --wait, or --start if it is stopped, or {next}"),
        Some(Setting::Input) => format!("{next}: -n"),
        Some(Setting::Log) => format!("{next}; -v shows more"),
        None => next,
    }
}

#[cfg(feature = "aws")]
impl From<crate::aws::AwsError> for Failure {
    fn from(error: crate::aws::AwsError) -> Self {
        Error::from(error).into()
    }
}
