//! `ssmport forward` through a service that cannot be relied on: on four connections at a time each
//! byte arrives once and in its place, both ways.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    bulk::{Destination, exchange},
    support::{Endpoint, Forward, Plugin, Program, await_that},
};

#[test]
fn frames_that_are_lost_repeated_and_overtaken() {
    let tunnel = Tunnel::start("drop=1%,dup=1%,reorder=1%,delay=1ms,seed=1");
    tunnel.carry(4 << 20);
    tunnel.never_resumed();
}

#[test]
fn every_fifth_frame_is_lost() {
    let tunnel = Tunnel::start("drop=20%,seed=2");
    tunnel.carry(1 << 20);
    tunnel.never_resumed();
}

#[test]
fn a_way_around_the_world() {
    let tunnel = Tunnel::start("delay=100ms,seed=3");
    tunnel.carry(512 << 10);
    tunnel.never_resumed();
}

#[test]
fn connections_that_break() {
    let tunnel = Tunnel::start("cut=2s,delay=5ms,seed=4");
    tunnel.carry_until_resumed(3);
}

/// The client cannot know whether what it said has been heard.
#[test]
fn a_connection_that_breaks_in_the_handshake() {
    for delay in ["0s", "50ms"] {
        let tunnel = Tunnel::start(&format!("cut=handshake,delay={delay},seed=5"));
        tunnel.carry(64 << 10);
        tunnel.assert_resumed(1);
    }
}

#[test]
fn connections_that_are_closed_in_good_order() {
    let tunnel = Tunnel::start("bye=700ms,delay=5ms,seed=6");
    tunnel.carry_until_resumed(4);
}

#[test]
fn a_service_that_pauses() {
    let tunnel = Tunnel::start("pause=600ms/400ms,delay=5ms,seed=7");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        tunnel.carry(1 << 20);
    }
    tunnel.never_resumed();
}

#[test]
fn a_service_that_goes_away() {
    let tunnel = Tunnel::start("restart=1500ms/500ms,delay=5ms,seed=8");
    tunnel.carry_until_resumed(2);
}

/// As many and as long messages as are sent without a word about it; with longer ones there is no way through.
#[test]
fn a_service_that_takes_only_so_much() {
    let tunnel = Tunnel::start("messages=500,size=33KB,seed=11");
    tunnel.carry(1 << 20);
    tunnel.never_resumed();
    let tunnel = Tunnel::start("size=8KB,seed=12");
    let mut socket = TcpStream::connect(tunnel.forward.address()).expect("it listens");
    // Messages grow with what goes through, both ways. The threads end with the forward.
    let mut answers = socket.try_clone().expect("the same socket");
    thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
    thread::spawn(move || while socket.write_all(&[7; 64 << 10]).is_ok() {});
    await_that("connections break of it", || resumptions(&tunnel.forward.program) >= 2);
}

#[test]
fn all_of_it_at_once() {
    let faults = "drop=1%,dup=1%,reorder=1%,delay=20ms,cut=handshake,cut=2s,bye=3s,\
                  pause=2s/300ms,restart=4s/300ms";
    for seed in 1..=2 {
        let tunnel = Tunnel::start(&format!("{faults},seed={seed}"));
        tunnel.carry_until_resumed(4);
    }
}

/// The drop-in has no control plane of its own here, so the connection has to last.
#[test]
fn the_drop_in_makes_up_for_what_is_lost_too() {
    let destination = Destination::start();
    let faults = "drop=5%,dup=1%,reorder=5%,delay=2ms,pause=1s/300ms,seed=9";
    let endpoint = Endpoint::with(&["--faults", faults]);
    let plugin = Plugin::attach(&endpoint, destination.port);
    carry(plugin.address, 1 << 20);
}

#[cfg(feature = "aws")]
#[test]
fn the_drop_in_resumes_when_the_service_is_back() {
    let destination = Destination::start();
    let faults = "cut=1s,restart=2500ms/700ms,drop=1%,delay=5ms,seed=10";
    let endpoint = Endpoint::with(&["--faults", faults]);
    let plugin = Plugin::attach(&endpoint, destination.port);
    carry_until_resumed(&plugin.program, plugin.address, 4);
}

/// A forward to a destination that exchanges bytes, with the service and the agent in its process.
struct Tunnel {
    forward: Forward,
    _destination: Destination,
}

impl Tunnel {
    fn start(faults: &str) -> Self {
        let destination = Destination::start();
        let spec = format!("0:{}", destination.port);
        Self { forward: Forward::faulty(&[&spec], faults), _destination: destination }
    }

    fn carry(&self, len: u64) {
        carry(self.forward.address(), len);
    }

    /// Carries bytes until as many connections were lost in the middle of them.
    fn carry_until_resumed(&self, times: usize) {
        carry_until_resumed(&self.forward.program, self.forward.address(), times);
    }

    fn assert_resumed(&self, times: usize) {
        assert_eq!(resumptions(&self.forward.program), times, "{}", self.forward.program.stderr());
    }

    fn never_resumed(&self) {
        self.assert_resumed(0);
    }
}

/// `len` bytes each way on each of the connections, with their digests compared.
fn carry(address: SocketAddr, len: u64) {
    thread::scope(|scope| {
        let connections: Vec<_> = (1..=CONNECTIONS)
            .map(|seed| scope.spawn(move || exchange(address, len, seed)))
            .collect();
        for connection in connections {
            connection.join().expect("the connection's thread ends well");
        }
    });
}

/// Carries bytes through `program` until as many connections were lost in the middle of them.
fn carry_until_resumed(program: &Program, address: SocketAddr, times: usize) {
    let give_up_at = Instant::now() + PATIENCE;
    while resumptions(program) < times {
        if Instant::now() > give_up_at {
            program.fail(&format!("{times} lost connections: not within {PATIENCE:?}"));
        }
        carry(address, 256 << 10);
    }
}

fn resumptions(program: &Program) -> usize {
    program.stderr().matches("; resuming session").count()
}

const CONNECTIONS: u64 = 4;
/// Many times what the faults take that are waited for.
const PATIENCE: Duration = Duration::from_secs(120);
