//! Local programs that have finished: whether they wait for an answer, and how long they may.
//!
//! The end of a request is not passed on while its answer may come, as the real agent closes both
//! directions with it. That of a program which has gone altogether is passed on at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Notice, Relay, StreamEnd};
use crate::{
    channel::Channel,
    mux::{Role, StreamId},
    net::{Parting, Socket},
};

/// Programs that have finished and wait, to be looked at again: that one of them has gone, nothing
/// tells. Those that have been answered meanwhile are found out when it is their turn.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<(Instant, StreamId), Instant>);

impl Looks {
    fn add(&mut self, id: StreamId, since: Instant, now: Instant) {
        let pause = now.saturating_duration_since(since).clamp(FIRST_LOOK, LAST_LOOK);
        self.0.insert((now + pause, id), since);
    }

    fn take_due(&mut self, now: Instant) -> Option<(StreamId, Instant)> {
        let due = self.0.first_entry().filter(|look| look.key().0 <= now)?;
        let ((_, id), since) = due.remove_entry();
        Some((id, since))
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first_key_value().map(|((at, _), _)| *at)
    }
}

impl<S: Socket> Relay<S> {
    /// The local side of a stream has sent all that it will, and the other side goes on.
    pub(super) fn finish(&mut self, id: StreamId, channel: &Channel, now: Instant) {
        let Some(connection) = self.connections.get(&id) else { return };
        let is_client = self.config.mux.role == Role::Client;
        match if is_client { connection.socket.parting() } else { Parting::Unknown } {
            Parting::Closed => return self.abandon(id, StreamEnd::Local),
            Parting::HalfClosed => {
                self.mux.await_answer(id, self.config.answer_patience);
                self.looks.add(id, now, now);
            }
            Parting::Unknown => self.mux.finish(id),
        }
        self.undelivered.push_back((channel.next_sequence_number(), id));
        self.note_delivered(channel, now);
    }

    /// Not `channel.is_drained()`: with others sending it hardly ever is.
    pub(super) fn note_delivered(&mut self, channel: &Channel, now: Instant) {
        while let Some(&(below, id)) = self.undelivered.front()
            && below <= channel.first_unacknowledged()
        {
            self.undelivered.pop_front();
            self.mux.handle_delivered(id, now);
        }
    }

    /// Lets go of what waited for an answer and has gone.
    pub(super) fn look_for_gone(&mut self, now: Instant) {
        while let Some((id, since)) = self.looks.take_due(now) {
            let Some(connection) = self.connections.get(&id) else { continue };
            if connection.socket.parting() == Parting::Closed {
                self.abandon(id, StreamEnd::Local);
            } else {
                self.looks.add(id, since, now);
            }
        }
    }

    /// Not a clean end, which would look like the answer's.
    pub(super) fn give_up(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get(&id) else { return };
        connection.socket.reset_on_close();
        self.notices.push_back(Notice::Unanswered(id));
        self.abandon(id, StreamEnd::Unanswered);
    }
}

/// A socket that is being closed has its owner for a moment longer.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_frequent_at_first_and_then_one_a_second() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let id = StreamId(3);
        looks.add(id, start, start);
        let mut times = Vec::new();
        while let Some(at) = looks.next().filter(|at| *at < start + Duration::from_secs(4)) {
            assert_eq!(looks.take_due(at - FIRST_LOOK / 2), None);
            assert_eq!(looks.take_due(at), Some((id, start)));
            times.push((at - start).as_millis());
            looks.add(id, start, at);
        }
        assert_eq!(times, [10, 20, 40, 80, 160, 320, 640, 1280, 2280, 3280]);
    }
}
