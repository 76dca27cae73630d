//! The order in which no data comes twice, whatever becomes of the agent's own connection.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    pair::{client, port_session},
    *,
};
use crate::wire::{Frame, MessageType, Packet, PayloadType};

/// A client, an agent that counts late, and the service between them.
struct Bench {
    client: Channel,
    agent: Channel,
    now: Instant,
    /// What the service has for the agent, and for the client.
    to_agent: VecDeque<Bytes>,
    to_client: VecDeque<Bytes>,
    sent: u32,
    delivered: Vec<u32>,
}

impl Bench {
    /// With the handshake done, and one message delivered.
    fn new(order: Order) -> Self {
        let now = Instant::now();
        let mut config = Config::new(
            Role::Agent { session: Some(port_session()) },
            "3.3.0.0",
            1_795_282_361_748,
            2,
        );
        config.habits.counts_late = true;
        let mut client_config = Config::new(Role::Client, "1.2.835.0", 1_795_282_361_748, 1);
        client_config.sending.order = order;
        let mut bench = Self {
            client: Channel::new(client_config, now),
            agent: Channel::new(config, now),
            now,
            to_agent: VecDeque::new(),
            to_client: VecDeque::new(),
            sent: 0,
            delivered: Vec::new(),
        };
        while !bench.client.can_send() {
            bench.settle();
            bench.pass(5);
        }
        bench.client.guard(FILLER);
        bench.send(1, true);
        bench.settle();
        bench
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.client.handle_timeout(self.now).unwrap();
        self.agent.handle_timeout(self.now).unwrap();
    }

    fn send(&mut self, count: u32, is_sealed: bool) {
        for _ in 0..count {
            let packet = Packet::copy_from(&self.sent.to_be_bytes());
            self.client.send_part(PayloadType::Output, packet, self.now);
            self.sent += 1;
        }
        if is_sealed {
            self.client.seal();
        }
    }

    /// The client writes at most so many frames.
    fn transmit(&mut self, count: usize) {
        let frames = std::iter::from_fn(|| self.client.poll_transmit(self.now)).take(count);
        self.to_agent.extend(frames);
    }

    /// The agent takes the next frame, if there is one; whether it writes what it has to say.
    fn take(&mut self, is_written: bool) -> bool {
        let frame = self.to_agent.pop_front().filter(|_| self.agent.can_receive());
        let came = frame.is_some();
        if let Some(frame) = frame {
            self.agent.handle_frame(frame, self.now).unwrap();
        }
        self.listen();
        if is_written {
            self.to_client.extend(std::iter::from_fn(|| self.agent.poll_transmit(self.now)));
            self.agent.handle_written(self.now);
            self.agent.handle_timeout(self.now).unwrap();
            self.listen();
        }
        came
    }

    fn listen(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            if let Event::Data { payload, .. } = event
                && payload.len() == 4
            {
                self.delivered.push(u32::from_be_bytes(*payload.first_chunk().unwrap()));
            }
        }
    }

    fn hear(&mut self) {
        while let Some(frame) = self.to_client.pop_front() {
            self.client.handle_frame(frame, self.now).unwrap();
            while self.client.poll_event().is_some() {}
        }
    }

    /// The agent's connection breaks, with all that is under way to it. Before, it has taken some of
    /// it; what it had to say to the last of that it could not write.
    fn break_agents_connection(&mut self, takes: usize) {
        for _ in 0..takes {
            self.take(true);
        }
        self.take(false);
        self.to_agent.clear();
        self.to_client.clear();
        self.agent.handle_reconnected(self.now);
    }

    /// Until everything has arrived.
    fn settle(&mut self) {
        for _ in 0..1000 {
            self.transmit(usize::MAX);
            while self.take(true) {}
            self.hear();
            if self.client.is_drained() && self.agent.is_drained() {
                return;
            }
            let timeouts = [self.client.poll_timeout(), self.agent.poll_timeout()];
            let next = timeouts.into_iter().flatten().min().expect("something is due");
            self.now = self.now.max(next);
            self.pass(0);
        }
        panic!("no end in sight");
    }
}

#[derive(Clone, Copy, Debug)]
struct Break {
    messages: u32,
    is_sealed: bool,
    written: usize,
    taken: usize,
}

fn breaks() -> impl Strategy<Value = Vec<Break>> {
    let one = (0u32..40, any::<bool>(), 0usize..50, 0usize..50);
    let one = one.prop_map(|(messages, is_sealed, written, taken)| Break {
        messages,
        is_sealed,
        written,
        taken,
    });
    proptest::collection::vec(one, 1..8)
}

fn after(order: Order, breaks: &[Break]) -> Bench {
    let mut bench = Bench::new(order);
    for one in breaks {
        bench.send(one.messages, one.is_sealed);
        bench.transmit(one.written);
        bench.break_agents_connection(one.taken);
        bench.client.seal();
        bench.settle();
    }
    bench
}

proptest! {
    #[test]
    fn no_data_comes_twice_when_the_agents_connection_breaks(breaks in breaks()) {
        let bench = after(Order::Guarded, &breaks);
        prop_assert_eq!(bench.delivered, (0..bench.sent).collect::<Vec<_>>());
    }
}

#[test]
fn in_the_plain_order_it_does() {
    let one = Break { messages: 3, is_sealed: true, written: 3, taken: 1 };
    assert_eq!(after(Order::Plain, &[one]).delivered, [0, 1, 2, 2, 3]);
}

#[test]
fn the_guard_has_the_lowest_number_of_its_block_and_goes_last() {
    let mut bench = Bench::new(Order::Guarded);
    bench.send(10, false);
    let numbers = |bench: &mut Bench| {
        bench.transmit(usize::MAX);
        let frames = bench.to_agent.drain(..).map(|frame| Frame::decode(frame).unwrap());
        let data = frames.filter(|it| it.header.message_type == MessageType::InputStreamData);
        data.map(|it| (it.header.sequence_number, it.payload.len() == FILLER.len()))
            .collect::<Vec<_>>()
    };
    let first = numbers(&mut bench);
    let start = first[0].0 - 1;
    let expected: Vec<_> =
        (1..9).map(|n| (n, false)).chain([(0, true)]).chain((10..12).map(|n| (n, false))).collect();
    assert_eq!(first, expected.iter().map(|(n, guard)| (start + n, *guard)).collect::<Vec<_>>());
    assert_eq!(numbers(&mut bench), [], "more may come for the second block");
    bench.client.seal();
    assert_eq!(numbers(&mut bench), [(start + 9, true)]);
    // What is sent again has the same order.
    bench.client.handle_reconnected(bench.now);
    let mut again = Vec::new();
    while again.len() < 12 {
        again.extend(numbers(&mut bench));
        bench.pass(1);
    }
    let expected = expected.into_iter().chain([(9, true)]);
    assert_eq!(again, expected.map(|(n, guard)| (start + n, guard)).collect::<Vec<_>>());
}

#[test]
fn blocks_have_guards_only_behind_the_first_acknowledgement() {
    let now = Instant::now();
    let mut channel = client(now);
    channel.guard(FILLER);
    for _ in 0..3 {
        channel.send(PayloadType::Output, Packet::copy_from(b"early"), now);
    }
    assert_eq!(std::iter::from_fn(|| channel.poll_transmit(now)).count(), 3);
}

/// As long as a multiplexer's.
const FILLER: &[u8] = &[0; 8];
