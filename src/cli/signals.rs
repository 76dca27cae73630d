//! Signals that end the program, or that a session wants as bytes.

use std::io;

#[cfg(not(unix))]
use tokio::signal::windows;

#[cfg(feature = "aws")]
use super::failure::{Code, Failure};
#[cfg(unix)]
pub(super) use crate::reaper::is_ignored;

/// The signals of a terminal's user and of a parent.
///
/// What the parent has had ignored stays so, as far as [`Heeded`] says.
#[cfg(unix)]
pub(super) struct Signals(Vec<(u8, tokio::signal::unix::Signal)>);

/// Which signals are heeded although they were ignored when the process started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heeded {
    /// None but SIGTERM: whoever started the program by `nohup`, or a script by `&`, wants it to go on
    /// when the terminal goes, or its user presses Ctrl-C for another program.
    AsInherited,
    /// Those of the terminal's keys too: the AWS CLI ignores them itself while it runs the drop-in,
    /// which inherits that and is the one they are meant for.
    Keys,
}

#[cfg(unix)]
impl Signals {
    /// Those that end a program: SIGINT, SIGQUIT, SIGTERM and SIGHUP.
    pub(super) fn ending() -> io::Result<Self> {
        Self::watch(&[INTERRUPT, QUIT, TERMINATE, HANGUP], Heeded::AsInherited)
    }

    /// Those and SIGTSTP, which a remote terminal wants too.
    pub(super) fn of_terminal(heeded: Heeded) -> io::Result<Self> {
        Self::watch(&[INTERRUPT, QUIT, TERMINATE, HANGUP, SUSPEND], heeded)
    }

    fn watch(numbers: &[u8], heeded: Heeded) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let watched = numbers
            .iter()
            .filter(|number| heeded.includes(**number) || !is_ignored(**number))
            .map(|&number| Ok((number, signal(SignalKind::from_raw(number.into()))?)));
        watched.collect::<io::Result<_>>().map(Self)
    }

    /// The number of the next one.
    pub(super) async fn next(&mut self) -> u8 {
        std::future::poll_fn(|cx| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(unix)]
impl Heeded {
    fn includes(self, number: u8) -> bool {
        match number {
            TERMINATE => true,
            HANGUP => false,
            _ => self == Self::Keys,
        }
    }
}

/// What a console of Windows tells: keys, which count as SIGINT, and that it goes away, or its user,
/// or the system does, which counts as SIGTERM.
#[cfg(not(unix))]
pub(super) struct Signals {
    keys: (windows::CtrlC, windows::CtrlBreak),
    ends: (windows::CtrlClose, windows::CtrlLogoff, windows::CtrlShutdown),
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn ending() -> io::Result<Self> {
        Ok(Self {
            keys: (windows::ctrl_c()?, windows::ctrl_break()?),
            ends: (windows::ctrl_close()?, windows::ctrl_logoff()?, windows::ctrl_shutdown()?),
        })
    }

    pub(super) fn of_terminal(_heeded: Heeded) -> io::Result<Self> {
        Self::ending()
    }

    pub(super) async fn next(&mut self) -> u8 {
        let (interrupt, pause) = &mut self.keys;
        let (close, logoff, shutdown) = &mut self.ends;
        tokio::select! {
            Some(()) = interrupt.recv() => INTERRUPT,
            Some(()) = pause.recv() => INTERRUPT,
            Some(()) = close.recv() => TERMINATE,
            Some(()) = logoff.recv() => TERMINATE,
            Some(()) = shutdown.recv() => TERMINATE,
            else => std::future::pending().await,
        }
    }
}

/// Waits for a signal that asks the program to end; gives its number.
pub(super) fn termination() -> io::Result<impl Future<Output = u8> + Send + 'static> {
    let mut signals = Signals::ending()?;
    Ok(async move { signals.next().await })
}

/// Does `work`, unless a signal ends the program first.
#[cfg(feature = "aws")]
pub(super) async fn until_ended<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let signal =
        termination().map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    tokio::select! {
        // A signal that has come together with the work's end is looked at first: nobody would hear of
        // it any more.
        biased;
        number = signal => Err(Failure::new(Code::Signal(number), "interrupted")),
        done = work => done,
    }
}

/// The character that a terminal makes the signal of.
pub(super) fn control_character(number: u8) -> Option<u8> {
    match number {
        INTERRUPT => Some(0x03),
        QUIT => Some(0x1c),
        SUSPEND => Some(0x1a),
        _ => None,
    }
}

// The same numbers on every Unix, but for SIGTSTP.
#[cfg(unix)]
const HANGUP: u8 = 1;
pub(super) const INTERRUPT: u8 = 2;
const QUIT: u8 = 3;
pub(super) const PIPE: u8 = 13;
pub(super) const TERMINATE: u8 = 15;
#[cfg(any(not(unix), target_os = "linux"))]
const SUSPEND: u8 = 20;
#[cfg(all(unix, not(target_os = "linux")))]
const SUSPEND: u8 = 18;
/// Those that a terminal makes of keys.
#[cfg(unix)]
pub(super) const KEYS: [u8; 3] = [INTERRUPT, QUIT, SUSPEND];

#[cfg(all(test, unix, feature = "aws"))]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    #[tokio::test]
    async fn a_signal_that_comes_together_with_the_works_end_counts() {
        for _ in 0..20 {
            let mut heard = signal(SignalKind::hangup()).unwrap();
            // Both hear of it in the same moment.
            let work = async {
                kill_process(getpid(), Signal::HUP).unwrap();
                heard.recv().await;
                // It may have come in the midst of this very look.
                tokio::task::yield_now().await;
                Ok(())
            };
            let ended = until_ended(work).await.unwrap_err();
            assert_eq!(ended.code, Code::Signal(HANGUP));
        }
    }
}
