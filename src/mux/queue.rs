use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// The bytes of one stream that have arrived and wait to be delivered.
///
/// Payload arrives as slices of the carrier's buffers. Keeping a slice keeps its whole buffer, so
/// a slice is only kept while it is worth it:
///
/// - one of at least [`COPY_BELOW`] bytes, for as long as that much of it is left;
/// - a smaller one at the head of the queue, where it will most likely be delivered in a moment,
///   until [`settle`](ReceiveQueue::settle);
/// - all others are copied, and lie together in chunks of the queue's own.
#[derive(Default)]
pub(super) struct ReceiveQueue {
    /// Never empty while `tail` has bytes, so that the head is always a slice.
    slices: VecDeque<Bytes>,
    /// The chunk that is still growing, behind `slices`.
    tail: Vec<u8>,
    /// Bytes in all.
    len: usize,
    /// The head is a small slice of a carrier's buffer.
    loose: bool,
}

impl ReceiveQueue {
    /// Adds a slice at the end. Returns by how much the [`charge`](ReceiveQueue::charge) rose.
    #[must_use]
    pub(super) fn push(&mut self, slice: Bytes) -> usize {
        let before = self.charge();
        self.len += slice.len();
        if self.slices.is_empty() {
            self.loose = slice.len() < COPY_BELOW;
            self.slices.push_back(slice);
        } else if slice.len() < COPY_BELOW {
            self.tail.extend_from_slice(&slice);
            if self.tail.len() >= CHUNK {
                self.seal_tail();
            }
        } else {
            self.seal_tail();
            self.slices.push_back(slice);
        }
        self.charge() - before
    }

    /// Removes `n` bytes, or all there are, from the head. Returns by how much the
    /// [`charge`](ReceiveQueue::charge) fell.
    #[must_use]
    pub(super) fn consume(&mut self, n: usize) -> usize {
        let before = self.charge();
        let mut left = n.min(self.len);
        self.len -= left;
        while left > 0
            && let Some(head) = self.slices.front_mut()
        {
            if left < head.len() {
                let was_large = head.len() >= COPY_BELOW;
                head.advance(left);
                left = 0;
                if was_large && head.len() < COPY_BELOW {
                    *head = Bytes::copy_from_slice(head);
                }
            } else {
                left -= head.len();
                self.slices.pop_front();
                self.loose = false;
                if self.slices.is_empty() {
                    self.seal_tail();
                }
            }
        }
        if self.slices.is_empty() && self.slices.capacity() > SPARE_SLOTS {
            self.slices = VecDeque::new();
        }
        before - self.charge()
    }

    /// Copies a small slice that is still at the head, and so lets go of the carrier's buffer.
    pub(super) fn settle(&mut self) {
        if self.loose
            && let Some(head) = self.slices.front_mut()
        {
            *head = Bytes::copy_from_slice(head);
        }
        self.loose = false;
    }

    /// The slice at the head.
    pub(super) fn front(&self) -> Option<&Bytes> {
        self.slices.front()
    }

    /// All bytes, in order, in as many pieces as they are kept.
    pub(super) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        self.slices.iter().map(|slice| &slice[..]).chain(tail)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether [`settle`](ReceiveQueue::settle) would copy.
    pub(super) fn is_loose(&self) -> bool {
        self.loose
    }

    /// What the queue costs: its bytes, and [`SLICE_OVERHEAD`] for every piece.
    pub(super) fn charge(&self) -> usize {
        let pieces = self.slices.len() + usize::from(!self.tail.is_empty());
        self.len + SLICE_OVERHEAD * pieces
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let chunk = std::mem::take(&mut self.tail);
            self.slices.push_back(Bytes::from(chunk));
        }
    }
}

/// Charged for every slice kept, beside its bytes: about what the bookkeeping of one costs.
pub const SLICE_OVERHEAD: usize = 64;

/// Slices below this are copied when they have to wait. Copying that much costs less than the
/// write it waits for; a slice above is worth keeping the carrier's buffer for.
pub const COPY_BELOW: usize = 4 * 1024;

