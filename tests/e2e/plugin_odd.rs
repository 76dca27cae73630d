//! The drop-in and the oddities of agents, services and callers: what is new, what is broken, who goes
//! away without a word.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{
    raw_frame::*,
    raw_gateway::*,
    raw_peer::PATIENCE,
    support::{Program, REGION, Signal, command, in_shell},
};

/// An agent's request for a session of some type.
fn request_of(session_type: &Value, properties: &Value) -> String {
    let parameters = json!({"SessionType": session_type, "Properties": properties});
    json!({
        "AgentVersion": "3.3.3050.0",
        "RequestedClientActions": [
            {"ActionType": "SessionType", "ActionParameters": parameters},
        ],
    })
    .to_string()
}

#[tokio::test]
async fn a_session_type_that_is_not_known_is_refused_and_named() {
    for (session_type, named) in [(json!("Gateway"), "'Gateway'"), (Value::Null, "''")] {
        let gateway = RawGateway::start().await;
        let plugin = gateway.plugin();
        let mut agent = gateway.accept().await;
        let request = request_of(&session_type, &Value::Null);
        agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
        let response = agent.data_of(HANDSHAKE_RESPONSE).await.json();
        assert_eq!(response["ProcessedClientActions"][0]["ActionStatus"], 2, "{response}");
        let why = response["Errors"][0].as_str().expect("an error");
        assert!(why.starts_with("Failed to process action SessionType: "), "{why}");
        let ended = plugin.finish();
        let last = ended.stdout.lines().last().unwrap();
        assert!(last.starts_with("Cannot perform start session: "), "{last}");
        assert!(last.contains(named), "{last}");
        assert_eq!(ended.code(), 0);
    }
}

/// The word that a session is over comes but once.
#[tokio::test]
async fn an_end_whose_header_has_a_wrong_length_is_an_end() {
    for declared in [0u32, 115, 60_000] {
        let gateway = RawGateway::start().await;
        let plugin = gateway.plugin();
        let mut agent = gateway.accept_and_shake_hands(0).await;
        let mut closed = channel_closed("why it was").encode();
        closed[..4].copy_from_slice(&declared.to_be_bytes());
        agent.send_bytes(closed).await;
        let said = plugin.finish().success();
        assert!(said.ends_with(&format!("SessionId: {SESSION_ID} : why it was\n\n")), "{said}");
    }
}

#[tokio::test]
async fn multiplexer_frames_of_a_later_agent_are_skipped() {
    let gateway = RawGateway::start().await;
    let (_plugin, mut agent, port) = gateway.attached().await;
    let mut local = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    local.write_all(b"hello").await.unwrap();
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    assert_eq!(agent.stream_bytes(3, 5).await, b"hello");
    let update = smux(4, 3, &[0, 0, 0, 0, 0, 0, 1, 0]);
    let frames = [smux(PSH, 3, b"one "), update, smux(77, 3, b"??"), smux(PSH, 3, b"two")];
    agent.send(STREAM, &frames.concat()).await;
    let mut heard = [0; 7];
    timeout(PATIENCE, local.read_exact(&mut heard)).await.expect("in time").unwrap();
    assert_eq!(&heard, b"one two");
}

#[tokio::test]
async fn whatever_is_forwarded_from_a_local_port_is_forwarded() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    let properties = json!({
        "localPortNumber": ["0"],
        "socket": "/run/x.sock",
        "type": "LocalPortForwardingToSocket",
    });
    let request = request_of(&json!("Port"), &properties);
    agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    let mut local = TcpStream::connect(("127.0.0.1", opened_port(&plugin))).await.unwrap();
    local.write_all(b"hello").await.unwrap();
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    assert_eq!(agent.stream_bytes(3, 5).await, b"hello");
}

/// An `ssh` that was killed leaves its ProxyCommand behind, at times with an end of its input that
/// somebody else still has.
#[tokio::test]
async fn a_stream_whose_reader_is_gone_ends_though_its_input_is_open() {
    let folder = tempfile::TempDir::new().unwrap();
    let gateway = RawGateway::start().await;
    let script = r#"mkfifo "$FIFO" && exec 3<>"$FIFO"
        { "$@" <&3; echo "ended with $?" >&2; } | head -n 3"#;
    let mut shell = in_shell(script, &gateway.plugin_command());
    shell.env("FIFO", folder.path().join("fifo"));
    let shell = Program::start(shell);
    let mut agent = gateway.accept().await;
    let request = request_of(&json!("Port"), &json!({"portNumber": "22"}));
    agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    agent.send(STREAM, b"SSH-2.0-x\r\n").await;
    // And then the server says nothing more.
    let flag = agent.data_of(FLAG).await;
    assert_eq!(flag.payload, [0, 0, 0, 2], "TerminateSession");
    let ended = shell.finish();
    assert!(ended.stdout.ends_with("SSH-2.0-x\r\n"), "{ended:#?}");
    assert_eq!(ended.stderr, "ended with 0\n");
}

/// As behind a proxy that swallows WebSockets.
#[tokio::test]
async fn ctrl_c_does_not_wait_for_a_gateway_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream_url = format!("ws://{}/v1/data-channel/s-1", silent.local_addr().unwrap());
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.args([&response_of(&stream_url), REGION, "StartSession"]);
    let plugin = Program::start(plugin);
    let (_upgrade, _) = timeout(PATIENCE, silent.accept()).await.expect("it comes").unwrap();
    plugin.signal(Signal::INT);
    let said = plugin.finish().success();
    assert!(said.ends_with("Exiting session with sessionId: s-1.\n\n"), "{said}");
}

fn response_of(stream_url: &str) -> String {
    json!({"SessionId": "s-1", "StreamUrl": stream_url, "TokenValue": TOKEN}).to_string()
}

/// What wrappers and shells make of a response that is sound.
#[tokio::test]
async fn a_response_is_understood_in_whatever_it_is_wrapped() {
    let gateway = RawGateway::start().await;
    let sound = gateway.response();
    let in_capitals = gateway.stream_url().replace("ws://", "WS://");
    for response in [
        format!("[{sound}]"),
        format!(r#"{{"clusterArn":"a","session":{sound}}}"#),
        sound.replace('"', ""),
        sound.replace('"', "'"),
        sound.replace(&gateway.stream_url(), &in_capitals),
        sound.replace("ws://", "http://"),
    ] {
        for request in ["i-0123456789abcdef0", "'{\"Target\":\"i-1\"}'", "[]"] {
            let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
            plugin.args([&response, REGION, "StartSession", "", request]);
            let plugin = Program::start(plugin);
            let mut agent = gateway.accept_and_shake_hands(0).await;
            agent.send_frame(&channel_closed("")).await;
            says_nothing_of(&plugin.finish(), TOKEN);
        }
    }
}

#[tokio::test]
async fn output_that_cannot_be_written_is_told_of() {
    let gateway = RawGateway::start().await;
    let mut plugin = in_shell(r#"exec "$@" >/dev/full"#, &gateway.plugin_command());
    plugin.env("SSMPORT_EXIT_CODE", "1");
    let plugin = Program::start(plugin);
    let mut agent = gateway.accept().await;
    agent.send(STREAM, b"$ ").await;
    agent.data_of(FLAG).await;
    let ended = plugin.finish();
    let told = "session-manager-plugin: warning: standard output cannot be written (No space left";
    assert!(ended.stderr.starts_with(told), "{ended:#?}");
    assert_eq!(ended.code(), 255);
}
