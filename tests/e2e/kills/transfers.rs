//! The same in the midst of what goes past the agent's pace, `--turbo` and `cp`: a killed client, program of the
//! node or endpoint leaves no program of the node, no listener, and under a final name nothing that is not whole.
//! The next run completes it.

mod carried;
mod run;

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rustix::process::{Pid, kill_process};
use serde_json::json;

use super::traces::{marked, raw, reapers_of};
use crate::support::{Endpoint, Signal};
use carried::Stage;
use run::start;

/// As many as SSMPORT_KILLS_MOMENTS says. The moments are another set with every run; to have one again:
/// SSMPORT_KILLS_SEED.
#[test]
fn a_kill_in_the_midst_of_a_transfer_leaves_nothing_and_the_next_run_completes_it() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed: u32 = number("SSMPORT_KILLS_SEED").unwrap_or_else(rand::random);
    let moments = number("SSMPORT_KILLS_MOMENTS").unwrap_or(USUAL) as usize;
    println!("SSMPORT_KILLS_SEED={seed}");
    let next = AtomicUsize::new(0);
    let run = || {
        let stage = Stage::new();
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < moments)
        {
            Moment::of(seed, number).pass(&stage);
        }
    };
    thread::scope(|scope| {
        for lane in (0..LANES).map(|_| scope.spawn(run)).collect::<Vec<_>>() {
            // With the seed, which a panic of a lane does not show.
            assert!(lane.join().is_ok(), "SSMPORT_KILLS_SEED={seed}");
        }
    });
}

/// What is carried, which process dies, and when.
#[derive(Clone, Copy, Debug)]
struct Moment {
    number: usize,
    way: Way,
    victim: Victim,
    interpreter: &'static str,
    after: Duration,
    /// What is copied replaces something.
    is_replacing: bool,
    /// A killed client's sessions are over when the next run begins. Else its reaper is killed with it, and they
    /// stand beside that.
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Forward,
    Proxy,
    FileDown,
    FileUp,
    FolderDown,
    FolderUp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    Client,
    /// One of the programs that the agent has started: the companion, a copy's script or one of its tools.
    OnNode,
    /// Service, gateway and agent.
    Endpoint,
}

impl Moment {
    /// Of every so many each kind comes once.
    fn of(seed: u32, number: usize) -> Self {
        let ways =
            [Way::Forward, Way::Proxy, Way::FileDown, Way::FileUp, Way::FolderDown, Way::FolderUp];
        let victims = [Victim::Client, Victim::OnNode, Victim::Endpoint];
        let mut kinds: Vec<_> =
            ways.iter().flat_map(|way| victims.map(|victim| (*way, victim))).collect();
        let round = (number / kinds.len()) as u64;
        kinds.shuffle(&mut StdRng::seed_from_u64(u64::from(seed) << 32 | round));
        let (way, victim) = kinds[number % kinds.len()];
        let mut random = StdRng::seed_from_u64(u64::from(seed) << 32 | 1 << 31 | number as u64);
        Self {
            number,
            way,
            victim,
            interpreter: ["python3", "perl"][random.random_range(0..2)],
            after: Duration::from_millis(random.random_range(0..1500)),
            is_replacing: random.random_bool(0.5),
            is_over: random.random_bool(0.5),
        }
    }

