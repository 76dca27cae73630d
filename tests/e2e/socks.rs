//! `ssmport socks`: one port that speaks SOCKS and HTTP, a session for each destination.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{
        DEADLINE, Endpoint, NODE, Nginx, Program, REGION, Signal, Socks, await_that, command,
        outside_address,
    },
    targets::closed_port,
};

/// A web server with a page, and what an address of it is that leads through the node and not to it.
fn web() -> (Nginx, String) {
    let nginx = Nginx::start();
    fs::write(nginx.folder().join("page"), "it is there").expect("a page");
    let url = format!("http://127.0.0.1:{}/page", nginx.port);
    (nginx, url)
}

#[test]
fn each_protocol_leads_to_a_destination_by_one_session() {
    let (endpoint, (_nginx, url)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &[]);
    assert_eq!(endpoint.active_sessions().len(), 0, "none before somebody wants it");
    for scheme in ["socks5h", "socks5", "socks4a", "socks4", "http"] {
        assert_eq!(socks.fetch(scheme, &url).success(), "it is there", "{scheme}");
    }
    let tunnel = Program::run(socks.curl("http", &["-p", &url]));
    assert_eq!(tunnel.success(), "it is there");
    assert_eq!(endpoint.active_sessions().len(), 1, "shared by all");

    // Another one has another.
    let (other, other_url) = web();
    assert_eq!(socks.fetch("socks5h", &other_url).success(), "it is there");
    assert_eq!(endpoint.active_sessions().len(), 2);
    // The node by another of its names is the node.
    let name = format!("http://LOCALHOST.:{}/page", other.port);
    assert_eq!(socks.fetch("socks5h", &name).success(), "it is there");
    let id = format!("http://{NODE}:{}/page", other.port);
    assert_eq!(socks.fetch("socks5h", &id).success(), "it is there");
    assert_eq!(endpoint.active_sessions().len(), 2);

    socks.program.signal(Signal::INT);
    let ended = socks.program.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    assert!(ended.stderr.contains("9 connections, "), "{ended:#?}");
    await_active_sessions(&endpoint, 0);
}

#[test]
fn hosts_behind_the_node_have_a_document_of_their_own() {
    let Some(outside) = outside_address() else { return };
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &["--reason", "a look"]);
    let host = TcpListener::bind((outside, 0)).expect("a port");
    let mut client = TcpStream::connect(socks.address()).expect("it listens");
    write!(client, "CONNECT {} HTTP/1.1\r\n\r\n", host.local_addr().expect("its address"))
        .expect("sent");
    let (mut accepted, _) = host.accept().expect("a connection");
    // Whoever speaks first need not wait.
    accepted.write_all(b"220 hello\r\n").expect("sent");
    let mut answer = [0; 50];
    client.read_exact(&mut answer).expect("an answer");
    assert!(answer.ends_with(b"220 hello\r\n"), "{}", String::from_utf8_lossy(&answer));
    let (_, sessions) = endpoint.call("DescribeSessions", &json!({ "State": "Active" }));
    let session = &sessions["Sessions"][0];
    assert_eq!(session["DocumentName"], "AWS-StartPortForwardingSessionToRemoteHost");
    assert_eq!(session["Reason"], "a look");
}

#[test]
fn what_is_not_reached_is_told_in_the_clients_protocol() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &[]);
    let unknown = "http://no.such.host.invalid/";
    let closed = format!("http://127.0.0.1:{}/", closed_port());
    for (url, code, words) in [(unknown, "(4)", "name is not known"), (&closed, "(5)", "refused")] {
        let failed = socks.fetch("socks5h", url);
        assert_eq!(failed.code(), 97, "{failed:#?}");
        assert!(failed.stderr.contains(code), "{failed:#?}");
        let failed = Program::run(socks.curl("http", &["-p", url]));
        assert_eq!(failed.code(), 56, "{failed:#?}");
        assert!(failed.stderr.contains("502"), "{failed:#?}");
        let page = socks.fetch("http", url).success();
        assert!(page.starts_with("ssmport: the node cannot connect to "), "{page}");
        assert!(page.contains(words), "{page}");
    }
    socks
        .program
        .wait_for_stderr(|line| line.contains("cannot connect to no.such.host.invalid:80"));
    assert_eq!(endpoint.active_sessions().len(), 2);
}

