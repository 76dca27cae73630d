//! Two channels and a network between them, in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::{
    link::{Faults, Link},
    *,
};
use crate::wire::{
    Flags, Frame, Header, MessageIds, MessageType, Packet, PayloadType,
    control::Flag,
    handshake::{SessionType, SessionTypeParameters},
};

fn port_session() -> SessionTypeParameters {
    SessionTypeParameters {
        session_type: "Port".to_owned(),
        properties: json!({"portNumber": "5432", "type": "LocalPortForwarding"}),
    }
}

fn client(now: Instant) -> Channel {
    Channel::new(Config::new(Role::Client, "1.2.764.0", 1_795_282_361_748, 1), now)
}

fn agent(now: Instant) -> Channel {
    let role = Role::Agent { session: Some(port_session()) };
    Channel::new(Config::new(role, "3.3.0.0", 1_795_282_361_748, 2), now)
}

/// One end: a channel, what it still has to send, and what has come.
struct End {
    channel: Channel,
    to_send: Vec<Vec<u8>>,
    sent: usize,
    received: Vec<Bytes>,
    events: Vec<Event>,
    transmitted: usize,
}

impl End {
    fn new(channel: Channel) -> Self {
        let (to_send, received, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { channel, to_send, sent: 0, received, events, transmitted: 0 }
    }

    fn turn(&mut self, inbound: &mut Link, outbound: &mut Link, now: Instant) {
        while let Some(frame) = inbound.receive(now) {
            self.channel.handle_frame(frame, now).unwrap();
        }
        self.channel.handle_timeout(now).unwrap();
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Data { payload, .. } => self.received.push(payload),
                other => self.events.push(other),
            }
        }
        while self.sent < self.to_send.len() && self.channel.can_send() {
            let packet = Packet::copy_from(&self.to_send[self.sent]);
            self.channel.send(PayloadType::Output, packet, now);
            self.sent += 1;
        }
        while let Some(frame) = self.channel.poll_transmit(now) {
            self.transmitted += 1;
            outbound.send(frame, now);
        }
    }
}

struct Pair {
    client: End,
    agent: End,
    up: Link,
    down: Link,
    start: Instant,
    now: Instant,
}

impl Pair {
    fn new(faults: Faults, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            client: End::new(client(now)),
            agent: End::new(agent(now)),
            up: Link::new(faults, seed),
            down: Link::new(faults, seed ^ 0xffff),
            start: now,
            now,
        }
    }

    /// Lets time pass until `done`, or fails after two virtual hours.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            self.client.turn(&mut self.down, &mut self.up, self.now);
            self.agent.turn(&mut self.up, &mut self.down, self.now);
            if done(self) {
                return;
            }
            let next = [
                self.client.channel.poll_timeout(),
                self.agent.channel.poll_timeout(),
                self.up.next_arrival(),
                self.down.next_arrival(),
            ];
            let next = next.into_iter().flatten().min().expect("nothing is left to happen");
            self.now = next.max(self.now);
            assert!(self.elapsed() < Duration::from_secs(7200), "no end in sight");
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn all_arrived(&self) -> bool {
        self.client.received.len() == self.agent.to_send.len()
            && self.agent.received.len() == self.client.to_send.len()
            && self.client.channel.is_drained()
            && self.agent.channel.is_drained()
    }

    fn assert_intact(&self) {
        assert_eq!(self.agent.received, self.client.to_send);
        assert_eq!(self.client.received, self.agent.to_send);
    }
}

fn messages(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| (0..len).map(|j| (i * 31 + j) as u8).collect()).collect()
}

fn is_ready(event: &Event) -> bool {
    matches!(event, Event::Ready(_))
}

#[test]
fn handshake_tells_both_ends_what_they_carry() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.events.iter().any(is_ready));
    let Some(Event::Ready(ready)) = pair.client.events.first() else { panic!("not ready") };
    assert_eq!(ready.session_type, SessionType::Port);
    assert_eq!(ready.property("portNumber").as_deref(), Some("5432"));
    assert_eq!(ready.peer_version, "3.3.0.0");
    let Some(Event::Ready(ready)) = pair.agent.events.first() else { panic!("not ready") };
    assert_eq!(ready.peer_version, "1.2.764.0");
    // Request, response, complete: one and a half round trips of 20 ms.
    assert_eq!(pair.elapsed(), Duration::from_millis(30));
}

