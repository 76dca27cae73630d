//! The drop-in with everything that is no port session: shells, commands, SSH streams.

use std::{collections::BTreeMap, process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    raw_client::await_active_sessions,
    raw_frame::*,
    raw_gateway::*,
    raw_peer::{Arrival, PATIENCE},
    support::{Endpoint, NODE, Plugin, Program, Signal, await_gone, await_running, in_shell, mark},
    targets::{TcpTarget, closed_port},
};

#[test]
fn a_shell_is_told_of_and_ended_in_the_reference_plugins_words() {
    let endpoint = Endpoint::start();
    let (id, plugin) = Plugin::session(&endpoint, &request(None, &[]));
    let ended = Program::run(with_input(&plugin, "echo h''i; exit 3"));
    let starting = format!("\nStarting session with SessionId: {id}\n");
    assert!(ended.stdout.starts_with(&starting), "{ended:?}");
    assert!(ended.stdout.contains("\nhi\r\n"), "{ended:?}");
    let exiting = format!("\n\nExiting session with sessionId: {id}.\n\n");
    assert!(ended.stdout.ends_with(&exiting), "{ended:?}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    await_active_sessions(&endpoint, 0);
}

#[test]
fn an_interactive_command_has_its_output_shown() {
    let endpoint = Endpoint::start();
    let request =
        request(Some("AWS-StartInteractiveCommand"), &[("command", "stty size; echo $((6 * 7))")]);
    let (id, plugin) = Plugin::session(&endpoint, &request);
    let ended = Program::run(plugin);
    assert!(ended.stdout.contains("42\r\n"), "{ended:?}");
    assert!(ended.stdout.ends_with(&format!("\n\nExiting session with sessionId: {id}.\n\n")));
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
}

#[test]
fn a_command_is_shown_exactly_and_its_exit_code_passed_on_by_request() {
    let endpoint = Endpoint::start();
    let command = "sh -c 'echo out; echo err >&2; exit 7'";
    for (separate, quiet, pass_on) in [
        (false, false, false),
        (true, false, false),
        (true, false, true),
        (true, true, true),
        (false, true, false),
    ] {
        let separate_text = separate.to_string();
        let parameters = [("command", command), ("separateOutputStream", &separate_text)];
        let request = request(Some("AWS-StartNonInteractiveCommand"), &parameters);
        let (id, mut plugin) = Plugin::session(&endpoint, &request);
        if quiet {
            plugin.env("SSMPORT_QUIET", "1");
        }
        if pass_on {
            plugin.env("SSMPORT_EXIT_CODE", "1");
        }
        let ended = Program::run(plugin);
        let starting = format!("\nStarting session with SessionId: {id}\n");
        let exiting = format!("\n\nExiting session with sessionId: {id}.\n\n");
        if quiet {
            let (output, error) = if separate { ("out\n", "err\n") } else { ("out\nerr\n", "") };
            assert_eq!(ended.stdout, output);
            assert_eq!(ended.stderr, format!("{starting}{error}{exiting}"));
        } else {
            // As the reference prints it, the exit code's text without an end of line.
            let code = if separate { "EXIT_CODE: 7" } else { "" };
            assert_eq!(ended.stdout, format!("{starting}out\nerr\n{code}{exiting}"));
            assert_eq!(ended.stderr, "");
        }
        assert_eq!(ended.code(), if pass_on { 7 } else { 0 }, "{separate} {quiet} {pass_on}");
    }
    await_active_sessions(&endpoint, 0);
}

/// OpenSSH takes lines in front of the other side's banner; whatever comes behind it is the
/// stream's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ssh_stream_is_exact_behind_the_first_words() {
    let bytes: Vec<u8> = (0u8..=127).cycle().take(10_000).collect();
    let (endpoint, served) = (Endpoint::start(), bytes.clone());
    let target = TcpTarget::start(move |mut socket| {
        let served = served.clone();
        async move {
            let mut hello = [0; 6];
            socket.read_exact(&mut hello).await.unwrap();
            assert_eq!(&hello, b"hello\n");
            socket.write_all(&served).await.unwrap();
            let _ = socket.shutdown().await;
        }
    })
    .await;
    let port = target.port.to_string();
    let request = request(Some("AWS-StartSSHSession"), &[("portNumber", &port)]);
    for quiet in [false, true] {
        let (id, plugin) = Plugin::session(&endpoint, &request);
        let mut plugin = with_input(&plugin, "hello");
        if quiet {
            plugin.env("SSMPORT_QUIET", "1");
        }
        let ended = Program::run(plugin);
        let starting = format!("\nStarting session with SessionId: {id}\n");
        let exiting = format!("\n\nExiting session with sessionId: {id}.\n\n");
        let stream = String::from_utf8(bytes.clone()).unwrap();
        let expected = if quiet { stream } else { format!("{starting}{stream}{exiting}") };
        assert!(ended.stdout == expected, "{ended:?}");
        assert_eq!(ended.stderr, if quiet { starting + &exiting } else { String::new() });
        assert_eq!(ended.code(), 0);
    }
    await_active_sessions(&endpoint, 0);
}

