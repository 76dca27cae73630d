//! SSH streams, and forwarded ports without multiplexing, of the embedded agent, with a client
//! written by hand.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::{
    raw_client::*,
    raw_frame::*,
    raw_peer::*,
    support::{Endpoint, free_port},
    targets::*,
};

#[tokio::test]
async fn an_ssh_stream_is_a_connection_byte_for_byte() {
    let endpoint = Endpoint::start();
    let (listener, port) = listen().await;
    let mut client = open(&ssh(&endpoint, port)).await;
    let request = client.data_of(HANDSHAKE_REQUEST).await;
    let parameters = format!(r#"{{"SessionType":"Port","Properties":{{"portNumber":"{port}"}}}}"#);
    assert!(request.text().contains(&parameters), "{}", request.text());
    client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    let mut server = accept(&listener).await;

    let every_byte: Vec<u8> = (0..=255).collect();
    server.write_all(&every_byte).await.unwrap();
    assert_eq!(client.output_of(256).await, every_byte);
    client.send(STREAM, &every_byte).await;
    assert_eq!(read(&mut server, 256).await, every_byte);

    let last: Vec<u8> = (0..1_000_000u32).map(|at| (at % 253) as u8).collect();
    let farewell = last.clone();
    tokio::spawn(async move { server.write_all(&farewell).await.unwrap() });
    let (rest, reason) = client.bytes_until_closed().await;
    assert!(rest == last, "{} of {} bytes", rest.len(), last.len());
    assert_eq!(reason, "");
}

#[tokio::test]
async fn an_ssh_stream_to_a_closed_port_ends_after_the_handshake() {
    let endpoint = Endpoint::start();
    let port = free_port();
    let mut client = open_and_shake_hands(&ssh(&endpoint, port)).await;
    let (messages, reason) = client.messages().await;
    assert!(messages.is_empty(), "{messages:?}");
    assert!(reason.starts_with("Unable to connect to specified port: "), "{reason}");
    await_active_sessions(&endpoint, 0);
}

#[tokio::test]
async fn early_data_is_forgotten_until_the_handshake_is_done() {
    let endpoint = Endpoint::start();
    let (listener, port) = listen().await;
    let mut client = open(&ssh(&endpoint, port)).await;
    client.data_of(HANDSHAKE_REQUEST).await;
    let early = client.send(STREAM, b"too early").await;
    client.acknowledgement_of(&early).await;
    let flag = client.send(FLAG, &2u32.to_be_bytes()).await;
    client.acknowledgement_of(&flag).await;
    client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    client.data_of(HANDSHAKE_COMPLETE).await;
    client.send(STREAM, b"in time").await;
    assert_eq!(read(&mut accept(&listener).await, 7).await, b"in time");
}

#[tokio::test]
async fn old_agents_and_old_clients_take_one_connection_after_the_other() {
    for (agent, client) in [("3.0.196.0", "1.2.764.0"), ("3.3.3050.0", "1.1.69.0")] {
        let endpoint =
            Endpoint::with(&["--agent-version", agent, "--quirks", "default,-deaf-reconnect"]);
        let (listener, port) = listen().await;
        let mut client = open_as(&start_session(&endpoint, port), client).await;
        // It dials before there is any data.
        let mut first = accept(&listener).await;
        client.send(STREAM, b"one").await;
        assert_eq!(read(&mut first, 3).await, b"one");
        first.write_all(b"ONE").await.unwrap();
        assert_eq!(client.output_of(3).await, b"ONE");

        client.send(STREAM, b" more").await;
        client.send(FLAG, &1u32.to_be_bytes()).await;
        assert_eq!(read_to_end(&mut first).await, b" more");
        let next = timeout(Duration::from_millis(300), listener.accept()).await;
        assert!(next.is_err(), "it dialled without data");
        client.send(STREAM, b"two").await;
        let mut second = accept(&listener).await;
        assert_eq!(read(&mut second, 3).await, b"two");

        // The server's end is not told; the next data finds a new connection.
        drop(second);
        let end = Instant::now() + Duration::from_millis(300);
        while let Some(arrival) = client.arrival_until(end).await {
            assert!(arrival.is_acknowledgement(), "{arrival:?}");
        }
        client.send(STREAM, b"three").await;
        assert_eq!(read(&mut accept(&listener).await, 5).await, b"three");
        assert_eq!(endpoint.active_sessions().len(), 1);
    }
}

#[tokio::test]
async fn a_basic_session_ends_when_its_port_is_closed() {
    let endpoint = Endpoint::with(&["--agent-version", "3.0.196.0"]);
    let mut client = open_and_shake_hands(&start_session(&endpoint, free_port())).await;
    let (_, reason) = client.messages().await;
    assert!(reason.starts_with("Unable to connect to specified port: "), "{reason}");
}

#[tokio::test]
async fn data_right_behind_a_disconnection_may_reach_nobody() {
    for (quirks, deaf) in [("none,+deaf-reconnect", true), ("none", false)] {
        let endpoint = Endpoint::with(&["--agent-version", "3.0.196.0", "--quirks", quirks]);
        let (listener, port) = listen().await;
        let mut client = open_and_shake_hands(&start_session(&endpoint, port)).await;
        let mut first = accept(&listener).await;
        client.send(FLAG, &1u32.to_be_bytes()).await;
        client.send(STREAM, b"at once").await;
        assert_eq!(read_to_end(&mut first).await, b"");
        let next = timeout(Duration::from_millis(500), listener.accept()).await;
        assert_eq!(next.is_err(), deaf, "{quirks}");
        if deaf {
            // It hears again after another disconnection, and a pause.
            client.send(FLAG, &1u32.to_be_bytes()).await;
            sleep(Duration::from_millis(200)).await;
            client.send(STREAM, b"again").await;
            assert_eq!(read(&mut accept(&listener).await, 5).await, b"again");
        }
    }
}

#[tokio::test]
async fn the_end_of_one_direction_may_end_the_other() {
    for (quirks, closes) in [("none,+fin-closes-stream", true), ("none", false)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let (listener, port) = listen().await;
        let mut client = open_and_shake_hands(&start_session(&endpoint, port)).await;
        let question = [smux(SYN, 3, b""), smux(PSH, 3, b"question"), smux(FIN, 3, b"")].concat();
        client.send(STREAM, &question).await;
        let mut server = accept(&listener).await;
        assert_eq!(read_to_end(&mut server).await, b"question");
        if closes {
            assert_eq!(client.smux().await, (FIN, 3, vec![]), "without an answer");
        } else {
            server.write_all(b"answer").await.unwrap();
            assert_eq!(client.smux().await, (PSH, 3, b"answer".to_vec()));
            drop(server);
            assert_eq!(client.smux().await, (FIN, 3, vec![]));
        }

        // And the other way round.
        client.send(STREAM, &smux(SYN, 5, b"")).await;
        let mut server = accept(&listener).await;
        server.shutdown().await.unwrap();
        assert_eq!(client.smux().await, (FIN, 5, vec![]));
        client.send(STREAM, &smux(PSH, 5, b"unheard")).await;
        let heard = read_to_end(&mut server);
        if closes {
            assert_eq!(heard.await, b"");
        } else {
            let read = timeout(Duration::from_millis(200), heard).await;
            assert!(read.is_err(), "the connection is still open");
        }
    }
}

#[tokio::test]
async fn frames_without_a_date_may_be_dropped() {
    for (quirks, dropped) in [("none,+created-date", true), ("none", false)] {
        let (endpoint, target) = (Endpoint::with(&["--quirks", quirks]), TcpTarget::echo().await);
        let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
        let frame = client.data_frame(STREAM, &smux(SYN, 3, b""));
        client.send_frame(&RawFrame { created_ms: 0, ..frame.clone() }).await;
        if dropped {
            client.no_acknowledgement_of(&frame, Duration::from_millis(200)).await;
            client.send_frame(&frame).await;
        }
        client.acknowledgement_of(&frame).await;
    }
}

#[tokio::test]
async fn the_first_data_may_be_lost_when_it_comes_at_once() {
    let target = TcpTarget::echo().await;
    let mut lost = 0;
    let endpoint = Endpoint::with(&["--quirks", "none,+early-data-loss"]);
    for _ in 0..60 {
        let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
        let frame = client.send(STREAM, &smux(SYN, 3, b"")).await;
        lost += u32::from(!client.is_acknowledged(&frame, Duration::from_millis(50)).await);
    }
    assert!((3..40).contains(&lost), "{lost} of 60, where 24 % are expected");
    // After the pause that it takes nothing is lost.
    for _ in 0..20 {
        let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
        sleep(Duration::from_millis(6)).await;
        let frame = client.send(STREAM, &smux(SYN, 3, b"")).await;
        client.acknowledgement_of(&frame).await;
    }
}

#[tokio::test]
async fn quick_acknowledgements_may_be_missed() {
    let target = TcpTarget::echo().await;
    let faithful = Endpoint::with(&["--quirks", "none"]);
    assert!(!comes_again(&faithful, target.port).await);
    let endpoint = Endpoint::with(&["--quirks", "none,+late-notes"]);
    // Quick is a millisecond, which a busy machine may not make each time.
    for _ in 0..20 {
        if comes_again(&endpoint, target.port).await {
            return;
        }
    }
    panic!("no acknowledgement was missed");
}

/// Whether an agent's first message comes again though it is acknowledged at once.
async fn comes_again(endpoint: &Endpoint, port: u16) -> bool {
    let mut client = open(&start_session(endpoint, port)).await;
    let first = client.frame_of(OUTPUT).await;
    client.acknowledge(&first).await;
    let again = client.arrival_within(Duration::from_millis(1500)).await;
    if let Some(Arrival::Frame(again)) = &again {
        assert_eq!(*again, first);
        client.acknowledge(again).await;
    }
    again.is_some()
}

#[tokio::test]
async fn lost_messages_may_come_again_one_at_a_time() {
    for (quirks, slow) in [("none,+slow-resend", true), ("none", false)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let (listener, port) = listen().await;
        let mut client = open_and_shake_hands(&ssh(&endpoint, port)).await;
        let mut server = accept(&listener).await;
        let mut frames = Vec::new();
        for _ in 0..6 {
            server.write_all(b"x").await.unwrap();
            frames.push(client.frame_of(OUTPUT).await);
        }
        // The last one alone arrives: the others were overtaken.
        client.acknowledge(&frames[5]).await;
        let before = Instant::now();
        for frame in &frames[..5] {
            loop {
                let again = client.frame_of(OUTPUT).await;
                if again == *frame {
                    break;
                }
            }
            client.acknowledge(frame).await;
        }
        assert_eq!(before.elapsed() >= Duration::from_millis(390), slow, "{quirks}");
    }
}

#[tokio::test]
async fn old_clients_may_get_keepalives() {
    for (quirks, version, alive) in [
        ("none,+keepalive", "1.2.331.0", true),
        ("none,+keepalive", "1.2.332.0", false),
        ("none", "1.2.331.0", false),
    ] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let target = TcpTarget::echo().await;
        let mut client = open_as(&start_session(&endpoint, target.port), version).await;
        let arrival = client.arrival_within(Duration::from_secs(11)).await;
        assert_eq!(arrival.is_some(), alive, "{quirks} {version}: {arrival:?}");
        if let Some(Arrival::Frame(frame)) = arrival {
            assert_eq!(frame.payload, smux(3, 0, b""));
        }
    }
}

