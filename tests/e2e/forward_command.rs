//! `ssmport forward SPEC -- COMMAND`: a tunnel for one command.

use std::{net::TcpListener, process::Command};

use crate::{
    raw_client::await_active_sessions,
    support::{
        Endpoint, NODE, Nginx, Program, REGION, Signal, Terminal, await_gone, await_running,
        command, find_tool, free_port, mark,
    },
};

#[test]
fn the_command_finds_its_port_open_and_its_exit_code_is_ours() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    std::fs::write(nginx.folder().join("page"), "it is there").expect("a page");
    let fetch = format!(
        "{} -sS http://127.0.0.1:$SSMPORT_PORT/page; echo; echo $SSMPORT_PORT; cat; exit 7",
        find_tool("curl").display()
    );
    let spec = format!("0:{}", nginx.port);
    let ran = Program::run(forward(&endpoint, &[&spec, "-t", NODE, "--", "sh", "-c", &fetch]));
    assert_eq!(ran.code(), 7, "{ran:#?}");
    let (page, port) = ran.stdout.trim_end().split_once('\n').expect("two lines");
    assert_eq!(page, "it is there");
    TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("it is free again");
    assert!(ran.stderr.starts_with(&format!("Forwarding 127.0.0.1:{port} ")), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    await_active_sessions(&endpoint, 0);
}

/// Nobody is served with half of the ports.
#[test]
fn it_waits_for_all_ports_and_does_not_run_without_a_session() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    let spec = format!("0:{}", nginx.port);
    let two = ["-q", &spec, &spec, "-t", NODE, "--", "echo", "run"];
    let ran = Program::run(forward(&endpoint, &two));
    assert_eq!((ran.code(), &*ran.stdout, &*ran.stderr), (0, "run\n", ""), "{ran:#?}");

    for (words, part) in [
        (&["28777:1", "28777:2", "-t", NODE, "--", "echo", "run"][..], "at the same place"),
        (&[&spec, "-t", NODE, "--"], "no command behind"),
        (&["::1:80", "-t", NODE, "--", "echo", "run"], "[::1]:5432"),
    ] {
        let ran = Program::run(forward(&endpoint, words));
        assert_eq!((ran.code(), &*ran.stdout), (2, ""), "{ran:#?}");
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
    }

    let none = ["0:80", "-t", "i-0fedcba9876543210", "--", "echo", "run"];
    let ran = Program::run(forward(&endpoint, &none));
    assert_eq!((ran.code(), &*ran.stdout), (4, ""), "{ran:#?}");

    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("{}:80", held.local_addr().expect("its address").port());
    let ran = Program::run(forward(&endpoint, &[&taken, "-t", NODE, "--", "echo", "run"]));
    assert_eq!((ran.code(), &*ran.stdout), (5, ""), "{ran:#?}");

    let ran = Program::run(forward(&endpoint, &[&spec, "-t", NODE, "--", "no such program"]));
    assert_eq!((ran.code(), &*ran.stdout), (5, ""), "{ran:#?}");
    assert!(ran.stderr.contains("cannot run no such program\n"), "{ran:#?}");
    await_active_sessions(&endpoint, 0);
}

#[test]
fn a_signal_is_for_the_command_which_ends_when_it_sees_fit() {
    let endpoint = Endpoint::start();
    let port = free_port();
    let script = "trap 'echo caught; exit 9' TERM; echo begun; while :; do sleep 0.02; done";
    let words = [&format!("{port}:80"), "-t", NODE, "--", "sh", "-c", script];
    let forward = Program::start(forward(&endpoint, &words));
    forward.wait_for_stdout(|line| line == "begun");
    rustix::process::kill_process(forward.pid(), Signal::TERM).expect("it is there");
    let ended = forward.finish();
    assert_eq!((ended.code(), &*ended.stdout), (9, "begun\ncaught\n"), "{ended:#?}");
    await_active_sessions(&endpoint, 0);
}

/// The terminal has sent it to both; whoever hears of it twice may think that there is a hurry.
#[test]
fn ctrl_c_comes_once() {
    let endpoint = Endpoint::start();
    let script = "trap 'n=$((n + 1)); echo \"caught $n\"' INT; echo begun; \
                  until [ \"$word\" = end ]; do read word; done; echo \"in all $n\"";
    let words = ["-q", "0:80", "-t", NODE, "--", "sh", "-c", script];
    let mut terminal = Terminal::start(&forward(&endpoint, &words));
    terminal.wait_for("begun\r\n");
    for number in 1..=2 {
        terminal.press("\x03");
        terminal.wait_for(&format!("caught {number}\r\n"));
    }
    terminal.press("end\r");
    terminal.wait_for("in all 2\r\n");
    assert_eq!(terminal.finish().0, Some(0));
    await_active_sessions(&endpoint, 0);
}

#[test]
fn whoever_kills_the_forward_ends_the_command_too() {
    let endpoint = Endpoint::start();
    let mark = mark();
    let script = format!("echo begun; exec sleep {mark}");
    let words = ["0:80", "-t", NODE, "--", "sh", "-c", &script];
    let forward = Program::start(forward(&endpoint, &words));
    forward.wait_for_stdout(|line| line == "begun");
    await_running(&mark);
    rustix::process::kill_process(forward.pid(), Signal::KILL).expect("it is there");
    await_gone(&mark);
}

/// `ssmport forward WORDS` at an endpoint.
fn forward(endpoint: &Endpoint, words: &[&str]) -> Command {
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.arg("forward").args(words);
    forward.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    forward.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    forward
}
