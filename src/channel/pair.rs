//! Two channels and a network between them, in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::{
    link::{Faults, Link},
    *,
};
use crate::wire::{
    Flags, Header, MessageIds, MessageType, Packet, PayloadType, handshake::SessionTypeParameters,
};

pub(super) fn port_session() -> SessionTypeParameters {
    SessionTypeParameters {
        session_type: "Port".to_owned(),
        properties: json!({"portNumber": "5432", "type": "LocalPortForwarding"}),
    }
}

pub(super) fn client(now: Instant) -> Channel {
    Channel::new(Config::new(Role::Client, "1.2.764.0", 1_795_282_361_748, 1), now)
}

pub(super) fn agent(now: Instant) -> Channel {
    let role = Role::Agent { session: Some(port_session()) };
    Channel::new(Config::new(role, "3.3.0.0", 1_795_282_361_748, 2), now)
}

/// One end: a channel, what it still has to send, and what has come.
pub(super) struct End {
    pub(super) channel: Channel,
    pub(super) to_send: Vec<Vec<u8>>,
    pub(super) sent: usize,
    pub(super) received: Vec<Bytes>,
    pub(super) events: Vec<Event>,
    pub(super) transmitted: usize,
}

impl End {
    pub(super) fn new(channel: Channel) -> Self {
        let (to_send, received, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { channel, to_send, sent: 0, received, events, transmitted: 0 }
    }

    pub(super) fn turn(&mut self, inbound: &mut Link, outbound: &mut Link, now: Instant) {
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

pub(super) struct Pair {
    pub(super) client: End,
    pub(super) agent: End,
    pub(super) up: Link,
    pub(super) down: Link,
    pub(super) start: Instant,
    pub(super) now: Instant,
}

impl Pair {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
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
    pub(super) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            self.turn();
            if done(self) {
                return;
            }
            let next = self.next_event().expect("nothing is left to happen");
            self.now = next.max(self.now);
            assert!(self.elapsed() < Duration::from_secs(7200), "no end in sight");
        }
    }

    /// Lets time pass until `end`.
    pub(super) fn run_until_time(&mut self, end: Instant) {
        loop {
            self.turn();
            match self.next_event().filter(|next| *next < end) {
                Some(next) => self.now = next.max(self.now),
                None => break self.now = end,
            }
        }
    }

    fn turn(&mut self) {
        self.client.turn(&mut self.down, &mut self.up, self.now);
        self.agent.turn(&mut self.up, &mut self.down, self.now);
    }

    fn next_event(&self) -> Option<Instant> {
        let next = [
            self.client.channel.poll_timeout(),
            self.agent.channel.poll_timeout(),
            self.up.next_arrival(),
            self.down.next_arrival(),
        ];
        next.into_iter().flatten().min()
    }

    /// The connection breaks and is replaced; the agent's own to the service may stay, and then the
    /// agent is told nothing.
    pub(super) fn cut(&mut self, agent_is_told: bool) {
        self.up.cut();
        self.down.cut();
        self.client.channel.handle_reconnected(self.now);
        if agent_is_told {
            self.agent.channel.handle_reconnected(self.now);
        }
    }

    /// The service tells both ends to pause, or to start again.
    pub(super) fn announce(&mut self, message_type: MessageType) {
        for end in [&mut self.client, &mut self.agent] {
            let told = end.channel.handle_frame(service_frame(message_type), self.now);
            told.expect("an ordinary frame");
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn all_arrived(&self) -> bool {
        self.client.received.len() == self.agent.to_send.len()
            && self.agent.received.len() == self.client.to_send.len()
            && self.client.channel.is_drained()
            && self.agent.channel.is_drained()
    }

    pub(super) fn assert_intact(&self) {
        assert_eq!(self.agent.received, self.client.to_send);
        assert_eq!(self.client.received, self.agent.to_send);
    }
}

pub(super) fn messages(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| (0..len).map(|j| (i * 31 + j) as u8).collect()).collect()
}

pub(super) fn data_frame(sequence_number: i64, payload_type: PayloadType, payload: &[u8]) -> Bytes {
    frame(MessageType::OutputStreamData, sequence_number, payload_type, payload)
}

pub(super) fn service_frame(message_type: MessageType) -> Bytes {
    frame(message_type, 0, PayloadType::None, br#"{"SessionId":"s","Output":"why"}"#)
}

pub(super) fn frame(
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