    fn pass(self, stage: &Stage) {
        println!("{self:?}");
        let scene = stage.scene(self.number, self.way, self.interpreter, self.is_replacing);
        let endpoint = scene.endpoint();
        let started = Instant::now();
        let mut client = start(&scene, &endpoint);
        client.carry_until(started + self.after);
        // What is killed next is in the midst of it, or has not come so far.
        let victim = match self.victim {
            Victim::Client => client.pid(),
            Victim::Endpoint => endpoint.program.pid(),
            Victim::OnNode => match self.one_of(&on_node(&scene.mark, &endpoint)) {
                Some(pid) => pid,
                None => client.pid(),
            },
        };
        // What is just being started has those of the endpoint, too.
        let own = listening_of(&[raw(endpoint.program.pid())]);
        let pids: Vec<_> = on_node(&scene.mark, &endpoint).iter().map(|(pid, _)| *pid).collect();
        let doors = match victim == endpoint.program.pid() {
            true => &listening_of(&pids) | &own,
            false => &listening_of(&pids) - &own,
        };
        let is_client = victim == client.pid();
        if is_client && !self.is_over {
            // So that it cannot start another one.
            kill_process(victim, Signal::STOP).expect("it is a child");
            for reaper in reapers_of(victim).into_iter().filter_map(Pid::from_raw) {
                // It ends by itself if its parent had done so already.
                let _ = kill_process(reaper, Signal::KILL);
            }
        }
        // It may have ended, where it is nobody's child here.
        let _ = kill_process(victim, Signal::KILL);
        scene.is_whole_or_as_it_was();
        if victim == endpoint.program.pid() {
            endpoint.program.finish();
            self.await_none(&doors, || marked(&scene.mark));
            client.give_up();
            scene.is_whole_or_as_it_was();
            let endpoint = scene.endpoint();
            self.complete(&scene, &endpoint);
            self.await_none(&doors, || on_node(&scene.mark, &endpoint));
        } else if is_client {
            client.await_end();
            if self.is_over {
                self.await_none(&doors, || on_node(&scene.mark, &endpoint));
                scene.is_whole_or_as_it_was();
            }
            self.complete(&scene, &endpoint);
            if !self.is_over {
                end_sessions(&endpoint);
            }
            self.await_none(&doors, || on_node(&scene.mark, &endpoint));
        } else {
            // It may make good what it has lost, or say that it could not.
            client.goes_on();
            scene.is_whole_or_as_it_was();
            self.await_none(&doors, || on_node(&scene.mark, &endpoint));
            self.complete(&scene, &endpoint);
            self.await_none(&doors, || on_node(&scene.mark, &endpoint));
        }
        scene.is_complete();
    }

    fn complete(self, scene: &carried::Scene<'_>, endpoint: &Endpoint) {
        start(scene, endpoint).completes(&format!("{self:?}"));
    }

    fn one_of(self, processes: &[(i32, String)]) -> Option<Pid> {
        let (pid, _) = processes.get(self.after.as_millis() as usize % processes.len().max(1))?;
        Pid::from_raw(*pid)
    }

    /// Waits until there is none of `processes`, nor any of `doors`.
    fn await_none(self, doors: &BTreeSet<u64>, processes: impl Fn() -> Vec<(i32, String)>) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let (left, open) = (processes(), listening());
            let open: Vec<_> = doors.intersection(&open).collect();
            if left.is_empty() && open.is_empty() {
                return;
            }
            assert!(Instant::now() < give_up_at, "{self:?}: {left:#?}, and open: {open:?}");
            sleep(Duration::from_millis(20));
        }
    }
}

/// The programs that an endpoint has started.
fn on_node(mark: &str, endpoint: &Endpoint) -> Vec<(i32, String)> {
    let is_its_own =
        |pid: i32, line: &str| pid == raw(endpoint.program.pid()) || line.contains("(removes what");
    let all = marked(mark).into_iter();
    all.filter(|(pid, line)| !is_its_own(*pid, line))
        .map(|(pid, line)| (pid, line.chars().take(200).collect()))
        .collect()
}

/// Ends what the service has of a client that is gone.
fn end_sessions(endpoint: &Endpoint) {
    for session in endpoint.active_sessions() {
        endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
}

/// The sockets that listen, by their inodes.
fn listening() -> BTreeSet<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let lines = tables.iter().flatten().flat_map(|table| table.lines());
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    // 0A is LISTEN.
    fields.filter(|of| of.get(3) == Some(&"0A")).filter_map(|of| of.get(9)?.parse().ok()).collect()
}

/// Those that such processes have.
fn listening_of(processes: &[i32]) -> BTreeSet<u64> {
    let files = |pid: &i32| fs::read_dir(format!("/proc/{pid}/fd")).ok();
    let links = processes.iter().filter_map(files).flatten().flatten();
    let sockets: BTreeSet<u64> = links
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect();
    &sockets & &listening()
}

const USUAL: u32 = 12;
/// Most of a moment is waiting.
const LANES: usize = 4;
/// How long what follows from a death may take.
const PATIENCE: Duration = Duration::from_secs(20);
