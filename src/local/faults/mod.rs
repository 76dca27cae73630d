//! A service on which nothing can be relied, on purpose: it loses, repeats and holds back frames,
//! breaks connections, pauses and goes away.
//!
//! It stands where the real service does, between the client's WebSocket and the agent's driver:
//!
//! ```text
//!   client --- WebSocket ---+                        +--- WebSockets in memory --- Driver, agent
//!                           |                        |      one after the other
//!                         Relay: moves frames, sleeps until the next deadline
//!                           |                        |
//!                       Connection: what happens to which frame, and when
//!                           |                        |
//!                         Way, from the client     Way, from the agent
//!                           |                        |
//!                    channel::link::Link       what a pause holds
//! ```
//!
//! What happens is decided by state machines in virtual time, from a seed. Nothing is lost other
//! than by chance or with a broken connection: a way that holds as much as it may is not filled any
//! further, which its sender feels through TCP.

mod connection;
mod list;
mod relay;
mod schedule;
mod way;

use std::time::{Duration, Instant};

pub use list::{Faults, FaultsError};
pub use relay::Relay;

use super::session::DataChannel;
use connection::{Connection, Side};

/// The faults of one endpoint, from its start on.
#[derive(Clone, Copy, Debug)]
pub struct FaultyService {
    faults: Faults,
    began: Instant,
}

impl FaultyService {
    /// A service that begins at `now`.
    pub fn new(faults: Faults, now: Instant) -> Self {
        Self { faults, began: now }
    }

    /// Whether the service cannot be reached at all.
    pub fn is_away(&self, now: Instant) -> bool {
        self.faults.restart.is_some_and(|restart| restart.is_on(self.age(now)))
    }

    /// What stands between the client and the agent on a data channel that opens at `now`; nothing
    /// when there are no faults.
    pub fn connection(
        &self,
        data_channel: &DataChannel,
        now: Instant,
        epoch_ms: u64,
    ) -> Option<Connection> {
        (!self.faults.is_none()).then(|| Connection::new(*self, data_channel, now, epoch_ms))
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}
