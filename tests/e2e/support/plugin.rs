//! `session-manager-plugin`, as a caller runs it.

use std::{env, net::SocketAddr, process::Command};

use serde_json::Value;

use super::{
    endpoint::{Endpoint, REGION, port_request},
    program::{Program, command},
};

/// A port session that the plugin attached to.
pub struct Plugin {
    pub program: Program,
    pub session_id: String,
    pub address: SocketAddr,
}

impl Plugin {
    /// Starts a session for `port` and attaches to it; the port is open when this returns.
    pub fn attach(endpoint: &Endpoint, port: u16) -> Self {
        let response = endpoint.start_port_session(port);
        Self::run(Self::command(endpoint, &response, &port_request(port)), &response)
    }

    /// Runs a plugin that is to attach to the port session of a response; the port is open when this
    /// returns.
    pub fn run(plugin: Command, response: &Value) -> Self {
        let session_id = response["SessionId"].as_str().expect("an id").to_owned();
        let program = Program::start(plugin);
        let opened = program.wait_for_stdout(|line| line.starts_with("Port "));
        let port = opened.split(' ').nth(1).and_then(|port| port.parse().ok());
        let port: u16 = port.unwrap_or_else(|| program.fail("no port in that line"));
        program.wait_for_stdout(|line| line == "Waiting for connections...");
        Self { program, session_id, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Starts a session and gives its id and the plugin that is to attach to it.
    pub fn session(endpoint: &Endpoint, request: &Value) -> (String, Command) {
        let (status, response) = endpoint.call("StartSession", request);
        assert_eq!(status, 200, "{response}");
        let id = response["SessionId"].as_str().expect("an id").to_owned();
        (id, Self::command(endpoint, &response, request))
    }

    /// The plugin with the arguments of the AWS CLI, the response by the environment.
    pub fn command(endpoint: &Endpoint, response: &Value, request: &Value) -> Command {
        // Another one, to be measured in the place of ours.
        let other = env::var_os("SSMPORT_TEST_PLUGIN");
        let ours = || env!("CARGO_BIN_EXE_session-manager-plugin").into();
        let mut plugin = command(other.unwrap_or_else(ours));
        plugin
            .env(RESPONSE, response.to_string())
            .env("SSMPORT_LOG", "ssmport=warn,ssmport::session=info");
        // To resume the session with; the endpoint takes any.
        plugin.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        plugin.args([RESPONSE, REGION, "StartSession", "", &request.to_string(), &endpoint.url]);
        plugin
    }
}

const RESPONSE: &str = "AWS_SSM_START_SESSION_RESPONSE";
