//! A program on a terminal of its own.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    process::Child,
};

use crate::{reaper::Mark, wire::TerminalSize};

/// The agent's side of the terminal.
pub(super) struct Pty(pty_process::Pty);

impl Pty {
    /// Starts the program of these words as the leader of a session on a terminal; without any, a shell.
    ///
    /// `mark` is put into its environment. The terminal has no size until the client tells one, as with the real agent.
    ///
    /// # Errors
    /// There is no terminal to be had, or no such program.
    pub(super) fn spawn(words: &[String], mark: Mark) -> io::Result<(Self, Child)> {
        let (pty, terminal) = pty_process::open().map_err(io_error)?;
        let name = words.first().map_or("sh", String::as_str);
        let mut program = pty_process::Command::new(name).kill_on_drop(true);
        program = program.args(words.iter().skip(1));
        for (name, value) in environment() {
            program = program.env(name, value);
        }
        program = program.env(Mark::VARIABLE, mark.to_string());
        let child = program.spawn(terminal).map_err(io_error)?;
        Ok((Self(pty), child))
    }

    /// Tells the programs on the terminal its size. Like the real agent it takes the lower 16 bits
    /// of each number.
    pub(super) fn resize(&self, size: TerminalSize) {
        // A terminal whose programs are gone has no use for a size.
        let _ = self.0.resize(pty_process::Size::new(size.rows as u16, size.cols as u16));
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    /// Reads what programs have written; nothing when none of them has the terminal any more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buffer) {
            // Linux says it with an error.
            Poll::Ready(Err(error)) if error.raw_os_error() == Some(EIO) => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

/// What the real agent adds to a program's environment.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let has_language = std::env::var_os("LANG").is_some_and(|language| !language.is_empty());
    let language = (!has_language).then_some(("LANG", "C.UTF-8"));
    std::iter::once(("TERM", "xterm-256color")).chain(language)
}

fn io_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
