//! Questions at the terminal device, whatever standard input and output are.

use std::io;

use zeroize::Zeroizing;

/// Asks for something that is not shown as it is typed.
///
/// # Errors
/// Of kind `NotFound` without a terminal, `UnexpectedEof` at Ctrl-D. At Ctrl-C of kind
/// `Interrupted`, and the process has got the signal, too.
pub fn ask_secret(question: &str) -> io::Result<Zeroizing<String>> {
    // Before the terminal is changed, so that it can be restored by somebody else.
    device::save()?;
    let answer = rpassword::prompt_password(question);
    device::restore();
    answer.map(Zeroizing::new)
}

/// Restores the terminal that somebody is being asked at, if there is one.
pub(super) fn restore() {
    device::restore();
}

#[cfg(unix)]
mod device {
    use std::{
        fs::{File, OpenOptions},
        io,
        sync::{Mutex, PoisonError},
    };

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// Keeps the terminal's settings, and stops its echo.
    pub(super) fn save() -> io::Result<()> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let device = device.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        let settings = tcgetattr(&device)?;
        // Before the question is there: who answers at once is not to see the answer either.
        let mut silent = settings.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&device, OptionalActions::Now, &silent)?;
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some((device, settings));
        Ok(())
    }

    pub(super) fn restore() {
        let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((device, settings)) = saved {
            // A terminal that has vanished needs no restoring.
            let _ = tcsetattr(device, OptionalActions::Now, &settings);
        }
    }

    /// A program has but one terminal.
    static SAVED: Mutex<Option<(File, Termios)>> = Mutex::new(None);
}

/// The console's mode is changed for one answer only, and given back with it.
#[cfg(not(unix))]
mod device {
    pub(super) fn save() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn restore() {}
}
