//! A forward whose connections are spread over several sessions.

use std::{fs, time::Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    raw_client::await_active_sessions,
    support::{
        DEADLINE, Endpoint, Forward, NODE, Nginx, Program, Signal, command, file_digest, find_tool,
    },
    targets::{TcpTarget, echoes, pattern},
};

/// What a forward with `--json` has told of its further sessions.
fn lanes(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|event| event["event"] == "lane").collect()
}

/// curl has as many downloads as there may be sessions, all at the pace of an agent.
#[test]
fn parallel_downloads_have_a_session_each() {
    let (endpoint, nginx) = (Endpoint::with(&["--pace", "real"]), Nginx::start());
    let folder = TempDir::new().expect("a directory");
    let file = nginx.folder().join("image");
    fs::write(&file, pattern(0, 300_000)).expect("written");
    let spec = format!("0:{}", nginx.port);
    let forward =
        Forward::start(&[&spec], NODE, &["--endpoint-url", &endpoint.url, "--lanes", "4"]);

    let mut curl = command(find_tool("curl"));
    curl.current_dir(folder.path()).args(["-sS", "--parallel", "--parallel-immediate"]);
    for number in 0..4 {
        let url = format!("http://{}/image", forward.address());
        curl.args(["-o", &number.to_string(), &url]);
    }
    Program::run(curl).success();
    for number in 0..4 {
        let got = file_digest(&folder.path().join(number.to_string()));
        assert_eq!(got, file_digest(&file), "{number}");
    }
    assert_eq!(endpoint.active_sessions().len(), 4);
    forward.program.signal(Signal::TERM);
    let told = lanes(&forward.program.finish().stdout);
    let up = |event: &&Value| event["state"] == "up";
    let mut numbers: Vec<_> =
        told.iter().filter(up).map(|event| event["lane"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4]);
    await_active_sessions(&endpoint, 0);
}

/// Downloads without an end, as long as their client reads.
async fn endless() -> TcpTarget {
    TcpTarget::start(|mut socket| async move {
        let bytes = pattern(0, 64 * 1024);
        while socket.write_all(&bytes).await.is_ok() {}
    })
    .await
}

/// Reads until there is nothing more.
fn drain(mut socket: TcpStream) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
    })
}

/// Without the option, and without need, there is one session; a second one comes when there is.
#[tokio::test]
async fn a_connection_that_would_share_an_agents_pace_has_a_session_of_its_own() {
    let (endpoint, target) = (Endpoint::with(&["--pace", "real"]), endless().await);
    let spec = format!("0:{}", target.port);
    let forward = Forward::start(&[&spec], NODE, &["--endpoint-url", &endpoint.url, "-v"]);
    let connect = async || TcpStream::connect(forward.address()).await.expect("it listens");
    let mut reading = vec![drain(connect().await)];
    // A rate shows within a second; how long after, no event tells.
    let stands = |line: &str| line.ends_with(": a further session stands");
    let give_up = Instant::now() + DEADLINE;
    while !forward.program.stderr().lines().any(stands) {
        assert!(Instant::now() < give_up, "{}", forward.program.stderr());
        let mut socket = connect().await;
        let _ = socket.read(&mut [0; 1024]).await;
        if endpoint.active_sessions().len() > 1 {
            reading.push(drain(socket));
            forward.program.wait_for_stderr(stands);
        }
    }
    assert_eq!(endpoint.active_sessions().len(), 2);
    // Its end takes nothing from the first.
    reading[1].abort();
    assert!(!reading[0].is_finished());
    reading[0].abort();
}

/// Nobody paces, or there is nothing to carry.
#[tokio::test]
async fn a_session_is_enough_where_it_holds_nothing_up() {
    let (endpoint, fast, echo) = (Endpoint::start(), endless().await, TcpTarget::echo().await);
    let specs = [fast.port, echo.port].map(|port| format!("0:{port}"));
    let specs = [&*specs[0], &*specs[1]];
    let forward = Forward::start(&specs, NODE, &["--endpoint-url", &endpoint.url]);
    let connect = async |port| TcpStream::connect(("127.0.0.1", forward.port_to(port))).await;
    let mut reading = Vec::new();
    for _ in 0..3 {
        let mut first = connect(fast.port).await.expect("it listens");
        // As much as is looked at.
        first.read_exact(&mut vec![0; 4 << 20]).await.expect("bytes");
        reading.push(drain(first));
        let mut other = connect(echo.port).await.expect("it listens");
        echoes(&mut other, b"hello").await;
        reading.push(drain(other));
    }
    assert_eq!(endpoint.active_sessions().len(), 2, "one for each destination");
    reading.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The account allows no more.
#[tokio::test]
async fn connections_share_the_sessions_that_there_are() {
    let endpoint = Endpoint::with(&["--faults", "throttle=1"]);
    let target = TcpTarget::echo().await;
    let spec = format!("0:{}", target.port);
    let arguments = ["--endpoint-url", &endpoint.url, "--lanes", "8"];
    let forward = Forward::start(&[&spec], NODE, &arguments);
    // All at once: more than a second has room for.
    let connections = (0..6).map(async |_| {
        let mut socket = TcpStream::connect(forward.address()).await.expect("it listens");
        echoes(&mut socket, b"hello").await;
        socket
    });
    let mut open = join_all(connections).await;
    for socket in &mut open {
        echoes(socket, b"and again").await;
    }
    let told = forward.program.wait_for_stderr(|line| line.contains("no further session"));
    assert!(told.contains("asked for within 15 s") && told.contains("share those"), "{told}");
    drop(open);
    forward.program.signal(Signal::TERM);
    let told = lanes(&forward.program.finish().stdout);
    assert!(told.iter().any(|event| event["state"] == "not_started"), "{told:#?}");
}

/// Bytes of several sessions under faults.
#[tokio::test]
async fn nothing_is_lost_on_any_of_them() {
    let faults = "drop=1%,dup=1%,reorder=1%,cut=1s,seed=5";
    let (endpoint, target) = (Endpoint::with(&["--faults", faults]), TcpTarget::echo().await);
    let spec = format!("0:{}", target.port);
    let arguments = ["--endpoint-url", &endpoint.url, "--lanes", "3"];
    let forward = Forward::start(&[&spec], NODE, &arguments);
    let exchange = async |number: usize| {
        let bytes = pattern(1000 * number as u64, 2 << 20);
        let socket = TcpStream::connect(forward.address()).await.expect("it listens");
        let (mut read, mut write) = socket.into_split();
        let mut back = vec![0; bytes.len()];
        let (sent, received) = tokio::join!(write.write_all(&bytes), read.read_exact(&mut back));
        sent.and(received.map(drop)).expect("both ways");
        assert!(back == bytes, "connection {number}");
    };
    tokio::join!(exchange(0), exchange(1), exchange(2), exchange(3));
    assert_eq!(endpoint.active_sessions().len(), 3);
}