#[test]
fn an_ssh_server_that_is_down_ends_the_session() {
    let endpoint = Endpoint::start();
    let port = closed_port().to_string();
    let request = request(Some("AWS-StartSSHSession"), &[("portNumber", &port)]);
    let (id, plugin) = Plugin::session(&endpoint, &request);
    let ended = Program::run(plugin);
    assert!(ended.stdout.starts_with(&format!("\nStarting session with SessionId: {id}\n")));
    // The service gives its reason, or none.
    let last = ended.stdout.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(&id), "{ended:?}");
    assert_eq!((ended.code(), ended.stdout.contains("panicked")), (0, false));
    await_active_sessions(&endpoint, 0);
}

#[test]
fn signals_end_every_kind_of_session_at_the_service_too() {
    let endpoint = Endpoint::start();
    let mark = mark();
    let sleep = format!("sleep {mark}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port_number = port.local_addr().unwrap().port().to_string();
    for signal in [Signal::TERM, Signal::HUP] {
        for request in [
            request(None, &[]),
            request(Some("AWS-StartInteractiveCommand"), &[("command", &sleep)]),
            request(
                Some("AWS-StartNonInteractiveCommand"),
                &[("command", &sleep), ("separateOutputStream", "true")],
            ),
            request(Some("AWS-StartSSHSession"), &[("portNumber", &port_number)]),
        ] {
            let (id, plugin) = Plugin::session(&endpoint, &request);
            let input = if request.get("DocumentName").is_none() { &*sleep } else { "" };
            let plugin = Program::start(with_open_input(&plugin, input));
            let is_stream = request["DocumentName"] == "AWS-StartSSHSession";
            if is_stream {
                // The other side of the stream has been dialled.
                let _connection = port.accept().unwrap();
                end(&endpoint, plugin, signal, &id);
            } else {
                await_running(&mark);
                end(&endpoint, plugin, signal, &id);
                await_gone(&mark);
            }
        }
    }
}

fn end(endpoint: &Endpoint, plugin: Program, signal: Signal, id: &str) {
    plugin.signal(signal);
    let ended = plugin.finish();
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{ended:?}");
    let words = format!(
        "Terminate signal received, exiting.\n\n\nExiting session with sessionId: {id}.\n\n"
    );
    assert!(ended.stdout.ends_with(&words), "{ended:?}");
    await_active_sessions(endpoint, 0);
}

// --- with a gateway by hand ---

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_output_of_a_session_without_a_handshake_is_not_lost() {
    for is_reordered in [false, true] {
        let gateway = RawGateway::start().await;
        let plugin = gateway.plugin();
        let mut agent = gateway.accept().await;
        // At once, before the client has said anything but its opening.
        let mut frames: Vec<RawFrame> =
            (0..20).map(|n| agent.data_frame(STREAM, format!("line {n}\n").as_bytes())).collect();
        if is_reordered {
            frames.reverse();
            frames.swap(3, 11);
        }
        for frame in &frames {
            agent.send_frame(frame).await;
        }
        plugin.wait_for_stdout(|line| line == "line 19");
        agent.send_frame(&channel_closed("")).await;
        let ended = plugin.finish();
        let lines: String = (0..20).map(|n| format!("line {n}\n")).collect();
        assert_eq!(
            ended.stdout,
            format!(
                "\nStarting session with SessionId: {SESSION_ID}\n{lines}\
                 \n\nExiting session with sessionId: {SESSION_ID}.\n\n"
            )
        );
        assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_may_be_silent_for_long_before_its_first_output() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    assert!(agent.arrival_within(Duration::from_secs(2)).await.is_none(), "it waits");
    agent.send(STREAM, b"at last\n").await;
    plugin.wait_for_stdout(|line| line == "at last");
    agent.send_frame(&channel_closed("the service's reason")).await;
    let ended = plugin.finish();
    let words = format!("\n\nSessionId: {SESSION_ID} : the service's reason\n\n");
    assert!(ended.stdout.ends_with(&words), "{ended:?}");
}

/// Everything at once: the output, the end, and the connection's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_right_before_the_end_is_shown() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    for number in 0..50 {
        let line = format!("{number:01023}\n");
        agent.send(STREAM, line.as_bytes()).await;
    }
    agent.send_frame(&channel_closed("")).await;
    close(&mut agent).await;
    // What nobody has read would have the system reset the connection, and forget the last words.
    while !matches!(agent.arrival_within(PATIENCE).await, Some(Arrival::End(_)) | None) {}
    drop(agent);
    let ended = plugin.finish();
    let last = format!("{:01023}\n\n\nExiting session", 49);
    assert!(ended.stdout.contains(&last), "{ended:?}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_session_type_is_told_and_ends_the_session() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    let request = json!({
        "AgentVersion": "3.3.3050.0",
        "RequestedClientActions": [{
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "Telepathy", "Properties": null},
        }],
    });
    agent.send(HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
    let response = agent.data_of(HANDSHAKE_RESPONSE).await;
    if response.json()["ProcessedClientActions"][0]["ActionStatus"] == 1 {
        agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    }
    let ended = plugin.finish();
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("Cannot perform start session: "), "{ended:?}");
    assert!(last.contains("Telepathy"), "{ended:?}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    says_nothing_of(&ended, TOKEN);
}

