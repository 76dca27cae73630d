//! One further session of a forward, and what it carries.

use std::{
    fmt::{self, Display, Formatter},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::choice::Load;
use crate::{
    client::Error,
    streams::{Accepted, Connector, Meter, Reading, Within},
};

/// What becomes of a forward's further session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LaneEvent {
    /// It takes connections.
    Stands,
    /// It is closed, as it has had no connection for a while.
    Idle {
        /// For how long.
        after: Duration,
        /// All that went through it.
        carried: Reading,
    },
    /// It is over, with the connections that it had. The others go on.
    Lost {
        /// Why.
        error: Error,
        /// How many connections were cut off.
        cut_off: usize,
        /// All that went through it.
        carried: Reading,
    },
    /// It could not be had. Its connection shares a session that stands.
    NotStarted {
        /// Why.
        error: Error,
        /// For how long none is asked for.
        again: Duration,
    },
}

impl Display for LaneEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stands => f.write_str("a further session stands"),
            Self::Idle { after, .. } => {
                write!(f, "a further session is closed, not used for {} s", after.as_secs())
            }
            Self::Lost { error, cut_off: 0, .. } => {
                write!(f, "a further session is over: {error}")
            }
            Self::Lost { error, cut_off, .. } => {
                write!(f, "a further session is over, with {cut_off} of the connections: {error}")
            }
            Self::NotStarted { error, again } => write!(
                f,
                "no further session: {error}; the connections share those there are, and none is \
                 asked for within {} s",
                again.as_secs()
            ),
        }
    }
}

/// A session beside the first.
pub(super) struct Lane {
    pub(super) number: u32,
    pub(super) meter: Arc<Meter>,
    rate: Rate,
    connector: Connector,
    /// Until it is started.
    pub(super) within: Option<Within>,
    pub(super) stop: watch::Sender<bool>,
    state: Stage,
    /// No connection goes to it any more.
    pub(super) is_ending: bool,
    /// Connections that were open when it ended.
    pub(super) cut_off: usize,
}

enum Stage {
    /// These wait for it, until then.
    Starting { held: Vec<Accepted>, until: Instant },
    /// It has had a connection at that time.
    Stands { used: Instant },
}

impl Lane {
    /// One that is to be started for `first`.
    pub(super) fn new(number: u32, first: Accepted, now: Instant) -> Self {
        let (within, connector, _) = Within::new();
        Self {
            number,
            meter: Arc::default(),
            rate: Rate::default(),
            connector,
            within: Some(within),
            stop: watch::Sender::new(false),
            state: Stage::Starting { held: vec![first], until: now + PATIENCE },
            is_ending: false,
            cut_off: 0,
        }
    }

    pub(super) fn load(&self) -> Load {
        let open = self.meter.read().open;
        let (waiting, is_starting) = match &self.state {
            Stage::Starting { held, .. } => (held.len(), true),
            Stage::Stands { .. } => (0, false),
        };
        Load { connections: open + waiting, rate: self.rate.last(), is_starting }
    }

    /// Takes a connection, or leaves it.
    pub(super) fn take(&mut self, (socket, peer): Accepted, now: Instant) -> Option<Accepted> {
        match &mut self.state {
            Stage::Starting { held, until } if held.len() < HELD && now < *until => {
                held.push((socket, peer));
                None
            }
            Stage::Starting { .. } => Some((socket, peer)),
            Stage::Stands { used } => {
                *used = now;
                let counted = |socket| self.meter.count(socket);
                self.connector.try_hand_over((socket, peer), counted).err()
            }
        }
    }

    /// Its session stands; what has waited for that is handed over. What it cannot take is given back.
    pub(super) fn stands(&mut self, now: Instant) -> Vec<Accepted> {
        let held = self.held();
        self.state = Stage::Stands { used: now };
        held.into_iter().filter_map(|accepted| self.take(accepted, now)).collect()
    }

    /// What waits for it, and is to wait no longer.
    pub(super) fn held(&mut self) -> Vec<Accepted> {
        match &mut self.state {
            Stage::Starting { held, .. } => std::mem::take(held),
            Stage::Stands { .. } => Vec::new(),
        }
    }

    /// What has waited for it for too long.
    pub(super) fn late(&mut self, now: Instant) -> Vec<Accepted> {
        match &mut self.state {
            Stage::Starting { held, until } if now >= *until => std::mem::take(held),
            _ => Vec::new(),
        }
    }

    /// Looks at what comes.
    pub(super) fn note(&mut self, now: Instant) {
        let reading = self.meter.read();
        self.rate.note(reading.received, now);
        if let Stage::Stands { used } = &mut self.state
            && reading.open > 0
        {
            *used = now;
        }
    }

    /// Ends it, if nobody has used it for long.
    pub(super) fn close_idle(&mut self, now: Instant) -> Option<LaneEvent> {
        match self.state {
            Stage::Stands { used } if now >= used + IDLE && !self.is_ending => {
                self.end();
                Some(LaneEvent::Idle { after: IDLE, carried: self.meter.read() })
            }
            _ => None,
        }
    }

    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.stop.send_replace(true);
    }
}

/// Bytes a second, looked at now and then.
#[derive(Default)]
pub(super) struct Rate {
    last: Option<(Instant, u64)>,
    rate: u64,
}

impl Rate {
    /// So many bytes have come in all.
    pub(super) fn note(&mut self, received: u64, now: Instant) {
        let Some((at, before)) = self.last else {
            self.last = Some((now, received));
            return;
        };
        let passed = now.saturating_duration_since(at);
        if passed < LEAST {
            return;
        }
        self.last = Some((now, received));
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.rate = received.saturating_sub(before).saturating_mul(1000) / millis;
    }

    /// At the last look.
    pub(super) fn last(&self) -> u64 {
        self.rate
    }
}

/// How long a connection waits for a session of its own, rather than share one.
const PATIENCE: Duration = Duration::from_secs(3);
/// Connections that wait for one to stand.
const HELD: usize = 64;
/// How long a lane stays that has no connection.
const IDLE: Duration = Duration::from_secs(60);
/// Less says little of a rate.
const LEAST: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::Kind, net::now};

    #[test]
    fn a_rate_is_of_the_time_since_the_last_look() {
        let (mut rate, at) = (Rate::default(), now());
        rate.note(1_000_000, at);
        assert_eq!(rate.last(), 0, "since when, nobody knows");
        rate.note(1_350_000, at + Duration::from_millis(500));
        assert_eq!(rate.last(), 700_000);
        // Looked at again at once.
        rate.note(1_360_000, at + Duration::from_millis(501));
        assert_eq!(rate.last(), 700_000);
        rate.note(1_360_000, at + Duration::from_millis(1_000));
        assert_eq!(rate.last(), 20_000);
    }

    #[test]
    fn each_event_says_what_it_means_for_the_connections() {
        let error = || Error::new(Kind::Refused, "too many sessions");
        let lost = LaneEvent::Lost { error: error(), cut_off: 2, carried: Reading::default() };
        let none = LaneEvent::NotStarted { error: error(), again: Duration::from_secs(15) };
        assert!(lost.to_string().contains("2 of the connections: too many sessions"), "{lost}");
        assert!(none.to_string().contains("asked for within 15 s"), "{none}");
    }
}
