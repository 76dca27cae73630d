//! `ssmport local` against a client written by hand from the protocol's description.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::watch, time::Instant};
use tokio_tungstenite::tungstenite::Message;

use super::{
    raw_client::*,
    raw_frame::*,
    raw_gateway::says_nothing_of,
    raw_peer::*,
    support::{Endpoint, NODE, Signal},
    targets::*,
};

#[tokio::test]
async fn a_session_by_the_book_reaches_its_target() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    assert_eq!(endpoint.active_sessions(), [&*ticket.session_id]);
    let mut client = open(&ticket).await;

    let start = client.frame().await;
    assert_eq!(start.message_type, START_PUBLICATION);
    assert_eq!((start.sequence_number, start.flags, start.payload_type), (0, 3, 0));
    let document = start.json();
    assert_eq!(document["SessionId"], *ticket.session_id);
    assert_eq!(document["DestinationId"], NODE);
    assert_eq!(document["MessageType"], START_PUBLICATION);
    assert_eq!(document["SchemaVersion"], 1);
    assert_eq!(document["CreatedDate"], start.created_ms.to_string());
    assert_eq!(document["MessageId"], start.id().replace('-', ""));

    let request = client.data().await;
    assert_eq!((request.sequence_number, request.flags), (0, 1), "the agent's first message");
    assert_eq!(request.payload_type, HANDSHAKE_REQUEST);
    let expected = format!(
        r#"{{"AgentVersion":"3.3.3050.0","RequestedClientActions":[{{"ActionType":"SessionType","ActionParameters":{{"SessionType":"Port","Properties":{{"localPortNumber":"0","portNumber":"{}","type":"LocalPortForwarding"}}}}}}]}}"#,
        target.port
    );
    assert_eq!(request.text(), expected);

    let response = client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    client.acknowledgement_of(&response).await;
    let complete = client.data().await;
    assert_eq!((complete.sequence_number, complete.flags), (1, 0));
    assert_eq!(complete.payload_type, HANDSHAKE_COMPLETE);
    let document = complete.json();
    assert!(document["HandshakeTimeToComplete"].as_i64().unwrap() > 0);
    assert_eq!(document["CustomerMessage"], "");

    let syn = client.send(STREAM, &smux(SYN, 3, b"")).await;
    client.acknowledgement_of(&syn).await;
    client.send(STREAM, &smux(PSH, 3, b"by hand")).await;
    assert_eq!(client.stream_bytes(3, 7).await, b"by hand");
    client.send(STREAM, &smux(FIN, 3, b"")).await;
    assert_eq!(client.smux().await, (FIN, 3, vec![]), "the target's end of file");

    client.send(FLAG, &2u32.to_be_bytes()).await;
    let (frames, _) = client.until_end().await;
    let closed = frames.iter().find(|frame| frame.message_type == CHANNEL_CLOSED).expect("closed");
    assert_eq!(closed.json()["SessionId"], *ticket.session_id);
    assert_eq!(closed.json()["Output"], "");
    await_active_sessions(&endpoint, 0);
    assert_eq!(ended_sessions(&endpoint), [ticket.session_id]);
}

#[tokio::test]
async fn repeats_are_acknowledged_again_and_delivered_once() {
    let (_endpoint, _target, mut client) = echo_session().await;
    let frame = client.send(STREAM, &smux(PSH, 3, b"once")).await;
    client.acknowledgement_of(&frame).await;
    for _ in 0..3 {
        client.send_frame(&frame).await;
        client.acknowledgement_of(&frame).await;
    }
    client.send(STREAM, &smux(PSH, 3, b"next")).await;
    assert_eq!(client.stream_bytes(3, 8).await, b"oncenext");
}

