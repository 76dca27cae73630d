//! Programs that run the plugin for port sessions, imitated as their sources do it: what they pass,
//! what they wait for, how they end it.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    raw_client::{await_active_sessions, ended_sessions},
    support::{Endpoint, NODE, Program, REGION, Signal, command, free_port},
    targets::{TcpTarget, echoes},
    tls::TlsProxy,
};

/// packer-plugin-amazon: the stream URL as the endpoint, credentials only in its own process, output
/// read to its end, SIGKILL when the build is over, then TerminateSession.
#[tokio::test(flavor = "multi_thread")]
async fn packer_has_its_tunnel_without_credentials_and_kills_it() {
    let (endpoint, server) = (Endpoint::start(), TcpTarget::echo().await);
    let proxy = TlsProxy::start(&endpoint);
    let port = free_port();
    let request = json!({
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": [server.port.to_string()], "localPortNumber": [port.to_string()]},
        "Reason": null,
        "Target": NODE,
    });
    let (_, response) = endpoint.call("StartSession", &request);
    let response = proxy.lead_through(&endpoint, &response);
    let id = response["SessionId"].as_str().expect("an id");
    let url = response["StreamUrl"].as_str().expect("a URL");

    // Asking an instance for credentials that is none takes as long as it is let.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port where nobody answers");
    let metadata = format!("http://{}", nobody.local_addr().expect("an address"));
    let mut plugin = plugin();
    plugin.env_remove("AWS_EC2_METADATA_DISABLED").env("SSL_CERT_FILE", proxy.authority());
    plugin.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata);
    plugin.args([&*response.to_string(), REGION, "StartSession", "", &request.to_string(), url]);

    let begun = Instant::now();
    let plugin = Program::start(plugin);
    plugin.wait_for_stdout(|line| line == format!("Port {port} opened for sessionId {id}."));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    echoes(&mut TcpStream::connect(("127.0.0.1", port)).await.expect("open"), b"SSH-2.0-").await;
    assert_eq!(proxy.authorization_seen(), "-", "signed with nothing");

    plugin.signal(Signal::KILL);
    plugin.finish();
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    let (status, _) = endpoint.call("TerminateSession", &json!({ "SessionId": id }));
    assert_eq!(status, 200);
    await_active_sessions(&endpoint, 0);
    assert_eq!(ended_sessions(&endpoint), [id]);
}

/// Scripts and Terraform modules: a pipe that is read until the port is said to be open, and closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_once_the_port_is_open_costs_no_connection() {
    let (endpoint, server) = (Endpoint::start(), TcpTarget::echo().await);
    let response = endpoint.start_port_session(server.port);
    let mut plugin = plugin();
    plugin.args([&*response.to_string(), REGION, "StartSession"]);
    let mut plugin = Piped(plugin.stdout(Stdio::piped()).spawn().expect("the plugin"));
    let mut lines = BufReader::new(plugin.0.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let id = response["SessionId"].as_str().expect("an id");

    // Each comes as it is said: nobody fills the pipe for it.
    assert_eq!(line(), "");
    assert_eq!(line(), format!("Starting session with SessionId: {id}"));
    let opened = line();
    let port = opened.strip_prefix("Port ").and_then(|rest| rest.split_once(' '));
    let (port, rest) = port.unwrap_or_else(|| panic!("{opened}"));
    assert_eq!(rest, format!("opened for sessionId {id}."));
    assert_eq!(line(), "Waiting for connections...");
    drop(lines);

    let port: u16 = port.parse().expect("a number");
    for _ in 0..3 {
        let mut local = TcpStream::connect(("127.0.0.1", port)).await.expect("open");
        echoes(&mut local, b"nobody reads the words any more").await;
    }
    assert!(plugin.0.try_wait().expect("its state").is_none(), "it has ended");
    let pid = rustix::process::Pid::from_child(&plugin.0);
    rustix::process::kill_process(pid, Signal::TERM).expect("it is there");
    let status = plugin.0.wait().expect("its end");
    assert_eq!(status.code(), Some(0));
    await_active_sessions(&endpoint, 0);
}

/// ecspresso and e1s: SIGINT ignored, ECS's or SSM's endpoint, camelCase; Ctrl-C goes to the whole
/// group and has to end the plugin alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_ignores_interrupts_sees_the_plugin_end() {
    let (endpoint, server) = (Endpoint::start(), TcpTarget::echo().await);
    let response = endpoint.start_port_session(server.port);
    let session = camel_case(&response);
    let target = json!({"Target": "ecs:cluster_task_runtime"}).to_string();
    let mut caller = command("sh");
    // What Go's signal.Ignore does; then the caller goes on.
    caller.args(["-c", r#"trap '' INT; "$@"; echo "the caller goes on: $?""#, "sh"]);
    caller.arg(env!("CARGO_BIN_EXE_session-manager-plugin"));
    caller.args([&*session.to_string(), REGION, "StartSession", "", &target]);
    caller.arg(format!("https://ecs.{REGION}.amazonaws.com"));
    let caller = Program::start(caller);
    let opened = caller.wait_for_stdout(|line| line.starts_with("Port "));
    let port: u16 = opened.split(' ').nth(1).and_then(|port| port.parse().ok()).expect("a port");
    echoes(&mut TcpStream::connect(("127.0.0.1", port)).await.expect("open"), b"hello").await;

    caller.signal(Signal::INT);
    let ended = caller.finish();
    assert!(ended.stdout.contains("Terminate signal received, exiting.\n"), "{ended:#?}");
    assert!(ended.stdout.ends_with("the caller goes on: 0\n"), "{ended:#?}");
    await_active_sessions(&endpoint, 0);
}

fn plugin() -> Command {
    command(env!("CARGO_BIN_EXE_session-manager-plugin"))
}

/// As the JavaScript and Python clients of ECS have it.
fn camel_case(response: &Value) -> Value {
    json!({
        "sessionId": response["SessionId"],
        "streamUrl": response["StreamUrl"],
        "tokenValue": response["TokenValue"],
    })
}

/// A child whose output we read ourselves.
struct Piped(std::process::Child);

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