#[test]
fn a_session_that_cannot_be_had_is_told_in_the_clients_protocol_and_in_one_line() {
    let (endpoint, folder) = (Endpoint::start(), TempDir::new().expect("a directory"));
    let log = folder.path().join("log");
    let log = log.to_str().expect("Unicode");
    let socks = Socks::start(&endpoint, "i-0fedcba9876543210", &["--log", log]);
    let failed = socks.fetch("socks5h", "http://db.internal/");
    assert_eq!(failed.code(), 97, "{failed:#?}");
    assert!(failed.stderr.contains("(1)"), "{failed:#?}");
    let page = Program::run(socks.curl("http", &["-w", "%{http_code}", "http://db.internal/"]));
    let page = page.success();
    assert!(page.contains("TargetNotConnected") && page.ends_with("502"), "{page}");
    let line = socks.program.wait_for_stderr(|line| line.contains("no session to db.internal:80"));
    assert!(line.contains("TargetNotConnected"), "{line}");
    let told = socks.program.stderr();
    assert_eq!(told.matches("no session to").count(), 1, "{told}");

    socks.program.signal(Signal::INT);
    assert_eq!(socks.program.finish().code(), 130);
    for line in fs::read_to_string(log).expect("the log").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&line["event"], &line["end"]), (&"connection".into(), &"not_served".into()));
        assert_eq!(line["destination"], "db.internal:80");
    }
}

#[test]
fn idle_sessions_are_closed_and_those_in_use_are_not() {
    let (endpoint, (_nginx, url)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &["--idle", "1s"]);
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let _open = connect(&socks, held.local_addr().expect("its address").port());
    let _accepted = held.accept().expect("a connection");
    assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
    socks.program.wait_for_stderr(|line| line.contains("is closed, not used for 1s"));
    await_active_sessions(&endpoint, 1);
    // It begins again when it is wanted.
    assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
}

#[test]
fn there_are_no_more_sessions_than_allowed() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &["--sessions", "1"]);
    let (first, second) = (web(), web());
    for url in [&first.1, &second.1, &first.1] {
        assert_eq!(socks.fetch("http", url).success(), "it is there");
        assert_eq!(endpoint.active_sessions().len(), 1);
    }
    socks.program.wait_for_stderr(|line| line.contains("is closed to make room"));
}

#[test]
fn a_destination_that_was_refused_holds_no_session() {
    let (endpoint, (_nginx, url)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &["--sessions", "1"]);
    for scheme in ["socks5h", "socks5h", "socks4a"] {
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = nobody.local_addr().expect("its address").port();
        drop(nobody);
        let refused = socks.fetch(scheme, &format!("http://localhost:{port}/"));
        assert_ne!(refused.code(), 0, "{refused:#?}");
        assert_eq!(socks.fetch(scheme, &url).success(), "it is there");
    }
}

/// A request whose client has finished, as `nc -N` does.
#[test]
fn a_half_closed_connection_gets_its_answer() {
    let (endpoint, (nginx, _)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &[]);
    let mut client = connect(&socks, nginx.port);
    client.write_all(b"GET /page HTTP/1.0\r\n\r\n").expect("sent");
    client.shutdown(Shutdown::Write).expect("half of it");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer, and a clean end");
    assert!(answer.ends_with("it is there"), "{answer}");
}

