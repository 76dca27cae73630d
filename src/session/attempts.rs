//! When a lost connection is tried again.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::net::now;

/// Attempts to have the connection again, with longer and longer pauses between them: a third of
/// the time that it has been gone, so that coming back takes little longer than being away.
pub(super) struct Attempts {
    pub(super) began: Instant,
    pause: Duration,
    /// The user has been told.
    pub(super) have_failed: bool,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { began: now(), pause: Duration::ZERO, have_failed: false }
    }

    /// Waits until it is time for the next one; the first needs no wait.
    pub(super) async fn pause(&mut self) {
        // Jitter, so that many clients that lost the same service do not come back at once.
        let jitter = rand::random_range(0.5..1.0);
        sleep(self.pause.mul_f64(jitter)).await;
        self.pause = ((now() - self.began) / 3).clamp(FIRST_PAUSE, LAST_PAUSE);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(10);
