//! The programs of sessions on Windows, each in a job: what ends with the job ends with its session, or with
//! the endpoint, even if that is killed.

use std::{
    io,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use process_wrap::tokio::{ChildWrapper, CommandWrap, JobObject, KillOnDrop};
use tokio::process::{ChildStderr, ChildStdout, Command};

/// The programs of an endpoint's sessions that are still there.
#[derive(Clone, Default, Debug)]
pub(super) struct Processes(Arc<Mutex<Vec<Weak<Job>>>>);

impl Processes {
    /// Starts a program without a terminal.
    pub(super) fn start(&self, program: Command) -> io::Result<Started> {
        let mut program = CommandWrap::from(program);
        let mut child = program.wrap(KillOnDrop).wrap(JobObject).spawn()?;
        let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
        let job = Arc::new(Job(Mutex::new(child)));
        let mut jobs = self.lock();
        jobs.retain(|job| job.strong_count() > 0);
        jobs.push(Arc::downgrade(&job));
        Ok(Started { program: Program { job: Some(job), exited: None }, stdout, stderr })
    }

    /// Kills them all.
    pub(super) fn kill(&self) {
        self.lock().drain(..).filter_map(|job| job.upgrade()).for_each(|job| job.kill());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that has just been started, and those of its outputs that are pipes.
pub(super) struct Started {
    pub(super) program: Program,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// What a session may tell its program. No program of Windows hears it without a console: it is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    HUP,
    INT,
    QUIT,
}

/// A program and whatever it has started. They are killed with the last one who knows of them.
#[derive(Debug)]
struct Job(Mutex<Box<dyn ChildWrapper>>);

impl Job {
    fn kill(&self) {
        // One that is over needs no killing.
        let _ = self.lock().start_kill();
    }

    /// Of the program itself.
    fn poll_exit(&self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let mut child = self.lock();
        let mut exit = child.inner_mut().wait();
        exit.as_mut().poll(cx)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn ChildWrapper>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program, and its job until it has exited.
pub(super) struct Program {
    job: Option<Arc<Job>>,
    exited: Option<ExitStatus>,
}

impl Program {
    pub(super) fn signal(&self, _: Signal) {
        if let Some(job) = &self.job {
            job.kill();
        }
    }

    /// Waits for the program's exit; what it has left behind is killed then. No status means that
    /// the system has none to tell.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Option<ExitStatus>> {
        if let Some(job) = &self.job {
            let Poll::Ready(status) = job.poll_exit(cx) else { return Poll::Pending };
            self.exited = status.ok();
            self.job = None;
        }
        Poll::Ready(self.exited)
    }
}
