//! Many sessions, at once or one after the other, each used as soon as it stands.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

#[cfg(feature = "aws")]
use crate::support::{REGION, command};
use crate::{
    support::{DEADLINE, Endpoint, Forward, NODE, Plugin, Program, Signal, in_shell},
    targets::{TcpTarget, echoes, pattern},
};

/// In 3 % of the reference client's port sessions the first connection hangs, by a race as the
/// session starts: of so many one would.
#[tokio::test]
async fn two_hundred_sessions_stand_at_once_and_each_carries_its_first_byte() {
    let target = TcpTarget::echo().await;
    let spec = format!("0:{}", target.port);
    let forward = Forward::start(&vec![&*spec; SESSIONS], "local", &[]);
    let mut echoes = JoinSet::new();
    for address in forward.addresses() {
        echoes.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"first").await.unwrap();
            let mut echo = [0; 5];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(&echo, b"first");
            // All of them stay until the last one has come.
            stream
        });
    }
    let streams = timeout(DEADLINE, echoes.join_all()).await.expect("an echo of each");
    assert_eq!(streams.len(), SESSIONS);
}

/// Of a quarter of the real agent's sessions it loses what comes too early, and most of what it
/// sends it sends again: a client that is not made for it fails in some of so many.
#[tokio::test(flavor = "multi_thread")]
async fn the_drop_in_gets_along_with_the_agents_habits_every_time() {
    let target = TcpTarget::echo().await;
    let endpoint = Endpoint::with(&["--quirks", HABITS]);
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": { "command": [COMMAND] },
    });
    let answering = TcpTarget::start(|mut socket| async move {
        let mut question = [0; 8];
        if socket.read_exact(&mut question).await.is_ok() {
            let _ = socket.write_all(b"an answer").await;
        }
    })
    .await;
    let stream_request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartSSHSession",
        "Parameters": { "portNumber": [answering.port.to_string()] },
    });
    for _ in 0..ROUNDS {
        // Its input is there before the session is.
        let stream = Plugin::session(&endpoint, &stream_request).1;
        let shown = Program::run(in_shell("printf question | \"$@\"", &stream)).success();
        assert!(shown.contains("an answer"), "{shown}");

        let plugin = Plugin::attach(&endpoint, target.port);
        let mut stream = TcpStream::connect(plugin.address).await.unwrap();
        echoes(&mut stream, &pattern(0, BULK)).await;
        plugin.program.signal(Signal::TERM);
        assert_eq!(plugin.program.finish().code(), 0);

        let shown = Program::run(Plugin::session(&endpoint, &request).1).success();
        assert!(shown.contains(&format!("\n{}", expected_output())), "{shown}");
    }
}

#[cfg(feature = "aws")]
#[tokio::test(flavor = "multi_thread")]
async fn forward_and_exec_get_along_with_the_agents_habits_every_time() {
    let target = TcpTarget::echo().await;
    let endpoint = Endpoint::with(&["--quirks", HABITS]);
    let spec = format!("0:{}", target.port);
    for _ in 0..ROUNDS {
        let forward = Forward::start(&[&spec], NODE, &["--endpoint-url", &endpoint.url]);
        let mut stream = TcpStream::connect(forward.address()).await.unwrap();
        echoes(&mut stream, &pattern(0, BULK)).await;
        forward.program.signal(Signal::INT);
        assert_eq!(forward.program.finish().code(), 130);

        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(["exec", NODE, "--endpoint-url", &endpoint.url, "--", "sh", "-c", COMMAND]);
        exec.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        exec.env("AWS_REGION", REGION);
        let shown = Program::run(exec).success();
        assert!(shown == expected_output(), "{shown}");
    }
}

fn expected_output() -> String {
    (1..=5000).map(|line| format!("{line}\n")).collect()
}

const SESSIONS: usize = 200;
/// Two sessions in each, or three.
const ROUNDS: usize = 60;
/// All that the real agent does, but as fast as this machine.
const HABITS: &str = "real,-pace";
const COMMAND: &str = "seq 1 5000";
const BULK: usize = 64 << 10;
