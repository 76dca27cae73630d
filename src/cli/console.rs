//! The local side of a shell: this process's terminal, or its standard streams.

use std::{
    io::{self, IsTerminal},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::StreamExt;
use tokio::io::{AsyncWrite, duplex};

use super::{
    attended::{Attended, Keys},
    carried::Carried,
    keyboard::{Curtain, Keyboard},
    standard_streams,
};
#[cfg(unix)]
use crate::reaper::{Entrusted, LineMode, Remnant};
use crate::{
    client::Console,
    term::{Escapes, RawMode, may_be_shown, size_of_terminal, sizes, watch},
    wire::TerminalSize,
};

/// A console that types at a remote terminal: standard input is raw if it is a terminal, with
/// `escapes` looked for in what is typed, which ask of what is `carried`.
///
/// # Errors
/// When the terminal does not let itself be switched.
pub(super) fn terminal(
    attended: &Attended,
    escapes: Escapes,
    carried: Option<Carried>,
) -> io::Result<Console> {
    let line_mode = entrust_line_mode();
    let raw_mode = RawMode::enable()?;
    let is_shown = match raw_mode {
        Some(_) => may_be_shown(),
        None => io::stdout().is_terminal(),
    };
    let curtain = Curtain::default();
    let input: standard_streams::Input = match raw_mode {
        Some(_) => {
            let (ours, session) = duplex(TYPED_AHEAD);
            let (attended, curtain) = (attended.clone(), curtain.clone());
            let keyboard = Keyboard { session, escapes, attended, carried, curtain };
            tokio::spawn(keyboard.read());
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
            true => Box::new(Watched { output: standard_streams::output(), curtain }),
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
pub(super) fn entrust_line_mode() -> Option<()> {
    None
}

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
struct Watched {
    output: standard_streams::Output,
    curtain: Curtain,
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.curtain.poll_open(cx));
        let written = Pin::new(&mut self.output).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            watch(&bytes[..len]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_shutdown(cx)
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
