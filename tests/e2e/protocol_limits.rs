//! What a client or a target that does not keep up, or means harm, may cost `ssmport local`: little
//! memory, no processor time, and the other sessions nothing.
#![cfg(target_os = "linux")]

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use super::{
    protocol_peer::{echo_session, give},
    raw_client::*,
    raw_frame::*,
    raw_peer::*,
    support::Endpoint,
    targets::*,
};

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_and_loses_nothing() {
    const OFFERED: u64 = 256 << 20;
    let (progress, mut given) = watch::channel(0);
    let giver = TcpTarget::start(move |socket| give(socket, OFFERED, progress.clone())).await;
    let (endpoint, echo) = (Endpoint::start(), TcpTarget::echo().await);
    let mut slow = open_and_shake_hands(&start_session(&endpoint, giver.port)).await;
    let mut other = open_and_shake_hands(&start_session(&endpoint, echo.port)).await;
    slow.send(STREAM, &smux(SYN, 3, b"")).await;
    while tokio::time::timeout(Duration::from_secs(1), given.changed()).await.is_ok() {}
    assert!(*given.borrow() < OFFERED, "the target was not held back");

    other.send(STREAM, &smux(SYN, 3, b"")).await;
    other.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(other.stream_bytes(3, 5).await, b"alive");

    let mut at = 0;
    while at < OFFERED {
        let (command, _, payload) = slow.smux().await;
        assert_eq!(command, PSH, "after {at} bytes");
        assert!(payload == pattern(at, payload.len()), "other bytes after {at}");
        at += payload.len() as u64;
    }
    assert_eq!(slow.smux().await, (FIN, 3, vec![]));
    let peak = endpoint.program.peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes");
}

#[tokio::test]
async fn a_target_that_does_not_read_costs_little() {
    let deaf = TcpTarget::start(|socket| async move {
        let _socket = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let (endpoint, echo) = (Endpoint::start(), TcpTarget::echo().await);
    let mut eager = open_and_shake_hands(&start_session(&endpoint, deaf.port)).await;
    let mut other = open_and_shake_hands(&start_session(&endpoint, echo.port)).await;
    eager.send(STREAM, &smux(SYN, 3, b"")).await;
    let payload = smux(PSH, 3, &[7; 60_000]);
    let mut offered = 0;
    loop {
        let frame = eager.data_frame(STREAM, &payload);
        if !eager.feed(&frame, Duration::from_secs(1)).await {
            break;
        }
        offered += payload.len();
        assert!(offered < 256 << 20, "the client was not held back");
    }
    other.send(STREAM, &smux(SYN, 3, b"")).await;
    other.send(STREAM, &smux(PSH, 3, b"alive")).await;
    assert_eq!(other.stream_bytes(3, 5).await, b"alive");
    let peak = endpoint.program.peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes");
}

/// Behind the first ping: what cannot be written must not cost processor time.
#[tokio::test]
async fn an_endpoint_that_cannot_write_waits_in_peace() {
    let (endpoint, _target, mut client) = echo_session().await;
    let keepalive = smux(3, 0, b"");
    for _ in 0..60_000 {
        let frame = client.data_frame(STREAM, &keepalive);
        if !client.feed(&frame, Duration::from_secs(2)).await {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(21)).await;
    let before = endpoint.program.cpu_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = endpoint.program.cpu_time() - before;
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in 2 s of waiting");
    let peak = endpoint.program.peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes");
}

/// Streams that come and go, by a client that acknowledges nothing: what it is owed for each must
/// not pile up.
#[tokio::test]
async fn streams_that_nobody_acknowledges_are_held_up() {
    let endpoint = Endpoint::start();
    let mut client = open_and_shake_hands(&start_session(&endpoint, closed_port())).await;
    let (mut stream, second) = (3, Duration::from_secs(1));
    let give_up = Instant::now() + 20 * second;
    'offering: loop {
        let syns: Vec<u8> = (0..64).flat_map(|at| smux(SYN, stream + 2 * at, b"")).collect();
        stream += 128;
        let frame = client.data_frame(STREAM, &syns);
        if !(client.feed(&frame, second).await && client.flush(second).await) {
            break;
        }
        while let Some(arrival) = client.arrival_within(Duration::from_millis(1)).await {
            if let Arrival::End(_) = arrival {
                break 'offering;
            }
        }
        assert!(Instant::now() < give_up, "nothing holds the client up after {stream} streams");
    }
    let peak = endpoint.program.peak_memory();
    assert!(peak < 48 << 20, "{peak} bytes after {stream} streams");
}

/// Small pieces for a deaf target among bytes that are for nobody, in the same message and in
/// others that are read together.
#[tokio::test]
async fn what_waits_does_not_keep_what_came_with_it() {
    let deaf = TcpTarget::start(|socket| async move {
        let _socket = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let piece = smux(PSH, 3, &[7; 17 << 10]);
    let one_large = [piece.clone(), smux(PSH, 9, &[7; 60_000]).repeat(15)].concat();
    let mut many_small = vec![smux(PSH, 9, &[7; 100]); 100];
    many_small.push(piece);
    for messages in [vec![one_large], many_small] {
        let endpoint = Endpoint::start();
        let mut client = open_and_shake_hands(&start_session(&endpoint, deaf.port)).await;
        client.send(STREAM, &smux(SYN, 3, b"")).await;
        'offering: for _ in 0..1000 {
            for payload in &messages {
                let frame = client.data_frame(STREAM, payload);
                if !client.feed(&frame, Duration::from_secs(1)).await {
                    break 'offering;
                }
            }
        }
        let peak = endpoint.program.peak_memory();
        assert!(peak < 64 << 20, "{peak} bytes");
    }
}
