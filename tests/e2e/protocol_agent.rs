//! The drop-in against a gateway and an agent written by hand from the protocol's description.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    raw_frame::*,
    raw_gateway::*,
    raw_peer::*,
    support::{Finished, Signal},
    targets::*,
};

#[tokio::test]
async fn the_client_keeps_to_the_book() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    let request = agent.send(HANDSHAKE_REQUEST, handshake_request(0).as_bytes()).await;
    agent.acknowledgement_of(&request).await;
    let response = agent.data().await;
    assert_eq!((response.sequence_number, response.flags), (0, 0));
    assert_eq!(response.payload_type, HANDSHAKE_RESPONSE);
    assert_eq!(
        response.json(),
        json!({
            "ClientVersion": "1.2.835.0",
            "ProcessedClientActions": [
                {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": null, "Error": ""},
            ],
            "Errors": null,
        })
    );
    let complete = agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    agent.acknowledgement_of(&complete).await;

    let mut local = connect(opened_port(&plugin)).await;
    let syn = agent.data().await;
    assert_eq!((syn.payload_type, syn.flags, syn.sequence_number), (STREAM, 0, 1));
    assert_eq!(syn.payload, smux(SYN, 3, b""));
    local.write_all(b"up").await.unwrap();
    assert_eq!(agent.smux().await, (PSH, 3, b"up".to_vec()));
    agent.send(STREAM, &smux(PSH, 3, b"down")).await;
    assert_eq!(read(&mut local, 4).await, b"down");
    let _second = connect(opened_port(&plugin)).await;
    assert_eq!(agent.smux().await, (SYN, 5, vec![]));

    plugin.signal(Signal::INT);
    let flag = agent.data_of(FLAG).await;
    assert_eq!(flag.payload, 2u32.to_be_bytes());
    assert_eq!(plugin.finish().code(), 0);
}

#[tokio::test]
async fn what_a_later_agent_may_ask_and_send_is_survived() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    for payload_type in [0, 99, u32::MAX] {
        let frame = agent.send(payload_type, b"?").await;
        agent.acknowledgement_of(&frame).await;
    }
    let request = json!({
        "AgentVersion": "9.9.9.9",
        "Later": {"a": [1]},
        "RequestedClientActions": [
            {"ActionType": "Teleport", "ActionParameters": {"To": "Mars"}, "Later": 1},
            session_type_action(0),
            {"ActionType": "Nothing"},
        ],
    });
    agent.send(HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
    let response = agent.data_of(HANDSHAKE_RESPONSE).await.json();
    let actions = response["ProcessedClientActions"].as_array().unwrap();
    let statuses: Vec<_> = actions.iter().map(|action| &action["ActionStatus"]).collect();
    assert_eq!(statuses, [&json!(3), &json!(1), &json!(3)]);
    agent.send(HANDSHAKE_COMPLETE, b"no JSON").await;

    let mut local = connect(opened_port(&plugin)).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    agent.send_message(Message::text("{}")).await;
    for message_type in ["new_thing", "agent_session_state", "input_stream_data", START_PUBLICATION]
    {
        agent.send_frame(&RawFrame::new(message_type, 0, 0, b"{}")).await;
    }
    for garbage in [vec![], vec![0; 119], vec![0xff; 5000]].iter().cycle().take(15) {
        agent.send_bytes(garbage.clone()).await;
    }
    agent.send(99, b"?").await;
    agent.send(FLAG, &77u32.to_be_bytes()).await;
    agent.send(FLAG, b"").await;
    // A stream that the agent opens is refused.
    agent.send(STREAM, &smux(SYN, 2, b"")).await;
    assert_eq!(agent.smux().await, (FIN, 2, vec![]));
    agent.send(STREAM, &[smux(PSH, 9, b"nobody's"), smux(PSH, 3, b"alive")].concat()).await;
    assert_eq!(read(&mut local, 5).await, b"alive");
}

