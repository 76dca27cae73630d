//! Shells and interactive commands of the embedded agent, with a client written by hand.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{
    processes::*,
    raw_client::*,
    raw_frame::*,
    raw_peer::*,
    support::{Endpoint, Signal},
};

#[tokio::test]
async fn a_shell_begins_with_output_and_runs_what_is_typed() {
    let endpoint = Endpoint::start();
    let ticket = start_document(&endpoint, None, &[]);
    let mut client = open(&ticket).await;
    assert_eq!(client.frame().await.message_type, START_PUBLICATION);
    let first = client.data().await;
    assert_eq!((first.sequence_number, first.flags, first.payload_type), (0, 1, STREAM));
    let typed = client.send(STREAM, b"echo \"$TERM:$((6 * 7))\"; exit 3\n").await;
    client.acknowledgement_of(&typed).await;
    let rest = client.until_closed().await;
    assert!(rest.contains("\r\nxterm-256color:42\r\n"), "{rest:?}");
    await_active_sessions(&endpoint, 0);
    assert_eq!(ended_sessions(&endpoint), [ticket.session_id]);
}

#[tokio::test]
async fn an_interactive_command_has_a_terminal_of_its_own() {
    let endpoint = Endpoint::start();
    let command = "test -t 0 && test -t 1 && test -t 2 && echo terminal; ps -o sid=,pid= -p $$";
    let mut client = interactive(&endpoint, command).await;
    let output = client.until_closed().await;
    let (first, second) = output.split_once("\r\n").expect("two lines");
    assert_eq!(first, "terminal");
    let ids: Vec<&str> = second.split_whitespace().collect();
    assert_eq!(ids[0], ids[1], "it leads its session");
}

