//! Errors as people see them: what failed, why, what to do, and the exit code.

use std::{fmt::Display, process::ExitCode};

use crate::{local::ServiceError, net::DialError, session::SessionError};

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
    /// It took longer than the user wanted.
    TimedOut,
    /// The remote command's own.
    Command(u8),
    /// A signal ended the program; nothing is to be said about it.
    Signal(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Check => 1,
            Code::Usage => 2,
            Code::Refused => 3,
            Code::Target => 4,
            Code::Local => 5,
            Code::Lost => 6,
            // As of timeout(1).
            Code::TimedOut => 124,
            Code::Command(code) => code,
            Code::Signal(number) => 128u8.saturating_add(number),
        })
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

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Address { ref source, .. } => Self::new(Code::Refused, error.to_string())
                .because("the session's token was not sent there")
                .next(source.next_step()),
            SessionError::Dial(ref refused) if refused.is_temporary() => {
                Self::new(Code::Lost, error.to_string()).next("start again in a moment")
            }
            SessionError::Dial(DialError::Refused { .. }) | SessionError::Refused { .. } => {
                Self::new(Code::Refused, error.to_string())
                    .next("start again; a session's token opens one data channel only")
            }
            SessionError::Dial(ref dialled) => {
                let is_setting = matches!(dialled, DialError::Tls(_));
                let code = if is_setting { Code::Usage } else { Code::Lost };
                let anything = "check the network, proxy and VPC endpoint on the way to that host";
                let next = dialled.next_step().unwrap_or_else(|| anything.to_owned());
                Self::new(code, error.to_string()).next(next)
            }
            SessionError::NotEncrypted { ref refusal, .. } => {
                let code = if refusal.is_temporary { Code::Lost } else { Code::Refused };
                Self::new(code, error.to_string())
            }
            SessionError::Failed { .. }
            | SessionError::Lost { .. }
            | SessionError::Truncated { .. } => {
                Self::new(Code::Lost, error.to_string()).next("start again; -v shows more")
            }
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let code = match error.code() {
            "TargetNotConnected" => Code::Target,
            "ServiceUnavailable" => Code::Lost,
            _ => Code::Refused,
        };
        Self::new(code, error.to_string())
    }
}

/// Errors of ECS and EC2 that are about where a session goes.
#[cfg(feature = "aws")]
const OF_TARGETS: [&str; 3] =
    ["TargetNotConnectedException", "ClusterNotFoundException", "EC2InstanceNotFoundException"];

#[cfg(feature = "aws")]
impl From<crate::aws::AwsError> for Failure {
    fn from(error: crate::aws::AwsError) -> Self {
        use crate::aws::AwsError;
        let code = match &error {
            AwsError::Mfa(crate::aws::MfaError::Interrupted) => {
                Code::Signal(super::signals::INTERRUPT)
            }
            AwsError::TargetNotConnected { .. } | AwsError::NotFound { .. } => Code::Target,
            AwsError::Rejected { code, .. } if OF_TARGETS.contains(&code.as_str()) => Code::Target,
            AwsError::Unreachable { .. }
            | AwsError::Barred { .. }
            | AwsError::Unavailable { .. } => Code::Lost,
            AwsError::NoRegion { .. } | AwsError::Configuration { .. } | AwsError::Tls(_) => {
                Code::Usage
            }
            _ => Code::Refused,
        };
        let next = error.next_step();
        Self { next, ..Self::new(code, error.to_string()) }
    }
}
