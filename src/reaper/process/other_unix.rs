//! Processes, as macOS and others without Linux's `/proc` tell of them.

use std::os::unix::ffi::OsStrExt;

use rustix::process::Pid;
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// When a process was started, in seconds since 1970.
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    let pid = of_system(pid)?;
    let system = read(ProcessesToUpdate::Some(&[pid]), ProcessRefreshKind::nothing())?;
    system.process(pid).map(Process::start_time)
}

/// Processes with this entry, `NAME=VALUE`, in the environment that they were started with; another user's
/// are not among them, nor those of the system's own programs, whose environment macOS keeps to itself.
pub(super) fn with_variable(entry: &[u8]) -> Vec<Pid> {
    let wanted = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    found(wanted, |process| process.environ().iter().any(|one| one.as_bytes() == entry))
}

/// The processes of a session.
pub(super) fn of_session(session: Pid) -> Vec<Pid> {
    let session = of_system(session);
    found(ProcessRefreshKind::nothing(), |process| process.session_id() == session)
}

/// The session of a process.
pub(super) fn session_of(pid: Pid) -> Option<Pid> {
    rustix::process::getsid(Some(pid)).ok()
}

fn found(wanted: ProcessRefreshKind, is_one: impl Fn(&Process) -> bool) -> Vec<Pid> {
    let Some(system) = read(ProcessesToUpdate::All, wanted) else { return Vec::new() };
    let found = system.processes().values().filter(|process| is_one(process));
    found.filter_map(|process| Pid::from_raw(process.pid().as_u32().try_into().ok()?)).collect()
}

/// `None` where the system tells nothing.
fn read(which: ProcessesToUpdate<'_>, wanted: ProcessRefreshKind) -> Option<System> {
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(which, false, wanted.without_tasks());
    Some(system)
}

fn of_system(pid: Pid) -> Option<sysinfo::Pid> {
    pid.as_raw_nonzero().get().try_into().ok().map(sysinfo::Pid::from_u32)
}
