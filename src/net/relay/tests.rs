//! Two relays with their channels, joined in memory; sockets are in-memory pipes.

mod half_close_tests;
mod recorded;
mod stuck_tests;

use futures_util::FutureExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use recorded::Recorded;

use super::*;
use crate::{
    channel::{self, Config, Role},
    wire::{Frame, MessageType, handshake::SessionTypeParameters},
};

struct Side {
    channel: Channel,
    relay: Relay<Box<dyn Socket>>,
    notices: Vec<Notice>,
    /// Lengths of the payloads that were sent.
    payloads: Vec<usize>,
    /// Whether frames toward this side are held up.
    is_deaf: bool,
}

impl Side {
    fn new(role: Role, config: RelayConfig, now: Instant) -> Self {
        let seed = u64::from(role == Role::Client);
        let channel = Channel::new(Config::new(role, "3.3.0.0", 1, seed), now);
        let (notices, payloads) = (Vec::new(), Vec::new());
        Self { channel, relay: Relay::new(config), notices, payloads, is_deaf: false }
    }

    fn turn(&mut self, other: &mut Self, now: Instant) {
        while !self.is_deaf
            && self.relay.can_receive()
            && let Some(frame) = other.channel.poll_transmit(now)
        {
            other.payloads.extend(data_len(&frame));
            self.channel.handle_frame(frame, now).unwrap();
            while let Some(event) = self.channel.poll_event() {
                if let channel::Event::Data { payload, .. } = event {
                    self.relay.receive(payload, now).unwrap();
                }
            }
        }
        self.channel.handle_timeout(now).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        self.relay.poll(&mut cx, &mut self.channel, now);
        while let Some(notice) = self.relay.poll_notice() {
            self.notices.push(notice);
        }
    }
}

fn data_len(frame: &Bytes) -> Option<usize> {
    let frame = Frame::decode(frame.clone()).unwrap();
    let is_data = frame.header.message_type != MessageType::Acknowledge
        && frame.header.payload_type == PayloadType::Output;
    is_data.then_some(frame.payload.len())
}

struct Tunnel {
    client: Side,
    agent: Side,
    now: Instant,
}

impl Tunnel {
    fn new() -> Self {
        Self::with(RelayConfig::new(mux::Role::Server))
    }

    fn with(agent: RelayConfig) -> Self {
        let now = Instant::now();
        let session = SessionTypeParameters {
            session_type: "Port".to_owned(),
            properties: json!({"type": "LocalPortForwarding"}),
        };
        let client = RelayConfig::new(mux::Role::Client);
        let mut tunnel = Self {
            client: Side::new(Role::Client, client, now),
            agent: Side::new(Role::Agent { session: Some(session) }, agent, now),
            now,
        };
        tunnel.turns(3);
        tunnel.pass(Duration::from_millis(5));
        assert!(tunnel.client.channel.can_send());
        tunnel
    }

    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.client.turn(&mut self.agent, self.now);
            self.agent.turn(&mut self.client, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.turns(20);
    }

    /// A connection, from the local program's socket to that of the destination.
    fn connect(&mut self) -> (StreamId, DuplexStream, DuplexStream) {
        let (program, socket) = duplex(PIPE);
        let (id, target) = self.connect_socket(Box::new(socket));
        (id, program, target)
    }

    fn connect_socket(&mut self, socket: Box<dyn Socket>) -> (StreamId, DuplexStream) {
        let id = self.client.relay.open(socket).unwrap();
        self.turns(4);
        assert!(self.agent.notices.contains(&Notice::Opened(id)));
        let (target, socket) = duplex(PIPE);
        self.agent.relay.connect(id, Box::new(socket));
        self.turns(4);
        (id, target)
    }

    /// Sends `bytes` from `from` to `to`, with as many turns as that takes.
    fn transfer(&mut self, from: &mut DuplexStream, to: &mut DuplexStream, bytes: &[u8]) {
        let mut received = Vec::new();
        let mut rest = bytes;
        while received.len() < bytes.len() {
            if let Some(Ok(written)) = from.write(rest).now_or_never() {
                rest = &rest[written..];
            }
            self.turns(2);
            received.extend(read(to));
        }
        assert_eq!(received, bytes);
    }
}