#[tokio::test]
async fn repeats_and_disorder_reach_the_local_program_once_and_in_order() {
    let gateway = RawGateway::start().await;
    let (_plugin, mut agent, port) = gateway.attached().await;
    let mut local = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    let frames: Vec<RawFrame> =
        (b'a'..=b'j').map(|byte| agent.data_frame(STREAM, &smux(PSH, 3, &[byte; 700]))).collect();
    let damaged = RawFrame { digest: [1; 32], ..frames[0].clone() };
    agent.send_frame(&damaged).await;
    agent.no_acknowledgement_of(&damaged, Duration::from_millis(200)).await;
    for frame in frames.iter().rev().chain(&frames) {
        agent.send_frame(frame).await;
        agent.acknowledgement_of(frame).await;
    }
    let expected: Vec<u8> = (b'a'..=b'j').flat_map(|byte| [byte; 700]).collect();
    assert_eq!(read(&mut local, expected.len()).await, expected);
}

#[tokio::test]
async fn garbage_and_oversize_end_the_session_with_a_line() {
    for is_oversize in [false, true] {
        let gateway = RawGateway::start().await;
        let (plugin, mut agent, _port) = gateway.attached().await;
        if is_oversize {
            let message = Message::binary(vec![0; (1 << 20) + 1]);
            let _ = futures_util::SinkExt::send(agent.socket(), message).await;
        } else {
            for _ in 0..16 {
                agent.send_bytes(vec![7; 500]).await;
            }
        }
        let ended = plugin.finish();
        fails_with(&ended, &format!("session {SESSION_ID} "));
    }
}

#[tokio::test]
async fn a_gateway_that_closes_at_once_is_told_of() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    close(&mut agent).await;
    fails_with(&plugin.finish(), "refused the data channel");

    // The first data channel is tried five times.
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    for _ in 0..5 {
        drop(gateway.listener.accept().await.unwrap());
    }
    fails_with(&plugin.finish(), &gateway.listener.local_addr().unwrap().to_string());

    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    for _ in 0..5 {
        let (mut tcp, _) = gateway.listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(tcp.read_u8().await.unwrap());
        }
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 27\r\n\r\n\
                        {\"message\":\"expired\\u0007\"}";
        tcp.write_all(refusal).await.unwrap();
    }
    fails_with(&plugin.finish(), "HTTP 403 Forbidden: expired");
}

/// The first session after a boot. Nothing else is said on stderr.
#[tokio::test]
async fn a_user_who_is_kept_waiting_by_the_node_is_told_so() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    plugin.wait_for_stderr(|line| line.contains("still waiting"));
    agent.send(HANDSHAKE_REQUEST, handshake_request(0).as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    opened_port(&plugin);
    assert_eq!(plugin.stderr().lines().count(), 1, "{}", plugin.stderr());
}

#[tokio::test]
async fn a_signal_ends_a_client_whose_gateway_does_not_answer() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let (_tcp, _) = gateway.listener.accept().await.unwrap();
    plugin.wait_for_stdout(|line| line.starts_with("Starting session"));
    plugin.signal(Signal::TERM);
    let ended = plugin.finish_within(LAST_WORDS);
    assert_eq!(ended.code(), 0);
    assert!(ended.stdout.ends_with(&farewell()), "{}", ended.stdout);
}

#[tokio::test]
async fn a_signal_ends_a_client_before_its_handshake() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let _agent = gateway.accept().await;
    plugin.signal(Signal::INT);
    let ended = plugin.finish_within(LAST_WORDS);
    assert!(ended.stdout.ends_with(&farewell()), "{}", ended.stdout);
}

#[tokio::test]
async fn a_signal_ends_a_client_whose_agent_acknowledges_nothing() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    agent.send(HANDSHAKE_REQUEST, handshake_request(0).as_bytes()).await;
    while agent.frame_of(INPUT).await.payload_type != HANDSHAKE_RESPONSE {}
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    let mut local = connect(opened_port(&plugin)).await;
    local.write_all(&[7; 100_000]).await.unwrap();
    while agent.frame_of(INPUT).await.payload.len() < 1000 {}

    plugin.signal(Signal::INT);
    let before = Instant::now();
    let ended = plugin.finish_within(LAST_WORDS);
    assert!(ended.stdout.ends_with(&farewell()), "{}", ended.stdout);
    assert!(before.elapsed() > Duration::from_secs(1), "its last words had no time");
}