#[test]
fn first_data_waits_one_round_trip_after_the_handshake() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(1, 10);
    pair.run_until(|pair| pair.client.sent == 1);
    assert_eq!(pair.elapsed(), Duration::from_millis(30 + 20));
}

#[test]
fn an_undisturbed_transfer_sends_everything_once() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(3000, 1000);
    pair.agent.to_send = messages(100, 8000);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    // Data, acknowledgements of the other side's, one handshake message, two of its.
    assert_eq!(pair.client.transmitted, 3000 + 100 + 1 + 2);
}

#[test]
fn a_lost_acknowledgement_is_healed_by_acknowledging_the_repeat() {
    let mut pair = Pair::new(Faults { drop: 300, ..Faults::NONE }, 3);
    pair.agent.to_send = messages(200, 100);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
}

#[test]
fn many_losses_cost_few_round_trips() {
    let mut pair = Pair::new(Faults { drop: 10, ..Faults::NONE }, 5);
    pair.client.to_send = messages(5000, 1000);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    // 50 losses by timeout alone would take more than 50 * 100 ms.
    assert!(pair.elapsed() < Duration::from_secs(2), "took {:?}", pair.elapsed());
}

#[test]
fn a_cut_connection_is_made_good_in_one_round_trip() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(900, 1000);
    pair.run_until(|pair| pair.client.sent == 900);
    let cut_at = pair.now;
    pair.up.cut();
    pair.down.cut();
    pair.client.channel.handle_reconnected(pair.now);
    pair.agent.channel.handle_reconnected(pair.now);
    pair.run_until(|pair| pair.agent.received.len() == 900);
    assert_eq!(pair.now - cut_at, Duration::from_millis(10), "one way");
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
}

#[test]
fn the_window_holds_the_producer_back() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(5000, 1000);
    pair.run_until(|pair| pair.client.sent > 0);
    assert_eq!(pair.client.sent, 937, "1 MiB of frames of 1120 bytes, and the last one");
    pair.client.to_send.truncate(0);
}

#[test]
fn a_pause_holds_data_and_not_acknowledgements() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    let now = pair.now;
    pair.client.channel.handle_frame(service_frame(MessageType::PausePublication), now).unwrap();
    pair.client.to_send = messages(1, 10);
    pair.agent.to_send = messages(1, 10);
    pair.run_until(|pair| pair.agent.channel.is_drained() && !pair.client.received.is_empty());
    assert_eq!(pair.client.sent, 0);
    pair.client.channel.handle_frame(service_frame(MessageType::StartPublication), now).unwrap();
    pair.run_until(Pair::all_arrived);
    assert!(pair.client.events.contains(&Event::Paused));
    assert!(pair.client.events.contains(&Event::Resumed));
}

#[test]
fn flags_arrive_in_their_place() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    pair.client.channel.send_flag(Flag::TerminateSession, pair.now);
    pair.run_until(|pair| pair.agent.events.contains(&Event::Flag(Flag::TerminateSession)));
}

#[test]
fn the_agents_first_frame_begins_the_stream() {
    let now = Instant::now();
    let mut agent = agent(now);
    let frame = Frame::decode(agent.poll_transmit(now).unwrap()).unwrap();
    assert_eq!(frame.header.flags, Flags::SYN);
    assert_eq!(frame.header.message_type, MessageType::OutputStreamData);
    assert_eq!(frame.header.created_ms, 1_795_282_361_748);
}

#[test]
fn output_without_a_handshake_is_a_shell_and_loses_nothing() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(data_frame(0, PayloadType::Output, b"$ "), now).unwrap();
    let Some(Event::Ready(ready)) = client.poll_event() else { panic!("not ready") };
    assert_eq!(ready.session_type, SessionType::StandardStream);
    assert!(matches!(client.poll_event(), Some(Event::Data { payload, .. }) if payload == "$ "));
    assert!(client.can_send());
}

