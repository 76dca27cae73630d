//! What the drop-in says, byte for byte, where no other test's session brings it up: sockets, old
//! agents, reasons for the end, and what it takes from its environment.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use crate::{
    raw_client::await_active_sessions,
    raw_frame::*,
    raw_gateway::*,
    raw_peer::RawPeer,
    support::{Endpoint, Plugin, Program, REGION, Signal, await_that, command},
    targets::TcpTarget,
};

/// The handshake request of a port session with these properties.
fn request(version: &str, properties: &serde_json::Value) -> String {
    json!({
        "AgentVersion": version,
        "RequestedClientActions": [{
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "Port", "Properties": properties},
        }],
    })
    .to_string()
}

async fn shake_hands(agent: &mut RawPeer, request: &str) {
    agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
}

fn starting() -> String {
    format!("\nStarting session with SessionId: {SESSION_ID}\n")
}

fn signalled() -> String {
    format!(
        "Terminate signal received, exiting.\n\n\nExiting session with sessionId: {SESSION_ID}.\n\n"
    )
}

#[test]
fn who_asks_for_the_log_sees_which_program_it_is() {
    let endpoint = Endpoint::start();
    let request = json!({
        "Target": "i-0123456789abcdef0",
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": { "command": ["true"] },
    });
    let (id, mut plugin) = Plugin::session(&endpoint, &request);
    plugin.env("SSMPORT_LOG", "info");
    let ended = Program::run(plugin);
    let (ours, theirs) = (env!("CARGO_PKG_VERSION"), "session-manager-plugin 1.2.");
    let expected = format!("info: ssmport {ours}, in the place of {theirs}");
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.contains(&expected) && first.contains(&id), "{ended:#?}");
}

#[tokio::test]
async fn a_unix_socket_is_opened_where_the_document_says_and_is_gone_afterwards() {
    for (version, waiting, accepted) in [
        (
            "3.3.3050.0",
            "Waiting for connections...\n",
            format!("\nConnection accepted for session [{SESSION_ID}]\n"),
        ),
        ("3.0.196.0", "", format!("Connection accepted for session {SESSION_ID}.\n")),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s").display().to_string();
        let gateway = RawGateway::start().await;
        let plugin = gateway.plugin();
        let mut agent = gateway.accept().await;
        let properties = json!({
            "portNumber": "80", "type": "LocalPortForwarding",
            "localConnectionType": "unix", "localUnixSocket": path,
        });
        shake_hands(&mut agent, &request(version, &properties)).await;
        plugin.wait_for_stdout(|line| line.starts_with("Unix socket"));
        let mut local = UnixStream::connect(&path).await.unwrap();
        local.write_all(b"hello").await.unwrap();
        while !String::from_utf8_lossy(&agent.data_of(STREAM).await.payload).contains("hello") {}
        plugin.signal(Signal::TERM);
        agent.data_of(FLAG).await;
        let ended = plugin.finish();
        let expected = format!(
            "{}Unix socket {path} opened for sessionId {SESSION_ID}.\n{waiting}{accepted}{}",
            starting(),
            signalled(),
        );
        assert_eq!((ended.stdout.as_str(), ended.code()), (expected.as_str(), 0), "{version}");
        assert!(!Path::new(&path).exists(), "the socket's file is left");
    }
}

#[tokio::test]
async fn a_killed_drop_ins_unix_socket_is_removed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    let properties = json!({
        "portNumber": "80", "type": "LocalPortForwarding",
        "localConnectionType": "unix", "localUnixSocket": path,
    });
    shake_hands(&mut agent, &request("3.3.3050.0", &properties)).await;
    plugin.wait_for_stdout(|line| line.starts_with("Unix socket"));
    assert!(path.exists());
    plugin.signal(Signal::KILL);
    plugin.finish();
    await_that("the socket's file is gone", || !path.exists());
}

