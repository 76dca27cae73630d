//! `ssmport forward`.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use super::{
    endpoint::faulty,
    program::{Program, command},
};

/// A running `ssmport forward`, all of its ports open.
pub struct Forward {
    pub program: Program,
    /// Destination, as the node sees it, and the local port that leads there.
    ports: Vec<(String, u16)>,
}

impl Forward {
    /// Forwards `specs` to `target`.
    pub fn start(specs: &[&str], target: &str, arguments: &[&str]) -> Self {
        Self::run(command(env!("CARGO_BIN_EXE_ssmport")), specs, target, arguments)
    }

    /// Forwards `specs` through an embedded service with these faults.
    pub fn faulty(specs: &[&str], faults: &str) -> Self {
        Self::run(faulty(faults), specs, "local", &["-v"])
    }

    /// Forwards `specs` with an `ssmport` of one's own.
    pub fn run(mut forward: Command, specs: &[&str], target: &str, arguments: &[&str]) -> Self {
        forward.arg("forward").args(specs).args(["-t", target, "--json"]).args(arguments);
        // Where a service is asked at all it is the embedded endpoint, which takes any.
        forward.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        forward.env("AWS_REGION", super::REGION);
        let program = Program::start(forward);
        let mut ports = Vec::new();
        program.wait_for_stdout(|line| {
            let event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| program.fail(&format!("{line}: {error}")));
            if event["event"] == "ready" {
                let destination = event["destination"].as_str().expect("a destination");
                let port = event["port"].as_u64().and_then(|port| port.try_into().ok());
                ports.push((destination.to_owned(), port.expect("a port")));
            }
            ports.len() == specs.len()
        });
        Self { program, ports }
    }

    /// The local port of the only SPEC.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// The local address of the only SPEC.
    pub fn address(&self) -> SocketAddr {
        let [address] = self.addresses()[..] else { panic!("several ports are forwarded") };
        address
    }

    /// The local addresses, one for each SPEC.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|(_, port)| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    /// The local port that leads to a port of the node's.
    pub fn port_to(&self, destination_port: u16) -> u16 {
        let destination = format!("localhost:{destination_port}");
        let found = self.ports.iter().find(|(to, _)| *to == destination);
        found.unwrap_or_else(|| self.program.fail(&format!("{destination} is not forwarded"))).1
    }
}
