//! When a lost connection is tried again.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::net::now;

/// Attempts to have the connection again, with longer and longer pauses between them: a third of
/// the time that it has been gone, and two seconds at most, so that it is there again as soon as the
/// service is.
pub(super) struct Attempts {
    until: Instant,
    began: Instant,
    pause: Duration,
    /// The user has been told.
    pub(super) have_failed: bool,
}

impl Attempts {
    /// As many as `limit` has room for. The first one needs no wait.
    pub(super) fn within(limit: Duration) -> Self {
        let began = now();
        // Nobody waits for longer than the clock can tell.
        let until = began.checked_add(limit).unwrap_or(began + FOR_EVER);
        Self { until, began, pause: Duration::ZERO, have_failed: false }
    }

    /// The same, of a service that has just refused an attempt.
    pub(super) fn after_refusal(self) -> Self {
        Self { pause: FIRST_PAUSE, ..self }
    }

    /// Has the next attempt wait as the first ones of a data channel do: the service has taken the
    /// last connection and thrown it away.
    pub(super) fn hold_back(&mut self) {
        self.pause = self.pause.max(DIAL_PAUSE);
    }

    /// Whether there is time for another one.
    pub(super) fn may_go_on(&self) -> bool {
        now() < self.until
    }

    /// How long that goes on, for people.
    pub(super) fn left(&self) -> String {
        let left = self.until.saturating_duration_since(now()).as_secs().max(1);
        format!("for {} more", humantime::format_duration(Duration::from_secs(left)))
    }

    /// Waits until it is time for the next one.
    pub(super) async fn pause(&mut self) {
        sleep_about(self.pause).await;
        self.pause = ((now() - self.began) / 3).clamp(FIRST_PAUSE, LAST_PAUSE);
    }
}

/// Waits between two attempts to open a session's first data channel.
pub(super) async fn pause_between_dials() {
    sleep_about(DIAL_PAUSE).await;
}

/// With jitter, so that many clients that lost the same service do not come back at once.
async fn sleep_about(pause: Duration) {
    sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
}

const FOR_EVER: Duration = Duration::from_secs(1 << 32);
/// The reference client's are 0.2 to 0.5 s.
const DIAL_PAUSE: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
