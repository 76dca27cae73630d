//! Signals that somebody has had ignored: by `nohup`, by a script's `&`, by the AWS CLI around the
//! drop-in; and callers that are killed.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    raw_client::await_active_sessions,
    raw_gateway::opened_port,
    support::{
        AwsCli, Endpoint, NODE, Plugin, Program, Signal, await_that, command, in_shell,
        port_request,
    },
    targets::{TcpTarget, closed_port, echoes},
};

#[test]
fn the_drop_in_ends_at_the_keys_that_its_caller_ignores() {
    let endpoint = Endpoint::start();
    for signal in [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP] {
        let program = drop_in(&endpoint, closed_port(), "trap '' INT QUIT TSTP");
        let local = opened_port(&program);
        let before = Instant::now();
        program.signal(signal);
        let ended = program.finish();
        assert_eq!(ended.code(), 0);
        assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
        assert!(ended.stdout.contains("Terminate signal received, exiting.\n"), "{ended:?}");
        TcpListener::bind(("127.0.0.1", local)).expect("the port is free again");
        await_active_sessions(&endpoint, 0);
    }
}

/// It waits, and a shell would not hear that the other half of its job has stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_z_does_not_stop_a_drop_in_whose_caller_ignores_it() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let program = drop_in(&endpoint, target.port, "trap '' INT QUIT TSTP");
    let address = SocketAddr::from(([127, 0, 0, 1], opened_port(&program)));
    program.signal(Signal::TSTP);
    still_carries(address).await;
    program.signal(Signal::TERM);
    assert_eq!(program.finish().code(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_in_that_was_started_by_nohup_outlives_its_terminal() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let program = drop_in(&endpoint, target.port, "trap '' HUP");
    let address = SocketAddr::from(([127, 0, 0, 1], opened_port(&program)));
    program.signal(Signal::HUP);
    still_carries(address).await;
    program.signal(Signal::TERM);
    assert_eq!(program.finish().stdout.matches("Terminate signal").count(), 1);
    await_active_sessions(&endpoint, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_in_the_background_outlives_ctrl_c_and_its_terminal() {
    let target = TcpTarget::echo().await;
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", &format!("0:{}", target.port), "-t", "local", "--json"]);
    for (script, survived) in [
        ("trap '' HUP; echo job $$; exec \"$@\"", &[Signal::HUP][..]),
        ("\"$@\" & echo job $!; wait $!", &[Signal::INT, Signal::QUIT]),
    ] {
        let program = Program::start(in_shell(script, &forward));
        let ready = program.wait_for_stdout(|line| line.contains("\"ready\""));
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let port = ready["port"].as_u64().unwrap().try_into().unwrap();
        let job = program.stdout().lines().find_map(|line| line.strip_prefix("job ")?.parse().ok());
        let job = job.and_then(Pid::from_raw).unwrap();
        for signal in survived {
            kill_process(job, *signal).unwrap();
            still_carries(SocketAddr::from(([127, 0, 0, 1], port))).await;
        }
        kill_process(job, Signal::TERM).unwrap();
        program.finish();
    }
}

#[test]
fn a_killed_aws_cli_takes_its_drop_in_with_it() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let parameters = format!("portNumber={},localPortNumber=0", closed_port());
        let aws = aws.command(&[
            "start-session",
            "--target",
            NODE,
            "--document-name",
            "AWS-StartPortForwardingSession",
            "--parameters",
            &parameters,
        ]);
        for (before, signal) in [("true", Signal::KILL), ("trap '' HUP", Signal::TERM)] {
            let aws = Program::start(in_shell(&format!("{before}; exec \"$@\""), &aws));
            let port = opened_port(&aws);
            // `aws` alone, as `kill $!` in a script does.
            kill_process(aws.pid(), signal).unwrap();
            await_that("the port is free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
            await_active_sessions(&endpoint, 0);
            aws.finish();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_in_goes_on_when_the_script_that_started_it_has_ended() {
    let (endpoint, target) = (Endpoint::start(), TcpTarget::echo().await);
    let folder = TempDir::new().unwrap();
    let said = folder.path().join("said");
    let response = endpoint.start_port_session(target.port);
    let plugin = Plugin::command(&endpoint, &response, &port_request(target.port));
    let script = format!("\"$@\" >{} 2>&1 &", said.display());
    let script = Program::start(in_shell(&script, &plugin));
    await_that("its port is open", || {
        fs::read_to_string(&said).is_ok_and(|said| said.contains("Waiting for connections"))
    });
    let said = fs::read_to_string(&said).unwrap();
    let port = said.split("Port ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    // Longer than it takes to notice that a caller has gone.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        still_carries(address).await;
    }
    script.signal(Signal::TERM);
    await_active_sessions(&endpoint, 0);
}

/// The drop-in, behind a line of a shell, with its response as an argument.
fn drop_in(endpoint: &Endpoint, port: u16, before: &str) -> Program {
    let response = endpoint.start_port_session(port);
    let plugin = Plugin::command(endpoint, &response, &port_request(port));
    Program::start(in_shell(&format!("{before}; exec \"$@\""), &plugin))
}

/// Several connections, one after the other: whoever is about to end takes no such time over it.
async fn still_carries(address: SocketAddr) {
    for _ in 0..5 {
        let mut local = TcpStream::connect(address).await.expect("the port is open");
        echoes(&mut local, b"still there").await;
    }
}
