//! Whether a command that was writing has fallen silent for good.
//!
//! The real agent stops reading a command's output when it finds its connection paused, or its
//! client away, while there is some. The command then waits for ever on its full pipe, and nobody
//! says so.

use std::time::{Duration, Instant};

/// Watches for nothing to come behind an interruption in the middle of output.
#[derive(Debug)]
pub(super) struct Silence {
    last_data: Option<Instant>,
    /// Since when, and until when that means nothing.
    silent: Option<(Instant, Instant)>,
    patience: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self::after(PATIENCE)
    }
}

impl Silence {
    /// Of a command that writes again within `patience` once its connection is as it was.
    pub(super) fn after(patience: Duration) -> Self {
        Self { last_data: None, silent: None, patience }
    }

    pub(super) fn handle_data(&mut self, now: Instant) {
        self.last_data = Some(now);
        self.silent = None;
    }

    /// The service has asked for a pause, which may take its time.
    pub(super) fn handle_pause(&mut self, now: Instant) {
        let is_writing = |at: Instant| now.saturating_duration_since(at) < PATIENCE;
        if self.silent.is_none() && self.last_data.is_some_and(is_writing) {
            self.silent = Some((now, now + PATIENCE));
        }
    }

    /// The pause is over. That another one follows is no reason to wait for longer.
    pub(super) fn handle_resumption(&mut self, now: Instant) {
        self.handle_pause(now);
        let until = now + self.patience;
        self.silent = self.silent.map(|(since, before)| (since, until.min(before)));
    }

    /// There is another connection: the time without one counts for nothing.
    pub(super) fn handle_reconnected(&mut self, now: Instant) {
        self.handle_pause(now);
        self.silent = self.silent.map(|_| (now, now + self.patience));
    }

    /// How long nothing has come, once it is to be told.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Duration> {
        let (since, _) = self.silent.filter(|(_, until)| now >= *until)?;
        self.silent = None;
        Some(now - since)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.silent.map(|(_, until)| until)
    }
}

/// A command that was writing writes again by then.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_only_behind_an_interruption_of_output() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut silence = Silence::default();
        // Nothing had come, or not for long.
        silence.handle_pause(start);
        assert_eq!(silence.poll_timeout(), None);
        silence.handle_data(start);
        silence.handle_reconnected(start + 11 * second);
        assert_eq!(silence.poll_timeout(), None);

        silence.handle_data(start);
        silence.handle_pause(start + second);
        silence.handle_reconnected(start + 3 * second);
        silence.handle_pause(start + 4 * second);
        assert_eq!(silence.poll(start + 12 * second), None);
        assert_eq!(silence.poll_timeout(), Some(start + 13 * second));
        assert_eq!(silence.poll(start + 13 * second), Some(10 * second));
        assert_eq!((silence.poll(start + 30 * second), silence.poll_timeout()), (None, None));

        silence.handle_pause(start + 4 * second);
        silence.handle_data(start + 5 * second);
        assert_eq!(silence.poll(start + 60 * second), None);
    }

    #[test]
    fn one_that_writes_all_the_time_is_waited_for_less_long_behind_a_pause() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut silence = Silence::after(5 * second);
        silence.handle_data(start);
        silence.handle_pause(start);
        assert_eq!(silence.poll_timeout(), Some(start + 10 * second));
        silence.handle_resumption(start + second);
        assert_eq!(silence.poll_timeout(), Some(start + 6 * second));
        silence.handle_pause(start + 2 * second);
        silence.handle_resumption(start + 3 * second);
        assert_eq!(silence.poll(start + 6 * second), Some(6 * second));

        silence.handle_data(start + 7 * second);
        silence.handle_reconnected(start + 8 * second);
        assert_eq!(silence.poll_timeout(), Some(start + 13 * second));
    }
}
