//! The keyboard of a shell on a terminal: keys for the session, and what is asked of us between them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{
    attended::{Attended, Ending},
    carried::Carried,
    standard_streams,
};
use crate::term::{Command, CommandLine, Escapes, Typed};

/// Reads keys for as long as the session takes them.
pub(super) struct Keyboard {
    pub(super) session: DuplexStream,
    pub(super) escapes: Escapes,
    pub(super) attended: Attended,
    /// What the session carries, where that can be asked.
    pub(super) carried: Option<Carried>,
    /// Before the session's output.
    pub(super) curtain: Curtain,
}

impl Keyboard {
    /// In a task of its own, so that `~.` is heard while the connection is lost.
    pub(super) async fn read(mut self) {
        let mut stdin = standard_streams::input();
        let mut typed = [0; KEYS];
        let mut line: Option<CommandLine> = None;
        loop {
            let read = tokio::select! {
                read = stdin.read(&mut typed) => read,
                // The rest of the output is not to wait for the end of a line.
                () = self.attended.stop(), if line.is_some() => {
                    line = None;
                    self.curtain.open();
                    continue;
                }
            };
            let Ok(len) = read else { break };
            let mut rest = match len {
                // The standard library takes Ctrl-Z for the end of a console's input, which has none.
                0 if cfg!(windows) => &[CTRL_Z][..],
                0 => break,
                _ => &typed[..len],
            };
            while let Some((&key, behind)) = rest.split_first() {
                if let Some(edited) = &mut line {
                    rest = behind;
                    let typed = edited.key(key, behind.is_empty());
                    if typed == Typed::More {
                        show(&edited.shown());
                    } else {
                        line = None;
                        self.take(typed);
                    }
                    continue;
                }
                let mut passed = Vec::new();
                let (used, command) = self.escapes.filter(rest, &mut passed);
                rest = &rest[used..];
                if self.session.write_all(&passed).await.is_err() {
                    return;
                }
                line = match command {
                    Some(command) => self.carry_out(command).await,
                    None => None,
                };
            }
        }
        self.curtain.open();
    }

    /// What is asked for at once, or begins a line.
    async fn carry_out(&self, command: Command) -> Option<CommandLine> {
        match (command, &self.carried) {
            (Command::Disconnect, _) => self.attended.end(Ending::Escape),
            (Command::Help, _) => show(&self.escapes.help()),
            (Command::Status, Some(carried)) => say(&carried.status()),
            (Command::CommandLine, Some(_)) => {
                self.curtain.close();
                let line = CommandLine::default();
                show(&format!("\r\n{}", line.shown()));
                return Some(line);
            }
            #[cfg(unix)]
            (Command::Suspend, _) => {
                self.curtain.close();
                let suspended = crate::term::suspend().await;
                self.curtain.open();
                if let Err(error) = suspended {
                    say(&format!("Cannot be suspended: {error}."));
                }
            }
            #[cfg(not(unix))]
            (Command::Suspend, _) => {}
            (Command::Status | Command::CommandLine, None) => {}
        }
        None
    }

    /// The line is over.
    fn take(&self, typed: Typed) {
        let answer = match (typed, self.carried.clone()) {
            (Typed::Line(line), Some(carried)) => {
                let mut answer = Box::pin(async move { carried.command(&line).await });
                let at_once = (&mut answer).now_or_never();
                if at_once.is_none() {
                    // As long as a session takes to begin; and keys are for the shell again.
                    tokio::spawn(async move {
                        if let Some(answer) = answer.await {
                            say(&answer);
                        }
                    });
                }
                at_once.flatten()
            }
            _ => None,
        };
        match answer {
            Some(answer) => say(&answer),
            None => show("\r\n"),
        }
        self.curtain.open();
    }
}

/// Lines on a terminal in raw mode.
pub(super) fn say(lines: &str) {
    show(&format!("\r\n{}\r\n", lines.replace('\n', "\r\n")));
}

fn show(text: &str) {
    // A terminal that has vanished needs to be told nothing.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Holds the session's output back while a line is typed that is for us.
#[derive(Clone, Debug, Default)]
pub(super) struct Curtain(Arc<Mutex<Drawn>>);

#[derive(Debug, Default)]
struct Drawn {
    is_closed: bool,
    waiting: Option<Waker>,
}

impl Curtain {
    fn close(&self) {
        self.drawn().is_closed = true;
    }

    fn open(&self) {
        let waiting = {
            let mut drawn = self.drawn();
            drawn.is_closed = false;
            drawn.waiting.take()
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready when output may be shown.
    pub(super) fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        let mut drawn = self.drawn();
        if !drawn.is_closed {
            return Poll::Ready(());
        }
        drawn.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key's byte, which a remote terminal makes a signal of.
const CTRL_Z: u8 = 0x1a;
const KEYS: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_waits_while_the_curtain_is_closed() {
        let (curtain, context) = (Curtain::default(), Context::from_waker(Waker::noop()));
        assert!(curtain.poll_open(&context).is_ready());
        curtain.close();
        assert!(curtain.poll_open(&context).is_pending());
        curtain.open();
        assert!(curtain.poll_open(&context).is_ready());
    }
}
