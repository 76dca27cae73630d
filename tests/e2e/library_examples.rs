//! The examples do what their first lines promise.

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    postgres::MUCH_TEXT,
    raw_client::await_active_sessions,
    support::{
        DEADLINE, Endpoint, Finished, NODE, Postgres, Program, REGION, Signal, await_that, command,
        find_tool,
    },
};

#[test]
fn a_query_is_answered_over_a_connection_of_the_programs_own() {
    let postgres = Postgres::start();
    let answer = query(&postgres.port.to_string(), "SELECT 6 * 7, NULL, 'a b'").success();
    assert_eq!(answer, "42\tNULL\ta b\n");
    let much = query(&format!("127.0.0.1:{}", postgres.port), MUCH_TEXT).success();
    let (digest, text) = much.trim_end().split_once('\t').expect("two columns");
    assert_eq!((text.len(), digest), (32 * 32_768, &*hex(text.as_bytes())));

    let wrong = query(&postgres.port.to_string(), "SELECT nothing");
    assert_eq!(wrong.code(), 1);
    assert!(wrong.stderr.contains("column \"nothing\" does not exist"), "{wrong:#?}");
    let nobody = query(&unused_port().to_string(), "SELECT 1");
    assert_eq!(nobody.code(), 1);
    assert!(nobody.stderr.contains("connection refused"), "{nobody:#?}");
}

