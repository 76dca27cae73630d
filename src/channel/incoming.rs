//! Messages that arrive: in order they pass, ahead of their turn they wait, repeats are told.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Window, outgoing::BLOCK};
use crate::wire::Frame;

/// What is to be done about a message that has arrived.
#[derive(PartialEq, Debug)]
pub(super) enum Arrival {
    /// It is the next one: acknowledge, deliver, [`count`](Incoming::count), then drain
    /// [`next_ready`](Incoming::next_ready). Until it counts it would be the next one again.
    Next(Frame),
    /// It waits for its turn: acknowledge.
    Kept,
    /// It was here before: acknowledge again, since the first acknowledgement may be lost.
    Repeat,
    /// No room for it: do not acknowledge, so that it comes again.
    NoRoom,
}

#[derive(Debug)]
pub(super) struct Incoming {
    expected: i64,
    /// Slot `i` is for the message `expected + i`; slot 0 is filled only between a message's counting
    /// and the draining that follows it.
    waiting: VecDeque<Option<Frame>>,
    waiting_bytes: usize,
    bound: Window,
}

impl Incoming {
    pub(super) fn new(bound: Window) -> Self {
        Self { expected: 0, waiting: VecDeque::new(), waiting_bytes: 0, bound }
    }

    /// Number of the next message in turn.
    pub(super) fn expected(&self) -> i64 {
        self.expected
    }

    /// Whether messages wait for one before them.
    pub(super) fn has_hole(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn accept(&mut self, mut frame: Frame) -> Arrival {
        let ahead = frame.header.sequence_number.saturating_sub(self.expected);
        if ahead < 0 {
            return Arrival::Repeat;
        }
        if ahead == 0 {
            return Arrival::Next(frame);
        }
        let slot = usize::try_from(ahead).unwrap_or(usize::MAX);
        if slot > self.bound.messages {
            return Arrival::NoRoom;
        }
        if self.waiting.get(slot).is_some_and(Option::is_some) {
            return Arrival::Repeat;
        }
        if self.waiting_bytes + frame.payload.len() > self.bound.bytes {
            return Arrival::NoRoom;
        }
        if self.waiting.len() <= slot {
            self.waiting.resize(slot + 1, None);
        }
        // A slice would keep the whole network buffer alive for as long as it waits: a few may, for
        // a moment, when a block comes whose first message goes last.
        if slot > BLOCK {
            frame.payload = Bytes::copy_from_slice(&frame.payload);
        }
        self.waiting_bytes += frame.payload.len();
        self.waiting[slot] = Some(frame);
        Arrival::Kept
    }

    /// The next message, if it has been waiting for its turn.
    pub(super) fn next_ready(&mut self) -> Option<Frame> {
        let frame = self.waiting.front_mut()?.take()?;
        self.waiting_bytes -= frame.payload.len();
        self.count();
        Some(frame)
    }

    /// The message in turn has been delivered: it is the next one's turn.
    pub(super) fn count(&mut self) {
        self.expected = self.expected.saturating_add(1);
        self.waiting.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::wire::{Flags, Header, MessageType, PayloadType};

    fn message(sequence_number: i64) -> Frame {
        sized(sequence_number, 10)
    }

    fn sized(sequence_number: i64, len: usize) -> Frame {
        Frame {
            header: Header {
                message_type: MessageType::OutputStreamData,
                created_ms: 1,
                sequence_number,
                flags: Flags::NONE,
                message_id: Uuid::nil(),
                payload_type: PayloadType::Output,
            },
            digest: [0; 32],
            payload: vec![0; len].into(),
        }
    }

    fn incoming() -> Incoming {
        Incoming::new(Window { bytes: 100, messages: 20 })
    }

    fn drained(incoming: &mut Incoming) -> Vec<i64> {
        std::iter::from_fn(|| incoming.next_ready()).map(|f| f.header.sequence_number).collect()
    }

    #[test]
    fn in_order_messages_pass() {
        let mut incoming = incoming();
        for n in 0..3 {
            assert_eq!(incoming.accept(message(n)), Arrival::Next(message(n)));
            incoming.count();
            assert!(drained(&mut incoming).is_empty());
        }
    }

    #[test]
    fn early_messages_wait_for_the_missing_one() {
        let mut incoming = incoming();
        assert_eq!(incoming.accept(message(2)), Arrival::Kept);
        assert_eq!(incoming.accept(message(1)), Arrival::Kept);
        assert_eq!(incoming.accept(message(4)), Arrival::Kept);
        for _ in 0..2 {
            assert_eq!(incoming.accept(message(0)), Arrival::Next(message(0)));
            assert!(drained(&mut incoming).is_empty(), "it does not count yet");
        }
        incoming.count();
        assert_eq!(drained(&mut incoming), [1, 2]);
        assert!(incoming.has_hole());
        assert_eq!(incoming.accept(message(3)), Arrival::Next(message(3)));
        incoming.count();
        assert_eq!(drained(&mut incoming), [4]);
        assert!(!incoming.has_hole());
        assert_eq!(incoming.waiting_bytes, 0);
    }

    #[test]
    fn repeats_are_told() {
        let mut incoming = incoming();
        incoming.accept(message(0));
        incoming.count();
        incoming.accept(message(2));
        for n in [0, 2, -1, i64::MIN] {
            assert_eq!(incoming.accept(message(n)), Arrival::Repeat, "{n}");
        }
    }

    #[test]
    fn the_bounds_hold() {
        let mut incoming = incoming();
        assert_eq!(incoming.accept(message(20)), Arrival::Kept);
        assert_eq!(incoming.accept(message(21)), Arrival::NoRoom);
        assert_eq!(incoming.accept(message(i64::MAX)), Arrival::NoRoom);
        assert_eq!(incoming.accept(sized(2, 90)), Arrival::Kept);
        assert_eq!(incoming.accept(sized(3, 1)), Arrival::NoRoom);
        assert_eq!(incoming.accept(sized(0, 5000)), Arrival::Next(sized(0, 5000)));
    }

    #[test]
    fn what_waits_does_not_hold_the_network_buffer() {
        let mut incoming = Incoming::new(Window { bytes: 1000, messages: 30 });
        let mut places = Vec::new();
        for number in 1..=20 {
            let early = message(number);
            places.push(early.payload.as_ptr());
            incoming.accept(early);
        }
        incoming.accept(message(0));
        incoming.count();
        let kept = std::iter::from_fn(|| incoming.next_ready()).map(|it| it.payload.as_ptr());
        let is_same: Vec<_> = kept.zip(places).map(|(now, then)| now == then).collect();
        assert_eq!(is_same, [[true; BLOCK].as_slice(), &[false; 20 - BLOCK]].concat());
    }
}
