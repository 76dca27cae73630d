//! The local side of a shell: this process's terminal, or its standard streams.

use std::{
    io::{self, IsTerminal, Write},
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

use super::{
    attended::{Attended, Ending, Keys},
    standard_streams,
};
#[cfg(unix)]
use crate::reaper::{Entrusted, LineMode, Remnant};
use crate::{
    client::Console,
    term::{Command, ESCAPES_HELP, Escapes, RawMode, may_be_shown, size_of_terminal, sizes, watch},
    wire::TerminalSize,
};

/// A console that types at a remote terminal: standard input is raw if it is a terminal, with
/// `escapes` looked for in what is typed.
///
/// # Errors
/// When the terminal does not let itself be switched.
pub(super) fn terminal(attended: &Attended, escapes: Escapes) -> io::Result<Console> {
    let line_mode = entrust_line_mode();
    let raw_mode = RawMode::enable()?;
    let is_shown = match raw_mode {
        Some(_) => may_be_shown(),
        None => io::stdout().is_terminal(),
    };
    let input: standard_streams::Input = match raw_mode {
        Some(_) => {
            let (ours, theirs) = duplex(TYPED_AHEAD);
            tokio::spawn(keyboard(theirs, escapes, attended.clone()));
            Box::new(ours)
        }
        None => standard_streams::input(),
    };
    let sizes = sizes()?.map(|size| match size {
        Some(size) => TerminalSize { cols: size.cols.into(), rows: size.rows.into() },
        None => TerminalSize::WITHOUT_TERMINAL,
    });
    Ok(Console {
        input: Some(input),
        output: match is_shown {
            true => Box::new(Watched(standard_streams::output())),
            false => standard_streams::output(),
        },
        error: standard_streams::error(),
        sizes: Box::pin(sizes),
        signals: Box::pin(attended.take_keys(Keys::All)),
        // Of the two the first is dropped first.
        raw_mode: raw_mode.map(|raw_mode| Box::new((raw_mode, line_mode)) as _),
    })
}

/// Has the terminal's line mode restored if this process is killed.
#[cfg(unix)]
pub(super) fn entrust_line_mode() -> Option<Entrusted> {
    LineMode::of(io::stdin()).map(|mode| Entrusted::new(Remnant::LineMode(mode)))
}

#[cfg(not(unix))]
pub(super) fn entrust_line_mode() {}

/// A console for a command that has no terminal. One that takes input reads ours, and control
/// characters in it mean nothing: a signal ends the session.
pub(super) fn without_terminal(attended: &Attended, takes_input: bool) -> Console {
    // The reference client tells it the size all the same.
    let size = size_of_terminal().map_or(TerminalSize::WITHOUT_TERMINAL, |size| TerminalSize {
        cols: size.cols.into(),
        rows: size.rows.into(),
    });
    Console {
        input: takes_input.then(standard_streams::input),
        output: standard_streams::output(),
        error: standard_streams::error(),
        sizes: Box::pin(futures_util::stream::iter([size])),
        signals: match takes_input {
            true => Box::pin(futures_util::stream::pending()),
            false => Box::pin(attended.take_keys(Keys::FirstInterrupt)),
        },
        raw_mode: None,
    }
}

/// What is shown on a terminal, of which is remembered what will have to be undone.
struct Watched(standard_streams::Output);

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            watch(&bytes[..len]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Reads keys for as long as the session takes them. A task of its own, so that `~.` is heard
/// while the connection is lost.
async fn keyboard(mut session: DuplexStream, mut escapes: Escapes, attended: Attended) {
    let mut stdin = standard_streams::input();
    let mut typed = [0; KEYS];
    while let Ok(len @ 1..) = stdin.read(&mut typed).await {
        let mut rest = &typed[..len];
        while !rest.is_empty() {
            let mut passed = Vec::new();
            let (used, command) = escapes.filter(rest, &mut passed);
            rest = &rest[used..];
            if session.write_all(&passed).await.is_err() {
                return;
            }
            match command {
                None => {}
                Some(Command::Disconnect) => attended.end(Ending::Escape),
                Some(Command::Help) => {
                    let _ = io::stderr().write_all(ESCAPES_HELP.as_bytes());
                }
            }
        }
    }
}

/// Resolves when nobody reads standard output any more, as far as that can be told.
#[cfg(unix)]
pub(super) async fn stdout_abandoned() {
    use std::os::fd::AsFd;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::{io::Interest, net::unix::pipe::Sender, time::timeout};
    let watched = io::stdout().as_fd().try_clone_to_owned();
    // Only to be watched, so it need be neither a pipe nor non-blocking, which its other owners
    // would notice. A file cannot be watched, and nobody has to read it.
    match watched.and_then(Sender::from_owned_fd_unchecked) {
        Ok(stdout) if !io::stdout().is_terminal() => loop {
            let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
            let gone = PollFlags::ERR | PollFlags::HUP;
            if poll(&mut polled, Some(&Timespec::default())).is_err()
                || polled[0].revents().intersects(gone)
            {
                return;
            }
            // A pipe tells of it, a socket has to be looked at.
            let _ = timeout(LOOK_INTERVAL, stdout.ready(Interest::ERROR)).await;
        },
        _ => std::future::pending().await,
    }
}

/// Resolves never: a broken pipe shows when it is written to.
#[cfg(not(unix))]
pub(super) async fn stdout_abandoned() {
    std::future::pending().await
}

#[cfg(unix)]
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Keys that may wait for the session while the escapes behind them are still heard.
const TYPED_AHEAD: usize = 16 * 1024;
const KEYS: usize = 4 * 1024;
