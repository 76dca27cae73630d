//! In the steady state data passes through both channels without an allocation.
//!
//! The counter is the process's allocator; it counts those of the measuring thread alone, so
//! tests that run beside it do no harm.

use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use bytes::{BufMut, Bytes};
use serde_json::Value;
use ssmport::{
    channel::{Channel, Config, Event, Role},
    wire::{PacketPool, PayloadType, handshake::SessionTypeParameters},
};

#[test]
fn large_messages_cost_no_allocation() {
    assert_steady(16 * 1024);
}

#[test]
fn small_messages_cost_no_allocation() {
    assert_steady(100);
}

/// The counter sees what it is to see: a packet of its own is an allocation.
#[test]
fn an_allocation_for_each_message_would_be_noticed() {
    let info = allocation_counter::measure(|| {
        for _ in 0..MESSAGES {
            std::hint::black_box(ssmport::wire::Packet::copy_from(&[0; 100]));
        }
    });
    assert!(info.count_total >= MESSAGES as u64, "{info:?}");
}

fn assert_steady(payload_len: usize) {
    for direction in [Direction::Upload, Direction::Download] {
        let mut pair = Pair::new(direction, payload_len);
        // Queues and chunks grow to the size that they keep.
        pair.pass(MESSAGES);
        let info = allocation_counter::measure(|| pair.pass(MESSAGES));
        let AllocationInfo { count_total, bytes_total, .. } = info;
        println!(
            "{direction:?}: {count_total} allocations of {bytes_total} bytes in all for \
             {MESSAGES} messages of {payload_len} bytes"
        );
        assert!(count_total < MOST_ALLOCATIONS, "{direction:?} of {payload_len} bytes: {info:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Upload,
    Download,
}

/// A channel that sends and one that receives, with nothing between them.
struct Pair {
    sender: Channel,
    receiver: Channel,
    pool: PacketPool,
    payload: Vec<u8>,
    now: Instant,
}

impl Pair {
    /// Both ends after the handshake.
    fn new(direction: Direction, payload_len: usize) -> Self {
        let now = start();
        let session =
            SessionTypeParameters { session_type: "Port".to_owned(), properties: Value::Null };
        let client = Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), now);
        let role = Role::Agent { session: Some(session) };
        let agent = Channel::new(Config::new(role, "3.3.0.0", 1, 2), now);
        let (mut sender, receiver) = match direction {
            Direction::Upload => (client, agent),
            Direction::Download => (agent, client),
        };
        sender.guard(&[0; 8]);
        let (pool, payload) = (PacketPool::new(256 * 1024), vec![b'x'; payload_len]);
        let mut pair = Self { sender, receiver, pool, payload, now };
        while !(pair.sender.can_send() && pair.receiver.can_send()) {
            pair.exchange();
            assert!(pair.now - now < Duration::from_secs(1), "the handshake does not end");
        }
        pair
    }

    /// Sends messages in batches that are acknowledged before the next, whatever the window says: the
    /// channel takes what it is given.
    fn pass(&mut self, messages: usize) {
        let mut delivered = 0;
        for _ in 0..messages / BATCH {
            for _ in 0..BATCH {
                let mut slot = self.pool.slot(self.payload.len());
                slot.space().put_slice(&self.payload);
                self.sender.send(PayloadType::Output, slot.finish(), self.now);
            }
            delivered += self.exchange();
            assert!(self.sender.is_drained());
        }
        assert_eq!(delivered, messages);
    }

    /// Carries everything there and back; returns the messages of data that came out.
    fn exchange(&mut self) -> usize {
        let mut delivered = 0;
        self.now += Duration::from_millis(1);
        for channel in [&mut self.sender, &mut self.receiver] {
            channel.handle_timeout(self.now).expect("nothing takes long");
        }
        carry(&mut self.sender, &mut self.receiver, self.now);
        while let Some(event) = self.receiver.poll_event() {
            delivered += usize::from(is_data(&event, &self.payload));
        }
        self.now += Duration::from_millis(1);
        carry(&mut self.receiver, &mut self.sender, self.now);
        while self.sender.poll_event().is_some() {}
        delivered
    }
}

fn carry(from: &mut Channel, to: &mut Channel, now: Instant) {
    while let Some(frame) = from.poll_transmit(now) {
        to.handle_frame(frame, now).expect("a frame");
    }
}

fn is_data(event: &Event, expected: &[u8]) -> bool {
    matches!(event, Event::Data { payload, .. } if Bytes::as_ref(payload) == expected)
}

#[expect(clippy::disallowed_methods, reason = "tests choose where time begins")]
fn start() -> Instant {
    Instant::now()
}

const MESSAGES: usize = 10_000;

/// Messages under way at once, as many as the relay reads before the wire has its turn.
const BATCH: usize = 8;

/// For all messages together: room for a queue that grows once more, not for one a message.
const MOST_ALLOCATIONS: u64 = 20;
