//! An agent's channel with the habits of the real one, and a client's frames.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::wire::{
    Flags, Frame, Header, MessageType, Packet, PayloadType, control::Flag,
    handshake::SessionTypeParameters,
};

/// An agent, and the frames of a client that does what the test says.
struct Bench {
    agent: Channel,
    client: Channel,
    start: Instant,
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
        Self {
            agent: Channel::new(config, now),
            client: Channel::new(client, now),
            start: now,
            now,
        }
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
                self.agent.handle_written(self.now);
                self.client.handle_frame(frame, self.now).unwrap();
            }
            while let Some(frame) = self.client.poll_transmit(self.now) {
                self.agent.handle_frame(frame, self.now).unwrap();
            }
        }
        while self.agent.poll_event().is_some() {}
    }

    /// All that both have to say at this moment.
    fn exchange(&mut self) {
        self.agent.handle_timeout(self.now).unwrap();
        self.client.handle_timeout(self.now).unwrap();
        loop {
            let from_agent = self.agent.poll_transmit(self.now);
            let from_client = self.client.poll_transmit(self.now);
            if from_agent.is_none() && from_client.is_none() {
                break;
            }
            from_agent.into_iter().for_each(|it| self.client.handle_frame(it, self.now).unwrap());
            from_client.into_iter().for_each(|it| self.agent.handle_frame(it, self.now).unwrap());
        }
        while self.client.poll_event().is_some() {}
        while self.agent.poll_event().is_some() {}
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).unwrap()
    }

    /// The client's acknowledgement of one of the agent's messages.
    fn acknowledgement_of(&self, sequence_number: i64) -> Bytes {
        let document = json!({
            "AcknowledgedMessageType": "output_stream_data",
            "AcknowledgedMessageId": "8929574e-7385-4b42-9c01-1976a33351d2",
            "AcknowledgedMessageSequenceNumber": sequence_number,
            "IsSequentialMessage": true,
        });
        let header = Header {
            message_type: MessageType::Acknowledge,
            created_ms: 1_795_282_361_748,
            sequence_number: 0,
            flags: Flags::SYN_FIN,
            message_id: Uuid::nil(),
            payload_type: PayloadType::None,
        };
        header.encode(Packet::copy_from(document.to_string().as_bytes()))
    }

    /// The client's next message, sent at once.
    fn send(&mut self, text: &'static str) -> Bytes {
        self.client.send(PayloadType::Output, Packet::copy_from(text.as_bytes()), self.now);
        self.client.poll_transmit(self.now).unwrap()
    }

    /// Hands a frame to the agent: whether it was acknowledged, and what was delivered.
    fn hand_over(&mut self, frame: Bytes) -> (bool, Vec<Event>) {
        self.agent.handle_frame(frame, self.now).unwrap();
        (self.acknowledges(), self.events())
    }

    /// Whether the agent's next frame is an acknowledgement.
    fn acknowledges(&mut self) -> bool {
        self.agent.poll_transmit(self.now).is_some_and(|frame| {
            Frame::decode(frame).unwrap().header.message_type == MessageType::Acknowledge
        })
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
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
    assert_eq!(bench.sent_within(50), [(2, 0), (3, 0), (4, 0)]);
    // Nor does it matter that a later one has arrived, or when.
    bench.pass(50 - bench.elapsed_ms());
    let acknowledged = bench.acknowledgement_of(4);
    bench.agent.handle_frame(acknowledged, bench.now).unwrap();
    assert_eq!(bench.sent_within(270), [(2, 50), (2, 150), (2, 250)]);

    bench.agent.handle_reconnected(bench.now);
    assert_eq!(bench.agent.poll_transmit(bench.now), None, "a new connection changes nothing");
}

