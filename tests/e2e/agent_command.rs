//! Non-interactive commands of the embedded agent, with a client written by hand.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{processes::*, raw_client::*, raw_frame::*, raw_peer::*, support::Endpoint};

#[tokio::test]
async fn both_outputs_and_the_exit_code_come_apart() {
    let endpoint = Endpoint::start();
    let command = r#"sh -c "echo out; sleep 0.2; echo err >&2; exit 5""#;
    let mut client = open(&separate(&endpoint, command, &[])).await;
    let request = client.data_of(HANDSHAKE_REQUEST).await.json();
    let parameters = &request["RequestedClientActions"][0]["ActionParameters"];
    assert_eq!(parameters["SessionType"], "NonInteractiveCommands");
    assert_eq!(parameters["Properties"], Value::Null);
    client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    let complete = client.data_of(HANDSHAKE_COMPLETE).await.json();
    assert_eq!(complete["CustomerMessage"], "");
    let (messages, reason) = client.messages().await;
    assert_eq!(
        messages,
        spelled([(STREAM, "out\n"), (STDERR, "err\n"), (EXIT_CODE, "EXIT_CODE: 5")])
    );
    assert_eq!(reason, "");
    await_active_sessions(&endpoint, 0);
}

#[tokio::test]
async fn the_exit_code_tells_how_the_command_ended() {
    let endpoint = Endpoint::start();
    for (command, code) in [
        ("true", "EXIT_CODE: 0"),
        ("false", "EXIT_CODE: 1"),
        ("sh -c 'exit 255'", "EXIT_CODE: 255"),
        ("sh -c 'kill -9 $$'", "EXIT_CODE: -1"),
    ] {
        let mut client = open_and_shake_hands(&separate(&endpoint, command, &[])).await;
        assert_eq!(client.messages().await.0, spelled([(EXIT_CODE, code)]), "{command}");
    }
}

/// No shell sees the command, unless it names one.
#[tokio::test]
async fn words_are_split_and_nothing_else_is_done_with_them() {
    let endpoint = Endpoint::start();
    let command = r#"printf "<%s>" '$HOME' *.rs a\ b "c d" ; # no more"#;
    let mut client = open_and_shake_hands(&separate(&endpoint, command, &[])).await;
    let (messages, _) = client.messages().await;
    let printed = "<$HOME><*.rs><a b><c d><;>";
    assert_eq!(messages, spelled([(STREAM, printed), (EXIT_CODE, "EXIT_CODE: 0")]));
}

#[tokio::test]
async fn prefixes_stand_in_front_of_lines() {
    let endpoint = Endpoint::start();
    let prefixes = [("stdoutSeparatorPrefix", "OUT:"), ("stderrSeparatorPrefix", "ERR:")];
    let command = "sh -c 'echo out; sleep 0.2; echo err >&2; printf a; sleep 0.2; echo b'";
    // The real agent looks at the version only to say that it is old.
    for (version, message) in [("1.2.707.0", ""), ("1.2.295", OLD_CLIENT)] {
        let mut client = open(&separate(&endpoint, command, &prefixes)).await;
        client.data_of(HANDSHAKE_REQUEST).await;
        client.send(HANDSHAKE_RESPONSE, handshake_response_of(version).as_bytes()).await;
        let complete = client.data_of(HANDSHAKE_COMPLETE).await.json();
        assert_eq!(complete["CustomerMessage"], message, "{version}");
        let (messages, _) = client.messages().await;
        let text = |kind| {
            let of_kind = messages.iter().filter(move |(other, _)| *other == kind);
            of_kind.map(|(_, text)| text.as_str()).collect::<String>()
        };
        assert_eq!(text(STREAM), "OUT:out\nOUT:ab\n");
        assert_eq!(text(STDERR), "ERR:err\n");
        assert_eq!(text(EXIT_CODE), "EXIT_CODE: 0");
    }
}

#[tokio::test]
async fn merged_output_comes_at_the_end_without_an_exit_code() {
    let endpoint = Endpoint::start();
    let command = r#"sh -c "echo out; echo err >&2; sleep 0.5; exit 5""#;
    for separate in [None, Some("false")] {
        let mut parameters = vec![("command", command)];
        parameters.extend(separate.map(|separate| ("separateOutputStream", separate)));
        let ticket = start_document(&endpoint, Some(DOCUMENT), &parameters);
        let before = Instant::now();
        let mut client = open_and_shake_hands(&ticket).await;
        client.data_of(STREAM).await;
        assert!(before.elapsed() >= Duration::from_millis(500), "it came too early");
        let ticket = start_document(&endpoint, Some(DOCUMENT), &parameters);
        let mut client = open_and_shake_hands(&ticket).await;
        assert_eq!(client.messages().await.0, spelled([(STREAM, "out\nerr\n")]));
    }
}

#[tokio::test]
async fn a_command_has_no_input() {
    let endpoint = Endpoint::start();
    let mut client = open_and_shake_hands(&separate(&endpoint, "cat", &[])).await;
    client.send(STREAM, b"nobody reads this\n\x04").await;
    assert_eq!(client.messages().await.0, spelled([(EXIT_CODE, "EXIT_CODE: 0")]));
}

