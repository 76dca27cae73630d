//! Whatever is killed at whatever moment leaves nothing behind: no listener, no socket file, no
//! process.

use std::{
    any::Any,
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    raw_client::{open, start_document},
    raw_peer::RawPeer,
    support::{
        Endpoint, NODE, Plugin, Program, Signal, Sshd, Terminal, await_gone, await_running,
        await_that, command, free_port, mark,
    },
};

#[test]
fn a_hundred_random_moments() {
    pass_moments(Moment::of);
}

/// A program that has a parent no more, which had no time to take note of it.
#[test]
fn a_hundred_kills_in_the_midst_of_a_programs_start() {
    pass_moments(|seed, number| {
        let moment = Moment::of(seed, number);
        let after = moment.after / 10;
        Moment { kind: Kind::Exec, signal: Signal::KILL, after, ..moment }
    });
}

/// The moments are another set with every run. To have one again: SSMPORT_KILLS_SEED.
fn pass_moments(moment: impl Fn(u32, usize) -> Moment + Sync) {
    let seed = match std::env::var("SSMPORT_KILLS_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => rand::random::<u32>(),
    };
    println!("SSMPORT_KILLS_SEED={seed}");
    let next = AtomicUsize::new(0);
    let run = || {
        let scene = Scene::start();
        while let number @ ..MOMENTS = next.fetch_add(1, Ordering::Relaxed) {
            moment(seed, number).pass(&scene);
        }
        scene.still_serves();
    };
    thread::scope(|scope| {
        for lane in (0..LANES).map(|_| scope.spawn(run)).collect::<Vec<_>>() {
            // With the seed, which a panic of a lane does not show.
            assert!(lane.join().is_ok(), "SSMPORT_KILLS_SEED={seed}");
        }
    });
}

#[test]
fn a_killed_forwards_socket_is_removed_whatever_its_working_directory() {
    let folder = TempDir::new().unwrap();
    let mut forward = ssmport(&["forward", "./s:9", "-t", "local", "--json"]);
    forward.current_dir(folder.path());
    let forward = Program::start(forward);
    forward.wait_for_stdout(|line| line.contains("\"ready\""));
    let path = folder.path().join("s");
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    forward.signal(Signal::KILL);
    forward.finish();
    await_that("the socket's file is gone", || !path.exists());
}

#[test]
fn a_reaper_is_there_once_and_holds_nothing_of_its_parents() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| format!("{}:9", folder.path().join(name).display());
    let forward =
        Program::start(ssmport(&["forward", &at("a"), &at("b"), "-t", "local", "--json"]));
    let mut ready = 0;
    forward.wait_for_stdout(|line| {
        ready += usize::from(line.contains("\"ready\""));
        ready == 2
    });
    let reapers = reapers_of(forward.pid());
    let [reaper] = reapers[..] else { panic!("one reaper, not {reapers:?}") };
    let open = |number: u32| {
        let target = fs::read_link(format!("/proc/{reaper}/fd/{number}")).unwrap();
        target.display().to_string().split(':').next().unwrap().to_owned()
    };
    assert_eq!([0, 1, 2].map(open), ["pipe", "/dev/null", "/dev/null"]);
    // What these tests inherited themselves goes to every process that they start.
    let mut sleep = command("sleep");
    sleep.arg("60");
    let sleep = Program::start(sleep);
    await_that("sleep runs", || command_line(raw(sleep.pid())).starts_with(&["sleep".to_owned()]));
    assert_eq!(descriptors(reaper), descriptors(raw(sleep.pid())));
    assert_eq!(fs::read(format!("/proc/{reaper}/environ")).unwrap(), b"");
    assert_eq!(fs::read_link(format!("/proc/{reaper}/cwd")).unwrap(), Path::new("/"));
    let status = fs::read_to_string(format!("/proc/{reaper}/status")).unwrap();
    assert!(status.contains("Name:\tssm-reaper\n") && status.contains("Threads:\t1\n"), "{status}");

    // A Ctrl-C is the parent's, and so is the good order.
    forward.signal(Signal::INT);
    assert_eq!(forward.finish().code(), 130);
    await_that("the reaper is gone", || !Path::new(&format!("/proc/{reaper}")).exists());
}

#[test]
fn a_forward_to_a_port_has_no_reaper() {
    let forward = Program::start(ssmport(&["forward", "0:9", "-t", "local", "--json"]));
    forward.wait_for_stdout(|line| line.contains("\"ready\""));
    assert_eq!(reapers_of(forward.pid()), Vec::<i32>::new());
}

#[test]
fn a_killed_reaper_is_replaced_when_something_is_entrusted() {
    let local = Endpoint::start();
    let runtime = runtime();
    let first = mark();
    let _first = sleeping(&local, &runtime, &first);
    let reapers = reapers_of(local.program.pid());
    let [reaper] = reapers[..] else { panic!("one reaper, not {reapers:?}") };
    kill_process(Pid::from_raw(reaper).unwrap(), Signal::KILL).unwrap();
    let second = mark();
    let _second = sleeping(&local, &runtime, &second);
    local.program.signal(Signal::KILL);
    // What the first one knew, the second one knows.
    await_gone(&first);
    await_gone(&second);
}

