//! How long a session waits for what may never come.

use std::time::Duration;

use crate::net::SILENCE_LIMIT;

/// What a user may set of a session's patience.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// A connection on which nothing comes for this long is taken for dead, and replaced.
    pub silence: Duration,
    /// How long a lost session is tried to be resumed.
    pub resumption: Duration,
}

impl Default for Limits {
    /// A minute of silence; and 20 minutes, for which the service keeps a session unless its owner
    /// has set another idle time.
    fn default() -> Self {
        Self { silence: SILENCE_LIMIT, resumption: Duration::from_secs(20 * 60) }
    }
}
