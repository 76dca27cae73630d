//! Sessions that could not be had: programs try again at once, and the service is not asked as often.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    client::{Error, Kind},
    session::SessionEnd,
};

/// What the service has said last, and for how long that holds.
#[derive(Default)]
pub(super) struct Cooling {
    /// Of every destination.
    all: Option<Pause>,
    /// Of one alone: its node forbids it.
    single: HashMap<String, Pause>,
}

struct Pause {
    until: Instant,
    length: Duration,
    error: Error,
}

/// Whether a session may be started.
pub(super) enum Verdict {
    Go,
    /// It may be had then.
    Wait(Instant),
    Refuse(Error),
}

impl Cooling {
    pub(super) fn verdict(&self, destination: &str, now: Instant) -> Verdict {
        let holds = |pause: &&Pause| now < pause.until;
        if let Some(pause) = self.single.get(destination).filter(holds) {
            return Verdict::Refuse(pause.error.clone());
        }
        match self.all.as_ref().filter(holds) {
            None => Verdict::Go,
            // It is throttled, or has a moment.
            Some(pause) if pause.error.kind() == Kind::Lost => Verdict::Wait(pause.until),
            Some(pause) => Verdict::Refuse(pause.error.clone()),
        }
    }

    /// A session for `destination` has ended so, and never stood.
    pub(super) fn begin(
        &mut self,
        destination: &str,
        ended: &Result<SessionEnd, Error>,
        now: Instant,
    ) {
        let error = match ended {
            Ok(end) => Error::new(Kind::Lost, "the session ended as it began").because(end),
            Err(error) if is_of_all(error.kind()) => return self.begin_for_all(error, now),
            Err(error) => error.clone(),
        };
        if self.single.len() >= MOST {
            self.single.clear();
        }
        let pause = Pause { until: now + LONGEST_REFUSAL, length: LONGEST_REFUSAL, error };
        self.single.insert(destination.to_owned(), pause);
    }

    fn begin_for_all(&mut self, error: &Error, now: Instant) {
        // Several that were started together have failed together.
        if self.all.as_ref().is_some_and(|pause| now < pause.until) {
            return;
        }
        let longest = match error.kind() {
            Kind::Lost => LONGEST_WAIT,
            _ => LONGEST_REFUSAL,
        };
        let before = self.all.as_ref().map(|pause| pause.length * 2);
        let length = before.unwrap_or(FIRST).min(longest);
        self.all = Some(Pause { until: now + length, length, error: error.clone() });
    }

    /// A session stands: the service gives some.
    pub(super) fn end(&mut self) {
        self.all = None;
    }
}

/// Whether such an error would meet other destinations, too: the service or the node is away. What is refused
/// may be one document, or one host.
fn is_of_all(kind: Kind) -> bool {
    matches!(kind, Kind::Lost | Kind::Unreachable | Kind::Target)
}

const FIRST: Duration = Duration::from_secs(1);
/// Behind throttling, and failures of the service's own.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Behind what somebody has to mend, who wants to see that it is.
const LONGEST_REFUSAL: Duration = Duration::from_secs(5);
/// Destinations that are remembered.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::now;

    fn refused(kind: Kind) -> Result<SessionEnd, Error> {
        Err(Error::new(kind, "no"))
    }

    #[test]
    fn throttling_is_waited_for_longer_and_longer() {
        let (mut cooling, mut at) = (Cooling::default(), now());
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert!(matches!(cooling.verdict("db:1", at), Verdict::Go));
            cooling.begin("db:1", &refused(Kind::Lost), at);
            let again = at + Duration::from_secs(seconds);
            assert!(matches!(cooling.verdict("web:2", at), Verdict::Wait(until) if until == again));
            // Another one that was started before.
            cooling.begin("web:2", &refused(Kind::Lost), at);
            at = again;
        }
        cooling.end();
        cooling.begin("db:1", &refused(Kind::Lost), at);
        let first = at + FIRST;
        assert!(matches!(cooling.verdict("db:1", at), Verdict::Wait(until) if until == first));
    }

    #[test]
    fn a_refusal_holds_for_a_moment_for_all_and_of_one_destination_for_that_one() {
        let (mut cooling, at) = (Cooling::default(), now());
        cooling.begin("db:1", &refused(Kind::Target), at);
        assert!(matches!(cooling.verdict("web:2", at), Verdict::Refuse(_)));
        assert!(matches!(cooling.verdict("web:2", at + FIRST), Verdict::Go));

        let mut cooling = Cooling::default();
        cooling.begin("db:1", &refused(Kind::Refused), at);
        assert!(matches!(cooling.verdict("db:1", at), Verdict::Refuse(_)));
        let closed = Ok(SessionEnd::Closed { reason: "forbidden".to_owned() });
        cooling.begin("127.0.0.1:1", &closed, at);
        assert!(matches!(cooling.verdict("web:2", at), Verdict::Go));
        let Verdict::Refuse(error) = cooling.verdict("127.0.0.1:1", at) else { panic!("it goes") };
        assert_eq!(error.why(), Some("forbidden"));
        assert!(matches!(cooling.verdict("127.0.0.1:1", at + LONGEST_REFUSAL), Verdict::Go));
    }
}