#[test]
fn nobody_becomes_a_reaper_without_a_pipe() {
    for program in [env!("CARGO_BIN_EXE_ssmport"), env!("CARGO_BIN_EXE_session-manager-plugin")] {
        let mut reaper = command(program);
        // Program gives it nothing on its standard input, which is no pipe.
        reaper.args(["(removes what this process leaves behind when it is killed:)", "1"]);
        let ended = Program::run(reaper);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("(removes what"), "it is a word as any other: {ended:?}");
    }
}

/// What the processes that die have to do with.
struct Scene {
    endpoint: Endpoint,
    sshd: Sshd,
    /// Takes connections and says nothing.
    sink: Sink,
    folder: TempDir,
}

impl Scene {
    fn start() -> Self {
        Self {
            endpoint: Endpoint::start(),
            sshd: Sshd::start(),
            sink: Sink::start(),
            folder: TempDir::new().expect("a directory"),
        }
    }

    /// Whoever else died, the endpoint is there for others.
    fn still_serves(&self) {
        let plugin = Plugin::attach(&self.endpoint, self.sink.port());
        TcpStream::connect(plugin.address).expect("the port is open");
    }
}

/// A server that the system's queue answers for.
struct Sink(TcpListener);

impl Sink {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }
}

/// One process, its death and the time of it.
#[derive(Debug)]
struct Moment {
    number: usize,
    kind: Kind,
    signal: Signal,
    after: Duration,
    is_used: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    ForwardPort,
    ForwardSocket,
    Exec,
    ExecWithJob,
    Shell,
    Proxy,
    Local,
    DropIn,
    Ssh,
}

impl Kind {
    /// Whether an interrupt is for what runs in the session, and need not end it.
    fn takes_interrupts(self) -> bool {
        matches!(self, Self::Exec | Self::ExecWithJob | Self::Shell)
    }
}

impl Moment {
    fn of(seed: u32, number: usize) -> Self {
        let mut random = StdRng::seed_from_u64(u64::from(seed) << 32 | number as u64);
        let kinds = [
            Kind::ForwardPort,
            Kind::ForwardSocket,
            Kind::Exec,
            Kind::ExecWithJob,
            Kind::Shell,
            Kind::Proxy,
            Kind::Local,
            Kind::DropIn,
            Kind::Ssh,
        ];
        let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL];
        Self {
            number,
            kind: kinds[random.random_range(0..kinds.len())],
            signal: signals[random.random_range(0..signals.len())],
            after: Duration::from_millis(random.random_range(0..400)),
            is_used: random.random_bool(0.6),
        }
    }

    fn pass(&self, scene: &Scene) {
        println!("{self:?}");
        let started = Instant::now();
        let traces = Traces {
            mark: mark(),
            port: free_port(),
            path: scene.folder.path().join(self.number.to_string()),
        };
        let victim = Victim::start(self, scene, &traces);
        let pid = victim.pid();
        let client = self.is_used.then(|| traces.use_it(self.kind, &victim, started + self.after));
        sleep(self.after.saturating_sub(started.elapsed()));
        // Its number is its own: nobody has waited for it.
        kill_process(pid, self.signal).expect("it is a child");
        if self.signal == Signal::INT && self.kind.takes_interrupts() {
            kill_process(pid, Signal::TERM).expect("it is a child");
        }
        victim.await_end();
        traces.await_gone(pid, &format!("{self:?}"));
        drop(client);
    }
}

/// What is to be gone.
struct Traces {
    /// In the environment of the process and of everything that it starts.
    mark: String,
    port: u16,
    path: PathBuf,
}

impl Traces {
    fn await_gone(&self, pid: Pid, whose: &str) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let mut left = Vec::new();
            left.extend(marked(&self.mark).into_iter().map(|process| format!("{process:?}")));
            let reapers = reapers_of(pid).into_iter();
            left.extend(reapers.map(|reaper| format!("the reaper {reaper}")));
            if fs::symlink_metadata(&self.path).is_ok() {
                left.push("the socket's file".to_owned());
            }
            for address in [
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.port)),
            ] {
                match TcpListener::bind(address) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        left.push(format!("{address} is taken"));
                    }
                    _ => {}
                }
            }
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < give_up_at, "{whose}: there are still {left:#?}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Connects to what the process opens, as soon as it does. The connection is to be held.
    fn use_it(&self, kind: Kind, victim: &Victim, until: Instant) -> Option<Box<dyn Any>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        match (kind, victim) {
            (Kind::ForwardPort | Kind::DropIn, _) => {
                retry(until, || TcpStream::connect(address).ok()).map(held)
            }
            (Kind::ForwardSocket, _) => {
                retry(until, || UnixStream::connect(&self.path).ok()).map(held)
            }
            (Kind::Local, Victim::Local(endpoint)) => {
                retry(until, || TcpStream::connect(address).ok())?;
                let runtime = runtime();
                let session = sleeping(endpoint, &runtime, &self.mark);
                Some(held((runtime, session)))
            }
            _ => None,
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A failed test leaves nothing behind, either.
        for (pid, _) in marked(&self.mark) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

fn held(connection: impl Any) -> Box<dyn Any> {
    Box::new(connection)
}

fn retry<T>(until: Instant, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(done) = attempt() {
            return Some(done);
        }
        if Instant::now() + Duration::from_millis(5) >= until {
            return None;
        }
        sleep(Duration::from_millis(5));
    }
}