#[tokio::test]
async fn a_size_reaches_the_terminal_and_its_programs() {
    let endpoint = Endpoint::start();
    let script = "trap 'stty size' WINCH; stty size; echo ready; \
                  while :; do sleep 0.05; done";
    let mut client = interactive(&endpoint, script).await;
    client.until_output("0 0\r\nready\r\n").await;
    client.send(SIZE, br#"{"cols":132,"rows":50}"#).await;
    client.until_output("50 132\r\n").await;
    // What is no size changes nothing.
    client.send(SIZE, b"{").await;
    client.send(SIZE, br#"{"cols":65616,"rows":24}"#).await;
    client.until_output("24 80\r\n").await;
}

#[tokio::test]
async fn twenty_mebibytes_arrive_whole_and_so_does_the_last_byte() {
    let endpoint = Endpoint::start();
    let command = "stty -opost; head -c 20971520 /dev/zero | tr '\\0' x; printf end";
    let mut client = interactive(&endpoint, command).await;
    let output = client.until_closed().await;
    assert_eq!(output.len(), (20 << 20) + 3);
    assert!(output.trim_start_matches('x') == "end");
}

#[tokio::test]
async fn a_large_paste_arrives_whole() {
    let endpoint = Endpoint::start();
    let mut client =
        interactive(&endpoint, "stty raw -echo; echo ready; head -c 2000000 | cksum").await;
    client.until_output("ready").await;
    let paste: Vec<u8> = (0..2_000_000u32).map(|at| (at % 251) as u8).collect();
    for part in paste.chunks(64 << 10) {
        client.send(STREAM, part).await;
    }
    let output = client.until_closed().await;
    // As POSIX's cksum has it for these bytes.
    assert!(output.contains(&format!("{} 2000000", cksum(&paste))), "{output:?}");
}

/// Its output waits for acknowledgements, which come behind its input, which waits for its output.
#[tokio::test]
async fn a_program_that_answers_all_it_reads_does_not_get_stuck() {
    let endpoint = Endpoint::start();
    let mut client = interactive(&endpoint, "stty raw -echo; echo ready; exec cat").await;
    client.until_output("ready\n").await;
    let paste: Vec<u8> = (0..2 << 20).map(|at: u32| b'a' + (at % 23) as u8).collect();
    for part in paste.chunks(32 << 10) {
        client.send(STREAM, part).await;
    }
    // Stuck, it would send what is unacknowledged again and again.
    let answer = timeout(2 * PATIENCE, client.output_of(paste.len())).await;
    assert!(answer.expect("all of it in time") == paste);
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_the_client_back() {
    let endpoint = Endpoint::start();
    let script = "stty raw -echo; echo ready; read -r line < /dev/null; sleep 60";
    let mut client = interactive(&endpoint, script).await;
    client.until_output("ready").await;
    // The terminal takes some; the first that it does not take is acknowledged, as it was taken
    // off the channel, and the one behind it is not.
    let mut frames = Vec::new();
    for _ in 0..64 {
        frames.push(client.send(STREAM, &[b'x'; 4096]).await);
    }
    client.no_acknowledgement_of(&frames[63], Duration::from_millis(500)).await;
    assert_eq!(endpoint.active_sessions().len(), 1);
}

#[tokio::test]
async fn output_is_cut_between_characters() {
    let endpoint = Endpoint::start();
    let script = r"stty -opost; printf '\360\237'; sleep 0.3; printf '\230\200.'; printf 'caf\351'";
    let mut client = interactive(&endpoint, script).await;
    let mut whole = Vec::new();
    loop {
        let frame = client.frame().await;
        match &*frame.message_type {
            OUTPUT => {
                client.acknowledge(&frame).await;
                assert!(!frame.text().is_empty());
                whole.push(frame.text().to_owned());
            }
            CHANNEL_CLOSED => break,
            _ => {}
        }
    }
    assert_eq!(whole.concat(), "\u{1f600}.caf", "the real agent never sends the last byte");
}

#[tokio::test]
async fn everything_a_shell_has_started_ends_with_its_session() {
    for end in ["flag", "api", "exit"] {
        let endpoint = Endpoint::start();
        let ticket = start_document(&endpoint, None, &[]);
        let mut client = open(&ticket).await;
        // In the background, in a group of its own, deaf to a hang-up, and without the terminal,
        // which would keep the session open. The terminal echoes this with its quotes.
        let job = "(trap '' HUP; exec sleep 60) </dev/null >/dev/null 2>&1 &";
        let line = format!("set -m; {job} echo pi''ds $$ $!.\n");
        client.send(STREAM, line.as_bytes()).await;
        let mut output = client.until_output("pids ").await;
        let mut output = output.split_off(output.rfind("pids ").expect("awaited"));
        if !output.contains('.') {
            output.push_str(&client.until_output(".").await);
        }
        let pids = numbers(output.split('.').next().unwrap());
        assert_eq!(pids.len(), 2, "{output:?}");
        assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
        match end {
            "flag" => drop(client.send(FLAG, &2u32.to_be_bytes()).await),
            "api" => terminate(&endpoint, &ticket),
            _ => drop(client.send(STREAM, b"exit\n").await),
        }
        client.until_closed().await;
        await_active_sessions(&endpoint, 0);
        await_gone(&pids).await;
    }
}

#[tokio::test]
async fn nothing_outlives_the_endpoint() {
    let endpoint = Endpoint::start();
    let script = "trap '' HUP INT TERM; sleep 60 & echo \"pids $$ $!.\"; wait; sleep 60";
    let mut client = interactive(&endpoint, script).await;
    let pids = numbers(&client.until_output(".\r\n").await);
    assert_eq!(pids.iter().filter(|pid| is_alive(**pid)).count(), 2, "{pids:?}");
    endpoint.program.signal(Signal::TERM);
    await_gone(&pids).await;
}

#[tokio::test]
async fn a_session_goes_on_after_a_resumption() {
    let endpoint = Endpoint::start();
    let ticket = start_document(&endpoint, None, &[]);
    let mut client = open(&ticket).await;
    client.send(STREAM, b"kept=42; echo set\n").await;
    client.until_output("set\r\n").await;
    let resumed = resume(&endpoint, &ticket);
    let mut client = client.moved_to(open(&resumed).await);
    client.send(STREAM, b"echo \"still $kept\"; exit\n").await;
    assert!(client.until_closed().await.contains("still 42\r\n"));
}

#[tokio::test]
async fn the_first_output_may_be_told_to_take_a_second() {
    for (quirks, late) in [("default", false), ("none,+shell-delay", true)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let before = Instant::now();
        let mut client = interactive(&endpoint, "echo now; sleep 60").await;
        client.until_output("now").await;
        assert_eq!(before.elapsed() >= Duration::from_secs(1), late, "{quirks}");
    }
}

#[tokio::test]
async fn output_may_be_told_to_come_at_the_real_agents_pace() {
    for (quirks, paced) in [("none", false), ("none,+pace", true)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let mut client = interactive(&endpoint, "head -c 100000 /dev/zero | tr '\\0' x").await;
        let before = Instant::now();
        let lengths = client.output_lengths().await;
        assert_eq!(lengths.iter().sum::<usize>(), 100_000);
        assert_eq!(lengths.iter().all(|length| *length <= 1024), paced, "{lengths:?}");
        // How long it takes otherwise is the machine's business.
        assert!(!paced || before.elapsed() >= Duration::from_millis(97), "{quirks}");
    }
}

async fn interactive(endpoint: &Endpoint, command: &str) -> RawPeer {
    let document = Some("AWS-StartInteractiveCommand");
    open(&start_document(endpoint, document, &[("command", command)])).await
}

fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

/// The checksum of POSIX's cksum.
fn cksum(bytes: &[u8]) -> u32 {
    let mut length = bytes.len();
    let mut crc = 0u32;
    let mut take = |byte: u8| {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
        }
    };
    bytes.iter().for_each(|byte| take(*byte));
    while length > 0 {
        take((length & 0xff) as u8);
        length >>= 8;
    }
    !crc
}
