//! A program that is run in our place, while something is left to do afterwards.

#[cfg(unix)]
use std::process::ExitStatus;
use std::{io, process::Command};

#[cfg(unix)]
use super::signals::KEYS;

/// Runs a program to its end: its exit code, or 128 and the signal's number. What ends this process
/// is passed on to it; if this process is killed, the program is ended.
///
/// It stays in our group, which the terminal is lent to, so that it hears of the terminal's keys by itself.
#[cfg(unix)]
pub(super) async fn run(mut program: Command) -> io::Result<u8> {
    use rustix::process::{Pid, Signal, kill_process};

    use super::signals::Signals;
    use crate::reaper::{Entrusted, Kind, Leader, Mark, Remnant};

    let mark = Mark::random();
    let entrusted = Entrusted::new(Remnant::Starting(mark));
    program.env(Mark::VARIABLE, mark.to_string());

    // The program is the one that decides.
    let mut signals = Signals::ending()?;
    let mut child = tokio::process::Command::from(program).kill_on_drop(true).spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(pid) = pid {
        entrusted.becomes(Remnant::Leader(Leader::of_child(pid, Kind::Process)));
    }
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            number = signals.next() => {
                if is_heard_by_group(number) {
                    continue;
                }
                let signal = Signal::from_named_raw(number.into());
                if let (Some(pid), Some(signal)) = (pid, signal) {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// A program's own, or 128 and the number of the signal that has ended it.
#[cfg(unix)]
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;

    let signal = status.signal().map(|number| 128 + number);
    let code = status.code().or(signal).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

/// Whether a signal is that of a key, which the terminal sends to all of its foreground group. To some
/// programs a second one means that they are to drop everything.
#[cfg(unix)]
pub(super) fn is_heard_by_group(number: u8) -> bool {
    use rustix::{process::getpgrp, termios::tcgetpgrp};

    let terminal = std::fs::File::open("/dev/tty");
    let foreground = terminal.ok().and_then(|terminal| tcgetpgrp(terminal).ok());
    KEYS.contains(&number) && foreground == Some(getpgrp())
}

/// Runs a program to its end: its exit code. Of the console's keys it hears by itself. It is in a job, which
/// ends with this process, however that ends, and whoever is in it then.
#[cfg(not(unix))]
pub(super) async fn run(program: Command) -> io::Result<u8> {
    use process_wrap::tokio::{CommandWrap, JobObject, KillOnDrop};

    use super::signals::{Signals, TERMINATE};

    // The program is the one that decides about keys.
    let mut signals = Signals::ending()?;
    let mut program = CommandWrap::from(tokio::process::Command::from(program));
    let mut child = program.wrap(KillOnDrop).wrap(JobObject).spawn()?;
    loop {
        tokio::select! {
            // What it has left behind is not waited for.
            status = child.inner_mut().wait() => {
                return Ok(status?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255));
            }
            number = signals.next() => {
                if number == TERMINATE {
                    return Ok(128 + TERMINATE);
                }
            }
        }
    }
}
