//! Standard input, output and error as the streams of a session.
//!
//! Not by the standard library's own handles: those look through every byte of output for the end
//! of a line, and keep input back in a buffer.

#[cfg(unix)]
use std::{
    fs::File,
    io::IsTerminal,
    os::fd::{AsFd, OwnedFd},
    sync::OnceLock,
};

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream that is read.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;
/// A stream that is written.
pub(super) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Keeps standard input to this program: whatever it starts, a `credential_process` for one, finds
/// nothing there, and takes none of the session's bytes. A terminal stays everybody's.
#[cfg(unix)]
pub(super) fn keep_input() {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return;
    }
    let (Ok(ours), Ok(nothing)) = (stdin.as_fd().try_clone_to_owned(), File::open("/dev/null"))
    else {
        return;
    };
    if rustix::stdio::dup2_stdin(nothing).is_ok() {
        // It is kept once.
        let _ = KEPT_INPUT.set(ours);
    }
}

#[cfg(not(unix))]
pub(super) fn keep_input() {}

#[cfg(unix)]
static KEPT_INPUT: OnceLock<OwnedFd> = OnceLock::new();

#[cfg(unix)]
pub(super) fn input() -> Input {
    let file = match KEPT_INPUT.get() {
        Some(kept) => file(kept),
        None => file(std::io::stdin()),
    };
    match file {
        Ok(file) => Box::new(file),
        Err(_) => Box::new(tokio::io::stdin()),
    }
}

#[cfg(unix)]
pub(super) fn output() -> Output {
    match file(std::io::stdout()) {
        Ok(file) => Box::new(file),
        Err(_) => Box::new(tokio::io::stdout()),
    }
}

#[cfg(unix)]
pub(super) fn error() -> Output {
    match file(std::io::stderr()) {
        Ok(file) => Box::new(file),
        Err(_) => Box::new(tokio::io::stderr()),
    }
}

#[cfg(unix)]
fn file(stream: impl AsFd) -> std::io::Result<tokio::fs::File> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    let descriptor = stream.as_fd().try_clone_to_owned()?;
    // Read and written by threads that may block. A parent that has left the flag on gets no error
    // in the middle of its data for it.
    if let Ok(flags) = fcntl_getfl(&descriptor)
        && flags.contains(OFlags::NONBLOCK)
    {
        fcntl_setfl(&descriptor, flags - OFlags::NONBLOCK)?;
    }
    // A pipe that holds more has its two ends woken less often. It need not be a pipe, nor let
    // itself be changed.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&descriptor, PIPE_LEN);
    Ok(File::from(descriptor).into())
}

/// What Linux allows to everyone.
#[cfg(target_os = "linux")]
const PIPE_LEN: usize = 1 << 20;

// A console takes its text through the standard library, which knows its encoding.
#[cfg(not(unix))]
pub(super) fn input() -> Input {
    Box::new(tokio::io::stdin())
}

#[cfg(not(unix))]
pub(super) fn output() -> Output {
    Box::new(tokio::io::stdout())
}

#[cfg(not(unix))]
pub(super) fn error() -> Output {
    Box::new(tokio::io::stderr())
}
