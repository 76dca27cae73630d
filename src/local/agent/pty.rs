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

use crate::{
    reaper::{Mark, heed_for_programs},
    wire::TerminalSize,
};

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
        heed_for_programs();
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
        poll_until_hangup(&mut self.0, cx, buffer)
    }
}

/// Linux says with an error that the terminal is nobody's any more, and may say so too soon: what a
/// program wrote as the last thing before it ended can still be on its way inside the kernel, and
/// whoever reads again has it.
fn poll_until_hangup(
    terminal: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let mut read = Pin::new(&mut *terminal).poll_read(cx, buffer);
    if is_hangup(&read) {
        read = Pin::new(terminal).poll_read(cx, buffer);
    }
    if is_hangup(&read) { Poll::Ready(Ok(())) } else { read }
}

fn is_hangup(read: &Poll<io::Result<()>>) -> bool {
    matches!(read, Poll::Ready(Err(error)) if error.raw_os_error() == Some(EIO))
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// What each reading of a terminal gives; `None` for the error.
    struct Terminal(VecDeque<Option<&'static [u8]>>);

    impl AsyncRead for Terminal {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(match self.0.pop_front().flatten() {
                Some(bytes) => {
                    buffer.put_slice(bytes);
                    Ok(())
                }
                None => Err(io::Error::from_raw_os_error(EIO)),
            })
        }
    }

    /// Seen with 6.18, once in some 100,000 programs that wrote and ended.
    #[test]
    fn last_words_that_come_behind_the_hangup_are_read() {
        let readings: [Option<&[u8]>; 4] = [Some(b"all of it"), None, Some(b", code 0"), None];
        let mut terminal = Terminal(readings.into());
        let (mut space, mut cx) = ([0; 64], Context::from_waker(std::task::Waker::noop()));
        let mut buffer = ReadBuf::new(&mut space);
        for whole in ["all of it", "all of it, code 0", "all of it, code 0"] {
            assert!(poll_until_hangup(&mut terminal, &mut cx, &mut buffer).is_ready());
            assert_eq!(buffer.filled(), whole.as_bytes());
        }
    }
}
