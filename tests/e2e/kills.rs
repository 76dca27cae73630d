//! Whatever is killed at whatever moment leaves nothing behind: no listener, no socket file, no
//! process.

#[cfg(feature = "aws")]
mod sessions;
mod traces;
#[cfg(feature = "aws")]
mod transfers;
mod victim;

use std::{
    fs,
    os::unix::fs::FileTypeExt,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use crate::support::{Endpoint, Program, Signal, await_gone, await_that, command, mark};
use traces::{Traces, command_line, descriptors, raw, reapers_of};
use victim::{Scene, Victim, runtime, sleeping, ssmport};

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
    // It may still have one of its libraries open.
    await_that("the same ones", || descriptors(reaper) == descriptors(raw(sleep.pid())));
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

/// In the midst of a login, when the key is there and ssh runs.
#[cfg(feature = "aws")]
#[test]
fn a_killed_login_leaves_neither_its_key_nor_ssh() {
    let scene = Scene::start();
    let (kind, after) = (Kind::SshWithKey, Duration::ZERO);
    let moment = Moment { number: 0, kind, signal: Signal::KILL, after, is_used: false };
    let traces = Traces::new(&scene, moment.number);
    let victim = Victim::start(&moment, &scene, &traces);
    await_that("ssh runs", || {
        traces::marked(&traces.mark).iter().any(|(_, line)| line == "sleep 5000")
    });
    assert!(traces.files()[0].join("key").exists());
    let pid = victim.pid();
    kill_process(pid, moment.signal).expect("it is a child");
    victim.await_end();
    traces.await_gone(pid, &format!("{moment:?}"));
}

#[test]
fn a_killed_reaper_is_replaced_at_once() {
    let local = Endpoint::start();
    let runtime = runtime();
    let first = mark();
    let _first = sleeping(&local, &runtime, &first);
    let reapers = reapers_of(local.program.pid());
    let [reaper] = reapers[..] else { panic!("one reaper, not {reapers:?}") };
    kill_process(Pid::from_raw(reaper).unwrap(), Signal::KILL).unwrap();
    await_that("another reaper", || {
        reapers_of(local.program.pid()).into_iter().any(|another| another != reaper)
    });
    await_that("the first one is collected", || !Path::new(&format!("/proc/{reaper}")).exists());
    // By now it has been told everything.
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
    DropInSocket,
    DropInShell,
    Ssh,
    #[cfg(feature = "aws")]
    SshWithKey,
}

impl Kind {
    /// Whether an interrupt is for what runs in the session, and need not end it.
    fn takes_interrupts(self) -> bool {
        matches!(self, Self::Exec | Self::ExecWithJob | Self::Shell | Self::DropInShell)
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
            Kind::DropInSocket,
            Kind::DropInShell,
            Kind::Ssh,
            #[cfg(feature = "aws")]
            Kind::SshWithKey,
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
        let traces = Traces::new(scene, self.number);
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
const MOMENTS: usize = 100;
/// Most of a moment is waiting.
const LANES: usize = 4;
/// How long a death and what follows from it may take.
const PATIENCE: Duration = Duration::from_secs(10);
