//! The program stopped by its user, with the terminal the shell's again.

use std::io;

use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};

use super::{raw_mode, screen, size};

/// Stops the group of this process, the programs that it shares a pipeline with included, and gives the
/// terminal back meanwhile. Returns when somebody continues it, and the terminal is the session's again.
///
/// # Errors
/// When nobody is there to continue it, or the terminal does not let itself be switched.
pub fn suspend() -> io::Result<()> {
    if !has_shell() {
        let why = "no shell with job control has started this: nobody could continue it";
        return Err(io::Error::other(why));
    }
    raw_mode::lend(|| Ok(kill_current_process_group(Signal::STOP)?))?;
    if screen::is_full() {
        size::have_it_redrawn();
    }
    // A group in the background hears nothing of a window that changes.
    Ok(kill_process(getpid(), Signal::WINCH)?)
}

/// Whether we are a job of some shell: those have groups of their own in the session of the terminal.
fn has_shell() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpgrp())
}