/// Behind the first ping: what cannot be written must not keep the client from anything else.
#[tokio::test]
async fn an_agent_that_does_not_read_costs_little_and_a_signal_ends_it() {
    let gateway = RawGateway::with_small_buffers().await;
    let (plugin, mut agent, port) = gateway.attached().await;
    let mut local = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    let push = tokio::spawn(async move {
        let chunk = vec![7; 64 << 10];
        let mut pushed = 0;
        while timeout(Duration::from_secs(2), local.write_all(&chunk)).await.is_ok() {
            pushed += chunk.len();
        }
        (local, pushed)
    });
    // Each of these is acknowledged, on the way that nobody reads.
    let keepalive = smux(3, 0, b"");
    for _ in 0..60_000 {
        let frame = agent.data_frame(STREAM, &keepalive);
        if !agent.feed(&frame, Duration::from_secs(2)).await {
            break;
        }
    }
    let (_local, pushed) = push.await.unwrap();
    assert!(pushed < 64 << 20, "the local program was not held back");
    let peak = plugin.peak_memory();
    assert!(peak < 32 << 20, "{peak} bytes");

    tokio::time::sleep(Duration::from_secs(21)).await;
    let before = plugin.cpu_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = plugin.cpu_time() - before;
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in 2 s of waiting");
    plugin.signal(Signal::INT);
    let ended = plugin.finish_within(LAST_WORDS);
    assert!(ended.stdout.ends_with(&farewell()), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_local_reader_holds_up_nobody_until_the_budget_is_spent_and_loses_nothing() {
    const EACH: usize = 64 << 10;
    const FIRST: u64 = 2 << 20;
    const ALL: u64 = 24 << 20;
    let gateway = RawGateway::start().await;
    let (plugin, mut agent, port) = gateway.attached().await;
    let mut slow = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    let mut quick = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 5, vec![]));

    for at in (0..FIRST).step_by(EACH) {
        agent.send(STREAM, &in_frames(3, &pattern(at, EACH))).await;
        agent.send(STREAM, &smux(PSH, 5, &at.to_be_bytes())).await;
        assert_eq!(read(&mut quick, 8).await, at.to_be_bytes());
    }
    let sender = tokio::spawn(async move {
        for at in (FIRST..ALL).step_by(EACH) {
            agent.send_patiently(STREAM, &in_frames(3, &pattern(at, EACH))).await;
            agent.send_patiently(STREAM, &smux(PSH, 5, &at.to_be_bytes())).await;
        }
        agent.send_patiently(STREAM, &smux(FIN, 3, b"")).await;
        agent
    });
    let mut ticks = 0;
    while let Ok(Ok(_)) = timeout(Duration::from_secs(1), quick.read_u64()).await {
        ticks += 1;
    }
    assert!(ticks < (ALL - FIRST) / EACH as u64, "nothing held the agent back");
    let peak = plugin.peak_memory();
    assert!(peak < 32 << 20, "{peak} bytes");

    let mut at = 0;
    while at < ALL {
        let bytes = read(&mut slow, EACH).await;
        assert!(bytes == pattern(at, EACH), "other bytes after {at}");
        at += EACH as u64;
    }
    assert_eq!(slow.read(&mut [0]).await.unwrap(), 0);
    for _ in ticks..(ALL - FIRST) / EACH as u64 {
        timeout(PATIENCE, quick.read_u64()).await.unwrap().unwrap();
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_session_is_told_in_the_contracts_words() {
    let starting = format!("\nStarting session with SessionId: {SESSION_ID}\n");
    let exiting = format!("\n\nExiting session with sessionId: {SESSION_ID}.\n\n");
    let with_output = format!("\n\nSessionId: {SESSION_ID} : ends for a reason\n\n");
    for (output, last_words) in [("", exiting), ("ends for a reason", with_output)] {
        let gateway = RawGateway::start().await;
        let (plugin, mut agent, port) = gateway.attached().await;
        agent.send_frame(&channel_closed(output)).await;
        let ended = plugin.finish();
        assert_eq!(ended.code(), 0);
        let opened =
            format!("Port {port} opened for sessionId {SESSION_ID}.\nWaiting for connections...\n");
        assert_eq!(ended.stdout, format!("{starting}{opened}{last_words}"));
        assert_eq!(ended.stderr, "");
    }
}

#[tokio::test]
async fn a_fin_of_the_agent_is_the_local_programs_end_of_file() {
    let gateway = RawGateway::start().await;
    let (_plugin, mut agent, port) = gateway.attached().await;
    let mut local = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    agent.send(STREAM, &[smux(PSH, 3, b"last words"), smux(FIN, 3, b"")].concat()).await;
    assert_eq!(read_to_end(&mut local).await.unwrap(), b"last words");
    drop(local);
    assert_eq!(agent.smux().await, (FIN, 3, vec![]));
}

#[tokio::test]
async fn a_reply_after_the_local_programs_end_of_file_arrives() {
    let gateway = RawGateway::start().await;
    let (_plugin, mut agent, port) = gateway.attached().await;
    let mut local = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    local.write_all(b"question").await.unwrap();
    local.shutdown().await.unwrap();
    assert_eq!(agent.smux().await, (PSH, 3, b"question".to_vec()));
    // The agent would close both directions on a FIN: none may come while a reply does.
    for part in [b"first ", b"second"] {
        let end = Instant::now() + Duration::from_millis(700);
        while let Some(arrival) = agent.arrival_within(end - Instant::now().min(end)).await {
            assert!(
                matches!(&arrival, Arrival::Frame(frame) if frame.message_type == ACKNOWLEDGE),
                "{arrival:?}"
            );
        }
        agent.send(STREAM, &smux(PSH, 3, part)).await;
        assert_eq!(read(&mut local, 6).await, part);
    }
    agent.send(STREAM, &smux(FIN, 3, b"")).await;
    assert_eq!(agent.smux().await, (FIN, 3, vec![]));
    assert_eq!(read_to_end(&mut local).await.unwrap(), b"");
}

#[tokio::test]
async fn a_connection_cut_off_by_the_sessions_end_is_no_clean_end_of_file() {
    let gateway = RawGateway::start().await;
    let (plugin, mut agent, port) = gateway.attached().await;
    let mut cut_off = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 3, vec![]));
    let mut whole = connect(port).await;
    assert_eq!(agent.smux().await, (SYN, 5, vec![]));
    let both = [smux(PSH, 3, b"half of"), smux(PSH, 5, b"all"), smux(FIN, 5, b"")].concat();
    agent.send(STREAM, &both).await;
    assert_eq!(read(&mut cut_off, 7).await, b"half of");
    agent.send_frame(&channel_closed("")).await;
    plugin.finish();
    let end = read_to_end(&mut cut_off).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(read_to_end(&mut whole).await.unwrap(), b"all");
}

