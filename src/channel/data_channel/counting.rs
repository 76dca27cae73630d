//! When a message that has come in its turn counts as received: at once, or, by a habit of the real
//! agent, when its acknowledgement has been written.

use std::time::Instant;

use super::Channel;
use crate::{
    channel::{ChannelError, timer::Timer},
    wire::{Acknowledgement, Frame},
};

/// A message that was delivered and does not count yet. There is one at most: nothing more is
/// received until it counts.
#[derive(Debug)]
pub(super) enum Uncounted {
    /// There is none.
    None,
    /// Its acknowledgement is to be handed out.
    Unacknowledged(Acknowledgement),
    /// Its acknowledgement was handed out, and may not have been written.
    Unwritten,
}

impl Channel {
    /// What was handed out so far has been written to the connection.
    pub fn handle_written(&mut self, now: Instant) {
        if matches!(self.uncounted, Uncounted::Unwritten) {
            self.count(now);
        }
    }

    /// The client's connection was lost, and not this agent's own to the service: what it had to
    /// say, the service has taken. Comes before [`handle_reconnected`](Self::handle_reconnected).
    pub fn handle_client_lost(&mut self, now: Instant) {
        match std::mem::replace(&mut self.uncounted, Uncounted::None) {
            Uncounted::None => {}
            Uncounted::Unacknowledged(acknowledgement) => {
                self.acknowledge(acknowledgement);
                self.count(now);
            }
            Uncounted::Unwritten => self.count(now),
        }
    }

    /// Delivers the message in turn, and what has waited for it.
    pub(super) fn deliver_in_turn(
        &mut self,
        frame: Frame,
        acknowledgement: Acknowledgement,
        now: Instant,
    ) -> Result<(), ChannelError> {
        if self.config.habits.counts_late {
            self.uncounted = Uncounted::Unacknowledged(acknowledgement);
        } else {
            self.acknowledge(acknowledgement);
            self.incoming.count();
        }
        self.deliver(frame, now)?;
        self.deliver_ready(now)
    }

    /// Delivers what has waited for its turn.
    pub(super) fn deliver_ready(&mut self, now: Instant) -> Result<(), ChannelError> {
        self.timers.set(Timer::Turn, None);
        while let Some(frame) = self.incoming.next_ready() {
            self.deliver(frame, now)?;
        }
        Ok(())
    }

    /// The acknowledgement of the message that does not count yet, once.
    pub(super) fn late_acknowledgement(&mut self) -> Option<Acknowledgement> {
        match std::mem::replace(&mut self.uncounted, Uncounted::Unwritten) {
            Uncounted::Unacknowledged(acknowledgement) => Some(acknowledgement),
            other => {
                self.uncounted = other;
                None
            }
        }
    }

    /// Counts the message that was delivered last. What has waited for it is delivered when the
    /// timer is looked at.
    fn count(&mut self, now: Instant) {
        self.uncounted = Uncounted::None;
        self.incoming.count();
        self.timers.set(Timer::Turn, self.incoming.has_hole().then_some(now));
    }
}
