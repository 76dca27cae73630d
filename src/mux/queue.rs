use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// The bytes of one stream that have arrived and wait to be delivered.
///
/// Payload arrives as slices of the carrier's buffers, and a slice keeps its whole buffer: a few
/// bytes for a stream that nobody reads could keep a megabyte that was for others. So a slice is
/// kept as it is only at the head of the queue, where it will most likely be delivered in a
/// moment, and until [`settle`](ReceiveQueue::settle). What has to wait is copied, at less than
/// the write costs that it waits for, into chunks of the queue's own.
#[derive(Default)]
pub(super) struct ReceiveQueue {
    /// Never empty while `tail` has bytes, so that the head is always a slice.
    slices: VecDeque<Bytes>,
    /// The chunk that is still growing, behind `slices`.
    tail: Vec<u8>,
    /// Bytes in all.
    len: usize,
    /// The head is a slice of a carrier's buffer.
    loose: bool,
}

impl ReceiveQueue {
    /// Adds a slice at the end. Returns by how much the [`charge`](ReceiveQueue::charge) rose.
    #[must_use]
    pub(super) fn push(&mut self, slice: Bytes) -> usize {
        let before = self.charge();
        self.len += slice.len();
        if self.slices.is_empty() {
            self.loose = true;
            self.slices.push_back(slice);
        } else {
            self.tail.extend_from_slice(&slice);
            if self.tail.len() >= CHUNK {
                self.seal_tail();
            }
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
                head.advance(left);
                left = 0;
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

    /// Copies a slice that is still at the head, and so lets go of the carrier's buffer.
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
    #[cfg(test)]
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
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
    fn a_slice_at_the_head_keeps_the_buffer_until_settled() {
        for len in [10, 50_000] {
            let buffer = Bytes::from(vec![7; 100_000]);
            let mut queue = ReceiveQueue::default();
            let _ = queue.push(buffer.slice(..len));
            assert_eq!(queue.front().unwrap().as_ptr(), buffer.as_ptr());
            queue.settle();
            assert!(buffer.is_unique(), "nothing but the test keeps the buffer");
            assert_eq!(contents(&queue), vec![7; len]);
        }
    }

    #[test]
    fn slices_behind_others_keep_no_buffer() {
        let buffer = Bytes::from(vec![7; 100_000]);
        let mut queue = ReceiveQueue::default();
        let _ = queue.push(Bytes::from_static(b"head"));
        let _ = queue.push(buffer.clone());
        assert!(buffer.is_unique());
        assert_eq!(queue.len(), 100_004);
    }

    #[test]
    fn a_drained_queue_keeps_no_long_list() {
        let mut queue = ReceiveQueue::default();
        for _ in 0..1_000 {
            let _ = queue.push(Bytes::from(vec![0; CHUNK]));
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
            2 => (CHUNK / 4..2 * CHUNK).prop_map(Step::Push),
            3 => (0..CHUNK).prop_map(Step::Consume),
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
