//! Slow lines: a real network stack on either side, and between them a rate, a delay and a queue
//! with an end. The tunnel uses the line about as well as plain TCP does, sends little twice, and
//! leaves room for a key.
//!
//! ```text
//!   near host                                     far host
//!   client ---- ssmport forward ---- line ---- ssmport local ---- server
//!   client ---- ssh -L ------------- line ---- sshd ------------- server
//!   client ------------------------- line ----------------------- server
//! ```

use std::{any::Any, env, fmt, net::SocketAddr, thread, time::Duration};

use rustix::process::getuid;
use serde_json::Value;

use crate::support::{
    Bulk, Direction, Endpoint, Exchanged, FAR, Forward, Host, Line, NODE, Passed, Plugin, Program,
    Quality, Server, Sshd, Typist, command, find_tool, port_request,
};

#[test]
fn bulk_uses_a_slow_line_and_sends_little_twice() {
    let mut faults = Vec::new();
    // Behind what the test harness has begun its line with.
    println!("\n{HEADING}");
    for quality in qualities() {
        for direction in [Direction::Upload, Direction::Download] {
            let [plain, ssh, tunnel] = side_by_side(quality, direction);
            let tunnel = tunnel.expect("everybody can have a tunnel");
            let plain = plain.expect("everybody has TCP");
            for measured in [Some(&plain), ssh.as_ref(), Some(&tunnel)].into_iter().flatten() {
                println!("{measured}");
            }
            faults.extend(tunnel.faults(&plain));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The payload's share of the line's rate, from the first byte of a new session on. The reference
/// client gets 84 %.
#[test]
fn the_plugin_uses_a_slow_line_from_its_first_byte_on() {
    let quality = Quality { rate: 125_000, round_trip: Duration::from_millis(20) };
    let line = Line::start(quality);
    let server = Server::start(&line.far, SERVER_PORT);
    let endpoint = Endpoint::inside(&line.far, endpoint_address());
    let response = start_session(&line.near, &endpoint);
    let plugin = Plugin::command(&endpoint, &response, &port_request(SERVER_PORT));
    let plugin = Plugin::run(line.near.command_like(&plugin), &response);

    let bulk = Bulk { direction: Direction::Upload, len: 1_000_000, start: 0 };
    let port = plugin.address.port();
    let Exchanged { began, received } = server.exchange(&line.near, LOCALHOST, port, bulk);
    let passed = line.end().there;
    let share = f64::from(received.bytes) / (received.ended - began) / f64::from(quality.rate);
    let cost = cost(&passed, received.bytes);
    println!("session-manager-plugin: {:.0} % of the line, {cost:.2} bytes a byte", share * 100.0);
    assert!(received.exact && received.bytes == bulk.len, "only {} bytes came", received.bytes);
    assert!(cost <= MOST_COST && share >= 0.5, "{share:.2} of the line, {cost:.2} bytes a byte");
}

/// A way for bytes from the near host to the server on the far one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Plain,
    Ssh,
    Tunnel,
}

/// What one way has made of a line.
struct Measured {
    quality: Quality,
    direction: Direction,
    way: Way,
    is_complete: bool,
    /// Bytes a second that have arrived.
    rate: f64,
    /// Bytes on the line for each one that arrived.
    cost: f64,
    /// The part of what was sent that found no room in the line's queue.
    dropped: f64,
    /// How many seconds each key took there and back, the quickest one first.
    keys: Vec<f64>,
}

/// The same bulk, on each way over a line of its own, all at the same time. A user who is not root
/// can have no sshd on another host.
fn side_by_side(quality: Quality, direction: Direction) -> [Option<Measured>; 3] {
    thread::scope(|scope| {
        let ways = [Way::Plain, Way::Ssh, Way::Tunnel].map(|way| {
            let is_possible = way != Way::Ssh || getuid().is_root();
            is_possible.then(|| scope.spawn(move || Measured::of(quality, direction, way)))
        });
        ways.map(|way| Some(way?.join().expect("the measurement's thread ends well")))
    })
}

impl Measured {
    fn of(quality: Quality, direction: Direction, way: Way) -> Self {
        let line = Line::start(quality);
        let server = Server::start(&line.far, SERVER_PORT);
        let Entrance { address, port, _guard } = Entrance::of(way, &line);
        let typist = Typist::start(&line.near, address, port);
        let bulk = Bulk { direction, len: quality.rate * 8, start: quality.rate };
        let Exchanged { received, .. } = server.exchange(&line.near, address, port, bulk);
        let keys = typist.end();
        let traffic = line.end();
        let passed = match direction {
            Direction::Upload => traffic.there,
            Direction::Download => traffic.back,
        };
        Self {
            quality,
            direction,
            way,
            is_complete: received.exact && received.bytes == bulk.len,
            rate: received.rate(),
            cost: cost(&passed, received.bytes),
            dropped: passed.dropped_bytes as f64 / (passed.bytes + passed.dropped_bytes) as f64,
            keys,
        }
    }

    /// Signs of a sender that wastes the line, beside plain TCP in the same minute. How quick it is
    /// gates nothing.
    fn faults(&self, plain: &Self) -> Vec<String> {
        let half = plain.rate / 2.0;
        let signs = [
            (!self.is_complete, "not all arrived".to_owned()),
            (self.cost > MOST_COST, format!("more than {MOST_COST} bytes a byte")),
            (self.rate < half, format!("less than half of plain TCP's {:.0} B/s", plain.rate)),
        ];
        let signs = signs.into_iter().filter(|(is_so, _)| *is_so);
        signs.map(|(_, sign)| format!("{sign}: {self}")).collect()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quality { rate, round_trip } = self.quality;
        let (bulk, way) = (format!("{:?}", self.direction), format!("{:?}", self.way));
        let (line_rate, ms) = (f64::from(rate) / 1e3, round_trip.as_millis());
        let (rate, share) = (self.rate / 1e3, self.rate / f64::from(rate) * 100.0);
        let (cost, dropped) = (self.cost, self.dropped * 100.0);
        let [median, worst] =
            [self.keys.len() / 2, self.keys.len() - 1].map(|key| self.keys[key] * 1e3);
        write!(
            f,
            "| {line_rate:>4.0} KB/s, {ms:>3} ms | {bulk:8} | {way:6} | {rate:>6.1} | {share:>3.0} % \
             | {cost:>4.2} | {dropped:>4.1} % | {median:>6.0} | {worst:>6.0} |"
        )?;
        f.write_str(if self.is_complete { "" } else { "  not all arrived" })
    }
}

/// An address on the near host that leads to the server, as long as its guard lives.
struct Entrance {
    address: &'static str,
    port: u16,
    _guard: Box<dyn Any>,
}

impl Entrance {
    fn of(way: Way, line: &Line) -> Self {
        match way {
            Way::Plain => Self { address: FAR, port: SERVER_PORT, _guard: Box::new(()) },
            Way::Ssh => Self::of_ssh(line),
            Way::Tunnel => Self::of_tunnel(line),
        }
    }

    fn of_ssh(line: &Line) -> Self {
        let sshd = Sshd::inside(&line.far, FAR, 22);
        let mut ssh = line.near.command_like(&sshd.client("ssh"));
        let forward = format!("{SERVER_PORT}:localhost:{SERVER_PORT}");
        ssh.args(["-v", "-N", "-L", &forward, FAR]);
        let ssh = Program::start(ssh);
        ssh.wait_for_stderr(|line| line.contains("Local forwarding listening on 127.0.0.1"));
        Self { address: LOCALHOST, port: SERVER_PORT, _guard: Box::new((ssh, sshd)) }
    }

    fn of_tunnel(line: &Line) -> Self {
        let endpoint = Endpoint::inside(&line.far, endpoint_address());
        let ssmport = line.near.command_like(&command(env!("CARGO_BIN_EXE_ssmport")));
        let spec = format!("0:{SERVER_PORT}");
        let forward = Forward::run(ssmport, &[&spec], NODE, &["--endpoint-url", &endpoint.url]);
        Self { address: LOCALHOST, port: forward.port(), _guard: Box::new((forward, endpoint)) }
    }
}

/// Lines that people have; a few of them, unless all are asked for.
fn qualities() -> Vec<Quality> {
    let quality = |(rate, ms)| Quality { rate, round_trip: Duration::from_millis(ms) };
    if env::var_os("SSMPORT_TEST_ALL_LINES").is_none_or(|all| all != "1") {
        return [(60_000, 20), (125_000, 200), (1_250_000, 20)].map(quality).to_vec();
    }
    let rates = [60_000, 125_000, 300_000, 1_250_000];
    rates.into_iter().flat_map(|rate| [(rate, 20), (rate, 200)]).map(quality).collect()
}

/// StartSession for the server's port, called from a host that reaches the endpoint.
fn start_session(host: &Host, endpoint: &Endpoint) -> Value {
    let mut curl = host.command(find_tool("curl"));
    curl.args(["-sS", "-H", "X-Amz-Target: AmazonSSM.StartSession", "-H"]);
    curl.args(["Content-Type: application/x-amz-json-1.1", "-d"]);
    curl.arg(port_request(SERVER_PORT).to_string()).arg(&endpoint.url);
    let answer = Program::run(curl).success();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
}

fn endpoint_address() -> SocketAddr {
    format!("{FAR}:4566").parse().expect("an address")
}

/// Bytes on the line for each byte that arrived.
fn cost(passed: &Passed, arrived: u32) -> f64 {
    passed.bytes as f64 / f64::from(arrived)
}

const LOCALHOST: &str = "127.0.0.1";
const SERVER_PORT: u16 = 7777;
/// Bytes on the line for each byte that arrives: headers, and very little that is sent twice.
const MOST_COST: f64 = 1.35;
/// Over the lines of [`Measured`].
const HEADING: &str = "\
| line              | bulk     | way    | KB/s   | share | cost | lost   | key, ms: half | longest |
|-------------------|----------|--------|-------:|------:|-----:|-------:|--------------:|--------:|";
