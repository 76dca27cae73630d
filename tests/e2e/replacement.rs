//! Sessions that end under a forward: its port stays, and the next connection has another session.
#![cfg(feature = "aws")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    raw_client::await_active_sessions,
    support::{DEADLINE, Endpoint, Forward, NODE, Reserved, Signal, await_that},
    targets::TcpTarget,
};

#[tokio::test]
async fn a_session_that_is_ended_elsewhere_is_replaced_for_the_next_connection() {
    let target = TcpTarget::echo().await;
    let endpoint = Endpoint::start();
    let forward = forward(&endpoint, target.port, &[]);
    let mut first = connected(&forward).await;
    let session = only_session(&endpoint);
    let request = json!({ "SessionId": session });
    assert_eq!(endpoint.call("TerminateSession", &request).0, 200);

    // What was open is cut off, and does not look as if it had come to its end.
    let error = timeout(DEADLINE, first.read(&mut [0])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let line = forward.program.wait_for_stderr(|line| line.contains("has ended"));
    assert!(line.contains("one connection was cut off"), "{line}");
    assert!(line.ends_with("the next connection starts another session"), "{line}");
    await_active_sessions(&endpoint, 0);

    let _second = connected(&forward).await;
    assert_ne!(only_session(&endpoint), session);
    let events = forward.program.stdout();
    let events: Vec<Value> = events.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["ready", "lost", "ready"]);
    assert_eq!(events[0]["port"], events[2]["port"]);
    forward.program.signal(Signal::INT);
    assert_eq!(forward.program.finish().code(), 130);
}

#[tokio::test]
async fn a_forward_that_has_stood_stays_though_nobody_used_its_session() {
    let target = TcpTarget::echo().await;
    let endpoint = Endpoint::start();
    let forward = forward(&endpoint, target.port, &[]);
    let session = only_session(&endpoint);
    assert_eq!(endpoint.call("TerminateSession", &json!({ "SessionId": session })).0, 200);
    let line = forward.program.wait_for_stderr(|line| line.contains("has ended"));
    assert!(line.ends_with("the next connection starts another session"), "{line}");
    connected(&forward).await;
    assert_ne!(only_session(&endpoint), session);
}

#[tokio::test]
async fn a_service_that_was_away_for_too_long_is_found_again() {
    let target = TcpTarget::echo().await;
    let reserved = Reserved::port();
    let endpoint = Endpoint::at(reserved.address(), &[]);
    let forward = forward(&endpoint, target.port, &["--resume-for", "2s"]);
    let mut first = connected(&forward).await;
    drop(endpoint);
    assert!(timeout(DEADLINE, first.read(&mut [0])).await.unwrap().is_err());
    forward.program.wait_for_stderr(|line| line.contains("could not be resumed"));

    let mut early = TcpStream::connect(forward.address()).await.unwrap();
    assert!(timeout(DEADLINE, early.read(&mut [0])).await.unwrap().is_err(), "it is turned away");
    forward.program.wait_for_stderr(|line| line.contains("no session for this connection"));

    let _endpoint = Endpoint::at(reserved.address(), &[]);
    connected(&forward).await;
    forward.program.signal(Signal::INT);
    assert_eq!(forward.program.finish().code(), 130);
}

#[tokio::test]
async fn a_frozen_service_is_noticed_and_its_streams_go_on_when_it_thaws() {
    let target = TcpTarget::echo().await;
    let endpoint = Endpoint::start();
    let forward = forward(&endpoint, target.port, &["--dead-after", "1s", "-vv"]);
    let mut stream = connected(&forward).await;
    forward.program.wait_for_stderr(|line| line.contains("answers pings"));
    endpoint.program.freeze();
    let before = Instant::now();
    stream.write_all(b"into the ice").await.unwrap();
    forward.program.wait_for_stderr(|line| line.contains("nothing came from the service for 1 s"));
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    forward.program.wait_for_stderr(|line| line.contains("waiting for the service's answer"));
    endpoint.program.signal(Signal::CONT);

    let mut echo = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut echo)).await.unwrap().unwrap();
    assert_eq!(&echo, b"into the ice");
    await_that("resumption", || forward.program.stderr().contains("resumed"));
}

fn forward(endpoint: &Endpoint, port: u16, arguments: &[&str]) -> Forward {
    let mut all = vec!["--endpoint-url", &endpoint.url];
    all.extend(arguments);
    Forward::start(&[&format!("0:{port}")], NODE, &all)
}

/// A connection that has carried something.
async fn connected(forward: &Forward) -> TcpStream {
    timeout(DEADLINE, async {
        let mut stream = TcpStream::connect(forward.address()).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
        stream
    })
    .await
    .expect("an echo")
}

fn only_session(endpoint: &Endpoint) -> String {
    let sessions = endpoint.active_sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    sessions[0].clone()
}