/// A server that goes on with a connection for as long as its client does, whatever it was asked.
#[test]
fn clients_that_keep_a_connection_are_made_to_open_another() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &[]);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://127.0.0.1:{}/", server.local_addr().expect("its address").port());
    let serving = thread::spawn(move || {
        for _ in 0..2 {
            let (mut client, _) = server.accept().expect("a connection");
            await_end_of(&mut client, b"\r\n\r\n");
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n").expect("sent");
            let mut more = Vec::new();
            client.read_to_end(&mut more).expect("an end");
            assert!(more.is_empty(), "{}", String::from_utf8_lossy(&more));
        }
    });
    let both = Program::run(socks.curl("http", &["--max-time", "20", &url, &url]));
    assert_eq!(both.success(), "hello\nhello\n");
    serving.join().expect("each had one connection");
}

#[test]
fn what_is_behind_a_body_in_chunks_is_not_for_its_destination() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &[]);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("its address").port();
    let mut client = TcpStream::connect(socks.address()).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let head =
        format!("POST http://127.0.0.1:{port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write_all(head.as_bytes()).expect("sent");
    let (mut served, _) = server.accept().expect("a connection");
    client.write_all(b"4\r\nbody\r\n0\r\n\r\n").expect("sent");
    await_end_of(&mut served, b"4\r\nbody\r\n0\r\n\r\n");
    served.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("sent");
    await_end_of(&mut client, b"ok");
    let next = b"GET http://other/ HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\n";
    client.write_all(next).expect("sent");
    let mut more = Vec::new();
    served.set_read_timeout(Some(DEADLINE)).expect("a limit");
    served.read_to_end(&mut more).expect("an end");
    assert!(more.is_empty(), "{}", String::from_utf8_lossy(&more));
}

