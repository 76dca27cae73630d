//! Processes that a reaper is told of: which they are, and their end.

use std::{collections::HashSet, fmt, num::ParseIntError, str::FromStr};

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
mod linux;
// Its tests run wherever somebody works on it.
#[cfg(any(not(target_os = "linux"), test))]
mod other_unix;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other_unix as system;

/// What a program is known by before its number is: a value in its environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(pub(super) u128);

impl Mark {
    /// The environment variable that it is put into.
    pub const VARIABLE: &str = "SSMPORT_PROGRAM";

    /// One that no other program has.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Kills every process that has it.
    pub(super) fn kill(self) {
        let entry = format!("{}={self}", Self::VARIABLE);
        kill_all(|| system::with_variable(entry.as_bytes()));
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Mark {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// When a process was started, in the system's own measure: it tells it from others of the same number.
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    system::start_time(pid)
}

/// The session that a process is in; none where its leader is out of sight, as in a container that a
/// process has been put into from outside.
pub fn session_of(pid: Pid) -> Option<Pid> {
    system::session_of(pid)
}

/// Whether the process of this number is still that which was started at that time.
pub(super) fn is_there(pid: Pid, start_time_then: u64) -> bool {
    start_time(pid) == Some(start_time_then)
}

/// Kills every process of a session.
pub(super) fn kill_session(session: Pid) {
    kill_all(|| system::of_session(session));
}

/// Kills the processes that `found` finds, and those that they start meanwhile.
fn kill_all(found: impl Fn() -> Vec<Pid>) {
    let mut killed = HashSet::new();
    for _ in 0..MOST_ROUNDS {
        let before = killed.len();
        for pid in found() {
            if killed.insert(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if killed.len() == before {
            return;
        }
    }
}

/// Processes that multiply faster than this cannot be had.
const MOST_ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_program_is_found_by_its_mark_and_no_other() {
        let (mark, another) = (Mark::random(), Mark::random());
        let start = |mark: Mark| {
            let mut sleep = Command::new("sleep");
            sleep.arg("60").env(Mark::VARIABLE, mark.to_string()).spawn().unwrap()
        };
        let (mut marked, mut other) = (start(mark), start(another));
        mark.kill();
        assert_eq!(marked.wait().unwrap().code(), None, "killed");
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_start_time_is_the_processs_own() {
        for start_time in [system::start_time, other_unix::start_time] {
            let own = rustix::process::getpid();
            assert!(start_time(own).is_some_and(|time| time > 0));
            assert_eq!(start_time(own), start_time(own));
            assert_eq!(start_time(Pid::from_raw(i32::MAX).unwrap()), None);
        }
    }

    #[test]
    fn every_way_finds_the_same_processes() {
        let mark = Mark::random();
        let entry = format!("{}={mark}", Mark::VARIABLE);
        // A session of its own: that of the tests may have its leader out of sight.
        let mut sleep = Command::new("setsid");
        sleep.args(["sh", "-c", "echo leads; exec sleep 60"]).stdout(Stdio::piped());
        let mut child = sleep.env(Mark::VARIABLE, mark.to_string()).spawn().unwrap();
        let mut leads = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut leads).unwrap();
        let session = Pid::from_child(&child);
        let mut ways = vec![(
            "other Unix",
            [other_unix::with_variable(entry.as_bytes()), other_unix::of_session(session)],
            other_unix::session_of(session),
        )];
        #[cfg(target_os = "linux")]
        ways.push((
            "Linux",
            [linux::with_variable(entry.as_bytes()), linux::of_session(session)],
            linux::session_of(session),
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        for (way, found, session_of_its_leader) in ways {
            assert_eq!(found, [[session], [session]], "{way}");
            assert_eq!(session_of_its_leader, Some(session), "{way}");
        }
    }
}
