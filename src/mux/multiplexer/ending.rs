//! The end of a stream's sending side, which may be held back for the sake of the answer.

use std::time::{Duration, Instant};

use super::super::{
    StreamId,
    stream::{Outbound, Waiting},
};
use super::Mux;

impl Mux {
    /// The local side has nothing more to send. The stream goes on receiving.
    ///
    /// The FIN is queued at once if the peer's has come or
    /// [`half_close_linger`](crate::mux::Config::half_close_linger) is zero. Else it is held back,
    /// until the peer's comes or until nothing has arrived on the stream
    /// for that long, because the real agent closes both directions when it sees it. The time
    /// counts from [`handle_delivered`](Mux::handle_delivered). While the receive budget is spent
    /// the silence is our own, and the time begins anew.
    pub fn finish(&mut self, id: StreamId) {
        self.end_sending(id, None);
    }

    /// As [`finish`](Mux::finish), of a local side that is known to wait for the answer. The FIN is
    /// held until the peer's comes. When nothing has arrived for as long as `patience`, or for four
    /// times as long if the answer has not begun,
    /// [`Event::Unanswered`](crate::mux::Event::Unanswered) tells so.
    pub fn await_answer(&mut self, id: StreamId, patience: Duration) {
        self.end_sending(id, Some(Waiting { patience, has_begun: false }));
    }

    fn end_sending(&mut self, id: StreamId, waiting: Option<Waiting>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.outbound != Outbound::Open {
            return;
        }
        if std::mem::take(&mut stream.ready) {
            self.turns.withdraw(id);
        }
        let is_held = waiting.is_some() || !self.config.half_close_linger.is_zero();
        if stream.peer_finished || !is_held {
            self.close_outbound(id);
        } else {
            stream.outbound = Outbound::Held { quiet_since: None, wake: None, waiting };
        }
    }

    /// All that was sent on a finished stream has reached the peer: from now on silence is the
    /// peer's. A peer that still waits for the request cannot have answered it. Of no effect on a
    /// stream whose FIN is not held, or that has been delivered before.
    pub fn handle_delivered(&mut self, id: StreamId, now: Instant) {
        if let Some(stream) = self.streams.get(&id)
            && matches!(stream.outbound, Outbound::Held { quiet_since: None, .. })
        {
            self.hold_fin(id, now);
        }
    }

    /// The carrier was replaced: the peer could not be heard for a while, and is given the whole
    /// time anew.
    pub fn handle_reconnected(&mut self, now: Instant) {
        self.streams.values_mut().for_each(|stream| stream.heard(now));
    }

    /// Abandons a stream. What is queued is thrown away and later frames are skipped; the peer
    /// gets a FIN if it has not had one. If the SYN still waits the peer never hears of the stream.
    pub fn reset(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if stream.syn_waits {
            self.control.withdraw(id);
        } else if stream.outbound != Outbound::Closed {
            self.control.push_fin(id);
        }
        self.forget(id);
    }

    /// When [`handle_timeout`](Mux::handle_timeout) wants to be called. It may find nothing to
    /// do, since payload that arrives meanwhile does not move this time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wakes.first().map(|(wake, _)| *wake)
    }

    /// Queues the held FINs that have become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(wake, id)) = self.wakes.first()
            && wake <= now
        {
            self.wakes.pop_first();
            let Some(stream) = self.streams.get(&id) else {
                continue;
            };
            let Outbound::Held { quiet_since: Some(quiet_since), waiting, .. } = stream.outbound
            else {
                continue;
            };
            let limit = waiting.map_or(self.config.half_close_linger, Waiting::limit);
            // Who still has something to read is not kept waiting by the peer.
            let is_reading = waiting.is_some() && !stream.queue.is_empty();
            if !self.has_room() || is_reading {
                self.hold_fin(id, now);
            } else if now.saturating_duration_since(quiet_since) < limit {
                self.hold_fin(id, quiet_since);
            } else if waiting.is_some() {
                self.tell_unanswered(id);
            } else {
                self.close_outbound(id);
            }
        }
    }

    pub(super) fn hold_fin(&mut self, id: StreamId, since: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if let Outbound::Held { quiet_since, wake, waiting } = &mut stream.outbound {
            let limit = waiting.map_or(self.config.half_close_linger, Waiting::limit);
            self.wakes.extend(since.checked_add(limit).map(|at| (at, id)));
            let before = std::mem::replace(wake, since.checked_add(limit));
            if let Some(before) = before.filter(|before| Some(*before) != *wake) {
                self.wakes.remove(&(before, id));
            }
            *quiet_since = Some(since);
        }
    }

    fn tell_unanswered(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            if stream.news.is_empty() {
                self.with_news.push_back(id);
            }
            stream.news.unanswered = true;
        }
    }

    pub(super) fn close_outbound(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut stream.outbound, Outbound::Closed);
        if let Outbound::Held { wake: Some(wake), .. } = before {
            self.wakes.remove(&(wake, id));
        }
        self.control.push_fin(id);
        self.forget_if_over(id);
    }
}
