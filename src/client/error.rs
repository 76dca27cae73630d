//! Errors as those see them who asked for something: what failed, on what, why, and what to do.

use std::fmt::{self, Display};

#[cfg(feature = "local")]
use crate::local::ServiceError;
use crate::{net::DialError, session::SessionError};

/// What did not work. Its text is for people, its [`kind`](Self::kind) for programs.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) setting: Option<Setting>,
    pub(crate) cause: Option<Cause>,
}

/// What sort of error it is; the program's exit codes follow it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// What was asked for, or a setting, makes no sense.
    Usage,
    /// AWS refused, or there are no credentials.
    Refused,
    /// The target is unknown or not connected, or does not offer what was asked of it.
    Target,
    /// A local port or file.
    Local,
    /// The session could not be had, or not again.
    Lost,
    /// The network, or a proxy, did not lead to the service.
    Unreachable,
    /// Whoever was asked wants no more of it.
    Interrupted,
}

/// What a program may offer its users beside the error's [next step](Error::next_step), under the name
/// that it has there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Setting {
    /// Another region would do, see [`Builder::region`](super::Builder::region).
    Region,
    /// A code of MFA would do, see [`Builder::mfa`](super::Builder::mfa).
    MfaCode,
    /// The device of MFA would do.
    MfaSerial,
    /// A command without input would do.
    Input,
    /// Without asking whose they are it would do: for everybody's sessions.
    Everybody,
    /// A command on all of them would do, see [`Client::select`](super::Client::select).
    All,
    /// To wait for the node would do, or to start it, see [`Readiness`](super::Readiness).
    Wait,
    /// To start the instance would do.
    Start,
    /// The log, which is the events of `tracing`, says more.
    Log,
}

/// What an error comes of, where that makes a difference to whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// The service wants fewer calls a second.
    Throttled,
    /// The node's agent is not there.
    Unconnected,
    /// The document of the session is not permitted, or not known.
    Document,
    /// The node has not what it takes.
    Unequipped,
}

impl Error {
    pub(crate) fn is_throttled(&self) -> bool {
        self.cause == Some(Cause::Throttled)
    }

    pub(crate) fn is_unconnected(&self) -> bool {
        self.cause == Some(Cause::Unconnected)
    }

    /// Whether it is about how it was to be done: another way may be there.
    pub(crate) fn is_about_the_way(&self) -> bool {
        matches!(self.cause, Some(Cause::Document | Cause::Unequipped))
    }

    pub(crate) fn of(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, next: None, setting: None, cause: None }
    }

    pub(crate) fn local(what: impl Into<String>) -> Self {
        Self::new(Kind::Local, what)
    }

    pub(crate) fn because(self, why: impl Display) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    pub(crate) fn with(self, setting: Setting) -> Self {
        Self { setting: Some(setting), ..self }
    }

    /// What sort of error it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed, and on what.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Why, where that is known.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// What can be done about it.
    pub fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// What else would help, if that is one of the settings that programs have names for.
    pub fn setting(&self) -> Option<Setting> {
        self.setting
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))?;
        self.next.iter().try_for_each(|next| write!(f, " ({next})"))
    }
}

impl std::error::Error for Error {}

/// As it is shown: a program's `main` that returns it prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Address { ref source, .. } => Self::new(Kind::Refused, error.to_string())
                .because("the session's token was not sent there")
                .next(source.next_step()),
            SessionError::Dial(ref refused) if refused.is_temporary() => {
                Self::new(Kind::Lost, error.to_string()).next("start again in a moment")
            }
            SessionError::Dial(DialError::Refused { .. }) | SessionError::Refused { .. } => {
                Self::new(Kind::Refused, error.to_string())
                    .next("start again; a session's token opens one data channel only")
            }
            SessionError::Dial(ref dialled) => {
                let is_setting = matches!(dialled, DialError::Tls(_));
                let kind = if is_setting { Kind::Usage } else { Kind::Unreachable };
                let anything = "check the network, proxy and VPC endpoint on the way to that host";
                let next = dialled.next_step().unwrap_or_else(|| anything.to_owned());
                Self::new(kind, error.to_string()).next(next)
            }
            SessionError::NotEncrypted { ref refusal, .. } => {
                let kind = if refusal.is_temporary { Kind::Lost } else { Kind::Refused };
                Self::new(kind, error.to_string())
            }
            SessionError::Failed { .. }
            | SessionError::Lost { .. }
            | SessionError::Truncated { .. } => {
                Self::new(Kind::Lost, error.to_string()).next("start again").with(Setting::Log)
            }
        }
    }
}