#[tokio::test]
async fn messages_out_of_order_are_acknowledged_and_delivered_in_order() {
    let (_endpoint, _target, mut client) = echo_session().await;
    let frames: Vec<RawFrame> =
        (b'a'..=b'j').map(|byte| client.data_frame(STREAM, &smux(PSH, 3, &[byte; 500]))).collect();
    for frame in frames.iter().rev() {
        client.send_frame(frame).await;
        client.acknowledgement_of(frame).await;
    }
    let expected: Vec<u8> = (b'a'..=b'j').flat_map(|byte| [byte; 500]).collect();
    assert_eq!(client.stream_bytes(3, 5000).await, expected);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_byte_for_byte() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let mut client = open(&start_session(&endpoint, target.port)).await;
    let first = client.frame_of(OUTPUT).await;
    for _ in 0..3 {
        assert_eq!(client.frame_of(OUTPUT).await, first);
    }
    client.acknowledge(&first).await;
    client.expected = 1;
    client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    assert_eq!(client.data().await.payload_type, HANDSHAKE_COMPLETE);
    let quiet = client.arrival_within(Duration::from_millis(500)).await;
    assert!(quiet.is_none(), "all is acknowledged, but {quiet:?} came");
}

#[tokio::test]
async fn a_wrong_digest_is_not_acknowledged_and_harms_nothing() {
    let (_endpoint, _target, mut client) = echo_session().await;
    let frame = client.data_frame(STREAM, &smux(PSH, 3, b"whole"));
    let damaged = RawFrame { digest: [7; 32], ..frame.clone() };
    client.send_frame(&damaged).await;
    client.no_acknowledgement_of(&frame, Duration::from_millis(300)).await;
    client.send_frame(&frame).await;
    client.acknowledgement_of(&frame).await;
    assert_eq!(client.stream_bytes(3, 5).await, b"whole");
}

#[tokio::test]
async fn what_a_later_client_may_send_is_survived() {
    let (_endpoint, _target, mut client) = echo_session().await;
    for message_type in ["new_thing", "agent_session_state", "", "output_stream_data"] {
        client.send_frame(&RawFrame::new(message_type, 0, 0, b"{}")).await;
    }
    for payload_type in [0, 3, 8, 9, 11, 13, u32::MAX] {
        let frame = client.send(payload_type, b"?").await;
        client.acknowledgement_of(&frame).await;
    }
    let unknown_flag = client.send(FLAG, &77u32.to_be_bytes()).await;
    client.acknowledgement_of(&unknown_flag).await;
    let short_flag = client.send(FLAG, b"12").await;
    client.acknowledgement_of(&short_flag).await;
    client.send_message(Message::text("text means nothing after the opening")).await;
    client.send_frame(&RawFrame::new(ACKNOWLEDGE, 0, 0, b"not JSON")).await;
    client.send_frame(&RawFrame::new("pause_publication", 0, 0, b"")).await;
    client.send_frame(&RawFrame::new(START_PUBLICATION, 0, 0, b"")).await;
    client.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(client.stream_bytes(3, 5).await, b"alive");
}

#[tokio::test]
async fn garbage_in_a_row_ends_the_session_and_less_of_it_does_not() {
    let (endpoint, target, mut client) = echo_session().await;
    let mut other = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
    other.send(STREAM, &smux(SYN, 3, b"")).await;

    let sound = RawFrame::new(INPUT, 9, STREAM, b"12345").encode();
    let with = |at: usize, value: u32| {
        let mut bytes = sound.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        bytes
    };
    let garbage = [
        vec![],
        vec![0; 119],
        vec![0xff; 4096],
        with(0, 115),
        with(0, u32::MAX),
        with(0, 0),
        with(0, 122),
    ];
    for bytes in garbage.iter().cycle().take(15) {
        client.send_bytes(bytes.clone()).await;
    }
    client.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(client.stream_bytes(3, 5).await, b"alive");

    for bytes in garbage.iter().cycle().take(16) {
        client.send_bytes(bytes.clone()).await;
    }
    client.until_end().await;
    other.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(other.stream_bytes(3, 5).await, b"alive");
    await_active_sessions(&endpoint, 1);
}