#[test]
fn unknown_payload_types_are_acknowledged_and_skipped() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(data_frame(0, PayloadType::Unknown(99), b"?"), now).unwrap();
    client.handle_frame(data_frame(1, PayloadType::Output, b"x"), now).unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| client.poll_transmit(now)).collect();
    assert_eq!(frames.len(), 2);
    assert!(matches!(client.poll_event(), Some(Event::Ready(_))));
    assert!(matches!(client.poll_event(), Some(Event::Data { payload, .. }) if payload == "x"));
}

#[test]
fn a_wrong_digest_is_neither_delivered_nor_acknowledged() {
    let now = Instant::now();
    let mut client = client(now);
    let mut broken = data_frame(0, PayloadType::Output, b"data").to_vec();
    broken[120] ^= 1;
    client.handle_frame(broken.into(), now).unwrap();
    assert!(client.poll_event().is_none());
    assert!(client.poll_transmit(now).is_none());
}

#[test]
fn garbage_ends_the_session_after_sixteen_messages() {
    let now = Instant::now();
    let mut client = client(now);
    for _ in 0..15 {
        client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap();
    }
    let error = client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap_err();
    assert!(error.to_string().starts_with("16 messages in a row are not frames"), "{error}");
}

#[test]
fn a_silent_agent_is_given_up() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap();
    let deadline = client.poll_timeout().unwrap();
    let error = client.handle_timeout(deadline).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the handshake did not end within 30 s (frame of 7 bytes is shorter than its 120-byte header)"
    );
}

#[test]
fn a_peer_that_acknowledges_nothing_is_given_up_after_five_minutes() {
    let mut now = Instant::now();
    let mut client = client(now);
    client.handle_frame(data_frame(0, PayloadType::Output, b"$ "), now).unwrap();
    client.send(PayloadType::Output, Packet::copy_from(b"x"), now);
    let mut transmissions = 0;
    let error = loop {
        while client.poll_transmit(now).is_some() {
            transmissions += 1;
        }
        now = client.poll_timeout().unwrap();
        if let Err(error) = client.handle_timeout(now) {
            break error;
        }
    };
    assert_eq!(error.to_string(), "message 0 is unacknowledged for 300 s");
    assert!((250..400).contains(&transmissions), "{transmissions} transmissions");
}

#[test]
fn the_service_tells_the_end_and_why() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(service_frame(MessageType::ChannelClosed), now).unwrap();
    assert_eq!(client.poll_event(), Some(Event::Closed { reason: "why".to_owned() }));
    assert!(!client.can_send());
}

fn data_frame(sequence_number: i64, payload_type: PayloadType, payload: &[u8]) -> Bytes {
    frame(MessageType::OutputStreamData, sequence_number, payload_type, payload)
}