impl From<DialError> for Error {
    fn from(error: DialError) -> Self {
        SessionError::Dial(error).into()
    }
}

#[cfg(feature = "local")]
impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        let kind = match error.code() {
            "TargetNotConnected" => Kind::Target,
            "ServiceUnavailable" | "ThrottlingException" => Kind::Lost,
            _ => Kind::Refused,
        };
        let cause = match error {
            ServiceError::Throttled => Some(Cause::Throttled),
            ServiceError::TargetNotConnected { .. } => Some(Cause::Unconnected),
            ServiceError::UnknownDocument { .. } | ServiceError::DocumentNotServed { .. } => {
                Some(Cause::Document)
            }
            _ => None,
        };
        Self { cause, ..Self::new(kind, error.to_string()) }
    }
}

/// Errors of ECS and EC2 that are about where a session goes.
#[cfg(feature = "aws")]
const OF_TARGETS: [&str; 3] =
    ["TargetNotConnectedException", "ClusterNotFoundException", "EC2InstanceNotFoundException"];

/// Errors of Systems Manager that are about the document, or may be.
#[cfg(feature = "aws")]
const OF_DOCUMENTS: [&str; 3] = ["AccessDenied", "AccessDeniedException", "InvalidDocument"];

#[cfg(feature = "aws")]
impl From<crate::aws::AwsError> for Error {
    fn from(error: crate::aws::AwsError) -> Self {
        use crate::aws::{AwsError, MfaError};
        let kind = match &error {
            AwsError::Mfa(MfaError::Interrupted) => Kind::Interrupted,
            AwsError::TargetNotConnected { .. } | AwsError::NotFound { .. } => Kind::Target,
            AwsError::Rejected { code, .. } if OF_TARGETS.contains(&code.as_str()) => Kind::Target,
            AwsError::Unreachable { .. } | AwsError::Barred { .. } => Kind::Unreachable,
            AwsError::Unavailable { .. } => Kind::Lost,
            AwsError::NoRegion { .. } | AwsError::Configuration { .. } | AwsError::Tls(_) => {
                Kind::Usage
            }
            _ => Kind::Refused,
        };
        let setting = match &error {
            AwsError::NoRegion { .. } => Some(Setting::Region),
            AwsError::TargetNotConnected { .. } => Some(Setting::Wait),
            AwsError::Mfa(MfaError::NoTerminal { .. } | MfaError::Terminal { .. }) => {
                Some(Setting::MfaCode)
            }
            AwsError::Mfa(MfaError::NoDevice { .. } | MfaError::SeveralDevices { .. }) => {
                Some(Setting::MfaSerial)
            }
            _ => None,
        };
        let cause = match &error {
            error if error.is_throttled() => Some(Cause::Throttled),
            AwsError::TargetNotConnected { .. } => Some(Cause::Unconnected),
            AwsError::Rejected { code, .. } if code == OF_TARGETS[0] => Some(Cause::Unconnected),
            AwsError::Rejected { code, .. } | AwsError::Refused { code, .. }
                if OF_DOCUMENTS.contains(&code.as_str()) =>
            {
                Some(Cause::Document)
            }
            _ => None,
        };
        let next = error.next_step();
        Self { next, setting, cause, ..Self::new(kind, error.to_string()) }
    }
}
