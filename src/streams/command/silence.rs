//! Whether a command that was writing has fallen silent for good.
//!
//! The real agent stops reading a command's output when it finds its connection paused, or its
//! client away, while there is some. The command then waits for ever on its full pipe, and nobody
//! says so.

use std::time::{Duration, Instant};

/// Watches for nothing to come behind an interruption in the middle of output.
#[derive(Debug, Default)]
pub(super) struct Silence {
    last_data: Option<Instant>,
    since: Option<Instant>,
}

impl Silence {
    pub(super) fn handle_data(&mut self, now: Instant) {
        self.last_data = Some(now);
        self.since = None;
    }

    /// The service has asked for a pause, or its end.
    pub(super) fn handle_pause(&mut self, now: Instant) {
        let is_writing = |at: Instant| now.saturating_duration_since(at) < PATIENCE;
        if self.since.is_none() && self.last_data.is_some_and(is_writing) {
            self.since = Some(now);
        }
    }

    /// There is another connection: the time without one counts for nothing.
    pub(super) fn handle_reconnected(&mut self, now: Instant) {
        self.handle_pause(now);
        self.since = self.since.map(|_| now);
    }

    /// How long nothing has come, once it is to be told.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.filter(|since| now >= *since + PATIENCE)?;
        self.since = None;
        Some(now - since)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
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
}