#[test]
fn a_tunnel_tells_what_becomes_of_it_and_ends_with_ctrl_c() {
    let (endpoint, server) = (Endpoint::start(), listener());
    let spec = format!("127.0.0.1:0:{}", server.local_addr().unwrap().port());
    let tunnel = Program::start(asking(&endpoint, "tunnel", &[NODE, &spec]));
    let first = tunnel.wait_for_stdout(|_| true);
    let (address, _) = first.split_once(&format!(" leads to {NODE}")).expect("where it leads");
    let address: SocketAddr = address.parse().expect("an address");
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"there").unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"there");
    let us = client.local_addr().unwrap();
    tunnel.wait_for_stdout(|line| line == format!("{us} connected"));

    tunnel.signal(Signal::INT);
    let ended = tunnel.finish().success();
    assert_eq!(ended, format!("{first}\n{us} connected\nended\n"));
    // The service knew before the program was gone.
    assert_eq!(endpoint.active_sessions(), [""; 0]);
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn a_tunnel_to_nowhere_says_so_and_stays() {
    let (endpoint, port) = (Endpoint::start(), unused_port());
    let spec = format!("127.0.0.1:0:{port}");
    let tunnel = Program::start(asking(&endpoint, "tunnel", &[NODE, &spec]));
    let first = tunnel.wait_for_stdout(|_| true);
    let address = first.split(' ').next().expect("an address");
    for _ in 0..2 {
        let mut refused = TcpStream::connect(address).unwrap();
        refused.set_read_timeout(Some(DEADLINE)).unwrap();
        let read = refused.read(&mut [0]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    tunnel.wait_for_stdout(|line| line.contains("cannot connect to the destination"));
    let id = endpoint.active_sessions().remove(0);
    let (status, _) = endpoint.call("TerminateSession", &serde_json::json!({ "SessionId": id }));
    assert_eq!(status, 200);
    tunnel.wait_for_stdout(|line| line.starts_with("the session has ended: "));
    tunnel.signal(Signal::INT);
    tunnel.finish().success();
}

#[test]
fn a_fleet_runs_ten_at_a_time_and_tells_of_each() {
    let ids: Vec<_> = (1..=14).map(|number| format!("i-{number:017x}")).collect();
    let offered: Vec<_> = ids.iter().flat_map(|id| ["--node", id]).collect();
    let endpoint = Endpoint::with(&offered);
    let folder = TempDir::new().unwrap();
    let running = folder.path().join("running");
    std::fs::create_dir(&running).unwrap();

    let unknown = "i-0fffffffffffffff0";
    let mut arguments: Vec<_> = ids.iter().map(String::as_str).collect();
    arguments.insert(3, unknown);
    let script = WITH_OTHERS.replace("DIR", folder.path().to_str().unwrap());
    arguments.extend(["--", "sh", "-c", &script]);
    let fleet = Program::start(asking(&endpoint, "fleet", &arguments));
    await_that("ten run", || std::fs::read_dir(&running).unwrap().count() == 10);
    assert_eq!(endpoint.active_sessions().len(), 10);
    std::fs::write(folder.path().join("go"), "").unwrap();

    let ended = fleet.finish();
    assert_eq!(ended.code(), 1, "{ended:#?}");
    let mut nodes = Vec::new();
    for line in ended.stdout.lines() {
        let [id, "0", others] = *line.split('\t').collect::<Vec<_>>() else { panic!("{line}") };
        assert!(others.trim().parse::<u32>().unwrap() <= 10, "{line}");
        nodes.push(id);
    }
    nodes.sort_unstable();
    assert_eq!(nodes, ids);
    let mut complaints = ended.stderr.lines().filter(|line| line.starts_with(unknown));
    let complaint = complaints.next().expect("a line for the unknown one");
    assert!(complaint.starts_with(&format!("{unknown}\tunreachable\t")), "{complaint}");
    assert!(ended.stderr.ends_with("fleet: 1 of 15 failed\n"), "{ended:#?}");
    assert_eq!(endpoint.active_sessions(), [""; 0]);
}

#[test]
fn a_fleet_shows_exit_codes_and_complaints() {
    let ended = run("fleet", &["local", "--", "sh", "-c", "echo no such thing >&2; exit 3"]);
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.stdout, "local\t3\tno such thing\n");
    assert_eq!(run("fleet", &["local", "--", "echo", "hello"]).success(), "local\t0\thello\n");
}

#[test]
fn a_program_is_tested_against_faults_and_its_mistakes_are_seen() {
    let curl = format!("{} -sS http://127.0.0.1:$PORT/", find_tool("curl").display());
    let told = run("faults", &["sh", "-c", &curl]).success();
    let verdicts = told.lines().filter(|line| line.ends_with("\twhole"));
    assert_eq!(verdicts.count(), 3, "{told}");

    for (mistake, verdict) in [
        (format!("{curl} | tail -c +2"), "NOT WHOLE"),
        (format!("{curl} >&2 2>/dev/null; exit 7"), "FAILED: the program: exit status: 7"),
    ] {
        let mut faults = example("faults");
        faults.args(["sh", "-c", &mistake]).env("SEEDS", "1").env("FAULTS", "drop=1%");
        let ended = Program::run(faults);
        assert_eq!(ended.code(), 1);
        assert_eq!(ended.stdout, format!("drop=1%,seed=1\t{verdict}\n"));
    }
}

#[test]
fn the_bare_protocol_types_into_a_shell() {
    let line = "echo $((6 * 7))-it-is";
    let shown = run("bare_protocol", &["local", line]).success();
    assert!(shown.contains("42-it-is"), "{shown}");

    let endpoint = Endpoint::start();
    let shown = Program::run(asking(&endpoint, "bare_protocol", &[NODE, line])).success();
    assert!(shown.contains("42-it-is"), "{shown}");
    await_active_sessions(&endpoint, 0);
}

fn query(destination: &str, sql: &str) -> Finished {
    let mut postgres = example("postgres");
    postgres.env("PGUSER", "postgres").args(["local", destination, sql]);
    Program::run(postgres)
}

fn run(name: &str, arguments: &[&str]) -> Finished {
    let mut example = example(name);
    example.args(arguments);
    Program::run(example)
}

/// An example that has `endpoint` for AWS.
fn asking(endpoint: &Endpoint, name: &str, arguments: &[&str]) -> Command {
    let mut example = example(name);
    example.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    example.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    example.args(arguments);
    example
}

/// `cargo test` builds them beside the tests; with `--test` it does not.
fn example(name: &str) -> Command {
    let test = env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a folder of the profile");
    let path = folder.join("examples").join(name);
    assert!(path.is_file(), "{} is missing: cargo build --examples", path.display());
    command(path)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn unused_port() -> u16 {
    listener().local_addr().unwrap().port()
}

fn hex(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until it may go on, and tells how many have been there with it.
const WITH_OTHERS: &str = "
    : > DIR/running/$$
    while ! [ -e DIR/go ]; do sleep 0.01; done
    ls DIR/running | wc -l
    rm DIR/running/$$";
