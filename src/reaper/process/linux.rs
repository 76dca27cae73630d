//! Processes, as Linux tells of them in `/proc`.

use std::{fs, str::FromStr};

use rustix::process::Pid;

/// When a process was started, in ticks of the clock since the system's start.
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    Stat::of(pid)?.number(START_TIME)
}

/// Processes with this entry, `NAME=VALUE`, in the environment that they were started with; another user's
/// are not among them.
pub(super) fn with_variable(entry: &[u8]) -> Vec<Pid> {
    let has_it = |pid: &Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
        environment
            .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|one| one == entry))
    };
    all().filter(has_it).collect()
}

/// The processes of a session.
pub(super) fn of_session(session: Pid) -> Vec<Pid> {
    let session = session.as_raw_nonzero().get();
    let session_of = |pid| Stat::of(pid)?.number(SESSION);
    all().filter(|pid| session_of(*pid) == Some(session)).collect()
}

/// The session of a process; its number is 0 where its leader is in no sight of this process.
pub(super) fn session_of(pid: Pid) -> Option<Pid> {
    Stat::of(pid)?.number(SESSION).filter(|leader| *leader > 0).and_then(Pid::from_raw)
}

fn all() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok();
        pid.filter(|pid| *pid > 0).and_then(Pid::from_raw)
    })
}

/// A process's line in `/proc`.
struct Stat(String);

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // Numbers follow behind the name, which may hold anything.
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        Some(Self(rest.to_owned()))
    }

    /// The number in a field, counted as proc_pid_stat(5) counts them.
    fn number<N: FromStr>(&self, field: usize) -> Option<N> {
        self.0.split_ascii_whitespace().nth(field - FIRST_FIELD)?.parse().ok()
    }
}

/// The field behind the name.
const FIRST_FIELD: usize = 3;
const SESSION: usize = 6;
const START_TIME: usize = 22;
