//! The channel's deadlines, one for each [`Timer`].

use std::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// The handshake should have ended.
    Handshake,
    /// The first data may go out.
    FirstData,
    /// The oldest unacknowledged message is to be sent again.
    Retransmit,
    /// A message that others have overtaken counts as lost.
    Reorder,
    /// The next message may have its turn.
    Pace,
    /// A pause has lasted so long that its end must have been lost.
    Pause,
    /// Messages that have waited for their turn may be delivered.
    Turn,
}

impl Timer {
    pub(super) const ALL: [Self; 7] = [
        Self::Handshake,
        Self::FirstData,
        Self::Retransmit,
        Self::Reorder,
        Self::Pace,
        Self::Pause,
        Self::Turn,
    ];
}

#[derive(Default, Debug)]
pub(super) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, deadline: Option<Instant>) {
        self.0[timer as usize] = deadline;
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one timer whose deadline has come.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let due = |timer: &Timer| self.0[*timer as usize].is_some_and(|at| at <= now);
        let timer = Timer::ALL.into_iter().find(due)?;
        self.set(timer, None);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn expire_once_each_when_their_time_has_come() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set(Timer::Retransmit, Some(at(20)));
        timers.set(Timer::Handshake, Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.expired(at(9)), None);
        assert_eq!(timers.expired(at(20)), Some(Timer::Handshake));
        assert_eq!(timers.expired(at(20)), Some(Timer::Retransmit));
        assert_eq!(timers.expired(at(20)), None);
        assert_eq!(timers.next(), None);
    }
}