#[test]
fn a_message_counts_when_its_acknowledgement_is_written() {
    let mut bench = Bench::ready(LATE);
    let (first, second) = (bench.send("first"), bench.send("second"));
    assert_eq!(
        bench.hand_over(second.clone()),
        (true, vec![]),
        "out of its turn it is kept at once"
    );
    bench.agent.handle_frame(first.clone(), bench.now).unwrap();
    assert_eq!(bench.events(), delivered("first"));
    assert!(!bench.agent.can_receive(), "one message at a time");
    assert!(bench.acknowledges());
    assert!(!bench.agent.can_receive(), "nor while its acknowledgement may not have been written");
    bench.agent.handle_written(bench.now);
    assert!(bench.agent.can_receive());
    assert_eq!(bench.agent.poll_timeout(), Some(bench.now), "what has waited is due");
    bench.agent.handle_timeout(bench.now).unwrap();
    assert_eq!(bench.events(), delivered("second"));
    for repeat in [first, second] {
        assert_eq!(bench.hand_over(repeat), (true, vec![]));
    }
}

#[test]
fn a_message_whose_acknowledgement_was_never_written_is_delivered_again() {
    let by_the_book = Habits::default();
    for (habits, whose, again) in [
        (LATE, Whose::Agent, delivered("text")),
        (LATE, Whose::Client, vec![]),
        (by_the_book.clone(), Whose::Agent, vec![]),
        (by_the_book, Whose::Client, vec![]),
    ] {
        for is_handed_out in [false, true] {
            let case = format!("{habits:?}, {whose:?}, {is_handed_out}");
            let mut bench = Bench::ready(habits.clone());
            let frame = bench.send("text");
            bench.agent.handle_frame(frame.clone(), bench.now).unwrap();
            assert_eq!(bench.events(), delivered("text"));
            if is_handed_out {
                assert!(bench.acknowledges(), "{case}");
            }
            if whose == Whose::Client {
                bench.agent.handle_client_lost(bench.now);
            }
            bench.agent.handle_reconnected(bench.now);
            assert!(bench.agent.can_receive());
            let is_kept = again.is_empty() && !is_handed_out;
            assert_eq!(bench.acknowledges(), is_kept, "{case}");
            assert_eq!(bench.hand_over(frame.clone()), (true, again.clone()), "{case}");
            bench.agent.handle_written(bench.now);
            assert_eq!(bench.hand_over(frame), (true, vec![]), "now it counts");
        }
    }
}

/// Whose connection to the service breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Agent,
    Client,
}

const LATE: Habits = Habits {
    early_data: EarlyData::Taken,
    note_delay: Duration::ZERO,
    resend_slowly: false,
    most_kept: None,
    drop_undated: false,
    counts_late: true,
    old_client_message: None,
};

/// What the agent really lost waits behind notes whose acknowledgement was too quick, 100 ms for each
/// of them, unless the client says more than it is asked.
#[test]
fn notes_that_are_stuck_are_taken_away_many_at_a_time() {
    let habits =
        Habits { resend_slowly: true, note_delay: Duration::from_millis(1), ..Habits::default() };
    let mut bench = Bench::ready(habits);
    for _ in 0..300 {
        bench.agent.send(PayloadType::Output, Packet::copy_from(b"x"), bench.now);
    }
    // Every acknowledgement of these is too quick.
    bench.exchange();
    assert!(!bench.agent.is_drained());
    let start = bench.now;
    while !bench.agent.is_drained() {
        bench.pass(10);
        bench.exchange();
    }
    let took = bench.now - start;
    assert!(took < Duration::from_secs(6), "{took:?} for what would take half a minute one by one");
    // And at once where the connection is a new one.
    for _ in 0..300 {
        bench.agent.send(PayloadType::Output, Packet::copy_from(b"x"), bench.now);
    }
    bench.exchange();
    bench.pass(10);
    bench.client.handle_reconnected(bench.now);
    bench.agent.handle_reconnected(bench.now);
    bench.exchange();
    assert!(bench.agent.is_drained());
}
