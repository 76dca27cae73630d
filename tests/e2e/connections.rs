//! What is said and kept of the connections of a forward.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    raw_client::await_active_sessions,
    support::{Endpoint, Forward, NODE, Signal, await_that},
    targets::{TcpTarget, closed_port, echoes},
};

/// Of each how it ended.
#[tokio::test]
async fn each_connection_has_two_lines_and_one_in_the_log() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let hangs_up = TcpTarget::start(|mut socket| async move {
        let _ = socket.write_all(b"bye").await;
    });
    let hangs_up = hangs_up.await;
    let closed = closed_port();
    let folder = TempDir::new().expect("a directory");
    let log = folder.path().join("log");
    let (path, url) = (log.to_str().expect("Unicode"), &*endpoint.url);
    let specs = [target.port, hangs_up.port, closed].map(|port| format!("0:{port}"));
    let specs = [&*specs[0], &specs[1], &specs[2]];
    let arguments = ["--endpoint-url", url, "-v", "--log", path];
    let forward = Forward::start(&specs, NODE, &arguments);
    let connect = async |port| TcpStream::connect(("127.0.0.1", forward.port_to(port))).await;
    let logged = |count: usize| {
        await_that("it is logged", || {
            fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == count)
        });
    };

    let mut first = connect(target.port).await.expect("it listens");
    echoes(&mut first, &[b'x'; 2500]).await;
    drop(first);
    logged(1);
    let mut second = connect(hangs_up.port).await.expect("it listens");
    let mut heard = Vec::new();
    second.read_to_end(&mut heard).await.expect("an end");
    drop(second);
    logged(2);
    let mut third = connect(closed).await.expect("it listens");
    let _ = third.read(&mut [0]).await;
    drop(third);
    logged(3);
    let mut fourth = connect(target.port).await.expect("it listens");
    echoes(&mut fourth, b"abc").await;
    for session in endpoint.active_sessions() {
        endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
    await_active_sessions(&endpoint, 0);
    logged(4);

    let to = |port: u16| format!("localhost:{port}");
    forward
        .program
        .wait_for_stderr(|line| line.ends_with(&format!(" connected, for {}", to(target.port))));
    let line = forward.program.wait_for_stderr(|line| line.contains("closed by its program"));
    let amounts = format!(" to {}: 2.5 kB sent, 2.5 kB received in ", to(target.port));
    assert!(line.contains(&amounts), "{line}");
    forward.program.signal(Signal::INT);
    let ended = forward.program.finish();
    assert!(
        ended.stderr.contains(" 4 connections, 2.5 kB sent and 2.5 kB received in "),
        "{ended:#?}"
    );

    let text = fs::read_to_string(&log).expect("the log");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let told: Vec<_> = lines
        .map(|line: Value| {
            assert_eq!((&line["event"], &line["target"]), (&"connection".into(), &NODE.into()));
            let destination = line["destination"].as_str().expect("a text").to_owned();
            let bytes = [&line["sent"], &line["received"]].map(|bytes| bytes.as_u64().unwrap());
            let end = line["end"].as_str().expect("a text").to_owned();
            (destination, bytes, end)
        })
        .collect();
    let expected = [
        (to(target.port), [2500, 2500], "program"),
        (to(hangs_up.port), [0, 3], "destination"),
        (to(closed), [0, 0], "not_reached"),
        (to(target.port), [3, 3], "session_over"),
    ];
    let expected = expected.map(|(to, bytes, end)| (to, bytes, end.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(fs::metadata(&log).expect("a file").permissions().mode() & 0o777, 0o600);
}
