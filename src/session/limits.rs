//! How long a session waits for what may never come.

use std::time::Duration;

use crate::{
    channel::Sending,
    net::{ANSWER_PATIENCE, SILENCE_LIMIT},
};

/// What a user may set of a session: its patience, and how it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// A connection on which nothing comes for this long is taken for dead, and replaced.
    pub silence: Duration,
    /// How long a lost session is tried to be resumed.
    pub resumption: Duration,
    /// How long a program that has finished its request is kept waiting while nothing of the answer
    /// comes; four times that for the first of it.
    pub answer: Duration,
    /// How messages leave.
    pub sending: Sending,
}

impl Default for Limits {
    /// A minute of silence; and 20 minutes, for which the service keeps a session unless its owner
    /// has set another idle time.
    fn default() -> Self {
        Self {
            silence: SILENCE_LIMIT,
            resumption: Duration::from_secs(20 * 60),
            answer: ANSWER_PATIENCE,
            sending: Sending::default(),
        }
    }
}