/// What is typed goes to the agent as it is, and ends as a terminal's input does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_waits_for_the_first_output_and_follows_the_size() {
    let gateway = RawGateway::start().await;
    let plugin = Program::start(with_input(&gateway.plugin_command(), "typed ahead"));
    let mut agent = gateway.accept().await;
    assert!(agent.arrival_within(Duration::from_millis(300)).await.is_none(), "it waits");
    agent.send(STREAM, b"$ ").await;
    let size = agent.data().await;
    assert_eq!((size.payload_type, size.text()), (SIZE, r#"{"cols":300,"rows":100}"#));
    let mut typed = Vec::new();
    while !typed.ends_with(b"\x04") {
        typed.extend(agent.data_of(STREAM).await.payload);
    }
    assert_eq!(typed, b"typed ahead\n\x04");
    agent.send_frame(&channel_closed("")).await;
    assert_eq!(plugin.finish().code(), 0);
}

/// The request of a session of a document.
fn request(document: Option<&str>, parameters: &[(&str, &str)]) -> Value {
    let mut request = json!({ "Target": NODE });
    if let Some(document) = document {
        let parameters: BTreeMap<_, _> =
            parameters.iter().map(|(name, value)| (*name, [*value])).collect();
        request["DocumentName"] = json!(document);
        request["Parameters"] = json!(parameters);
    }
    request
}

/// `client` with a line on its standard input, and then the end of it.
fn with_input(client: &Command, line: &str) -> Command {
    let mut shell = in_shell(r#"printf '%s\n' "$LINE" | "$@""#, client);
    shell.env("LINE", line);
    shell
}

/// `client` with a line on its standard input, which stays open.
fn with_open_input(client: &Command, line: &str) -> Command {
    let script = r#"cd "$HOME"; mkfifo in; exec 3<>in; echo "$LINE" >&3; exec "$@" <in"#;
    let mut shell = in_shell(script, client);
    shell.env("LINE", line);
    shell
}

/// Payload type of the terminal's size.
const SIZE: u32 = 3;