#[tokio::test]
async fn the_last_messages_may_have_two_seconds_only() {
    for (quirks, limited) in [("none,+drain-limit", true), ("none", false)] {
        let endpoint = Endpoint::with(&["--quirks", quirks]);
        let (listener, port) = listen().await;
        let mut client = open_and_shake_hands(&ssh(&endpoint, port)).await;
        let mut server = accept(&listener).await;
        server.write_all(b"unacknowledged").await.unwrap();
        drop(server);
        let frame = client.frame_of(OUTPUT).await;
        let end = Instant::now() + Duration::from_secs(3);
        let mut closed = false;
        while let Some(arrival) = client.arrival_until(end).await {
            if let Arrival::Frame(frame) = arrival {
                closed |= frame.message_type == CHANNEL_CLOSED;
            }
            if closed {
                break;
            }
        }
        assert_eq!(closed, limited, "{quirks}");
        if !closed {
            client.acknowledge(&frame).await;
            client.frame_of(CHANNEL_CLOSED).await;
        }
    }
}

#[tokio::test]
async fn loopback_may_be_denied_as_a_host() {
    for deny in [true, false] {
        let endpoint = Endpoint::with(if deny { &["--deny-loopback"] } else { &[] });
        let target = TcpTarget::echo().await;
        let port = target.port.to_string();
        let parameters = [("host", "localhost"), ("portNumber", &*port)];
        let document = Some("AWS-StartPortForwardingSessionToRemoteHost");
        let mut client =
            open_and_shake_hands(&start_document(&endpoint, document, &parameters)).await;
        if deny {
            let (_, reason) = client.messages().await;
            assert_eq!(reason, "Forwarding to IP address localhost is forbidden.");
        } else {
            client.send(STREAM, &[smux(SYN, 3, b""), smux(PSH, 3, b"hello")].concat()).await;
            assert_eq!(client.stream_bytes(3, 5).await, b"hello");
        }
        // The node itself, without a host, is always allowed.
        let mut client = open_and_shake_hands(&start_session(&endpoint, target.port)).await;
        client.send(STREAM, &[smux(SYN, 3, b""), smux(PSH, 3, b"hello")].concat()).await;
        assert_eq!(client.stream_bytes(3, 5).await, b"hello");
    }
}

fn ssh(endpoint: &Endpoint, port: u16) -> RawTicket {
    let port = port.to_string();
    start_document(endpoint, Some("AWS-StartSSHSession"), &[("portNumber", &port)])
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    (listener, port)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(PATIENCE, listener.accept()).await;
    let (socket, _) = accepted.expect("the agent dials in time").expect("a connection");
    socket.set_nodelay(true).unwrap();
    socket
}

async fn read(socket: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    timeout(PATIENCE, socket.read_exact(&mut bytes)).await.expect("in time").expect("bytes");
    bytes
}

async fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("in time").expect("an end");
    bytes
}
