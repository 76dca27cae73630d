//! Raw mode, and the way back from it.

use std::{
    io::{self, IsTerminal},
    panic,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, is_raw_mode_enabled};

use super::{prompt, screen};

/// The terminal on standard input in raw mode: every key is a byte, nothing is echoed. Dropping
/// it restores the terminal.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Switches the terminal on standard input to raw mode; `None` when there is none. Never
    /// touches a terminal that is elsewhere: programs that run us on a pseudo-terminal of theirs
    /// have set it up themselves.
    ///
    /// # Errors
    /// When the terminal does not let itself be switched.
    pub fn enable() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let mut is_held = held();
        enable_raw_mode()?;
        *is_held = true;
        Ok(Some(Self(())))
    }
}

/// Gives the terminal back for as long as `meanwhile` lasts, as it was before; then it is raw again, and
/// what was shown has been switched on again.
///
/// # Errors
/// When `meanwhile` fails, or the terminal does not let itself be switched.
#[cfg(unix)]
pub(super) fn lend(meanwhile: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // Until the end: a terminal that somebody restores for good meanwhile is not to be raw behind that.
    let is_held = held();
    if !*is_held {
        return Ok(());
    }
    screen::lend();
    disable_raw_mode()?;
    let done = meanwhile();
    enable_raw_mode()?;
    screen::take_back();
    done
}

/// Whether the terminal is to be raw, by our doing.
static HELD: Mutex<bool> = Mutex::new(false);

fn held() -> MutexGuard<'static, bool> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is in raw mode by our doing.
pub fn is_raw() -> bool {
    is_raw_mode_enabled().unwrap_or_default()
}

/// Restores the terminal ahead of its [`RawMode`]'s end, for words that cannot wait for that. Does
/// nothing when there is nothing to restore.
pub fn restore() {
    screen::restore();
    let mut is_held = held();
    *is_held = false;
    // A terminal that has vanished needs no restoring.
    let _ = disable_raw_mode();
    drop(is_held);
    screen::show_held();
    prompt::restore();
}

/// Has a panic restore the terminal before it prints, so that its message can be read.
pub fn restore_on_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        restore();
        print(panic);
    }));
}
