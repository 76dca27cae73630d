//! What callers of `session-manager-plugin` rely on: arguments, words on stdout, exit status,
//! signals.

use std::{fs::read_to_string, net::TcpListener};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    raw_client::{await_active_sessions, ended_sessions},
    raw_gateway::*,
    support::{Endpoint, Finished, NODE, Plugin, Program, REGION, Signal, command},
    targets::*,
};

#[test]
fn without_arguments_it_says_that_it_is_installed() {
    let ended = run(&[]);
    assert_eq!(
        ended.stdout,
        "\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a \
         session.\n\n"
    );
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
}

#[test]
fn its_version_is_one_that_callers_take_for_new_enough() {
    let ended = run(&["--version"]);
    let version = ended.stdout.strip_suffix('\n').expect("a line");
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 4);
    assert!(numbers >= vec![1, 2, 764, 0], "AWS serves no older ones: {version}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
}

#[test]
fn unknown_operations_are_answered_and_are_no_failure() {
    for arguments in [&["--help"][..], &["x", "y"]] {
        let ended = run(arguments);
        let expected = format!(
            "\nUnknown operation {}. \nUse session-manager-plugin --version to check the \
             version.\n\n",
            arguments[0]
        );
        assert_eq!((ended.code(), ended.stdout), (0, expected));
    }
    let ended = run(&["{}", REGION, "StopSession"]);
    assert_eq!((ended.code(), &*ended.stdout), (0, "Invalid Operation"));
}

#[test]
fn arguments_that_cannot_be_read_are_told_of_without_their_secrets() {
    let sound = r#"{"SessionId":"s-1","TokenValue":"sesame","StreamUrl":"ws://127.0.0.1:1/"}"#;
    for response in [
        "",
        "{",
        "sesame",
        "\"sesame\"",
        "[\"sesame\"]",
        r#"{"TokenValue":"sesame""#,
        r#"{"TokenValue":"sesame"}"#,
        r#"{"SessionId":"","TokenValue":"sesame","StreamUrl":"ws://127.0.0.1:1/"}"#,
        r#"{"SessionId":"s-1","TokenValue":7,"StreamUrl":"sesame"}"#,
        r#"{"SessionId":"s-1","TokenValue":"sesame"}"#,
        r#"{"SessionId":"s-1","TokenValue":"sesame","StreamUrl":"nowhere"}"#,
        r#"{"SessionId":"s-1","TokenValue":"sesame","StreamUrl":"ftp://127.0.0.1:1/"}"#,
        r#"{"SessionId":"s-1","TokenValue":"sesame","StreamUrl":"ws://"}"#,
        r#"{"SessionId":"s-1","TokenValue":"sesame","StreamUrl":"ws://127.0.0.1:1/?X-Amz-Token=sesame"}"#,
        "AWS_SSM_START_SESSION_RESPONSE_THAT_IS_NOT_SET",
    ] {
        cannot_start(&run(&[response, REGION, "StartSession"]), response);
    }
    for request in ["", "{", "7", "sesame"] {
        cannot_start(&run(&[sound, REGION, "StartSession", "", request]), request);
    }
    for endpoint in ["", "nonsense", "://", "https://ecs.eu-west-1.amazonaws.com"] {
        cannot_start(&run(&[sound, REGION, "StartSession", "", "{}", endpoint]), endpoint);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_gets_its_session() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let upper = |response: &Value| response.clone();
    let camel = |response: &Value| {
        json!({
            "sessionId": response["SessionId"],
            "streamUrl": response["StreamUrl"],
            "tokenValue": response["TokenValue"],
        })
    };
    let boto = |response: &Value| {
        let mut response = response.clone();
        response["ResponseMetadata"] = json!({"HTTPStatusCode": 200, "RetryAttempts": 0});
        response
    };
    let shapes: [fn(&Value) -> Value; 3] = [upper, camel, boto];
    let stream_url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/s-1";
    let with_target = format!(r#"{{"Target":"{NODE}"}}"#);
    for (shape, rest) in [
        (1, &[][..]),
        (0, &[""]),
        (0, &["", "{}"]),
        (0, &["", &with_target, &endpoint.url]),
        (2, &["", &with_target, &endpoint.url]),
        (1, &["", &with_target, "https://ecs.eu-west-1.amazonaws.com"]),
        (0, &["", &with_target, stream_url]),
    ] {
        for by_environment in [false, true] {
            let response = endpoint.start_port_session(target.port);
            let text = shapes[shape](&response).to_string();
            let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
            if by_environment {
                plugin.env("AWS_SSM_START_SESSION_RESPONSE_1", &text);
                plugin.arg("AWS_SSM_START_SESSION_RESPONSE_1");
            } else {
                plugin.arg(&text);
            }
            plugin.args([REGION, "StartSession"]).args(rest);
            let plugin = Program::start(plugin);
            let port = opened_port(&plugin);
            let mut local = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            echoes(&mut local, b"through the plugin").await;
            plugin.signal(Signal::TERM);
            let ended = plugin.finish();
            assert_eq!(ended.code(), 0);
            says_nothing_of(&ended, response["TokenValue"].as_str().unwrap());
        }
    }
    await_active_sessions(&endpoint, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_session_is_told_byte_for_byte() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let Plugin { program, session_id: id, address } = Plugin::attach(&endpoint, target.port);
    for _ in 0..3 {
        echoes(&mut TcpStream::connect(address).await.unwrap(), b"hello").await;
    }
    target.stop().await;
    for _ in 0..2 {
        let refused = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut { refused }, &mut rest).await;
        assert!(end.is_err() || rest.is_empty());
    }
    program.signal(Signal::INT);
    let ended = program.finish();
    let port = address.port();
    let expected = format!(
        "\nStarting session with SessionId: {id}\n\
         Port {port} opened for sessionId {id}.\n\
         Waiting for connections...\n\
         \nConnection accepted for session [{id}]\n\
         \nConnection to destination port failed, check SSM Agent logs.\n\
         \nConnection to destination port failed, check SSM Agent logs.\n\
         Terminate signal received, exiting.\n\
         \n\nExiting session with sessionId: {id}.\n\n"
    );
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    await_active_sessions(&endpoint, 0);
    assert_eq!(ended_sessions(&endpoint), [id]);
}

#[test]
fn a_taken_local_port_is_told_of_and_the_session_is_ended() {
    let endpoint = Endpoint::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": ["80"], "localPortNumber": [port.to_string()]},
    });
    let (_, response) = endpoint.call("StartSession", &request);
    let ended = Program::run(Plugin::command(&endpoint, &response, &request));
    assert_eq!(ended.code(), 0);
    // Callers look for the reference plugin's words.
    let words = format!(
        "\nCannot perform start session: listen tcp 127.0.0.1:{port}: bind: address already in use\n"
    );
    assert!(ended.stdout.contains(&words), "{}", ended.stdout);
    says_nothing_of(&ended, response["TokenValue"].as_str().unwrap());
    await_active_sessions(&endpoint, 0);
}

