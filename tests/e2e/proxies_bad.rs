//! Proxies that refuse, hang, talk nonsense or are not there: a clear line within seconds, and no
//! password in it.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    proxies::{AWS, Site},
    support::{ConnectProxy, Finished, Habit, Program},
};

/// What a proxy does, what is said about it, and what to do; THIS and HOST stand for the names of both.
fn cases() -> Vec<(Habit, &'static str, &'static str)> {
    let say = |words: &str| Habit::Say(words.as_bytes().to_vec());
    vec![
        (
            say("HTTP/1.0 407 Proxy Authentication Required\r\n\r\n"),
            "the proxy THIS does not accept that user and password",
            "check USER:PASSWORD@ in HTTPS_PROXY",
        ),
        (
            say("HTTP/1.1 403 Filtered\r\nContent-Length: 3\r\n\r\nno!"),
            "the proxy THIS does not connect to HOST:443: HTTP 403 Filtered",
            "allow CONNECT to HOST:443",
        ),
        (
            say("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "the proxy THIS does not connect to HOST:443: HTTP 502 Bad Gateway",
            "allow CONNECT to HOST:443",
        ),
        (
            say("HTTP/1.1 503 Try later\r\n\r\n"),
            "the proxy THIS does not connect to HOST:443: HTTP 503 Try later",
            "or name HOST in NO_PROXY",
        ),
        (
            say("SSH-2.0-OpenSSH_9.2p1\r\n"),
            "THIS does not answer as a proxy does: ",
            "check that HTTPS_PROXY names an HTTP proxy",
        ),
        (say(""), "THIS does not answer as a proxy does: ", "names an HTTP proxy"),
        (
            say("HTTP/1.1 200 OK\r\n\r\n<html>"),
            "THIS does not answer as a proxy does: it goes on talking",
            "names an HTTP proxy",
        ),
        (Habit::TalkOn, "THIS does not answer as a proxy does: ", "names an HTTP proxy"),
    ]
}

#[test]
fn the_drop_in_says_what_is_wrong_with_a_proxy() {
    let site = Site::start();
    for (habit, what, step) in cases() {
        let proxy = ConnectProxy::start(habit);
        let ended = within(Duration::from_secs(5), through(site.plugin(9, AWS), &proxy));
        let told = ended.stdout.lines().last().unwrap_or_default();
        let expected = format!("Cannot perform start session: {}", named(what, &proxy, AWS));
        assert!(told.starts_with(&expected), "{expected}: {told}");
        assert!(told.contains(&named(step, &proxy, AWS)), "{step}: {told}");
        assert_eq!(ended.code(), 0);
        // What may be the moment's is tried as often as a gateway that refuses.
        let dials = if what.contains("HTTP 50") { 5 } else { 1 };
        assert_eq!(proxy.hosts(), vec![format!("{AWS}:443"); dials]);
    }
}

#[test]
fn a_proxy_that_is_not_there_or_says_nothing_is_given_up() {
    let site = Site::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut plugin = site.plugin(9, AWS);
    plugin.env("HTTPS_PROXY", format!("http://jane:s3cret@{address}"));
    let ended = within(Duration::from_secs(5), plugin);
    let expected = format!("cannot connect to the proxy {address}: Connection refused");
    assert!(ended.stdout.contains(&expected), "{ended:#?}");

    let proxy = ConnectProxy::start(Habit::KeepSilent);
    let ended = within(Duration::from_secs(20), through(site.plugin(9, AWS), &proxy));
    let expected = named("the proxy THIS did not connect to HOST:443 within 15 s", &proxy, AWS);
    assert!(ended.stdout.contains(&expected), "{ended:#?}");
}

#[test]
fn what_names_no_proxy_is_said_by_its_variable_alone() {
    let site = Site::start();
    for url in ["socks4://jane:s3cret@127.0.0.1:1080", "http://jane:s3c@ret@proxy.test", "s3cret"] {
        let mut plugin = site.plugin(9, AWS);
        plugin.env("ALL_PROXY", url).env("SSMPORT_LOG", "trace");
        let ended = within(Duration::from_secs(5), plugin);
        let is_name = url == "s3cret";
        let expected = match is_name {
            // It may be the name of one.
            true => "cannot connect to the proxy s3cret:80: ",
            false => {
                "ALL_PROXY does not name a proxy (http://, https:// or socks5://, a host and a port)"
            }
        };
        assert!(ended.stdout.contains(expected), "{ended:#?}");
        assert!(is_name || !ended.stderr.contains("s3c"), "{ended:#?}");
    }
}

/// The program with its HTTPS_PROXY, which wants a user.
fn through(mut program: Command, proxy: &ConnectProxy) -> Command {
    program.env("HTTPS_PROXY", format!("http://jane:s3cret@{}", proxy.address));
    program
}

fn within(limit: Duration, program: Command) -> Finished {
    let start = Instant::now();
    let ended = Program::run(program);
    assert!(start.elapsed() < limit, "{:?}: {ended:#?}", start.elapsed());
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("jane") && !text.contains("panicked"), "{text}");
    }
    ended
}

/// `text` with THIS for the proxy and HOST for the host.
fn named(text: &str, proxy: &ConnectProxy, host: &str) -> String {
    text.replace("THIS", &proxy.address.to_string()).replace("HOST", host)
}

#[cfg(feature = "aws")]
mod calls {
    use super::*;
    use crate::support::{NODE, REGION, command};

    const SSM: &str = "ssm.eu-west-1.amazonaws.com";

    #[test]
    fn calls_say_what_is_wrong_with_a_proxy() {
        for (habit, what, step) in cases() {
            let proxy = ConnectProxy::start(habit);
            let ended = within(Duration::from_secs(5), through(exec(), &proxy));
            assert_eq!(ended.code(), 7, "{ended:#?}");
            let expected = format!(
                "StartSession on {NODE}: cannot reach https://{SSM}: {}",
                named(what, &proxy, SSM)
            );
            assert!(ended.stderr.contains(&expected), "{expected}: {ended:#?}");
            assert!(ended.stderr.contains(&named(step, &proxy, SSM)), "{step}: {ended:#?}");
            // Another attempt would fare no better.
            assert_eq!(proxy.hosts(), [format!("{SSM}:443")]);
        }
    }

    #[test]
    fn calls_give_up_a_proxy_that_is_not_there_or_says_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let mut absent = exec();
        absent.env("https_proxy", format!("http://jane:s3cret@{address}"));
        let ended = within(Duration::from_secs(15), absent);
        assert_eq!(ended.code(), 7, "{ended:#?}");
        let expected = format!("cannot connect to the proxy {address}: Connection refused");
        assert!(ended.stderr.contains(&expected), "{ended:#?}");

        let proxy = ConnectProxy::start(Habit::KeepSilent);
        let ended = within(Duration::from_secs(20), through(exec(), &proxy));
        assert_eq!(ended.code(), 7, "{ended:#?}");
        let expected = named("the proxy THIS did not connect to HOST:443 within 5 s", &proxy, SSM);
        assert!(ended.stderr.contains(&expected), "{ended:#?}");
    }

    fn exec() -> Command {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.env("AWS_REGION", REGION).args(["exec", NODE, "--", "true"]);
        exec.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        exec
    }
}