async fn connect(port: u16) -> TcpStream {
    let local = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
    local.set_nodelay(true).unwrap();
    local
}

async fn read(local: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    timeout(PATIENCE, local.read_exact(&mut bytes)).await.expect("in time").expect("bytes");
    bytes
}

async fn read_to_end(local: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, local.read_to_end(&mut bytes)).await.expect("in time")?;
    Ok(bytes)
}

/// Frames of the multiplexer with all of `bytes`.
fn in_frames(stream: u32, bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(30_000).flat_map(|chunk| smux(PSH, stream, chunk)).collect()
}

#[track_caller]
fn fails_with(ended: &Finished, part: &str) {
    assert_eq!(ended.code(), 0);
    let line = ended.stdout.lines().last().unwrap();
    assert!(line.starts_with("Cannot perform start session: "), "{}", ended.stdout);
    assert!(line.contains(part), "{line}");
    assert!(ended.stdout.ends_with('\n'));
    says_nothing_of(ended, TOKEN);
}

fn farewell() -> String {
    format!(
        "Terminate signal received, exiting.\n\n\nExiting session with sessionId: {SESSION_ID}.\n\n"
    )
}

/// What a client may take from a signal to its end: 2.5 s for its session, 1 s for the service, and
/// something for a busy machine.
const LAST_WORDS: Duration = Duration::from_secs(6);
