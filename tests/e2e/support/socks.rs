//! `ssmport socks`.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use super::{
    REGION,
    endpoint::Endpoint,
    program::{Finished, Program, command},
    tools::find_tool,
};

/// A running proxy.
pub struct Socks {
    pub program: Program,
    pub port: u16,
}

impl Socks {
    /// Leads to a node of an endpoint.
    pub fn start(endpoint: &Endpoint, target: &str, arguments: &[&str]) -> Self {
        let mut socks = command(env!("CARGO_BIN_EXE_ssmport"));
        socks.args(["socks", "0", "-t", target, "--json", "-v"]).args(arguments);
        socks.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        socks.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
        let program = Program::start(socks);
        let ready = program.wait_for_stdout(|line| line.contains("\"ready\""));
        let ready: Value = serde_json::from_str(&ready).expect("JSON");
        let port = ready["port"].as_u64().and_then(|port| port.try_into().ok());
        Self { program, port: port.expect("a port") }
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The proxy as programs are told of it, in a scheme of curl's.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// `curl` by way of it.
    pub fn curl(&self, scheme: &str, arguments: &[&str]) -> Command {
        let mut curl = command(find_tool("curl"));
        curl.args(["-sS", "--noproxy", "", "-x", &self.url(scheme)]).args(arguments);
        curl
    }

    /// What curl gets.
    pub fn fetch(&self, scheme: &str, url: &str) -> Finished {
        Program::run(self.curl(scheme, &[url]))
    }
}