#[tokio::test]
async fn an_old_agents_connections_are_told_in_the_old_words_once() {
    let endpoint = Endpoint::with(&["--agent-version", "2.3.1644.0"]);
    let target = TcpTarget::echo().await;
    let response = endpoint.start_port_session(target.port);
    let id = response["SessionId"].as_str().unwrap().to_owned();
    let request = crate::support::port_request(target.port);
    let plugin = Program::start(Plugin::command(&endpoint, &response, &request));
    let opened = plugin.wait_for_stdout(|line| line.starts_with("Port "));
    let port: u16 = opened.split(' ').nth(1).unwrap().parse().unwrap();
    for round in [b"one", b"two"] {
        let mut local = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        local.write_all(round).await.unwrap();
        let mut echo = [0; 3];
        local.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, round);
    }
    plugin.signal(Signal::INT);
    let ended = plugin.finish();
    let expected = format!(
        "\nStarting session with SessionId: {id}\nPort {port} opened for sessionId {id}.\n\
         Connection accepted for session {id}.\nTerminate signal received, exiting.\n\
         \n\nExiting session with sessionId: {id}.\n\n"
    );
    assert_eq!((ended.stdout, ended.status.code()), (expected, Some(0)));
    await_active_sessions(&endpoint, 0);
}

#[tokio::test]
async fn the_end_is_told_with_the_services_reason_and_without() {
    for (output, words) in [
        ("", format!("\n\nExiting session with sessionId: {SESSION_ID}.\n\n")),
        ("Terminated by admin", format!("\n\nSessionId: {SESSION_ID} : Terminated by admin\n\n")),
    ] {
        let gateway = RawGateway::start().await;
        let plugin = gateway.plugin();
        let mut agent = gateway.accept().await;
        agent.send(STREAM, b"$ ").await;
        agent.data_of(SIZE).await;
        agent.send_frame(&channel_closed(output)).await;
        let ended = plugin.finish();
        let expected = format!("{}$ {words}", starting());
        assert_eq!((ended.stdout.as_str(), ended.code()), (expected.as_str(), 0));
    }
}

#[tokio::test]
async fn the_port_is_opened_on_the_address_of_the_environment() {
    let gateway = RawGateway::start().await;
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.env("SSM_PLUGIN_LOCAL_HOST", "127.0.0.2");
    plugin.args([&gateway.response(), REGION, "StartSession"]);
    let plugin = Program::start(plugin);
    let _agent = gateway.accept_and_shake_hands(0).await;
    let port = opened_port(&plugin);
    TcpStream::connect(("127.0.0.2", port)).await.expect("it listens there");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "and there alone");
}

/// `localhost` is either of them to a client.
#[tokio::test]
async fn the_port_is_opened_on_both_addresses_of_this_machine() {
    for environment in [&[][..], &[("SSM_PLUGIN_LOCAL_HOST", "localhost")]] {
        let gateway = RawGateway::start().await;
        let mut plugin = gateway.plugin_command();
        plugin.envs(environment.iter().copied());
        let plugin = Program::start(plugin);
        let mut agent = gateway.accept_and_shake_hands(0).await;
        let port = opened_port(&plugin);
        let mut connections = Vec::new();
        for address in ["127.0.0.1", "::1"] {
            connections.push(TcpStream::connect((address, port)).await.expect(address));
            assert_eq!(agent.smux().await.0, SYN);
        }
    }
}

#[tokio::test]
async fn a_port_that_is_somebody_elses_on_the_other_address_is_not_opened() {
    let theirs = tokio::net::TcpListener::bind("[::1]:0").await.expect("IPv6 on this machine");
    let port = theirs.local_addr().unwrap().port();
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let _agent = gateway.accept_and_shake_hands(port).await;
    let ended = plugin.finish();
    let why = format!("Cannot perform start session: listen tcp [::1]:{port}: ");
    assert!(ended.stdout.contains(&why) && !ended.stdout.contains(" opened"), "{ended:?}");
}

#[tokio::test]
async fn a_port_for_everybody_is_warned_of_where_no_caller_reads() {
    let gateway = RawGateway::start().await;
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.env("SSM_PLUGIN_LOCAL_HOST", "0.0.0.0");
    plugin.args([&gateway.response(), REGION, "StartSession"]);
    let plugin = Program::start(plugin);
    let _agent = gateway.accept_and_shake_hands(0).await;
    let port = opened_port(&plugin);
    let line = plugin.wait_for_stderr(|line| line.contains("warning"));
    assert_eq!(
        line,
        format!(
            "session-manager-plugin: warning: 0.0.0.0:{port} can be reached from other machines"
        )
    );
}