#[tokio::test]
async fn bytes_that_are_no_smux_end_their_session_alone() {
    let (endpoint, target, mut client) = echo_session().await;
    let mut other = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
    client.send(STREAM, &[2, PSH, 1, 0, 3, 0, 0, 0, b'x']).await;
    client.until_end().await;
    other.send(STREAM, &smux(SYN, 3, b"")).await;
    other.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(other.stream_bytes(3, 5).await, b"alive");
}

#[tokio::test]
async fn an_oversize_message_ends_its_connection_alone() {
    let (endpoint, target, mut client) = echo_session().await;
    let ticket = start_session(&endpoint, target.port);
    let mut other = open_and_shake_hands(&ticket).await;
    other.send(STREAM, &smux(SYN, 3, b"")).await;

    let message = Message::binary(vec![0; (1 << 20) + 1]);
    // The endpoint may be gone before all of it is written.
    let _ = futures_util::SinkExt::send(client.socket(), message).await;
    client.until_end().await;

    other.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(other.stream_bytes(3, 5).await, b"alive");
    let largest = vec![0; (1 << 20) - 120];
    let frame = other.send(99, &largest).await;
    other.acknowledgement_of(&frame).await;
}

#[tokio::test]
async fn a_token_opens_one_data_channel() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    let mut client = open_and_shake_hands(&ticket).await;

    let (frames, why) = open(&ticket).await.until_end().await;
    assert_eq!(frames, []);
    assert!(!why.contains(&ticket.token), "{why}");
    client.send(STREAM, &smux(SYN, 3, b"")).await;
    client.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(client.stream_bytes(3, 5).await, b"alive");
}

#[tokio::test]
async fn wrong_tokens_and_openings_are_refused_and_void_nothing() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    let unknown = ticket.stream_url.replace(&ticket.session_id, "local-00000000000000000");
    for (url, first) in [
        (
            &ticket.stream_url,
            opening("0000000000000000000000000000000000000000000000000000000000000000"),
        ),
        (&ticket.stream_url, opening("")),
        (&ticket.stream_url, Message::text("{}")),
        (&ticket.stream_url, Message::text("no JSON")),
        (&ticket.stream_url, Message::binary(vec![0; 200])),
        (&unknown, opening(&ticket.token)),
    ] {
        let mut client = connect(url).await;
        client.send_message(first).await;
        let (frames, why) = client.until_end().await;
        assert_eq!(frames, []);
        assert!(!why.contains(&ticket.token), "{why}");
    }
    open_and_shake_hands(&ticket).await;
    endpoint.program.signal(Signal::TERM);
    let ended = endpoint.program.finish();
    assert_eq!(ended.code(), 143);
    says_nothing_of(&ended, &ticket.token);
}

#[tokio::test]
async fn a_data_channel_that_says_nothing_is_closed() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    let mut silent = connect(&ticket.stream_url).await;
    let before = Instant::now();
    let end = silent.arrival_within(Duration::from_secs(15)).await;
    assert!(matches!(end, Some(Arrival::End(_))), "{end:?}");
    assert!(before.elapsed() > Duration::from_secs(9));
    open_and_shake_hands(&ticket).await;
}

