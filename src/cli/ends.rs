//! How the ends of sessions are told.

use std::io;

use super::{
    attended::{Attended, Ending},
    failure::{Code, Failure},
    signals,
};
use crate::client::{SessionEnd, opening::Ended};

/// A shell or a command that is over.
pub(super) struct Over {
    pub(super) end: SessionEnd,
    pub(super) exit_code: Option<i64>,
    /// Everything that was received has been written.
    pub(super) is_complete: bool,
    pub(super) output_failed: Option<io::Error>,
}

impl Over {
    /// What there is to be said of `ended`; of one whose output the user has not waited for, nothing
    /// but that.
    pub(super) fn of(ended: Option<Ended>, attended: &Attended) -> Result<Self, Failure> {
        let Some(Ended { end, exit_code, is_complete, output_failed }) = ended else {
            return Err(attended.interrupted());
        };
        let by_user = matches!(attended.ending(), Some(Ending::Signal(_) | Ending::Timeout));
        match end {
            Err(_) if !is_complete && by_user => Err(attended.interrupted()),
            end => Ok(Self { end: end?, exit_code, is_complete, output_failed }),
        }
    }
}

/// A session that ended and was not meant to.
pub(super) fn lost(end: &SessionEnd, target: &str) -> Failure {
    let why = match end {
        SessionEnd::Closed { reason } if !reason.is_empty() => reason.clone(),
        SessionEnd::Closed { .. } => "the service closed it".to_owned(),
        SessionEnd::TimedOut => "the service says that it is over".to_owned(),
        SessionEnd::Done => "it was ended from this side".to_owned(),
    };
    Failure::new(Code::Lost, format!("the session to {target} has ended"))
        .because(why)
        .next("start it again")
}

/// Output that nobody takes. A reader that had enough is no error to speak of.
pub(super) fn cannot_write(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Code::Signal(signals::PIPE), "nobody reads"),
        _ => Failure::local("cannot write what was received").because(error),
    }
}
