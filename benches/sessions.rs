//! What a person at a terminal waits for, each figure beside what it would be without a session:
//! a key's echo, the drop-in's start, copies with scp.
//!
//! `cargo bench --bench sessions [-- MIB]` prints a table in Markdown; nothing is asserted. Everything runs on
//! this machine's loopback and shares its cores.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use pty_process::blocking as pty;
use serde_json::Value;
use tempfile::TempDir;

use support::{Endpoint, Plugin, Program, Sshd, command, file_digest, port_request};

#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/support/mod.rs"]
mod support;

fn main() {
    let mut arguments = env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mib: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1024);
    println!("| {:<41} | without | with    |", "");
    println!("|{:-<43}|--------:|--------:|", "");

    let (without, with) = (echoes_of_terminal(), echoes_of_shell());
    for percent in [50, 99] {
        let [without, with] = [&without, &with].map(|times| at(times, percent));
        row(&format!("echo of a key, {percent} %, ms"), without, with, 3);
    }
    let (process, starting, listening) = starts();
    row("drop-in: exec to `Starting session`, ms", at(&process, 50), at(&starting, 50), 1);
    row("drop-in: exec to listening, ms", at(&process, 50), at(&listening, 50), 1);
    for (name, direction) in [("up", Direction::Up), ("down", Direction::Down)] {
        let rates = Copy::new(mib);
        let rate = |took: Duration| mib as f64 * 1.048_576 / took.as_secs_f64();
        let (without, with) =
            (rate(rates.time(direction, false)), rate(rates.time(direction, true)));
        show(&format!("scp {mib} MiB {name}, MB/s"), without, with, 0);
    }
    // Others sleep for each kilobyte.
    let mib = mib.min(MOST_THROUGH_PLUGIN);
    let rate = |took: Duration| mib as f64 * 1.048_576 / took.as_secs_f64();
    let (without, with) = uploads(mib);
    show(&format!("drop-in: {mib} MiB up through a port, MB/s"), rate(without), rate(with), 1);
    println!(
        "\nwithout: the same keys at a terminal of this machine, `true` for the drop-in, scp \
         straight to\nthe same server. with: `ssmport shell local`, the drop-in (or what \
         SSMPORT_TEST_PLUGIN names) at\n`ssmport local`, and scp with `ssmport proxy local` as its \
         ProxyCommand."
    );
}

fn row(name: &str, without: Duration, with: Duration, digits: usize) {
    let [without, with] = [without, with].map(|time| time.as_secs_f64() * 1e3);
    show(name, without, with, digits);
}