/// A chunk of copied bytes is closed at this length, so that what was delivered can be freed.
const CHUNK: usize = 16 * 1024;

/// Slots that an empty queue may keep for the next slices.
const SPARE_SLOTS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(queue: &ReceiveQueue) -> Vec<u8> {
        queue.slices().collect::<Vec<_>>().concat()
    }

    #[test]
    fn small_slices_behind_others_share_a_chunk() {
        let mut queue = ReceiveQueue::default();
        for _ in 0..1_000 {
            let _ = queue.push(Bytes::from_static(b"x"));
        }
        assert_eq!(queue.charge(), 1_000 + 2 * SLICE_OVERHEAD);
        assert_eq!(queue.front().map(Bytes::len), Some(1));
        let _ = queue.consume(1);
        assert_eq!(queue.front().map(Bytes::len), Some(999));
    }

    #[test]
    fn a_small_slice_at_the_head_keeps_the_buffer_until_settled() {
        let buffer = Bytes::from(vec![7; 100_000]);
        let mut queue = ReceiveQueue::default();
        let _ = queue.push(buffer.slice(..10));
        assert_eq!(queue.front().unwrap().as_ptr(), buffer.as_ptr());
        queue.settle();
        assert!(buffer.is_unique(), "nothing but the test keeps the buffer");
        assert_eq!(contents(&queue), [7; 10]);
    }

    #[test]
    fn a_large_slice_keeps_the_buffer_until_little_is_left_of_it() {
        let buffer = Bytes::from(vec![7; 100_000]);
        let mut queue = ReceiveQueue::default();
        let _ = queue.push(buffer.clone());
        queue.settle();
        let _ = queue.consume(100_000 - COPY_BELOW);
        assert!(!buffer.is_unique());
        let _ = queue.consume(1);
        assert!(buffer.is_unique());
        assert_eq!(queue.len(), COPY_BELOW - 1);
    }

    #[test]
    fn a_drained_queue_keeps_no_long_list() {
        let mut queue = ReceiveQueue::default();
        for _ in 0..1_000 {
            let _ = queue.push(Bytes::from(vec![0; COPY_BELOW]));
        }
        let _ = queue.consume(usize::MAX);
        assert!(queue.slices.capacity() <= SPARE_SLOTS);
        assert_eq!(queue.charge(), 0);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Consume(usize),
        Settle,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..200usize).prop_map(Step::Push),
            2 => (COPY_BELOW - 2..3 * COPY_BELOW).prop_map(Step::Push),
            3 => (0..2 * COPY_BELOW).prop_map(Step::Consume),
            2 => (0..300usize).prop_map(Step::Consume),
            1 => Just(Step::Settle),
        ]
    }

    proptest! {
        /// However bytes are kept, they come out as they went in, and the charges add up.
        #[test]
        fn bytes_leave_in_the_order_they_came(steps in prop::collection::vec(step(), 0..120)) {
            let mut queue = ReceiveQueue::default();
            let mut model = VecDeque::<u8>::new();
            let mut charge = 0;
            let mut next = 0u8;
            for step in steps {
                match step {
                    Step::Push(len) => {
                        let bytes: Vec<u8> = (0..len).map(|at| (at as u8) ^ next).collect();
                        next = next.wrapping_add(1);
                        model.extend(&bytes);
                        charge += queue.push(Bytes::from(bytes));
                    }
                    Step::Consume(n) => {
                        model.drain(..n.min(model.len()));
                        charge -= queue.consume(n);
                    }
                    Step::Settle => queue.settle(),
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.charge(), charge);
                prop_assert_eq!(queue.front().is_none(), model.is_empty());
                prop_assert!(queue.front().is_none_or(|head| !head.is_empty()));
            }
            prop_assert_eq!(contents(&queue), Vec::from(model));
            let _ = queue.consume(usize::MAX);
            prop_assert_eq!(queue.charge(), 0);
        }
    }
}
