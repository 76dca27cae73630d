//! `ssmport forward -f`, its ready file and its pid file: tunnels that scripts start and find.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, getsid, kill_process, test_kill_process};
use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{Endpoint, NODE, Nginx, Program, REGION, Signal, await_that, command, find_tool},
};

/// A process in the background, as its pid file tells. It is killed when this is dropped.
struct Background {
    pid: Pid,
    files: TempDir,
}

impl Background {
    fn of(files: TempDir) -> Self {
        let pid = fs::read_to_string(files.path().join("pid")).expect("a pid file");
        let pid = Pid::from_raw(pid.trim_end().parse().expect("a number")).expect("a process");
        Self { pid, files }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn await_end(&self) {
        await_that("the process is gone", || test_kill_process(self.pid).is_err());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }
}

#[test]
fn it_ends_when_the_tunnel_stands_and_leaves_one_that_goes_on() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    fs::write(nginx.folder().join("page"), "it is there").expect("a page");
    let spec = format!("0:{}", nginx.port);
    // Its outputs are at their end, or this would wait.
    let (ran, files) = started(&endpoint, &["--json", "-fN", "-L", &spec, "-t", NODE]);
    assert_eq!(ran.code(), 0, "{ran:#?}");
    let background = Background::of(files);
    let pid = background.pid.as_raw_nonzero();
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("Forwarding 127.0.0.1:"), "{ran:#?}");
    let last = format!("In the background from now on: `kill {pid}` ends it");
    assert!(lines.len() == 2 && lines[1].ends_with(&last), "{ran:#?}");
    assert_eq!(getsid(Some(background.pid)), Ok(background.pid), "it has a terminal");

    let ready = fs::read_to_string(background.file("ready")).expect("a ready file");
    assert_eq!(ready, ran.stdout, "what is in the file is what was reported");
    let ready: serde_json::Value = serde_json::from_str(&ready).expect("JSON");
    let port = ready["port"].as_u64().expect("a port");
    let mut fetch = command(find_tool("curl"));
    fetch.arg("-sS").arg(format!("http://127.0.0.1:{port}/page"));
    assert_eq!(Program::run(fetch).success(), "it is there");

    // A second one fails, and leaves what the first one has.
    let mut second = forward(&endpoint, &["-f", &format!("{port}:80"), "-t", NODE]);
    second.args(files_in(background.files.path()));
    assert_eq!(Program::run(second).code(), 5);
    assert_eq!(
        fs::read_to_string(background.file("pid")).expect("it is there"),
        format!("{pid}\n")
    );

    kill_process(background.pid, Signal::TERM).expect("it is there");
    background.await_end();
    let left = fs::read_dir(background.files.path()).expect("the folder").count();
    assert_eq!(left, 0, "files are left");
    TcpListener::bind(("127.0.0.1", port.try_into().expect("a port"))).expect("it is free again");
    await_active_sessions(&endpoint, 0);
}

#[test]
fn what_fails_before_the_tunnel_stands_is_told_and_leaves_nothing() {
    let endpoint = Endpoint::start();
    let (ran, files) = started(&endpoint, &["-f", "0:80", "-t", "i-0fedcba9876543210"]);
    assert_eq!((ran.code(), &*ran.stdout), (4, ""), "{ran:#?}");
    assert!(ran.stderr.contains("i-0fedcba9876543210 is not connected"), "{ran:#?}");
    assert_eq!(fs::read_dir(files.path()).expect("the folder").count(), 0);

    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("{}:80", held.local_addr().expect("its address").port());
    let (ran, _) = started(&endpoint, &["-f", &taken, "-t", NODE]);
    assert_eq!(ran.code(), 5, "{ran:#?}");

    let words = ["-f", "0:80", "-t", NODE, "--", "true"];
    let ran = Program::run(forward(&endpoint, &words));
    assert_eq!(ran.code(), 2, "{ran:#?}");
}