fn show(name: &str, without: f64, with: f64, digits: usize) {
    println!("| {name:<41} | {without:>7.digits$} | {with:>7.digits$} |");
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

// --- keys ---

fn echoes_of_terminal() -> Vec<Duration> {
    echoes(pty::Command::new("sh"))
}

fn echoes_of_shell() -> Vec<Duration> {
    let ssmport = env!("CARGO_BIN_EXE_ssmport");
    echoes(pty::Command::new(ssmport).args(["shell", "local"]))
}

/// The times from a key to its echo by a program that the shell runs.
fn echoes(shell: pty::Command) -> Vec<Duration> {
    let (mut terminal, end) = pty::open().expect("a pseudo-terminal");
    let mut shell = shell.env("PS1", "> ").spawn(end).expect("started");
    let mut said = Vec::new();
    wait_for(&mut terminal, &mut said, b"> ");
    terminal.write_all(b"stty raw -echo; printf 'rea''dy'; exec cat\r").expect("typed");
    wait_for(&mut terminal, &mut said, b"ready");
    let times = (0..KEYS).map(|key| {
        let key = b'a' + (key % 26) as u8;
        let begin = Instant::now();
        terminal.write_all(&[key]).expect("typed");
        let mut echo = [0];
        terminal.read_exact(&mut echo).expect("echoed");
        assert_eq!(echo[0], key);
        begin.elapsed()
    });
    let times = sorted(times.collect());
    shell.kill().expect("ended");
    shell.wait().expect("ended");
    times
}

fn wait_for(terminal: &mut impl Read, said: &mut Vec<u8>, text: &[u8]) {
    while !said.ends_with(text) {
        let mut byte = [0];
        terminal.read_exact(&mut byte).expect("more output");
        said.push(byte[0]);
    }
}

// --- start ---

/// From exec to the end of `true`, to the drop-in's first line, and to its open port.
fn starts() -> (Vec<Duration>, Vec<Duration>, Vec<Duration>) {
    let endpoint = Endpoint::start();
    let (mut process, mut starting, mut listening) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begin = Instant::now();
        assert!(command("true").status().expect("started").success());
        process.push(begin.elapsed());

        let request = port_request(9);
        let response: Value = endpoint.start_port_session(9);
        let mut plugin = Plugin::command(&endpoint, &response, &request);
        plugin.stdin(Stdio::null()).stdout(Stdio::piped());
        let begin = Instant::now();
        let mut plugin = plugin.spawn().expect("started");
        for line in BufReader::new(plugin.stdout.take().expect("piped")).lines() {
            match line.expect("a line").as_str() {
                line if line.starts_with("Starting") => starting.push(begin.elapsed()),
                line if line.starts_with("Waiting") => {
                    listening.push(begin.elapsed());
                    break;
                }
                _ => {}
            }
        }
        plugin.kill().expect("ended");
        plugin.wait().expect("ended");
    }
    (sorted(process), sorted(starting), sorted(listening))
}

// --- a port ---

/// Straight to a server that takes everything, and by way of the plugin.
fn uploads(mib: u64) -> (Duration, Duration) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("its address");
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, address.port());
    let [without, with] = [address, plugin.address].map(|address| {
        let begin = Instant::now();
        let mut client = TcpStream::connect(address).expect("a connection");
        let (mut accepted, _) = server.accept().expect("a connection");
        let sent = thread::spawn(move || {
            let block = vec![b'x'; 1 << 20];
            (0..mib).for_each(|_| client.write_all(&block).expect("taken"));
            client
        });
        let all = io::copy(&mut (&mut accepted).take(mib << 20), &mut io::sink());
        assert_eq!(all.expect("all of it"), mib << 20);
        sent.join().expect("sent");
        begin.elapsed()
    });
    (without, with)
}

// --- copies ---

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

struct Copy {
    sshd: Sshd,
    folder: TempDir,
}

impl Copy {
    fn new(mib: u64) -> Self {
        let copy = Self { sshd: Sshd::start(), folder: TempDir::new().expect("a directory") };
        let mut original = File::create(copy.folder.path().join("original")).expect("a file");
        let mut random = File::open("/dev/urandom").expect("randomness").take(mib << 20);
        std::io::copy(&mut random, &mut original).expect("room for a file");
        copy
    }

    fn time(&self, direction: Direction, with_session: bool) -> Duration {
        let [original, copied] = ["original", "copied"].map(|name| self.folder.path().join(name));
        let _ = fs::remove_file(&copied);
        let mut scp = self.sshd.client("scp");
        let port = self.sshd.port;
        if with_session {
            let proxy = format!("{} proxy local {port}", env!("CARGO_BIN_EXE_ssmport"));
            scp.arg("-o").arg(format!("ProxyCommand={proxy}"));
        } else {
            scp.arg("-P").arg(port.to_string());
        }
        let remote = |path: &std::path::Path| format!("127.0.0.1:{}", path.display());
        match direction {
            Direction::Up => scp.arg(&original).arg(remote(&copied)),
            Direction::Down => scp.arg(remote(&original)).arg(&copied),
        };
        let begin = Instant::now();
        Program::run_within(Duration::from_secs(600), scp).success();
        let took = begin.elapsed();
        assert_eq!(file_digest(&copied), file_digest(&original));
        took
    }
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

const KEYS: usize = 2000;
const STARTS: usize = 50;
const MOST_THROUGH_PLUGIN: u64 = 64;