/// What can be read at once.
fn read(socket: &mut DuplexStream) -> Vec<u8> {
    let mut buffer = vec![0; 4 * PIPE];
    match socket.read(&mut buffer).now_or_never() {
        Some(Ok(len)) => buffer[..len].to_vec(),
        _ => Vec::new(),
    }
}

fn is_at_end(socket: &mut DuplexStream) -> bool {
    matches!(socket.read(&mut [0]).now_or_never(), Some(Ok(0)))
}

fn write(socket: &mut DuplexStream, bytes: &[u8]) -> usize {
    socket.write(bytes).now_or_never().map_or(0, Result::unwrap)
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

const PIPE: usize = 16 * 1024;

#[test]
fn bytes_go_both_ways() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, mut target) = tunnel.connect();
    tunnel.transfer(&mut program, &mut target, &sample(300_000));
    tunnel.transfer(&mut target, &mut program, &sample(300_000));
    assert_eq!(tunnel.client.relay.traffic(), Traffic { sent: 300_000, received: 300_000 });
}

#[test]
fn the_reply_to_a_half_closed_connection_arrives() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, mut target) = tunnel.connect();
    write(&mut program, b"request");
    program.shutdown().now_or_never().unwrap().unwrap();
    tunnel.turns(4);
    assert_eq!(read(&mut target), b"request");
    assert!(!is_at_end(&mut target), "the end is held back, as it would end the reply, too");
    tunnel.pass(Duration::from_millis(900));
    tunnel.transfer(&mut target, &mut program, b"late");
    tunnel.pass(Duration::from_millis(900));
    assert!(!is_at_end(&mut target), "the connection is in use");
    tunnel.pass(Duration::from_millis(200));
    assert!(is_at_end(&mut target), "after a quiet second the end is passed on");
    tunnel.transfer(&mut target, &mut program, b"and still");
    drop(target);
    tunnel.turns(4);
    assert!(is_at_end(&mut program));
    assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
}

/// A tunnel to an agent that closes both directions on a FIN, as the real one does, and a
/// connection whose program has sent its request and its end of file.
fn half_closed(is_agent_deaf: bool) -> (Tunnel, DuplexStream, DuplexStream) {
    let agent = RelayConfig { fin_closes_stream: true, ..RelayConfig::new(mux::Role::Server) };
    let mut tunnel = Tunnel::with(agent);
    let (_, mut program, target) = tunnel.connect();
    tunnel.agent.is_deaf = is_agent_deaf;
    write(&mut program, b"request");
    program.shutdown().now_or_never().unwrap().unwrap();
    tunnel.turns(4);
    (tunnel, program, target)
}

/// The destination answers after most of the quiet time that it has.
fn is_answered(mut tunnel: Tunnel, mut program: DuplexStream, mut target: DuplexStream) {
    assert_eq!(read(&mut target), b"request");
    tunnel.pass(Duration::from_millis(900));
    write(&mut target, b"reply");
    drop(target);
    tunnel.turns(4);
    assert_eq!(read(&mut program), b"reply");
    assert!(is_at_end(&mut program));
    tunnel.turns(4);
    assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
}

#[test]
fn a_request_that_is_late_is_answered_though_its_program_has_finished() {
    let (mut tunnel, program, target) = half_closed(true);
    for _ in 0..3 {
        tunnel.pass(Duration::from_secs(1));
    }
    tunnel.agent.is_deaf = false;
    tunnel.turns(4);
    is_answered(tunnel, program, target);
}

#[test]
fn the_time_without_a_connection_is_no_silence_of_the_destination() {
    let (mut tunnel, program, target) = half_closed(false);
    tunnel.now += Duration::from_secs(3);
    for side in [&mut tunnel.client, &mut tunnel.agent] {
        side.channel.handle_reconnected(tunnel.now);
        side.relay.handle_reconnected(tunnel.now);
    }
    tunnel.turns(4);
    is_answered(tunnel, program, target);
}

