//! `ssmport local`.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
};

use serde_json::{Value, json};

use super::program::{DEADLINE, Program, command};

/// The embedded endpoint as a process of its own.
pub struct Endpoint {
    pub program: Program,
    pub url: String,
}

impl Endpoint {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), arguments)
    }

    /// Starts one that tells all that it can.
    pub fn telling_all(arguments: &[&str]) -> Self {
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.env("SSMPORT_LOG", "trace");
        Self::run(local, SocketAddr::from(([127, 0, 0, 1], 0)), arguments)
    }

    /// Starts one by an `ssmport` of one's own.
    #[cfg(feature = "aws")]
    pub fn of(local: Command, arguments: &[&str]) -> Self {
        Self::run(local, SocketAddr::from(([127, 0, 0, 1], 0)), arguments)
    }

    /// Starts one on an address, for instance one that is reserved.
    pub fn at(address: SocketAddr, arguments: &[&str]) -> Self {
        Self::run(command(env!("CARGO_BIN_EXE_ssmport")), address, arguments)
    }

    /// Starts one on a host of its own; its API cannot be called from here.
    #[cfg(feature = "aws")]
    pub fn inside(host: &super::Host, address: SocketAddr) -> Self {
        Self::run(host.command(env!("CARGO_BIN_EXE_ssmport")), address, &[])
    }

    fn run(mut local: Command, address: SocketAddr, arguments: &[&str]) -> Self {
        local.args(["local", "--listen", &address.to_string(), "--json"]).args(arguments);
        let program = Program::start(local);
        let ready: Value = serde_json::from_str(&program.wait_for_stdout(|_| true))
            .unwrap_or_else(|error| program.fail(&format!("its first line: {error}")));
        assert_eq!(ready["event"], "ready");
        let url = ready["url"].as_str().expect("a URL").to_owned();
        Self { program, url }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let address = self.url.strip_prefix("http://").expect("an http URL");
        address.parse().expect("an address")
    }

    /// Calls an operation of the API, bare of any SDK: the status and the body of the answer.
    pub fn call(&self, operation: &str, request: &Value) -> (u16, Value) {
        let body = request.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AmazonSSM.{operation}\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.address(),
            body.len(),
        );
        let mut socket = TcpStream::connect(self.address()).expect("the endpoint listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        socket.write_all((head + &body).as_bytes()).expect("the request is taken");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        (status.expect("a status"), body)
    }

    /// StartSession for a port of the node's: the response.
    pub fn start_port_session(&self, port: u16) -> Value {
        let (status, response) = self.call("StartSession", &port_request(port));
        assert_eq!(status, 200, "{response}");
        response
    }

    /// The ids of the sessions that are alive.
    pub fn active_sessions(&self) -> Vec<String> {
        let (status, answer) = self.call("DescribeSessions", &json!({ "State": "Active" }));
        assert_eq!(status, 200, "{answer}");
        let sessions = answer["Sessions"].as_array().expect("a list");
        sessions.iter().map(|session| session["SessionId"].as_str().unwrap().to_owned()).collect()
    }
}

/// `ssmport`, whose embedded service for the target `local` has these faults.
pub fn faulty(faults: &str) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.env("SSMPORT_LOCAL_FAULTS", faults);
    ssmport
}

/// The request of a session for a port of the node's, with a free local port.
pub fn port_request(port: u16) -> Value {
    json!({
        "Target": NODE,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": { "portNumber": [port.to_string()], "localPortNumber": ["0"] },
    })
}

/// The node that an endpoint has unless told otherwise.
pub const NODE: &str = "i-0123456789abcdef0";
/// The region that is asked for; the endpoint takes any.
pub const REGION: &str = "eu-west-1";
