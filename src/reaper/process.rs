//! Processes, as Linux tells of them in `/proc`. Elsewhere nothing is known of them.

use std::{fmt, num::ParseIntError, str::FromStr};

use rustix::process::Pid;

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
        #[cfg(target_os = "linux")]
        {
            let entry = format!("{}={self}", Self::VARIABLE).into_bytes();
            proc::kill_each(|pid| proc::environment(pid).is_some_and(|all| all.contains(&entry)));
        }
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

/// When a process was started, in ticks of the clock since the system's start.
#[cfg(target_os = "linux")]
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    proc::Stat::of(pid)?.number(proc::START_TIME)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn start_time(_pid: Pid) -> Option<u64> {
    None
}

/// Whether the process of this number is still that which was started at that time.
#[cfg(target_os = "linux")]
pub(super) fn is_there(pid: Pid, start_time_then: u64) -> bool {
    start_time(pid) == Some(start_time_then)
}

/// Its number is all that it is known by.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_there(pid: Pid, _start_time_then: u64) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}

/// Kills every process of a session.
#[cfg(target_os = "linux")]
pub(super) fn kill_session(session: Pid) {
    let session = session.as_raw_nonzero().get();
    let session_of = |pid| proc::Stat::of(pid)?.number(proc::SESSION);
    proc::kill_each(|pid| session_of(pid) == Some(session));
}

/// The terminal's end is all that other systems' background jobs hear of it.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill_session(_session: Pid) {}

#[cfg(target_os = "linux")]
mod proc {
    use std::{collections::HashSet, fs, str::FromStr};

    use rustix::process::{Pid, Signal, kill_process};

    /// Kills the processes that `is_one` is true of, and those that they start meanwhile.
    pub(super) fn kill_each(is_one: impl Fn(Pid) -> bool) {
        let mut killed = HashSet::new();
        for _ in 0..MOST_ROUNDS {
            let before = killed.len();
            for pid in all().filter(|pid| is_one(*pid)) {
                if killed.insert(pid) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            if killed.len() == before {
                return;
            }
        }
    }

    fn all() -> impl Iterator<Item = Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok();
            pid.filter(|pid| *pid > 0).and_then(Pid::from_raw)
        })
    }

    /// The environment that a process was started with; `None` for another user's.
    pub(super) fn environment(pid: Pid) -> Option<HashSet<Vec<u8>>> {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
        Some(environment.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }

    /// A process's line in `/proc`.
    pub(super) struct Stat(String);

    impl Stat {
        pub(super) fn of(pid: Pid) -> Option<Self> {
            let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
            // Numbers follow behind the name, which may hold anything.
            let name_end = stat.iter().rposition(|byte| *byte == b')')?;
            let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
            Some(Self(rest.to_owned()))
        }

        /// The number in a field, counted as proc_pid_stat(5) counts them.
        pub(super) fn number<N: FromStr>(&self, field: usize) -> Option<N> {
            self.0.split_ascii_whitespace().nth(field - FIRST_FIELD)?.parse().ok()
        }
    }

    /// The field behind the name.
    const FIRST_FIELD: usize = 3;
    pub(super) const SESSION: usize = 6;
    pub(super) const START_TIME: usize = 22;

    /// Processes that multiply faster than this cannot be had.
    const MOST_ROUNDS: usize = 16;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

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
        let own = rustix::process::getpid();
        assert!(start_time(own).is_some_and(|time| time > 0));
        assert_eq!(start_time(own), start_time(own));
        assert_eq!(start_time(Pid::from_raw(i32::MAX).unwrap()), None);
    }
}
