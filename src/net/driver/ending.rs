//! How a session comes to its end on a connection: who said so, and what is still waited for.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Application, Disconnect, DriveError, Driver, Outcome};
use crate::channel::Event;

/// How far the end has come.
pub(super) enum Ending {
    /// The session runs.
    No,
    /// The application is done; until then its last words may be acknowledged.
    Done(Instant),
    /// The service has closed the session; what was sent before may still be on its way. Since
    /// when, and why.
    Closing(Instant, String),
    /// Nothing more is waited for; until then, if there is a limit, what was received may be
    /// passed on.
    Closed(Option<Instant>, String),
}

impl<S, A> Driver<'_, S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Application,
{
    /// Looks whether all has come that comes behind the service's word that the session is over.
    pub(super) fn poll_last_words(
        &mut self,
        is_held: bool,
        now: Instant,
    ) -> Result<(), DriveError> {
        let (is_patient, until) = (self.application.is_patient(), self.last_words_until());
        let Ending::Closing(since, reason) = &mut self.ending else { return Ok(()) };
        if is_held && is_patient && !self.is_gone {
            // It may be there and unread.
            *since = now;
        } else if until.is_some_and(|until| now >= until) {
            let reason = std::mem::take(reason);
            let limit = (!is_patient).then(|| now + ENDING_TIMEOUT);
            self.ending = Ending::Closed(limit, reason.clone());
            self.tell(Event::Closed { reason }, now)?;
        }
        Ok(())
    }

    fn last_words_until(&self) -> Option<Instant> {
        let Ending::Closing(since, _) = &self.ending else { return None };
        let limit = match self.channel.has_hole() {
            _ if self.is_gone => Duration::ZERO,
            true => ENDING_TIMEOUT,
            false if self.application.has_last_word() => Duration::ZERO,
            false => LAST_WORDS,
        };
        Some(*since + limit)
    }

    /// When the ending is to be looked at again.
    pub(super) fn ending_timeout(&self) -> Option<Instant> {
        match self.ending {
            Ending::No => None,
            Ending::Done(deadline) => Some(deadline),
            Ending::Closing(..) => self.last_words_until(),
            Ending::Closed(limit, _) => limit,
        }
    }

    pub(super) fn ended(&mut self, now: Instant) -> Option<Outcome> {
        match &mut self.ending {
            Ending::No => None,
            Ending::Done(deadline) => {
                (self.channel.is_drained() || now >= *deadline).then_some(Outcome::Done)
            }
            Ending::Closing(..) => None,
            Ending::Closed(limit, reason) => {
                if limit.is_some_and(|limit| now >= limit) {
                    return Some(Outcome::Closed { reason: std::mem::take(reason) });
                }
                let is_drained = self.application.is_drained();
                is_drained.then(|| match (std::mem::take(reason), self.channel.has_hole()) {
                    (reason, true) => Outcome::Truncated { reason },
                    (reason, false) => Outcome::Closed { reason },
                })
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.ending, Ending::Closing(..) | Ending::Closed(..))
    }

    /// What a lost connection means at this point. The service leaves right behind its word that
    /// the session is over, which is no reason to hurry.
    pub(super) fn after(&mut self, disconnect: Disconnect) -> Option<Outcome> {
        match self.ending {
            // It does not wait for an answer, and does not come back.
            Ending::No if self.is_told_to_end => Some(Outcome::Done),
            Ending::No => Some(Outcome::Disconnected(disconnect)),
            Ending::Done(_) => Some(Outcome::Done),
            Ending::Closing(..) | Ending::Closed(..) => {
                self.is_gone = true;
                None
            }
        }
    }
}

/// As long as the real agent waits at the end of a session.
pub(super) const ENDING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long what has been overtaken by the service's last word is waited for when nothing is known
/// to be missing, unless the application has heard the last word. As a rule the service hangs up long
/// before.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(200);
