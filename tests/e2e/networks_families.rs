//! Both families of addresses: hosts with IPv6 alone, and hosts whose IPv6 is a black hole.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{BLACK_HOLE, Endpoint, GATEWAY, GATEWAY_V6, NODE, Network, Program, REGION};

#[test]
fn a_host_whose_ipv6_is_a_black_hole_costs_a_quarter_of_a_second() {
    let names = format!("{BLACK_HOLE} dual.test\n{GATEWAY} dual.test\n{GATEWAY} single.test\n");
    let network = Network::start(&names, "");
    // What dual.test is tried at first.
    let sorted = network.lone.run("getent ahosts dual.test");
    assert!(sorted.starts_with(BLACK_HOLE), "{sorted}");

    let address: SocketAddr = format!("{GATEWAY}:4566").parse().expect("an address");
    let _endpoint = Endpoint::inside(&network.gateway, address);
    let single = timed(exec(&network, "http://single.test:4566"));
    let dual = timed(exec(&network, "http://dual.test:4566"));
    // A call and a data channel: two connections.
    let extra = dual.saturating_sub(single);
    assert!(dual >= 2 * STAGGER, "the black hole was not tried: {dual:?}");
    assert!(extra < 2 * STAGGER + Duration::from_millis(500), "{single:?}, and {dual:?}");
}

#[test]
fn endpoints_and_stream_urls_may_be_addresses_of_ipv6() {
    let network = Network::start("", "");
    let address: SocketAddr = format!("[{GATEWAY_V6}]:4566").parse().expect("an address");
    let endpoint = Endpoint::inside(&network.gateway, address);
    assert_eq!(endpoint.url, format!("http://[{GATEWAY_V6}]:4566"));
    timed(exec(&network, &endpoint.url));

    // With the endpoint's own stream URL.
    let mut exec = exec(&network, &endpoint.url);
    exec.env_remove("AWS_ENDPOINT_URL_SSMMESSAGES");
    timed(exec);
}

/// A command on the lone host, with all services at `url`.
fn exec(network: &Network, url: &str) -> Command {
    let mut exec = network.lone.command(env!("CARGO_BIN_EXE_ssmport"));
    exec.args(["exec", "--endpoint-url", url, NODE, "--", "echo", "hello"]);
    exec.env("AWS_ENDPOINT_URL_SSMMESSAGES", url).env("AWS_REGION", REGION);
    exec.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    exec
}

fn timed(exec: Command) -> Duration {
    let start = Instant::now();
    assert_eq!(Program::run(exec).success(), "hello\n");
    start.elapsed()
}

/// RFC 8305's delay between attempts.
const STAGGER: Duration = Duration::from_millis(250);
