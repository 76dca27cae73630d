//! Waiting for what takes a moment.

use std::{thread, time::Duration};

/// Looks again and again, for a second at most; whether it was done by then.
pub(super) fn within_a_second(mut is_done: impl FnMut() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        is_done() || {
            thread::sleep(PAUSE);
            false
        }
    })
}

const LOOKS: usize = 40;
const PAUSE: Duration = Duration::from_millis(25);
