//! `forward -f`: the program goes to the background once the tunnels stand, as `ssh -f` does.
//!
//! ```text
//!   first process                         second process
//!     listens on a socket, starts it  ---> says what there is to say, asks for MFA
//!     waits                                tunnels stand
//!     ends with 0                     <--- leaves the terminal, and says so
//! ```
//!
//! A process that has threads cannot be forked, so the second one begins anew. Until the tunnels stand it
//! belongs to the terminal, which a question or a Ctrl-C may come from.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use rustix::{
    process::{Pid, Signal, kill_process, setsid},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};
use tokio::{io::AsyncReadExt, net::UnixListener};

use crate::cli::{
    child,
    failure::{Code, Failure},
    signals::Signals,
};

/// Starts this program once more, and waits until its tunnels stand; what it fails with until then is its
/// exit code, and told by it.
pub(super) async fn start(signals: &mut Signals) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::local("cannot start a second process")
            .because(error)
            .next("the folder for temporary files (TMPDIR) has to be there, with a short name")
    };
    // Others cannot look into it.
    let folder = tempfile::tempdir().map_err(failed)?;
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut second = Command::new(program);
    second.args(with_socket(std::env::args_os().skip(1), &socket));
    let mut second = tokio::process::Command::from(second).spawn().map_err(failed)?;
    let pid = second.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));

    let stands = async {
        let (mut told, _) = listener.accept().await?;
        told.read_exact(&mut [0]).await
    };
    let mut stands = std::pin::pin!(stands);
    let mut is_listening = true;
    loop {
        tokio::select! {
            biased;
            told = &mut stands, if is_listening => match told {
                Ok(_) => return Ok(()),
                // It has ended without a word, or will.
                Err(_) => is_listening = false,
            },
            ended = second.wait() => {
                let code = child::exit_code(ended.map_err(failed)?);
                return Err(Failure::new(Code::Command(code), ""));
            }
            number = signals.next() => {
                let signal = Signal::from_named_raw(number.into());
                if let (Some(pid), Some(signal)) = (pid, signal)
                    && !child::is_heard_by_group(number)
                {
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// The words of the second process.
fn with_socket(words: impl Iterator<Item = OsString>, socket: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let option = [OsString::from("--detach-to"), socket.into()];
    words.splice(end..end, option);
    words
}

/// What the second process is to tell the first one.
#[derive(Debug)]
pub(super) struct First(UnixStream);

impl First {
    /// # Errors
    /// The first process is gone.
    pub(super) fn at(socket: &Path) -> Result<Self, Failure> {
        UnixStream::connect(socket).map(Self).map_err(|error| gone(&error))
    }

    /// Leaves the terminal, and lets the first process end.
    ///
    /// # Errors
    /// That is gone: nobody knows of this one.
    pub(super) fn leave(self) -> Result<(), Failure> {
        let Self(mut first) = self;
        let mut leave = || -> io::Result<()> {
            let null = File::options().read(true).write(true).open("/dev/null")?;
            // Only the leader of a group cannot, which this process is not.
            setsid()?;
            dup2_stdin(&null)?;
            dup2_stdout(&null)?;
            // Behind this nothing is heard of it.
            first.write_all(&[1])?;
            dup2_stderr(&null)?;
            Ok(())
        };
        leave().map_err(|error| gone(&error))
    }
}

fn gone(error: &io::Error) -> Failure {
    Failure::local("cannot go to the background").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_stands_before_what_is_no_option() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (typed, expected) in [
            ("forward -f 1", "forward -f 1 --detach-to /s"),
            ("forward -f -- 1", "forward -f --detach-to /s -- 1"),
        ] {
            assert_eq!(with_socket(words(typed).into_iter(), Path::new("/s")), words(expected));
        }
    }
}