#[test]
fn what_others_have_under_way_does_not_put_off_the_end() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, mut target) = tunnel.connect();
    let (_, mut other, _other_target) = tunnel.connect();
    tunnel.agent.is_deaf = true;
    write(&mut program, b"request");
    program.shutdown().now_or_never().unwrap().unwrap();
    tunnel.turns(1);
    write(&mut other, &sample(PIPE));
    tunnel.turns(1);
    // The request, and what has the lowest number of its block.
    let frames: Vec<_> =
        std::iter::from_fn(|| tunnel.client.channel.poll_transmit(tunnel.now)).collect();
    let guard = frames.iter().find(|frame| frame.ends_with(&mux::NOP));
    for frame in [frames.first(), guard] {
        tunnel.agent.channel.handle_frame(frame.unwrap().clone(), tunnel.now).unwrap();
    }
    tunnel.turns(1);
    assert!(!tunnel.client.channel.is_drained());
    tunnel.pass(Duration::from_secs(1));
    tunnel.agent.is_deaf = false;
    while let Some(channel::Event::Data { payload, .. }) = tunnel.agent.channel.poll_event() {
        tunnel.agent.relay.receive(payload, tunnel.now).unwrap();
    }
    tunnel.turns(4);
    assert_eq!(read(&mut target), b"request");
    assert!(is_at_end(&mut target));
}

#[test]
fn the_destinations_end_arrives_behind_its_data() {
    let mut tunnel = Tunnel::new();
    let (id, mut program, mut target) = tunnel.connect();
    write(&mut target, b"bye");
    drop(target);
    tunnel.turns(4);
    assert_eq!(read(&mut program), b"bye");
    assert!(is_at_end(&mut program));
    drop(program);
    tunnel.turns(4);
    let traffic = Traffic { sent: 0, received: 3 };
    let closed = Notice::Closed { stream: id, traffic, end: StreamEnd::Remote };
    assert!(tunnel.client.notices.contains(&closed), "{:?}", tunnel.client.notices);
}

#[test]
fn writing_to_a_destination_that_has_gone_breaks_the_connection() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, target) = tunnel.connect();
    drop(target);
    tunnel.turns(4);
    assert!(is_at_end(&mut program));
    write(&mut program, b"into the void");
    tunnel.turns(4);
    assert!(program.write(b"more").now_or_never().unwrap().is_err());
}

/// The agent has closed both directions, and nobody will ever read this: an orderly end would look as
/// if somebody had.
#[test]
fn what_is_written_behind_the_destinations_end_is_answered_with_a_reset() {
    let mut tunnel = Tunnel::new();
    let (mut program, socket) = duplex(PIPE);
    let (recorded, is_reset) = Recorded::new(socket);
    let (id, target) = tunnel.connect_socket(Box::new(recorded));
    drop(target);
    tunnel.turns(4);
    assert!(is_at_end(&mut program));
    assert!(!is_reset.is_reset(), "the destination's end is an orderly one");
    write(&mut program, b"still here");
    tunnel.turns(4);
    assert!(is_reset.is_reset());
    let traffic = Traffic { sent: 0, received: 0 };
    let closed = Notice::Closed { stream: id, traffic, end: StreamEnd::Remote };
    assert!(tunnel.client.notices.contains(&closed), "{:?}", tunnel.client.notices);
    assert_eq!(tunnel.client.relay.traffic().sent, 0);
}

#[test]
fn a_program_that_goes_away_ends_its_stream_alone() {
    let mut tunnel = Tunnel::new();
    let (_, program, mut target) = tunnel.connect();
    let (_, mut other_program, mut other_target) = tunnel.connect();
    drop(program);
    write(&mut target, &sample(100));
    tunnel.turns(4);
    assert!(is_at_end(&mut target));
    tunnel.transfer(&mut other_program, &mut other_target, &sample(1000));
}