enum Victim {
    Program(Program),
    Local(Endpoint),
    Terminal(Terminal),
}

impl Victim {
    fn start(moment: &Moment, scene: &Scene, traces: &Traces) -> Self {
        let sink = scene.sink.port();
        let mut program = match moment.kind {
            Kind::ForwardPort => {
                ssmport(&["forward", &format!("{}:{sink}", traces.port), "-t", "local"])
            }
            Kind::ForwardSocket => {
                let spec = format!("{}:{sink}", traces.path.display());
                ssmport(&["forward", &spec, "-t", "local"])
            }
            Kind::Exec => ssmport(&["exec", "local", "--", "sleep", "5000"]),
            Kind::ExecWithJob => {
                let script = "(trap '' HUP INT TERM; exec sleep 5000) & sleep 5000 & wait";
                ssmport(&["exec", "local", "--", "sh", "-c", script])
            }
            Kind::Shell => ssmport(&["shell", "local"]),
            Kind::Proxy => ssmport(&["proxy", "local", &sink.to_string()]),
            Kind::Local => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, traces.port));
                ssmport(&["local", "--listen", &address.to_string()])
            }
            Kind::DropIn => {
                let request = serde_json::json!({
                    "Target": NODE,
                    "DocumentName": "AWS-StartPortForwardingSession",
                    "Parameters": {
                        "portNumber": [sink.to_string()],
                        "localPortNumber": [traces.port.to_string()],
                    },
                });
                Plugin::session(&scene.endpoint, &request).1
            }
            Kind::Ssh => {
                let mut ssmport = ssmport(&["ssh"]);
                ssmport.args(scene.sshd.client("ssh").get_args());
                ssmport.args(["-N", "-p", &scene.sshd.port.to_string(), "local"]);
                ssmport
            }
        };
        program.env(MARK, &traces.mark);
        match moment.kind {
            Kind::Shell => {
                let terminal = Terminal::start(&program);
                terminal.press("set -m; (trap '' HUP; exec sleep 5000) </dev/null & sleep 5000\n");
                Self::Terminal(terminal)
            }
            Kind::Local => {
                let url = format!("http://127.0.0.1:{}", traces.port);
                Self::Local(Endpoint { program: Program::start(program), url })
            }
            _ => Self::Program(Program::start(program)),
        }
    }

    fn pid(&self) -> Pid {
        match self {
            Self::Program(program) => program.pid(),
            Self::Local(endpoint) => endpoint.program.pid(),
            Self::Terminal(terminal) => terminal.pid(),
        }
    }

    fn await_end(self) {
        match self {
            Self::Program(program) | Self::Local(Endpoint { program, .. }) => {
                program.finish_within(PATIENCE);
            }
            Self::Terminal(terminal) => terminal.await_end(),
        }
    }
}

/// A session of an endpoint that runs a `sleep` of this many seconds.
fn sleeping(endpoint: &Endpoint, runtime: &Runtime, seconds: &str) -> RawPeer {
    let command = format!("sleep {seconds}");
    let document = Some("AWS-StartInteractiveCommand");
    let ticket = start_document(endpoint, document, &[("command", &command)]);
    let session = runtime.block_on(open(&ticket));
    await_running(seconds);
    session
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}

/// The processes with a mark in their environment, and their command lines.
fn marked(mark: &str) -> Vec<(i32, String)> {
    let entry = format!("{MARK}={mark}").into_bytes();
    let is_marked = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|found| found == entry))
    };
    processes().filter(is_marked).map(|pid| (pid, command_line(pid).join(" "))).collect()
}

/// The reapers that were started by a process, which need not be there any more.
fn reapers_of(pid: Pid) -> Vec<i32> {
    let parent = raw(pid).to_string();
    let is_reaper = |pid: &i32| match &command_line(*pid)[..] {
        [_, purpose, of] => purpose.starts_with("(removes what") && *of == parent,
        _ => false,
    };
    processes().filter(is_reaper).collect()
}

fn descriptors(pid: i32) -> BTreeSet<u32> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there").flatten();
    open.map(|file| file.file_name().to_str().and_then(|name| name.parse().ok()).unwrap()).collect()
}

fn raw(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn command_line(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(&[0]).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

const MOMENTS: usize = 100;
/// Most of a moment is waiting.
const LANES: usize = 4;
/// How long a death and what follows from it may take.
const PATIENCE: Duration = Duration::from_secs(10);
const MARK: &str = "KILLS_MARK";
