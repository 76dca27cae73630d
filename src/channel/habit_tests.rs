//! An agent's channel with the habits of the real one, and a client's frames.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::wire::{
    Frame, Header, MessageType, Packet, PayloadType, control::Flag,
    handshake::SessionTypeParameters,
};

/// An agent, and the frames of a client that does what the test says.
struct Bench {
    agent: Channel,
    client: Channel,
    now: Instant,
}

impl Bench {
    fn new(habits: Habits) -> Self {
        let now = Instant::now();
        let session = SessionTypeParameters {
            session_type: "Port".to_owned(),
            properties: json!({"portNumber": "22"}),
        };
        let role = Role::Agent { session: Some(session) };
        let mut config = Config::new(role, "3.3.0.0", 1_795_282_361_748, 2);
        config.habits = habits;
        let client = Config::new(Role::Client, "1.2.295", 1_795_282_361_748, 1);
        Self { agent: Channel::new(config, now), client: Channel::new(client, now), now }
    }

    /// With the handshake done at this moment.
    fn ready(habits: Habits) -> Self {
        let mut bench = Self::new(habits);
        bench.shake_hands();
        bench
    }

    fn shake_hands(&mut self) {
        for _ in 0..3 {
            while let Some(frame) = self.agent.poll_transmit(self.now) {
                self.client.handle_frame(frame, self.now).unwrap();
            }
            while let Some(frame) = self.client.poll_transmit(self.now) {
                self.agent.handle_frame(frame, self.now).unwrap();
            }
        }
        while self.agent.poll_event().is_some() {}
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// The client's next message, sent at once.
    fn send(&mut self, text: &'static str) -> Bytes {
        self.client.send(PayloadType::Output, Packet::copy_from(text.as_bytes()), self.now);
        self.client.poll_transmit(self.now).unwrap()
    }

    /// Hands a frame to the agent: whether it was acknowledged, and what was delivered.
    fn hand_over(&mut self, frame: Bytes) -> (bool, Vec<Event>) {
        self.agent.handle_frame(frame, self.now).unwrap();
        let acknowledged = self.agent.poll_transmit(self.now).is_some_and(|frame| {
            Frame::decode(frame).unwrap().header.message_type == MessageType::Acknowledge
        });
        (acknowledged, std::iter::from_fn(|| self.agent.poll_event()).collect())
    }

    /// What the agent sends, as (sequence number, milliseconds from now), until it is quiet for
    /// `ms`.
    fn sent_within(&mut self, ms: u64) -> Vec<(i64, u128)> {
        let (start, end) = (self.now, self.now + Duration::from_millis(ms));
        let mut sent = Vec::new();
        loop {
            self.agent.handle_timeout(self.now).unwrap();
            while let Some(frame) = self.agent.poll_transmit(self.now) {
                let header = Frame::decode(frame).unwrap().header;
                if header.message_type == MessageType::OutputStreamData {
                    sent.push((header.sequence_number, (self.now - start).as_millis()));
                }
            }
            match self.agent.poll_timeout() {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => return sent,
            }
        }
    }
}

fn delivered(text: &'static str) -> Vec<Event> {
    vec![Event::Data { payload_type: PayloadType::Output, payload: text.into() }]
}

#[test]
fn data_before_the_handshake_is_acknowledged_and_forgotten() {
    let mut bench = Bench::new(Habits::default());
    let early = bench.send("too early");
    assert_eq!(bench.hand_over(early), (true, vec![]));
    bench.client.send_flag(Flag::TerminateSession, bench.now);
    let flag = bench.client.poll_transmit(bench.now).unwrap();
    assert_eq!(bench.hand_over(flag), (true, vec![]));
    bench.shake_hands();
    let frame = bench.send("in time");
    assert_eq!(bench.hand_over(frame), (true, delivered("in time")));
}

#[test]
fn early_data_has_its_sessions_fate_for_four_milliseconds() {
    for (early_data, acknowledged, events) in [
        (EarlyData::Taken, true, delivered("early")),
        (EarlyData::Unacknowledged, false, vec![]),
        (EarlyData::Forgotten, true, vec![]),
    ] {
        let mut bench = Bench::ready(Habits { early_data, ..Habits::default() });
        bench.pass(3);
        let frame = bench.send("early");
        assert_eq!(bench.hand_over(frame.clone()), (acknowledged, events), "{early_data:?}");
        bench.pass(1);
        if early_data == EarlyData::Unacknowledged {
            assert_eq!(bench.hand_over(frame), (true, delivered("early")), "it has come again");
        }
        let frame = bench.send("later");
        assert_eq!(bench.hand_over(frame), (true, delivered("later")), "{early_data:?}");
    }
}

#[test]
fn undated_frames_are_dropped() {
    for drop_undated in [true, false] {
        let mut bench = Bench::ready(Habits { drop_undated, ..Habits::default() });
        let frame = Frame::decode(bench.send("undated")).unwrap();
        let undated = Header { created_ms: 0, ..frame.header };
        let undated = undated.encode(Packet::copy_from(&frame.payload));
        assert_eq!(bench.hand_over(undated).0, !drop_undated);
    }
}

#[test]
fn old_clients_alone_get_a_message() {
    for (last, message) in [("1.2.295", "update"), ("1.2.294.0", "")] {
        let habits = Habits {
            old_client_message: Some((last.to_owned(), "update".to_owned())),
            ..Habits::default()
        };
        let mut bench = Bench::ready(habits);
        let ready =
            std::iter::from_fn(|| bench.client.poll_event()).find_map(|event| match event {
                Event::Ready(ready) => Some(ready),
                _ => None,
            });
        assert_eq!(ready.unwrap().customer_message, message);
    }
}

#[test]
fn the_oldest_message_alone_comes_again_every_100_ms() {
    let habits = Habits { resend_slowly: true, ..Habits::default() };
    let mut bench = Bench::ready(habits);
    for _ in 0..3 {
        bench.agent.send(PayloadType::Output, Packet::copy_from(b"x"), bench.now);
    }
    let sent = bench.sent_within(350);
    let (first, later) = sent.split_at(3);
    assert_eq!(first.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(later.iter().all(|(number, _)| *number == 2), "{later:?}");
    assert!(later.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 100), "{later:?}");
    assert!((2..=3).contains(&later.len()), "{later:?}");

    bench.agent.handle_reconnected(bench.now);
    assert_eq!(bench.agent.poll_transmit(bench.now), None, "a new connection changes nothing");
}
