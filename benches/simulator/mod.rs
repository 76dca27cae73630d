//! A sender, a receiver and a path between them, in virtual time: what the path's rate, round trip
//! and losses make of a transfer, and of what is typed beside it.
//!
//! The channels are the real ones; the path is [`Link`], as in the channel's own tests.

mod keys;
mod path;

use std::time::{Duration, Instant};

use bytes::Bytes;
use ssmport::{
    channel::{Channel, Config, Event, PathView, Role, link::Link},
    wire::{HEADER_LEN, Packet, PayloadType, handshake::SessionTypeParameters},
};

use keys::Keys;
pub use path::{Path, Reader, rate_text};

/// Who sends the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    Client,
    Agent,
}

/// One transfer, or several that share the path.
pub struct Simulation {
    pub now: Instant,
    start: Instant,
    flows: Vec<Flow>,
    forth: Link,
    back: Link,
    path: Path,
}

/// What one sender has to do with its receiver.
pub struct Flow {
    sender: Channel,
    receiver: Channel,
    reader: Reader,
    /// From when on there is a connection, with data without end.
    begins: Instant,
    pub keys: Keys,
    /// Bytes of all data frames that were sent, whatever they carry.
    pub sent: u64,
    /// Bytes of those that were delivered, without what only keeps order.
    pub delivered: u64,
}

impl Flow {
    fn new(sender: Sender, number: u64, begins: Instant, path: &Path) -> Self {
        let agent = Role::Agent {
            session: Some(SessionTypeParameters {
                session_type: "Port".to_owned(),
                properties: Default::default(),
            }),
        };
        let channel = |role, version, seed| {
            let config = Config::new(role, version, 1, seed);
            Channel::new(config, begins)
        };
        let client = channel(Role::Client, "1.2.835.0", 2 * number);
        let agent = channel(agent, "3.3.0.0", 2 * number + 1);
        let (mut sender, receiver) = match sender {
            Sender::Client => (client, agent),
            Sender::Agent => (agent, client),
        };
        sender.guard(FILLER);
        let reader = Reader::new(path.reader, begins);
        Self { sender, receiver, reader, begins, keys: Keys::new(begins), sent: 0, delivered: 0 }
    }

    /// Bytes that the sender has under way, or waiting to be sent again.
    pub fn under_way(&self) -> usize {
        self.sender.bytes_under_way()
    }

    /// What the sender has learned of its path.
    pub fn path(&self) -> PathView {
        self.sender.path()
    }

    fn send(&mut self, now: Instant) {
        while self.keys.is_due(now) && self.sender.can_send_urgent() {
            let key = Packet::copy_from(&self.keys.next());
            self.sender.send(PayloadType::Output, key, now);
        }
        while self.sender.can_send() {
            let len = self.sender.payload_len();
            let packet = Packet::copy_from(&BULK[..len]);
            self.sender.send_part(PayloadType::Output, packet, now);
        }
    }

    fn take(&mut self, payload: &Bytes, now: Instant) {
        if payload.len() < FILLER.len() + 1 {
            return;
        }
        self.delivered += (payload.len() + HEADER_LEN) as u64;
        self.keys.handle_arrived(payload, now);
    }

    /// When something is due, be it overdue.
    fn next_event(&self, now: Instant) -> Option<Instant> {
        if self.begins > now {
            return Some(self.begins);
        }
        let key = Some(self.keys.next_due()).filter(|_| self.sender.can_send_urgent());
        [key, self.sender.poll_timeout(), self.receiver.poll_timeout()].into_iter().flatten().min()
    }
}

impl Simulation {
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin at some time")]
    pub fn new(path: Path, sender: Sender, seed: u64) -> Self {
        let now = Instant::now();
        let faults = path.faults();
        let flows = vec![Flow::new(sender, seed, now, &path)];
        let (forth, back) = (Link::new(faults, seed), Link::new(path.way_back(), seed ^ 0xffff));
        Self { now, start: now, flows, forth, back, path }
    }

    /// Another sender on the same path, from `begins` after the start on.
    pub fn with_another(mut self, sender: Sender, begins: Duration) -> Self {
        let number = self.flows.len() as u64 + 100;
        let begins = self.start + begins;
        self.flows.push(Flow::new(sender, number, begins, &self.path));
        self
    }

    /// The path changes; what is under way is not concerned.
    pub fn change(&mut self, path: Path) {
        self.forth.set_faults(path.faults());
        self.back.set_faults(path.way_back());
        self.path = path;
    }

    pub fn flow(&self, index: usize) -> &Flow {
        &self.flows[index]
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets time pass until so long after the start.
    pub fn run_until(&mut self, end: Duration) {
        self.run(end, |_| false);
    }

    /// Lets time pass until `is_done`, or so long after the start.
    pub fn run(&mut self, end: Duration, is_done: impl Fn(&Self) -> bool) {
        let end = self.start + end;
        while self.now < end && !is_done(self) {
            self.turn();
            let flows = self.flows.iter().filter_map(|flow| flow.next_event(self.now));
            let waiting = self.flows.iter().filter_map(|flow| flow.reader.free_at(self.now));
            let links = [self.forth.next_arrival(), self.back.next_arrival()];
            let links = links.into_iter().flatten().filter(|at| *at > self.now);
            let next = flows.chain(links).chain(waiting).min().unwrap_or(end);
            self.now = next.max(self.now + MOMENT).min(end);
        }
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(frame) = self.forth.receive(now) {
            let (flow, frame) = unwrap(frame);
            self.flows[flow].reader.arrive(frame);
        }
        while let Some(frame) = self.back.receive(now) {
            let (flow, frame) = unwrap(frame);
            self.flows[flow].sender.handle_frame(frame, now).expect("a peer that keeps to it");
        }
        let flows = self.flows.iter_mut().enumerate().filter(|(_, flow)| flow.begins <= now);
        for (index, flow) in flows {
            while let Some(frame) = flow.reader.next(now) {
                flow.receiver.handle_frame(frame, now).expect("a peer that keeps to it");
                while let Some(event) = flow.receiver.poll_event() {
                    if let Event::Data { payload, .. } = event {
                        flow.take(&payload, now);
                    }
                }
            }
            flow.sender.handle_timeout(now).expect("no handshake takes so long");
            flow.receiver.handle_timeout(now).expect("no handshake takes so long");
            while flow.sender.poll_event().is_some() {}
            while flow.receiver.poll_event().is_some() {}
            flow.send(now);
            while let Some(frame) = flow.sender.poll_transmit(now) {
                // Acknowledgements of the handshake are no data.
                flow.sent += frame.len() as u64;
                self.forth.send(wrap(index, &frame), now);
            }
            while let Some(frame) = flow.receiver.poll_transmit(now) {
                self.back.send(wrap(index, &frame), now);
            }
        }
    }
}

/// Frames of several flows share a link: the last byte says whose they are.
fn wrap(flow: usize, frame: &Bytes) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len() + 1);
    bytes.extend_from_slice(frame);
    bytes.push(flow as u8);
    bytes.into()
}

fn unwrap(mut bytes: Bytes) -> (usize, Bytes) {
    let flow = bytes.split_off(bytes.len() - 1);
    (flow[0].into(), bytes)
}

/// No two turns are at the same time.
const MOMENT: Duration = Duration::from_micros(1);
/// As long as a multiplexer's.
const FILLER: &[u8] = &[0; 8];
static BULK: [u8; 64 << 10] = [0; 64 << 10];