#[test]
fn strangers_are_answered_and_harm_nobody() {
    let (endpoint, (_nginx, url)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &[]);
    let slow: Vec<_> = (0..64)
        .map(|_| {
            let mut slow = TcpStream::connect(socks.address()).expect("it listens");
            slow.write_all(b"\x05").expect("a beginning");
            slow
        })
        .collect();
    let endless = [&b"GET http://x/ HTTP/1.1\r\na: "[..], &[b'a'; 70_000]].concat();
    for (sent, answer) in [
        (&b"\x16\x03\x01\x02\x00"[..], &b""[..]),
        (b"\0\0\0\0", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\x50", b"\x05\x00\x05\x07"),
        (b"POST / HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET https://x/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 501 "),
        (&endless, b"HTTP/1.1 431 "),
        (b"GET /proxy.pac HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"HTTP/1.1 403 "),
        (b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 404 "),
    ] {
        let mut client = TcpStream::connect(socks.address()).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a limit");
        client.write_all(sent).expect("sent");
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).expect("a clean end");
        assert!(heard.starts_with(answer), "{:?}", String::from_utf8_lossy(&heard));
        assert_eq!(heard.is_empty(), answer.is_empty());
    }
    assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
    socks.program.wait_for_stderr(|line| line.contains("speaks TLS"));
    drop(slow);
}

#[test]
fn browsers_are_told_what_goes_through_it() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &["--pac-for", "*.corp.example"]);
    let page = format!("http://localhost:{}/proxy.pac", socks.port);
    let mut curl = command(crate::support::find_tool("curl"));
    curl.args(["-sSi", &page]);
    let page = Program::run(curl).success();
    assert!(page.contains("application/x-ns-proxy-autoconfig"), "{page}");
    assert!(page.contains("\"*.corp.example\""), "{page}");
    assert!(page.contains(&format!("\"PROXY 127.0.0.1:{}\"", socks.port)), "{page}");

    // Asked for without its body.
    let mut client = TcpStream::connect(socks.address()).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a limit");
    client.write_all(b"HEAD /proxy.pac HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut head = String::new();
    client.read_to_string(&mut head).expect("a clean end");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn it_listens_on_this_machine_alone_unless_told_otherwise() {
    let endpoint = Endpoint::start();
    let socks = Socks::start(&endpoint, NODE, &[]);
    if let Some(outside) = outside_address() {
        TcpStream::connect((outside, socks.port)).expect_err("nobody listens there");
    }
    let taken = format!("{}", socks.port);
    let ended = Program::run(ssmport(&endpoint, &["socks", &taken, "-t", NODE]));
    assert_eq!(ended.code(), 5, "{ended:#?}");
    assert!(ended.stderr.contains("or 0 for a free one: 0\n"), "{ended:#?}");

    let open = Program::start(ssmport(&endpoint, &["socks", "0.0.0.0:0", "-t", NODE]));
    open.wait_for_stderr(|line| line.contains("can be reached from other machines"));
    open.signal(Signal::INT);
    assert_eq!(open.finish().code(), 130);

    let habit = Program::run(ssmport(&endpoint, &["forward", "-D", "1080", NODE]));
    assert_eq!(habit.code(), 2, "{habit:#?}");
    assert!(habit.stderr.contains("ssmport socks 1080 -t TARGET"), "{habit:#?}");
}

#[test]
fn a_session_that_is_ended_cuts_its_connections_off_and_another_takes_its_place() {
    let (endpoint, (nginx, url)) = (Endpoint::start(), web());
    let socks = Socks::start(&endpoint, NODE, &[]);
    let mut open = connect(&socks, nginx.port);
    open.write_all(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut first = [0; 15];
    open.read_exact(&mut first).expect("the beginning of an answer");
    for session in endpoint.active_sessions() {
        endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
    let line = socks.program.wait_for_stderr(|line| line.contains("the session to localhost:"));
    assert!(line.contains("one connection was cut off"), "{line}");
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).expect_err("a reset");
    assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
}

#[test]
fn the_log_has_a_line_for_each_connection_and_a_full_disk_harms_nobody() {
    let (endpoint, (nginx, url)) = (Endpoint::start(), web());
    let folder = TempDir::new().expect("a directory");
    let log = folder.path().join("connections.log");
    let path = log.to_str().expect("Unicode");
    let socks = Socks::start(&endpoint, NODE, &["--log", path]);
    assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
    let line = || fs::read_to_string(&log).unwrap_or_default();
    await_that("a line is written", || line().ends_with('\n'));
    let line: Value = serde_json::from_str(&line()).expect("JSON");
    assert_eq!(line["destination"], format!("localhost:{}", nginx.port));
    assert_eq!(line["end"], "program");
    assert!(line["from"].as_str().expect("a text").starts_with("127.0.0.1:"), "{line}");
    assert!(line["sent"].as_u64() > Some(50) && line["received"].as_u64() > Some(100), "{line}");
    assert_eq!(fs::metadata(&log).expect("a file").permissions().mode() & 0o777, 0o600);

    let socks = Socks::start(&endpoint, NODE, &["--log", "/dev/full"]);
    for _ in 0..3 {
        assert_eq!(socks.fetch("socks5h", &url).success(), "it is there");
    }
    socks.program.wait_for_stderr(|line| line.contains("cannot write /dev/full"));
    socks.program.signal(Signal::INT);
    let ended = socks.program.finish();
    assert_eq!(ended.stderr.matches("cannot write").count(), 1, "{ended:#?}");

    let absent = ["socks", "0", "-t", NODE, "--log", "/no/such/folder/log"];
    let ended = Program::run(ssmport(&endpoint, &absent));
    assert_eq!(ended.code(), 5, "{ended:#?}");
}

/// Reads until these bytes have come.
fn await_end_of(stream: &mut TcpStream, end: &[u8]) {
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let mut next = [0];
        stream.read_exact(&mut next).expect("more");
        read.extend(next);
    }
}

/// A connection to a port of the node's, by CONNECT.
fn connect(socks: &Socks, port: u16) -> TcpStream {
    let mut client = TcpStream::connect(socks.address()).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a limit");
    write!(client, "CONNECT localhost:{port} HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = [0; 39];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 Connection Established\r\n\r\n");
    client
}

fn ssmport(endpoint: &Endpoint, words: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(words);
    ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    ssmport.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    ssmport
}
