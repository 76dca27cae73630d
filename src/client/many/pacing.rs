//! When the next session may be started, where the service wants fewer of them a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::sleep_until;

use crate::net::now;

/// Spreads the starts of many sessions once one of them was refused for being too many, and lets them
/// come closer again while none is.
#[derive(Debug)]
pub(super) struct Pacing(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Between two starts; nothing until the service has complained.
    spacing: Duration,
    next: Instant,
    /// When it was last made longer: complaints of what was asked before say nothing of it.
    since: Instant,
}

impl Pacing {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { spacing: Duration::ZERO, next: now(), since: now() }))
    }

    /// Waits for one's turn to start a session; when that is.
    pub(super) async fn turn(&self) -> Instant {
        let at = self.state(|state| state.turn(now()));
        sleep_until(at.into()).await;
        now()
    }

    /// The service has refused a start, asked for at this time, as one too many.
    pub(super) fn throttled(&self, asked: Instant) {
        self.state(|state| state.throttled(asked, now()));
    }

    /// A session was started.
    pub(super) fn started(&self) {
        self.state(State::started);
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn turn(&mut self, now: Instant) -> Instant {
        let at = self.next.max(now);
        self.next = at + self.spacing;
        at
    }

    /// Of many that were asked for at once most may be refused, which is one complaint.
    fn throttled(&mut self, asked: Instant, now: Instant) {
        if asked >= self.since {
            self.spacing = (self.spacing * 2).clamp(LEAST, MOST);
            self.since = now;
        }
        self.next = self.next.max(now + self.spacing);
    }

    fn started(&mut self) {
        self.spacing = self.spacing * 7 / 8;
        if self.spacing < LEAST {
            self.spacing = Duration::ZERO;
        }
    }
}

const LEAST: Duration = Duration::from_millis(100);
/// AWS allows more than one in so long a time.
const MOST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_after_a_complaint_and_come_closer_again() {
        let began = now();
        let mut state = State { spacing: Duration::ZERO, next: began, since: began };
        assert_eq!((state.turn(began), state.turn(began)), (began, began));
        let later = began + Duration::from_millis(1);
        state.throttled(began, later);
        // They were asked for with the first one.
        for _ in 0..20 {
            state.throttled(began, later);
        }
        assert_eq!(state.spacing, LEAST);
        state.throttled(later, began);
        state.next = began + state.spacing;
        let at: Vec<_> = (0..3).map(|_| state.turn(began) - began).collect();
        assert_eq!(at, [200, 400, 600].map(Duration::from_millis));
        for _ in 0..20 {
            state.throttled(later, began);
        }
        assert_eq!(state.spacing, MOST);
        for _ in 0..40 {
            state.started();
        }
        assert_eq!(state.spacing, Duration::ZERO);
    }
}
