//! A service that goes away while a client has a session: the client tries to resume it, and can
//! still be ended.
#![cfg(feature = "aws")]

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::{
    Endpoint, Forward, NODE, Nginx, Plugin, Signal, Socks, await_that, port_request,
};

#[test]
fn ctrl_c_ends_a_plugin_that_is_between_two_connections() {
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, 9);
    drop(endpoint);
    plugin.program.wait_for_stderr(|line| line.contains("resuming"));

    plugin.program.signal(Signal::INT);
    let ended = plugin.program.finish();
    let closing = format!(
        "Terminate signal received, exiting.\n\n\nExiting session with sessionId: {}.\n\n",
        plugin.session_id
    );
    assert!(ended.stdout.ends_with(&closing), "{ended:#?}");
    assert_eq!(ended.code(), 0, "{ended:#?}");
    TcpListener::bind(plugin.address).expect("the port is free again");
}

#[test]
fn ctrl_c_frees_a_forwards_port_at_once_and_a_second_one_ends_it() {
    let endpoint = Endpoint::start();
    let forward = Forward::start(&["0:9"], NODE, &["--endpoint-url", &endpoint.url]);
    let address = forward.address();
    // It listens on, and answers nothing: whoever ends a session there has to wait.
    endpoint.program.freeze();

    forward.program.signal(Signal::INT);
    let line = forward.program.wait_for_stderr(|line| line.contains("are free"));
    assert!(line.contains("Ctrl-C once more stops at once"), "{line}");
    TcpListener::bind(address).expect("the port is free, and the forward still there");
    let before = Instant::now();
    forward.program.signal(Signal::INT);
    let ended = forward.program.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    assert!(before.elapsed() < Duration::from_millis(2500), "{:?}", before.elapsed());
}

#[test]
fn so_does_a_proxy() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    let socks = Socks::start(&endpoint, NODE, &[]);
    socks.fetch("socks5h", &format!("http://127.0.0.1:{}/", nginx.port)).success();
    endpoint.program.freeze();
    socks.program.signal(Signal::INT);
    let line = socks.program.wait_for_stderr(|line| line.contains("are free"));
    assert!(line.contains("Ctrl-C once more stops at once"), "{line}");
    TcpListener::bind(socks.address()).expect("the port is free, and the proxy still there");
    let before = Instant::now();
    socks.program.signal(Signal::INT);
    assert_eq!(socks.program.finish().code(), 130);
    assert!(before.elapsed() < Duration::from_millis(2500), "{:?}", before.elapsed());
}

#[test]
fn so_does_the_drop_in() {
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, 9);
    endpoint.program.freeze();
    plugin.program.signal(Signal::INT);
    plugin.program.wait_for_stdout(|line| line.starts_with("Terminate signal"));
    await_that("the port is free", || TcpListener::bind(plugin.address).is_ok());
    let line = plugin.program.wait_for_stderr(|line| line.contains("is free"));
    assert!(line.contains("Ctrl-C"), "{line}");
    let before = Instant::now();
    plugin.program.signal(Signal::INT);
    assert_eq!(plugin.program.finish().code(), 0);
    assert!(before.elapsed() < Duration::from_millis(2000), "{:?}", before.elapsed());
}

/// A terminal that has frozen without a word is taken for a fault of the drop-in's.
#[test]
fn the_drop_in_says_after_a_while_why_nothing_moves() {
    let endpoint = Endpoint::start();
    let (status, response) = endpoint.call("StartSession", &port_request(9));
    assert_eq!(status, 200, "{response}");
    let mut plugin = Plugin::command(&endpoint, &response, &port_request(9));
    plugin.env_remove("SSMPORT_LOG");
    let plugin = Plugin::run(plugin, &response);
    drop(endpoint);
    let line = plugin.program.wait_for_stderr(|line| line.contains("resuming fails"));
    assert!(line.contains("again and again: "), "not at once: {line}");
    plugin.program.signal(Signal::TERM);
    assert_eq!(plugin.program.finish().code(), 0);
}

#[test]
fn ctrl_c_ends_a_forward_that_is_between_two_connections() {
    let endpoint = Endpoint::start();
    let forward = Forward::start(&["0:9"], NODE, &["--endpoint-url", &endpoint.url]);
    let address = forward.address();
    drop(endpoint);
    forward.program.wait_for_stderr(|line| line.contains("resuming"));

    forward.program.signal(Signal::INT);
    let ended = forward.program.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    TcpListener::bind(address).expect("the port is free again");
}
