//! Readers that hold up all the others: the budget for received bytes is spent, and stays spent.
//!
//! The protocol has no flow control of single streams, so what arrives for others waits behind
//! what nobody takes. A reader that is merely slow is told of, one that takes as good as nothing
//! is to be reset.

use std::time::{Duration, Instant};

/// Watches the budget. It has no clock: each look is told the time.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The budget, in bytes.
    budget: u64,
    stuck_limit: Duration,
    spent: Option<Spent>,
}

/// What a look has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The readers need more than ten seconds for what the budget holds. Said once, until it is
    /// over.
    Slow,
    /// They have taken next to nothing for the whole limit.
    Stuck,
    /// What was slow has ended; it lasted for so long.
    Over(Duration),
}

/// The budget is spent, save for moments.
#[derive(Debug)]
struct Spent {
    since: Instant,
    slow: Meter,
    stuck: Meter,
    is_told: bool,
    /// Since when there has been room, and nobody has used it.
    room_since: Option<Instant>,
}

/// The time in which less than some amount was taken.
#[derive(Debug)]
struct Meter {
    since: Instant,
    received: u64,
}

impl Crowd {
    /// For a budget of so many bytes, and the time after which readers count as stuck.
    pub(super) fn new(budget: usize, stuck_limit: Duration) -> Self {
        Self { budget: budget as u64, stuck_limit, spent: None }
    }

    /// Looks at what there is at `now`: whether there are others to be held up, whether there is
    /// room in the budget, and how many bytes all readers have taken so far.
    pub(super) fn look(
        &mut self,
        now: Instant,
        has_others: bool,
        has_room: bool,
        received: u64,
    ) -> Option<Verdict> {
        let begin = || (has_others && !has_room).then(|| Spent::new(now, received));
        let Some(spent) = &mut self.spent else {
            self.spent = begin();
            return None;
        };
        if has_room {
            spent.room_since.get_or_insert(now);
        }
        if !has_others || spent.room_since.is_some_and(|at| now >= at + ROOM) {
            let over = Verdict::Over(now.saturating_duration_since(spent.since));
            let is_told = spent.is_told;
            self.spent = begin();
            return is_told.then_some(over);
        }
        if has_room {
            return None;
        }
        spent.room_since = None;
        if spent.stuck.is_over(now, received, self.budget / STUCK_PART, self.stuck_limit) {
            self.spent = None;
            return Some(Verdict::Stuck);
        }
        let is_slow = spent.slow.is_over(now, received, self.budget, SLOW_LIMIT);
        (is_slow && !std::mem::replace(&mut spent.is_told, is_slow)).then_some(Verdict::Slow)
    }

    /// When to look again, if nothing else gives cause.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let spent = self.spent.as_ref()?;
        let slow = (!spent.is_told).then(|| spent.slow.since + SLOW_LIMIT);
        let stuck = spent.stuck.since + self.stuck_limit;
        Some(match spent.room_since {
            Some(at) => at + ROOM,
            None => slow.map_or(stuck, |slow| slow.min(stuck)),
        })
    }
}

impl Spent {
    fn new(now: Instant, received: u64) -> Self {
        let meter = || Meter { since: now, received };
        Self { since: now, slow: meter(), stuck: meter(), is_told: false, room_since: None }
    }
}

impl Meter {
    /// Whether less than `amount` was taken in `limit`; begins anew when it was more.
    fn is_over(&mut self, now: Instant, received: u64, amount: u64, limit: Duration) -> bool {
        if received.saturating_sub(self.received) >= amount {
            *self = Self { since: now, received };
        }
        now >= self.since + limit
    }
}

/// Readers that take less than the budget in this time make others wait for longer than that.
const SLOW_LIMIT: Duration = Duration::from_secs(10);
/// Of the budget: who takes less than 64 KiB of 4 MiB in a minute needs more than an hour.
const STUCK_PART: u64 = 64;
/// Room for so long means that nothing waits to be received.
const ROOM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: usize = 6400;
    const LIMIT: Duration = Duration::from_secs(60);

    /// Each second `taken` bytes are taken, and at once made good; what is found, and when.
    fn seconds(crowd: &mut Crowd, t0: Instant, count: u64, taken: u64) -> Vec<(u64, Verdict)> {
        let look = |second| {
            let now = t0 + Duration::from_secs(second);
            crowd.look(now, true, true, second * taken);
            crowd.look(now, true, false, second * taken).map(|verdict| (second, verdict))
        };
        (0..count).filter_map(look).collect()
    }

    #[test]
    fn slow_is_who_needs_more_than_ten_seconds_for_the_budget_and_stuck_who_takes_nothing() {
        let found = |taken| {
            let mut crowd = Crowd::new(BUDGET, LIMIT);
            crowd.look(Instant::now(), true, false, 0);
            seconds(&mut crowd, Instant::now(), 100, taken)
        };
        assert_eq!(found(640), []);
        assert_eq!(found(600), [(10, Verdict::Slow)]);
        assert_eq!(found(2), [(10, Verdict::Slow)]);
        assert_eq!(found(1)[..2], [(10, Verdict::Slow), (60, Verdict::Stuck)]);
    }

    #[test]
    fn it_is_over_when_there_is_room_that_nobody_uses_or_nobody_else() {
        for has_others in [true, false] {
            let (mut crowd, t0) = (Crowd::new(BUDGET, LIMIT), Instant::now());
            assert_eq!(seconds(&mut crowd, t0, 20, 1), [(10, Verdict::Slow)]);
            let at = t0 + Duration::from_secs(20);
            let first = crowd.look(at, has_others, true, 20);
            let second = crowd.look(at + ROOM, has_others, true, 20);
            let over = |seconds| Some(Verdict::Over(Duration::from_secs(seconds)));
            let expected = if has_others { (None, over(21)) } else { (over(20), None) };
            assert_eq!((first, second), expected);
            assert_eq!(crowd.poll_timeout(), None);
        }
    }
}