#[cfg(feature = "aws")]
mod with_credentials {
    use std::{
        fs,
        sync::{Arc, Mutex},
    };

    use http::{Request, Response};
    use hyper::body::Bytes;

    use super::*;
    use crate::support::{HttpServer, NODE};

    /// A service that says of every session that it is over, and notes what it was asked.
    fn service(asked: &Arc<Mutex<Vec<String>>>) -> HttpServer {
        let asked = Arc::clone(asked);
        HttpServer::start(move |request: Request<Bytes>| {
            let header = |name: &str| {
                let value = request.headers().get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let (operation, signature) = (header("x-amz-target"), header("authorization"));
            asked.lock().unwrap().push(format!("{operation} {signature}"));
            let over = json!({"SessionId": SESSION_ID, "TokenValue": "", "StreamUrl": ""});
            Response::new(Bytes::from(over.to_string()))
        })
    }

    /// The drop-in with all its arguments, whose connection breaks: it asks the service to resume.
    async fn resumes_with(profile: &str, environment: &[(&str, &str)]) -> (String, String) {
        let asked = Arc::default();
        let (gateway, service) = (RawGateway::start().await, service(&asked));
        let variable = "AWS_SSM_START_SESSION_RESPONSE_7";
        let request = json!({"Target": NODE}).to_string();
        let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
        plugin.env(variable, gateway.response()).envs(environment.iter().copied());
        plugin.args([variable, REGION, "StartSession", profile, &request, &service.url]);
        let plugin = Program::start(plugin);
        let mut agent = gateway.accept_and_shake_hands(0).await;
        opened_port(&plugin);
        close(&mut agent).await;
        let ended = plugin.finish();
        assert_eq!(ended.code(), 0, "{ended:#?}");
        says_nothing_of(&ended, TOKEN);
        let asked = asked.lock().unwrap().join("\n");
        (ended.stdout, asked)
    }

    const ACCOUNT: &str = "\
[dev]
aws_access_key_id = KEYOFDEV
aws_secret_access_key = secret
[other]
aws_access_key_id = KEYOFOTHER
aws_secret_access_key = secret
";

    #[tokio::test]
    async fn a_session_that_is_over_is_said_to_have_timed_out_and_its_profile_is_the_callers() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("credentials");
        fs::write(&file, ACCOUNT).unwrap();
        let file = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
        for (profile, environment, key) in [
            ("dev", vec![file], "KEYOFDEV"),
            ("dev", vec![file, ("AWS_PROFILE", "other")], "KEYOFDEV"),
            ("", vec![file, ("AWS_PROFILE", "other")], "KEYOFOTHER"),
        ] {
            let (stdout, asked) = resumes_with(profile, &environment).await;
            let words = format!("Session: {SESSION_ID} timed out.\n");
            assert!(stdout.ends_with(&words), "{stdout}");
            assert!(asked.starts_with("AmazonSSM.ResumeSession "), "{asked}");
            assert!(asked.contains(&format!("Credential={key}/")), "{asked}");
            assert!(asked.contains(&format!("/{REGION}/ssm/")), "{asked}");
        }
    }

    #[tokio::test]
    async fn no_child_inherits_the_response() {
        let folder = TempDir::new().unwrap();
        let (config, seen) = (folder.path().join("config"), folder.path().join("seen"));
        let process = folder.path().join("process");
        let credentials =
            r#"{"Version": 1, "AccessKeyId": "KEYOFPROCESS", "SecretAccessKey": "secret"}"#;
        let script = format!("env > {}\necho '{credentials}'\n", seen.display());
        fs::write(&process, script).unwrap();
        let profile = format!("[profile p]\ncredential_process = /bin/sh {}\n", process.display());
        fs::write(&config, profile).unwrap();
        let (_, asked) = resumes_with("p", &[("AWS_CONFIG_FILE", config.to_str().unwrap())]).await;
        assert!(asked.contains("Credential=KEYOFPROCESS/"), "{asked}");
        let seen = fs::read_to_string(seen).unwrap();
        assert!(seen.contains("AWS_CONFIG_FILE="), "{seen}");
        assert!(!seen.contains("AWS_SSM_START_SESSION_RESPONSE") && !seen.contains(TOKEN));
    }
}
