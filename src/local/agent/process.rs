//! The programs of sessions. None of them outlives its session, or the endpoint.

use std::{
    collections::HashSet,
    io,
    pin::Pin,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use rustix::process::Pid;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

pub(super) use rustix::process::Signal;

use crate::reaper::{Entrusted, Kind, Leader, Mark, Remnant, heed_for_programs};

/// The programs of an endpoint's sessions that are still there.
#[derive(Clone, Default, Debug)]
pub(super) struct Processes(Arc<Mutex<HashSet<Leader>>>);

impl Processes {
    /// To be told before a program is started: the endpoint may be killed before it knows it.
    pub(super) fn announce(&self) -> Birth {
        let mark = Mark::random();
        let entrusted = Entrusted::new(Remnant::Starting(mark));
        Birth { mark, entrusted, processes: self.clone() }
    }

    /// Starts a program without a terminal, in a process group of its own.
    pub(super) fn start(&self, mut program: Command) -> io::Result<Started> {
        heed_for_programs();
        let birth = self.announce();
        program.env(Mark::VARIABLE, birth.mark().to_string());
        let mut child = program.process_group(0).kill_on_drop(true).spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Started { program: birth.adopt(child, Kind::Group), stdout, stderr })
    }

    /// Kills them all. Those that are being killed elsewhere are dead, too, when this returns: the
    /// process may end then.
    pub(super) fn kill(&self) {
        self.lock().drain().for_each(Leader::kill);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Leader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that has just been started, and those of its outputs that are pipes.
pub(super) struct Started {
    pub(super) program: Program,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// A program that is about to be started.
pub(super) struct Birth {
    mark: Mark,
    entrusted: Entrusted,
    processes: Processes,
}

impl Birth {
    /// What the program is to have in its environment.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Takes charge of the program, which leads what `kind` says.
    pub(super) fn adopt(self, mut child: Child, kind: Kind) -> Program {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let leader = pid.map(|pid| Leader::of_child(pid, kind));
        if let Some(leader) = leader {
            self.processes.lock().insert(leader);
            self.entrusted.becomes(Remnant::Leader(leader));
        }
        Program {
            leader,
            exit: Box::pin(async move { child.wait().await }),
            exited: None,
            processes: self.processes,
            entrusted: Some(self.entrusted),
        }
    }
}

/// A program and whatever it has started.
pub(super) struct Program {
    /// None once it has exited, since its number may be another's then.
    leader: Option<Leader>,
    exit: Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>,
    exited: Option<Option<ExitStatus>>,
    processes: Processes,
    entrusted: Option<Entrusted>,
}

impl Program {
    /// Sends a signal to the program's process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            leader.signal(signal);
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
        if let Some(leader) = self.leader.take() {
            let mut processes = self.processes.lock();
            if processes.remove(&leader) {
                leader.kill();
            }
        }
        self.entrusted = None;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