fn service_frame(message_type: MessageType) -> Bytes {
    frame(message_type, 0, PayloadType::None, br#"{"SessionId":"s","Output":"why"}"#)
}

fn frame(
    message_type: MessageType,
    sequence_number: i64,
    payload_type: PayloadType,
    payload: &[u8],
) -> Bytes {
    let header = Header {
        message_type,
        created_ms: 1,
        sequence_number,
        flags: Flags::NONE,
        message_id: MessageIds::from_seed(9).next_id(),
        payload_type,
    };
    header.encode(Packet::copy_from(payload))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_message_arrives_once_and_in_order(
        seed: u64,
        drop in 0u32..250,
        duplicate in 0u32..250,
        reorder in 0u32..400,
        delay_ms in 0u64..200,
        up in 0usize..300,
        down in 0usize..300,
        len in 0usize..3000,
        cuts in 0usize..4,
    ) {
        let delay = Duration::from_millis(delay_ms);
        let mut pair = Pair::new(Faults { drop, duplicate, reorder, delay }, seed);
        pair.client.to_send = messages(up, len);
        pair.agent.to_send = messages(down, len);
        for cut in 0..cuts {
            let until = pair.agent.received.len() + (seed as usize).wrapping_mul(cut + 1) % 50;
            pair.run_until(|pair| pair.agent.received.len() >= until || pair.all_arrived());
            pair.up.cut();
            pair.down.cut();
            pair.client.channel.handle_reconnected(pair.now);
            pair.agent.channel.handle_reconnected(pair.now);
        }
        pair.run_until(Pair::all_arrived);
        pair.assert_intact();
    }

    #[test]
    fn any_bytes_leave_a_channel_standing(
        inputs in proptest::collection::vec(
            (any::<u32>(), -3i64..20, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..60),
    ) {
        let mut now = Instant::now();
        for mut channel in [client(now), agent(now)] {
            for (kind, sequence_number, garbage, payload) in &inputs {
                let message_type = match kind % 7 {
                    0 => MessageType::InputStreamData,
                    1 => MessageType::OutputStreamData,
                    2 => MessageType::Acknowledge,
                    3 => MessageType::PausePublication,
                    4 => MessageType::StartPublication,
                    5 => MessageType::ChannelClosed,
                    _ => MessageType::AgentSessionState,
                };
                let payload_type = frame_type(kind / 7);
                let message = if *garbage {
                    payload.clone().into()
                } else {
                    frame(message_type, *sequence_number, payload_type, payload)
                };
                now += Duration::from_millis(u64::from(kind % 300));
                let _ = channel.handle_frame(message, now);
                let _ = channel.handle_timeout(now);
                while channel.poll_event().is_some() {}
                while channel.poll_transmit(now).is_some() {}
            }
        }
    }
}

fn frame_type(number: u32) -> PayloadType {
    let numbered = [
        PayloadType::Output,
        PayloadType::HandshakeRequest,
        PayloadType::HandshakeResponse,
        PayloadType::HandshakeComplete,
        PayloadType::Flag,
        PayloadType::EncChallengeRequest,
        PayloadType::Unknown(77),
    ];
    numbered[number as usize % numbered.len()]
}

#[test]
fn time_in_which_nothing_can_be_heard_is_not_held_against_the_peer() {
    type Deaf = fn(&mut Channel, Instant);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let deaf: [Deaf; 2] = [Channel::handle_reconnected, Channel::handle_unread];
    for handle in deaf {
        let start = Instant::now();
        let role = Role::Agent { session: Some(port_session()) };
        let config = Config::new(role, "3.3.0.0", 1_795_282_361_748, 2);
        let mut channel = Channel::new(Config { opening_timeout: None, ..config }, start);
        assert!(channel.poll_transmit(start).is_some());
        let heard = start + minutes(10);
        handle(&mut channel, heard);
        while channel.poll_transmit(heard).is_some() {}
        assert_eq!(channel.handle_timeout(heard + minutes(4)), Ok(()));
        let given_up = channel.handle_timeout(heard + minutes(6));
        assert!(matches!(given_up, Err(ChannelError::Unacknowledged { sequence_number: 0, .. })));
    }
}

#[test]
fn a_session_may_begin_with_silence_but_a_handshake_that_has_begun_must_end() {
    let start = Instant::now();
    let config = Config::new(Role::Client, "1.2.835.0", 1_795_282_361_748, 2);
    let mut strict = Channel::new(config.clone(), start);
    let late = start + Duration::from_secs(3600);
    assert!(matches!(strict.handle_timeout(late), Err(ChannelError::HandshakeTimeout { .. })));

    let config = Config { opening_timeout: None, ..config };
    let mut patient = Channel::new(config.clone(), start);
    assert_eq!(patient.handle_timeout(late), Ok(()));
    let role = Role::Agent { session: Some(port_session()) };
    let agent = Config::new(role, "3.3.0.0", 1_795_282_361_748, 3);
    let mut agent = Channel::new(agent, late);
    patient.handle_frame(agent.poll_transmit(late).unwrap(), late).unwrap();
    let too_late = patient.handle_timeout(late + config.handshake_timeout);
    assert!(matches!(too_late, Err(ChannelError::HandshakeTimeout { .. })));
}
