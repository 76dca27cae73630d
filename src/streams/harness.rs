//! A client's stream and an agent's channel, connected without a network and without real time.

use std::{
    task::{Context, Waker},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    channel::{Channel, Config, Event, Role},
    mux::NOP,
    net::{Application, Turn},
    wire::{Packet, PayloadType, control::Flag, handshake::SessionTypeParameters},
};

/// Both ends, and what the agent has received.
pub(super) struct Pair {
    pub(super) client: Channel,
    pub(super) agent: Channel,
    pub(super) now: Instant,
    pub(super) received: Vec<(PayloadType, Vec<u8>)>,
    pub(super) flags: Vec<Flag>,
    /// Whether frames toward the agent are held up.
    pub(super) is_agent_deaf: bool,
    pub(super) turn: Turn,
}

impl Pair {
    /// A session that begins with the agent's first output.
    pub(super) fn without_handshake() -> Self {
        Self::new(None)
    }

    /// A session whose handshake says that it is a port session.
    pub(super) fn port() -> Self {
        Self::new(Some(SessionTypeParameters {
            session_type: "Port".to_owned(),
            properties: json!({"portNumber": "22"}),
        }))
    }

    fn new(session: Option<SessionTypeParameters>) -> Self {
        let now = Instant::now();
        let client = Config::new(Role::Client, "1.2.835.0", 1, 1);
        let agent = Config::new(Role::Agent { session }, "3.3.3050.0", 1, 2);
        Self {
            client: Channel::new(client, now),
            agent: Channel::new(agent, now),
            now,
            received: Vec::new(),
            flags: Vec::new(),
            is_agent_deaf: false,
            turn: Turn::Idle,
        }
    }

    /// Lets both sides do what they can.
    pub(super) fn run(&mut self, application: &mut impl Application) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..ROUNDS {
            self.client.handle_timeout(self.now).unwrap();
            self.agent.handle_timeout(self.now).unwrap();
            self.turn = application.poll(&mut cx, &mut self.client, self.now).unwrap();
            while !self.is_agent_deaf
                && let Some(frame) = self.client.poll_transmit(self.now)
            {
                self.agent.handle_frame(frame, self.now).unwrap();
            }
            while let Some(event) = self.agent.poll_event() {
                match event {
                    // What only keeps the order means nothing.
                    Event::Data { payload, .. } if payload.is_empty() || *payload == NOP => {}
                    Event::Data { payload_type, payload } => {
                        self.received.push((payload_type, payload.to_vec()));
                    }
                    Event::Flag(flag) => self.flags.push(flag),
                    _ => {}
                }
            }
            while application.can_receive()
                && let Some(frame) = self.agent.poll_transmit(self.now)
            {
                self.client.handle_frame(frame, self.now).unwrap();
                while let Some(event) = self.client.poll_event() {
                    application.handle_event(event, &mut self.client, self.now).unwrap();
                }
            }
        }
        // Or a driver would do nothing else any more.
        let is_past = application.poll_timeout().is_some_and(|deadline| deadline <= self.now);
        assert!(!is_past, "a deadline that has come is dealt with");
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Duration, application: &mut impl Application) {
        self.now += time;
        self.run(application);
    }

    /// The agent sends a payload.
    pub(super) fn send(&mut self, payload_type: PayloadType, payload: &[u8]) {
        self.agent.send(payload_type, Packet::copy_from(payload), self.now);
    }

    /// The bytes of the stream that the agent has received so far.
    pub(super) fn output(&self) -> Vec<u8> {
        let output = self.received.iter().filter(|(kind, _)| *kind == PayloadType::Output);
        output.flat_map(|(_, payload)| payload.clone()).collect()
    }
}

/// More than anything here needs to settle.
const ROUNDS: usize = 40;
