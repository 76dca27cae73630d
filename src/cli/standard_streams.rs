//! Standard input, output and error as the streams of a session.
//!
//! Not by the standard library's own handles: those look through every byte of output for the end
//! of a line, and keep input back in a buffer.

#[cfg(not(unix))]
use std::io::IsTerminal;
#[cfg(unix)]
use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(not(unix))]
use super::console_text::ConsoleText;

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

/// Whether there is anything to be read that a command could want: neither a terminal, whose user
/// may type for the next program, nor what has nothing in it.
#[cfg(unix)]
pub(super) fn has_input() -> bool {
    match KEPT_INPUT.get() {
        Some(kept) => may_give(kept),
        None => may_give(std::io::stdin()),
    }
}

#[cfg(unix)]
fn may_give(stream: impl AsFd) -> bool {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fs::{FileType, SeekFrom, fstat, seek, stat},
    };

    let Ok(about) = fstat(&stream) else { return false };
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => {
            let position = seek(&stream, SeekFrom::Current(0)).unwrap_or(0);
            i64::try_from(position).is_ok_and(|position| position < about.st_size)
        }
        FileType::CharacterDevice => {
            let is_nothing = stat("/dev/null").is_ok_and(|null| null.st_rdev == about.st_rdev);
            !is_nothing && !rustix::termios::isatty(&stream)
        }
        FileType::Directory => false,
        _ => {
            let mut look = [PollFd::new(&stream, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let is_over = poll(&mut look, Some(&now)).is_ok_and(|ready| ready > 0)
                && !look[0].revents().contains(PollFlags::IN);
            !is_over
        }
    }
}

#[cfg(unix)]
pub(super) fn output() -> Output {
    written(&std::io::stdout()).unwrap_or_else(|_| Box::new(tokio::io::stdout()))
}

#[cfg(unix)]
pub(super) fn error() -> Output {
    written(&std::io::stderr()).unwrap_or_else(|_| Box::new(tokio::io::stderr()))
}

/// A stream that is written without a thread in between where that can be had: what arrives by the
/// KiB would have two threads wake each other for each.
#[cfg(unix)]
fn written(stream: impl AsFd + Copy) -> std::io::Result<Output> {
    use rustix::fs::{FileType, fstat};

    let kind = FileType::from_raw_mode(fstat(stream)?.st_mode);
    if kind == FileType::RegularFile {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        return Ok(Box::new(AtOnce(file)));
    }
    #[cfg(target_os = "linux")]
    if (kind == FileType::Fifo || rustix::termios::isatty(stream))
        && let Ok(ours) = opened_again(stream)
    {
        return Ok(Box::new(ours));
    }
    Ok(Box::new(file(stream)?))
}

/// The same pipe or terminal, as one of our own that does not block. The one that was handed down
/// is shared with others, who would notice.
#[cfg(target_os = "linux")]
fn opened_again(stream: impl AsFd) -> std::io::Result<tokio::net::unix::pipe::Sender> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{Mode, OFlags, open};

    let path = format!("/proc/self/fd/{}", stream.as_fd().as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours = open(path, flags, Mode::empty())?;
    // It need not be a pipe.
    let _ = rustix::pipe::fcntl_setpipe_size(&ours, PIPE_LEN);
    tokio::net::unix::pipe::Sender::from_owned_fd_unchecked(ours)
}

/// A file takes what is written into memory, at once.
#[cfg(unix)]
struct AtOnce(File);

#[cfg(unix)]
impl AsyncWrite for AtOnce {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
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
pub(super) fn has_input() -> bool {
    !std::io::stdin().is_terminal()
}

#[cfg(not(unix))]
pub(super) fn output() -> Output {
    written(tokio::io::stdout(), std::io::stdout().is_terminal())
}

#[cfg(not(unix))]
pub(super) fn error() -> Output {
    written(tokio::io::stderr(), std::io::stderr().is_terminal())
}

#[cfg(not(unix))]
fn written(stream: impl AsyncWrite + Send + Unpin + 'static, is_console: bool) -> Output {
    match is_console {
        true => Box::new(ConsoleText::new(stream)),
        false => Box::new(stream),
    }
}