#[tokio::test]
async fn the_real_pace_has_payloads_of_1024_bytes_at_most() {
    let target = giver(200_000).await;
    let endpoint = Endpoint::with(&["--pace", "real"]);
    let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
    let before = Instant::now();
    client.send(STREAM, &smux(SYN, 3, b"")).await;
    let mut bytes = Vec::new();
    while bytes.len() < 200_000 {
        let frame = client.data_of(STREAM).await;
        assert!(frame.payload.len() <= 1024, "{} bytes", frame.payload.len());
        bytes.extend(frame.payload);
    }
    // 200 payloads with a pause of a millisecond behind each.
    assert!(before.elapsed() > Duration::from_millis(190), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_refused_destination_is_a_flag_then_a_fin_and_the_session_goes_on() {
    let endpoint = Endpoint::start();
    let mut client = open_and_shake_hands(&start_session(&endpoint, closed_port())).await;
    for (count, stream) in [3, 5, 7].into_iter().enumerate() {
        client.send(STREAM, &smux(SYN, stream, b"")).await;
        let flag = client.data().await;
        assert_eq!((flag.payload_type, &flag.payload[..]), (FLAG, &[0, 0, 0, 3][..]), "{count}");
        assert_eq!(client.smux().await, (FIN, stream, vec![]));
    }
}

#[tokio::test]
async fn terminate_session_closes_the_channel() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    let mut client = open_and_shake_hands(&ticket).await;
    let request = json!({"SessionId": ticket.session_id});
    assert_eq!(endpoint.call("TerminateSession", &request).0, 200);
    let (frames, _) = client.until_end().await;
    let last = frames.last().expect("a frame");
    assert_eq!(last.message_type, CHANNEL_CLOSED);
    assert_eq!(last.json()["SessionId"], *ticket.session_id);
    let (status, resumed) = endpoint.call("ResumeSession", &request);
    assert_eq!((status, &resumed["TokenValue"]), (200, &json!("")));
}

#[tokio::test]
async fn a_resumed_session_goes_on_exactly_where_it_was() {
    const LEN: usize = 6 << 20;
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let ticket = start_session(&endpoint, target.port);
    let mut client = open_and_shake_hands(&ticket).await;
    client.send(STREAM, &smux(SYN, 3, b"")).await;

    // Up and down at once, over connections that break off in the middle of everything: each
    // payload is cut where no frame of the multiplexer ends.
    let sent = pattern(0, LEN);
    let mux: Vec<u8> = sent.chunks(10_000).flat_map(|chunk| smux(PSH, 3, chunk)).collect();
    let frames: Vec<RawFrame> =
        mux.chunks(7_777).map(|chunk| client.data_frame(STREAM, chunk)).collect();
    let mut back = Vec::new();
    let mut received = Vec::new();
    let mut unacknowledged: Vec<RawFrame> = Vec::new();
    let mut waiting = frames.into_iter();
    let mut connections = 1;
    while back.len() < LEN {
        if back.len() > connections * LEN / 5 && connections < 5 {
            let (_, resumed) =
                endpoint.call("ResumeSession", &json!({"SessionId": ticket.session_id}));
            let again = open(&RawTicket::from_response(&resumed)).await;
            client = client.moved_to(again);
            connections += 1;
            for frame in &unacknowledged {
                client.send_frame(frame).await;
            }
        }
        while unacknowledged.len() < 20
            && let Some(frame) = waiting.next()
        {
            client.send_frame(&frame).await;
            unacknowledged.push(frame);
        }
        let frame = client.frame().await;
        if frame.message_type == ACKNOWLEDGE {
            let text = frame.text();
            unacknowledged.retain(|sent| acknowledgement_text(sent) != text);
        } else if frame.message_type == OUTPUT && frame.sequence_number <= client.expected {
            client.acknowledge(&frame).await;
            if frame.sequence_number == client.expected {
                client.expected += 1;
                received.extend(frame.payload);
            }
            while let Some((command, stream, payload)) = take_smux(&mut received) {
                assert_eq!((command, stream), (PSH, 3));
                back.extend(payload);
            }
        }
    }
    assert_eq!(connections, 5);
    assert!(back == sent, "other bytes came back than were sent");
}

/// A session to an echo server whose stream 3 is open.
pub async fn echo_session() -> (Endpoint, TcpTarget, RawPeer) {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
    client.send(STREAM, &smux(SYN, 3, b"")).await;
    (endpoint, target, client)
}

/// A server that sends `len` bytes of the pattern.
async fn giver(len: u64) -> TcpTarget {
    TcpTarget::start(move |socket| give(socket, len, watch::channel(0).0)).await
}

pub async fn give(mut socket: tokio::net::TcpStream, len: u64, progress: watch::Sender<u64>) {
    let mut at = 0;
    while at < len {
        let chunk = pattern(at, (len - at).min(64 << 10) as usize);
        if socket.write_all(&chunk).await.is_err() {
            return;
        }
        at += chunk.len() as u64;
        progress.send_replace(at);
    }
    let _ = socket.shutdown().await;
}