#[tokio::test]
async fn control_characters_are_signals() {
    let endpoint = Endpoint::start();
    for (input, name) in [(&b"\x03"[..], "INT"), (b"ab\x1cc\x03", "QUIT")] {
        // A program in the background keeps the shell ready for its trap, and must not keep the
        // output open.
        let wait = "sleep 60 >/dev/null 2>&1 & echo ready; wait";
        let command = format!("sh -c 'trap \"echo {name}; exit 7\" {name}; {wait}'");
        let mut client = open_and_shake_hands(&separate(&endpoint, &command, &[])).await;
        assert_eq!(client.data_of(STREAM).await.text(), "ready\n");
        client.send(STREAM, input).await;
        let (messages, _) = client.messages().await;
        let said = format!("{name}\n");
        assert!(messages.contains(&(STREAM, said)), "{messages:?}");
        // Whatever the command makes of it: the real agent loses sight of its end.
        assert_eq!(messages.last(), Some(&(EXIT_CODE, "EXIT_CODE: 1".to_owned())));
    }
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why_after_its_exit_code() {
    for (quirks, late) in [("none,+late-reason", true), ("none", false)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let mut client = open_and_shake_hands(&separate(&endpoint, "no-such-program x", &[])).await;
        let code = client.data_of(EXIT_CODE).await;
        assert_eq!(code.text(), "EXIT_CODE: 1");
        let before = Instant::now();
        let reason = "exec: \"no-such-program\": executable file not found in $PATH";
        assert_eq!(client.messages().await.0, spelled([(STDERR, reason)]));
        assert_eq!(before.elapsed() > Duration::from_millis(900), late, "{quirks}");
    }
    let endpoint = Endpoint::with(&["--quirks", "none"]);
    for (command, reason) in [
        ("/no/such/program", "fork/exec /no/such/program: no such file or directory"),
        ("/etc/passwd", "fork/exec /etc/passwd: permission denied"),
    ] {
        let mut client = open_and_shake_hands(&separate(&endpoint, command, &[])).await;
        let (messages, _) = client.messages().await;
        assert_eq!(messages, spelled([(EXIT_CODE, "EXIT_CODE: 1"), (STDERR, reason)]));
    }
    let mut client = open_and_shake_hands(&separate(&endpoint, "echo 'open", &[])).await;
    let (messages, _) = client.messages().await;
    assert_eq!(messages.len(), 1, "no exit code: {messages:?}");
    assert!(messages[0].1.starts_with("Unable to start command: "), "{messages:?}");
}

#[tokio::test]
async fn twenty_mebibytes_arrive_whole_by_either_way() {
    let endpoint = Endpoint::start();
    let command = "head -c 20971520 /dev/zero";
    let mut client = open_and_shake_hands(&separate(&endpoint, command, &[])).await;
    assert_eq!(client.output_lengths().await.iter().sum::<usize>(), 20 << 20);
    let ticket = start_document(&endpoint, Some(DOCUMENT), &[("command", command)]);
    let mut client = open_and_shake_hands(&ticket).await;
    assert_eq!(client.output_lengths().await.iter().sum::<usize>(), 20 << 20);
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_holds_the_command_back() {
    let endpoint = Endpoint::start();
    let mut client = open_and_shake_hands(&separate(&endpoint, "yes", &[])).await;
    let end = Instant::now() + Duration::from_secs(1);
    let mut highest = 0;
    while let Some(arrival) = client.arrival_until(end).await {
        if let Arrival::Frame(frame) = arrival {
            highest = highest.max(frame.sequence_number);
        }
    }
    assert!(highest < 100, "message {highest} came");
    let peak = endpoint.program.peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes");
}

#[tokio::test]
async fn everything_a_command_has_started_ends_with_its_session() {
    let command = "sh -c 'trap \"\" HUP; sleep 60 & echo $$ $!; wait; sleep 60'";
    for end in ["flag", "api"] {
        let endpoint = Endpoint::start();
        let ticket = separate(&endpoint, command, &[]);
        let mut client = open_and_shake_hands(&ticket).await;
        let line = client.data_of(STREAM).await;
        let pids: Vec<u32> =
            line.text().split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
        assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
        match end {
            "flag" => drop(client.send(FLAG, &2u32.to_be_bytes()).await),
            _ => terminate(&endpoint, &ticket),
        }
        let (messages, _) = client.messages().await;
        assert!(messages.is_empty(), "no exit code: {messages:?}");
        await_gone(&pids).await;
    }
}

fn separate(endpoint: &Endpoint, command: &str, more: &[(&str, &str)]) -> RawTicket {
    let mut parameters = vec![("command", command), ("separateOutputStream", "true")];
    parameters.extend(more);
    start_document(endpoint, Some(DOCUMENT), &parameters)
}

const DOCUMENT: &str = "AWS-StartNonInteractiveCommand";
const OLD_CLIENT: &str = "Please update session manager plugin version (minimum required version \
                          1.2.312.0) for fully support of separate StdOut/StdErr output.\r\n";