#[test]
fn a_signal_before_the_tunnel_stands_ends_both_processes() {
    let endpoint = Endpoint::start();
    // Whoever connects waits.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let files = TempDir::new().expect("a folder");
    let mut forward = forward(&endpoint, &["-f", "0:80", "-t", NODE]);
    forward.args(files_in(files.path()));
    let address = silent.local_addr().expect("its address");
    forward.env("AWS_ENDPOINT_URL", format!("http://{address}"));
    let forward = Program::start(forward);
    let (_call, _) = silent.accept().expect("the second process calls");
    forward.signal(Signal::TERM);
    assert_eq!(forward.finish().code(), 143);
    assert_eq!(fs::read_dir(files.path()).expect("the folder").count(), 0);
}

#[test]
fn the_ready_file_has_a_line_for_each_spec_and_goes_with_the_program() {
    let endpoint = Endpoint::start();
    let files = TempDir::new().expect("a folder");
    let mut forward = forward(&endpoint, &["0:80", "0:81", "-t", NODE]);
    forward.args(files_in(files.path()));
    let forward = Program::start(forward);
    let file = |name: &str| fs::read_to_string(files.path().join(name)).unwrap_or_default();
    await_that("the ready file is there", || !file("ready").is_empty());
    assert_eq!(file("pid"), format!("{}\n", forward.pid().as_raw_nonzero()));
    let ready = file("ready");
    let destination = |line| -> serde_json::Value {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["destination"].clone()
    };
    let destinations: Vec<_> = ready.lines().map(destination).collect();
    assert_eq!(destinations, ["localhost:80", "localhost:81"]);
    forward.signal(Signal::INT);
    assert_eq!(forward.finish().code(), 130);
    assert_eq!(fs::read_dir(files.path()).expect("the folder").count(), 0);
}

#[test]
fn the_command_is_told_hosts_and_ports_by_its_words_and_its_environment() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    fs::write(nginx.folder().join("page"), "it is there").expect("a page");
    let (first, second) = ("0:9".to_owned(), format!("[::1]:0:{}", nginx.port));
    let curl = find_tool("curl").display().to_string();
    let words = ["-q", &first, &second, "-t", NODE, "--"];
    let fetch = [&*curl, "-gsS", "http://[{host2}]:{port2}/page"];
    let ran = Program::run(forward(&endpoint, &[&words[..], &fetch].concat()));
    assert_eq!(ran.success(), "it is there");

    let show = "echo $SSMPORT_HOST $SSMPORT_PORT $SSMPORT_HOST2 $SSMPORT_PORT2; echo $0";
    let show = ["sh", "-c", show, "{host} {port} {host2} {port2}"];
    let ran = Program::run(forward(&endpoint, &[&words[..], &show].concat()));
    let shown = ran.success();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("127.0.0.1 ") && lines[0].contains(" ::1 "), "{shown}");
    assert_eq!(lines[0], lines[1]);

    let ran = Program::run(forward(&endpoint, &[&words[..], &["echo", "{port3}"]].concat()));
    assert_eq!((ran.code(), &*ran.stdout), (2, ""), "{ran:#?}");
    assert!(ran.stderr.starts_with("ssmport: {port3} stands for nothing\n"), "{ran:#?}");
}

/// Runs it to its end, with both files in a folder.
fn started(endpoint: &Endpoint, words: &[&str]) -> (crate::support::Finished, TempDir) {
    let files = TempDir::new().expect("a folder");
    let mut forward = forward(endpoint, words);
    forward.args(files_in(files.path()));
    (Program::run(forward), files)
}

fn files_in(folder: &Path) -> [PathBuf; 4] {
    ["--ready-file".into(), folder.join("ready"), "--pid-file".into(), folder.join("pid")]
}

/// `ssmport forward WORDS` at an endpoint.
fn forward(endpoint: &Endpoint, words: &[&str]) -> Command {
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.arg("forward").args(words);
    forward.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    forward.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    forward
}
