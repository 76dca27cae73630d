//! The programs of sessions. None of them outlives its session, or the endpoint.

use std::{
    collections::HashSet,
    io,
    pin::Pin,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// The programs of an endpoint's sessions that are still there.
#[derive(Clone, Default, Debug)]
pub(super) struct Processes(Arc<Mutex<HashSet<Leader>>>);

impl Processes {
    /// Takes charge of a program that leads a process group.
    pub(super) fn adopt(&self, mut child: Child, kind: Kind) -> Program {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let leader = pid.map(|pid| Leader { pid, kind });
        self.lock().extend(leader);
        Program {
            leader,
            exit: Box::pin(async move { child.wait().await }),
            exited: None,
            processes: self.clone(),
        }
    }

    /// Kills them all.
    pub(super) fn kill(&self) {
        std::mem::take(&mut *self.lock()).into_iter().for_each(Leader::kill);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Leader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a program leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    /// A process group.
    Group,
    /// A session with a terminal, whose shell may have made groups of its own.
    Session,
}

/// A program and whatever it has started.
pub(super) struct Program {
    /// None once it has exited, since its number may be another's then.
    leader: Option<Leader>,
    exit: Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>,
    exited: Option<Option<ExitStatus>>,
    processes: Processes,
}

impl Program {
    /// Sends a signal to the program's process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // A group that is gone needs no signal any more.
            let _ = kill_process_group(leader.pid, signal);
        }
    }

    /// Waits for the program's exit; what it has left behind is killed then. No status means that
    /// the system has none to tell.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Option<ExitStatus>> {
        if self.exited.is_none() {
            let Poll::Ready(status) = self.exit.as_mut().poll(cx) else { return Poll::Pending };
            self.exited = Some(status.ok());
            self.kill();
        }
        Poll::Ready(self.exited.flatten())
    }

    fn kill(&mut self) {
        if let Some(leader) = self.leader.take()
            && self.processes.lock().remove(&leader)
        {
            leader.kill();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Leader {
    pid: Pid,
    kind: Kind,
}

impl Leader {
    fn kill(self) {
        if self.kind == Kind::Session {
            self.kill_session();
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// A shell's background jobs are in groups of their own, but still in its session.
    #[cfg(target_os = "linux")]
    fn kill_session(self) {
        let Ok(entries) = std::fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            let Some(pid) = pid.filter(|pid| *pid > 0).and_then(Pid::from_raw) else { continue };
            if session_of(pid) == Some(self.pid.as_raw_nonzero().get()) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    /// The terminal's end is all that other systems' background jobs hear of it.
    #[cfg(not(target_os = "linux"))]
    fn kill_session(self) {}
}

/// The session of a process, from `/proc`: behind the name, which may hold anything, stand its
/// state, its parent, its group and its session.
#[cfg(target_os = "linux")]
fn session_of(pid: Pid) -> Option<i32> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = std::fs::read(path).ok()?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(3)?.parse().ok()
}
