//! When a message counts as lost.

use std::time::Instant;

use super::{BLOCK, Outgoing, State};

impl Outgoing {
    /// Marks as lost what later messages have overtaken; returns when to look again.
    pub(in crate::channel) fn find_overtaken(&mut self, now: Instant) -> Option<Instant> {
        let newest = self.newest_acknowledged?;
        let limit = self.recovery.overtaking_limit();
        let mut look_again: Option<Instant> = None;
        for index in 0..self.unsent {
            let message = &self.ring[index];
            let Some(sent) = message.last_sent else { continue };
            if message.state != State::UnderWay || message.order > newest {
                continue;
            }
            let deadline = sent + limit;
            if deadline <= now {
                self.lose(index);
                self.recovery.handle_lost();
            } else {
                look_again = Some(look_again.map_or(deadline, |at| at.min(deadline)));
            }
        }
        look_again
    }

    /// Whether a message that is under way was sent before one that is acknowledged, as far as the
    /// oldest ones show.
    pub(in crate::channel) fn has_gap(&self) -> bool {
        let oldest = self.ring.iter().take(self.unsent.min(BLOCK + 1));
        oldest
            .filter(|message| message.state == State::UnderWay)
            .any(|message| Some(message.order) < self.newest_acknowledged)
    }

    /// Nothing was acknowledged in time: the message that was sent longest ago goes again, whatever
    /// the window says.
    pub(in crate::channel) fn handle_timeout(&mut self) {
        self.recovery.handle_timeout();
        self.probes = true;
        let sent = self.ring.iter().enumerate().take(self.unsent);
        let under_way = sent.filter(|(_, message)| message.state == State::UnderWay);
        if self.lost == 0
            && let Some((index, _)) = under_way.min_by_key(|(_, message)| message.order)
        {
            self.lose(index);
        }
    }

    /// As the real agent: the oldest message is lost once its time is up, and no other.
    pub(in crate::channel) fn lose_front(&mut self, now: Instant) {
        let timeout = self.recovery.agents_timeout();
        let Some(message) = self.ring.front() else { return };
        let sent = message.last_sent.filter(|_| message.state == State::UnderWay);
        if sent.is_some_and(|sent| now.saturating_duration_since(sent) >= timeout) {
            self.lose(0);
            self.probes = true;
        }
    }

    /// Marks everything under way as lost: the connection that carried it is gone.
    pub(in crate::channel) fn lose_all(&mut self) {
        for index in 0..self.unsent {
            if self.ring[index].state == State::UnderWay {
                self.lose(index);
            }
        }
    }

    fn lose(&mut self, index: usize) {
        let message = &mut self.ring[index];
        message.state = State::Lost;
        self.under_way -= message.len;
        self.lost += 1;
        self.first_lost = self.first_lost.min(index);
    }
}