#[test]
fn a_refused_stream_is_closed() {
    let mut tunnel = Tunnel::new();
    let (mut program, socket) = duplex(PIPE);
    let id = tunnel.client.relay.open(Box::new(socket)).unwrap();
    tunnel.turns(4);
    tunnel.agent.relay.refuse(id);
    tunnel.turns(4);
    assert!(is_at_end(&mut program));
}

#[test]
fn a_slow_reader_loses_nothing_and_holds_the_sender_back() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, mut target) = tunnel.connect();
    let mut sent = 0;
    for _ in 0..4000 {
        sent += write(&mut target, &sample(PIPE));
        tunnel.turns(1);
    }
    let budget = 4 << 20;
    let held = tunnel.client.relay.mux.buffered();
    assert!((budget..budget + (64 << 10)).contains(&held), "{held}");
    assert!(sent < 8 << 20, "the sender is held back: {sent}");
    tunnel.pass(Duration::from_secs(3600));
    let mut received = 0;
    while received < sent {
        received += read(&mut program).len();
        tunnel.turns(1);
    }
    assert_eq!(received, sent, "alone, it may take all the time that it wants");
}

#[test]
fn pacing_is_that_of_the_real_agent() {
    let pace = Pace { payload_len: 1024, pause: Duration::from_millis(1) };
    let config = RelayConfig { pace: Some(pace), ..RelayConfig::new(mux::Role::Server) };
    let mut tunnel = Tunnel::with(config);
    let (_, mut program, mut target) = tunnel.connect();
    let mut received = 0;
    for _ in 0..100 {
        write(&mut target, &sample(PIPE));
        tunnel.pass(Duration::from_millis(1));
        received += read(&mut program).len();
    }
    assert_eq!(received, 100 * 1016, "a payload a millisecond, eight bytes of it a header");
    assert!(tunnel.agent.payloads.iter().all(|len| *len <= 1024));
}

#[test]
fn new_streams_do_not_wait_behind_the_window() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, _target) = tunnel.connect();
    let mut cx = Context::from_waker(Waker::noop());
    while tunnel.client.channel.can_send() {
        write(&mut program, &sample(PIPE));
        tunnel.client.relay.poll(&mut cx, &mut tunnel.client.channel, tunnel.now);
    }
    let (_program, socket) = duplex(PIPE);
    let id = tunnel.client.relay.open(Box::new(socket)).unwrap();
    tunnel.client.relay.poll(&mut cx, &mut tunnel.client.channel, tunnel.now);
    tunnel.turns(2);
    assert!(tunnel.agent.notices.contains(&Notice::Opened(id)));
}

#[test]
fn the_end_of_a_stream_does_not_wait_behind_the_window() {
    let mut tunnel = Tunnel::new();
    let (_, mut program, mut target) = tunnel.connect();
    let (_, mut other, _other_target) = tunnel.connect();
    program.shutdown().now_or_never().unwrap().unwrap();
    tunnel.turns(4);
    let mut cx = Context::from_waker(Waker::noop());
    while tunnel.client.channel.can_send() {
        write(&mut other, &sample(PIPE));
        tunnel.client.relay.poll(&mut cx, &mut tunnel.client.channel, tunnel.now);
    }
    tunnel.now += Duration::from_secs(1);
    tunnel.client.relay.poll(&mut cx, &mut tunnel.client.channel, tunnel.now);
    assert!(!tunnel.client.channel.can_send());
    // Nothing is acknowledged meanwhile, so that the window stays full.
    while let Some(frame) = tunnel.client.channel.poll_transmit(tunnel.now) {
        tunnel.agent.channel.handle_frame(frame, tunnel.now).unwrap();
        while let Some(event) = tunnel.agent.channel.poll_event() {
            if let channel::Event::Data { payload, .. } = event {
                tunnel.agent.relay.receive(payload, tunnel.now).unwrap();
            }
        }
    }
    assert!(is_at_end(&mut target));
}
