//! A slow line between two hosts of their own: see line.py, which carries its packets.

use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;

use super::{
    network::Host,
    program::{Program, command},
    tools::find_tool,
};

/// Two hosts, and nothing but a slow line between them.
///
/// ```text
///   near host                           far host
///   (10.77.0.2) ---- line.py ---- FAR (10.77.0.1)
/// ```
pub struct Line {
    // Ends before the hosts that it has its devices on.
    carrier: Program,
    pub near: Host,
    pub far: Host,
}

/// What a line can do, each way.
#[derive(Clone, Copy)]
pub struct Quality {
    /// Bytes a second, of whole IP packets.
    pub rate: u32,
    /// Of a small packet while nobody else uses the line.
    pub round_trip: Duration,
}

/// What has passed over a line.
#[derive(Deserialize)]
pub struct Traffic {
    /// From the near host to the far one.
    pub there: Passed,
    pub back: Passed,
}

/// What has passed one way, in bytes of whole IP packets.
#[derive(Deserialize)]
pub struct Passed {
    /// Arrived.
    pub bytes: u64,
    /// Found no room in the queue.
    pub dropped_bytes: u64,
}

impl Line {
    pub fn start(quality: Quality) -> Self {
        let far = Host::start(command("unshare"), "");
        let near = Host::start(far.command("unshare"), "");
        let delay = quality.round_trip.as_secs_f64() / 2.0;
        let mut carrier = far.command(find_tool("python3"));
        carrier.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/line.py"));
        carrier.args([quality.rate.to_string(), delay.to_string(), quality.queue().to_string()]);
        let carrier = Program::start(carrier);
        carrier.wait_for_stdout(|line| line == "up");
        far.give_device("near", &near);
        for (host, device, address) in [(&far, "far", FAR), (&near, "near", "10.77.0.2")] {
            // Packets of IPv6 that nobody asked for would be counted.
            host.run(&format!("ip link set {device} addrgenmode none"));
            host.run(&format!("ip addr add {address}/30 dev {device} noprefixroute"));
            host.run(&format!("ip link set {device} up"));
            // Whatever this machine's own choice is, it is Linux's usual one that is measured.
            host.run(&format!("ip route add 10.77.0.0/30 dev {device} congctl cubic"));
        }
        Self { carrier, near, far }
    }

    /// Cuts the line, and says what has passed over it.
    pub fn end(self) -> Traffic {
        self.carrier.signal(Signal::TERM);
        let said = self.carrier.finish().success();
        let counted = said.lines().nth(1).expect("a line beside the first one");
        serde_json::from_str(counted).expect("the counters")
    }
}

impl Quality {
    /// Bytes that may wait to be sent: those of 100 ms, and 64 KB at least.
    fn queue(self) -> u32 {
        (self.rate / 10).max(64_000)
    }
}

/// The far host's address.
pub const FAR: &str = "10.77.0.1";
