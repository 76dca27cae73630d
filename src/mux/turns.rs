use std::collections::VecDeque;

use super::StreamId;

/// Whose turn it is to send: streams that have something after a silence first, once each, then all
/// that have more, one after the other.
///
/// What is typed does not wait behind what is copied, and a stream cannot use that to be always
/// first: it has its turn behind the others before it counts as silent. Linux' fq_codel does the same
/// (RFC 8290, section 4).
#[derive(Default)]
pub(super) struct Turns {
    fresh: VecDeque<StreamId>,
    ring: VecDeque<StreamId>,
}

impl Turns {
    /// A stream that was in no line has something.
    pub(super) fn push_fresh(&mut self, id: StreamId) {
        self.fresh.push_back(id);
    }

    /// A stream that has just had a turn may have more.
    pub(super) fn push(&mut self, id: StreamId) {
        self.ring.push_back(id);
    }

    pub(super) fn next(&mut self) -> Option<StreamId> {
        self.next_fresh().or_else(|| self.ring.pop_front())
    }

    pub(super) fn next_fresh(&mut self) -> Option<StreamId> {
        self.fresh.pop_front()
    }

    /// Takes a stream out of its line.
    pub(super) fn withdraw(&mut self, id: StreamId) {
        self.fresh.retain(|other| *other != id);
        self.ring.retain(|other| *other != id);
    }
}