#[test]
fn a_port_that_was_asked_for_is_the_one_that_opens() {
    let endpoint = Endpoint::start();
    let port = super::support::free_port();
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": ["80"], "localPortNumber": [port.to_string()]},
    });
    let (_, response) = endpoint.call("StartSession", &request);
    let plugin = Program::start(Plugin::command(&endpoint, &response, &request));
    assert_eq!(opened_port(&plugin), port);
}

#[test]
fn a_wrong_token_and_an_unknown_session_are_refused_with_a_line() {
    let endpoint = Endpoint::start();
    let sound = endpoint.start_port_session(80);
    let (mut wrong_token, mut unknown) = (sound.clone(), sound.clone());
    wrong_token["TokenValue"] = json!("0".repeat(64));
    unknown["SessionId"] = json!("local-00000000000000000");
    let url = sound["StreamUrl"].as_str().unwrap();
    unknown["StreamUrl"] =
        json!(url.replace(sound["SessionId"].as_str().unwrap(), "local-00000000000000000"));
    for response in [wrong_token, unknown] {
        let ended = run(&[&response.to_string(), REGION, "StartSession"]);
        let id = response["SessionId"].as_str().unwrap();
        let last = ended.stdout.lines().last().unwrap();
        assert!(last.starts_with("Cannot perform start session: "), "{last}");
        assert!(last.contains(id), "{last}");
        assert_eq!(ended.code(), 0);
        says_nothing_of(&ended, response["TokenValue"].as_str().unwrap());
    }
}

#[tokio::test]
async fn the_customer_message_is_shown() {
    use super::raw_frame::{HANDSHAKE_COMPLETE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE};
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    agent.send(HANDSHAKE_REQUEST, handshake_request(0).as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    let complete = r#"{"HandshakeTimeToComplete":1,"CustomerMessage":"Mind the gap."}"#;
    agent.send(HANDSHAKE_COMPLETE, complete.as_bytes()).await;
    opened_port(&plugin);
    let starting = format!("\nStarting session with SessionId: {SESSION_ID}\n");
    assert!(plugin.stdout().starts_with(&format!("{starting}Mind the gap.\nPort ")));
}

#[tokio::test]
async fn a_caller_that_does_not_listen_is_no_mishap() {
    let gateway = RawGateway::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let report = folder.path().join("code");
    // `true` ends at once: whatever is said has no reader any more.
    let mut shell = command("sh");
    shell.args(["-c", r#"{ "$1" "$2" eu-west-1 StartSession; echo $? > "$3"; } | true"#, "sh"]);
    shell.args([env!("CARGO_BIN_EXE_session-manager-plugin"), &gateway.response()]).arg(&report);
    let shell = Program::start(shell);
    let mut agent = gateway.accept_and_shake_hands(0).await;
    agent.send_frame(&channel_closed("")).await;
    let ended = shell.finish();
    assert_eq!(ended.stderr, "");
    assert_eq!(read_to_string(report).unwrap(), "0\n");
}

fn run(arguments: &[&str]) -> Finished {
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.args(arguments);
    Program::run(plugin)
}

#[track_caller]
fn cannot_start(ended: &Finished, of: &str) {
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("Cannot perform start session: "), "{of}: {ended:?}");
    assert!(ended.stdout.ends_with('\n'), "{of}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{of}");
    says_nothing_of(ended, "sesame");
}
