//! The program stopped by its user, with the terminal the shell's again.

use std::io;

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::{raw_mode, screen, size};
use crate::reaper::session_of;

/// Stops the group of this process, the programs that it shares a pipeline with included, and gives the
/// terminal back meanwhile. Returns when somebody continues it, and the terminal is the session's again.
/// What is shown in between would be shown on the shell's terminal.
///
/// # Errors
/// When nobody is there to continue it, or the terminal does not let itself be switched.
pub async fn suspend() -> io::Result<()> {
    if !has_shell() {
        let why = "no shell with job control has started this: nobody could continue it";
        return Err(io::Error::other(why));
    }
    let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    if !raw_mode::lend()? {
        return Ok(());
    }
    let stopped = kill_current_process_group(Signal::STOP);
    if stopped.is_ok() {
        // It stops one thread first, and this one may go on until it comes to all.
        continued.recv().await;
    }
    raw_mode::take_back()?;
    stopped?;
    if screen::is_full() {
        size::have_it_redrawn();
    }
    // A group in the background hears nothing of a window that changes.
    Ok(kill_process(getpid(), Signal::WINCH)?)
}

/// Stops this process alone, whose terminal is in its usual mode: the rest of a pipeline has been told by the
/// terminal itself. Without a shell that continues it nothing happens, as with programs that do not watch for it.
pub fn stop() {
    if has_shell() {
        // A process may stop itself.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// Whether we are a job of some shell: those have groups of their own in the session of the terminal.
fn has_shell() -> bool {
    session_of(getpid()).is_some_and(|leader| leader != getpgrp())
}
