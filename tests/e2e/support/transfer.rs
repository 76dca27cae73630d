//! Bulk over a slow connection, and keys beside it: see transfer.py, which sends and measures them.

use std::process::Command;

use rustix::process::Signal;
use serde::{Deserialize, de::DeserializeOwned};

use super::{network::Host, program::Program, tools::find_tool};

/// Where bulk goes to or comes from, and where keys are sent back.
pub struct Server(Program);

/// What a server is asked to take or to send.
#[derive(Clone, Copy)]
pub struct Bulk {
    pub direction: Direction,
    /// Bytes.
    pub len: u32,
    /// How many of these come before the measurement begins.
    pub start: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Upload,
    Download,
}

/// What became of some bulk. Times are seconds of a clock that all processes share.
pub struct Exchanged {
    /// When the sender began.
    pub began: f64,
    pub received: Received,
}

#[derive(Deserialize)]
pub struct Received {
    /// How many came before the receiver's patience ended.
    pub bytes: u32,
    /// These are the ones that were sent.
    pub exact: bool,
    /// How many had come when the measurement started.
    had: u32,
    started: f64,
    pub ended: f64,
}

/// Types a key every 250 ms, on a connection of its own.
pub struct Typist(Program);

impl Server {
    /// One on `host`, at all of its addresses. It is there for one exchange.
    pub fn start(host: &Host, port: u16) -> Self {
        let server = Program::start(transfer(host, "serve", "0.0.0.0", port));
        server.wait_for_stdout(|line| line.contains("listening"));
        Self(server)
    }

    /// Moves `bulk` between `host` and this server, which from there is at `address`.
    pub fn exchange(&self, host: &Host, address: &str, port: u16, bulk: Bulk) -> Exchanged {
        let role = if bulk.direction == Direction::Upload { "upload" } else { "download" };
        let mut client = transfer(host, role, address, port);
        client.args([bulk.len.to_string(), bulk.start.to_string()]);
        let client = Program::start(client);
        let (sender, receiver) = match bulk.direction {
            Direction::Upload => (&client, &self.0),
            Direction::Download => (&self.0, &client),
        };
        let began: Began = parse(&sender.wait_for_stdout(|line| line.contains("began")));
        let received = parse(&receiver.wait_for_stdout(|line| line.contains("exact")));
        Exchanged { began: began.began, received }
    }
}

impl Received {
    /// Bytes a second, once it had started.
    pub fn rate(&self) -> f64 {
        f64::from(self.bytes - self.had) / (self.ended - self.started)
    }
}

impl Typist {
    /// Types on `host`, to the server that from there is at `address`.
    pub fn start(host: &Host, address: &str, port: u16) -> Self {
        let program = Program::start(transfer(host, "type", address, port));
        program.wait_for_stdout(|line| line.contains("ready"));
        Self(program)
    }

    /// Stops, and tells how many seconds each key has taken there and back, or had when it ended;
    /// the quickest one first.
    pub fn end(self) -> Vec<f64> {
        self.0.signal(Signal::TERM);
        let said = self.0.finish().success();
        let mut typed: Typed = parse(said.lines().last().expect("a line beside the first one"));
        typed.taken.sort_by(f64::total_cmp);
        typed.taken
    }
}

#[derive(Deserialize)]
struct Began {
    began: f64,
}

#[derive(Deserialize)]
struct Typed {
    taken: Vec<f64>,
}

fn transfer(host: &Host, role: &str, address: &str, port: u16) -> Command {
    let mut transfer = host.command(find_tool("python3"));
    transfer.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/transfer.py"));
    transfer.args([role, address, &port.to_string()]);
    transfer
}

fn parse<T: DeserializeOwned>(line: &str) -> T {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}
