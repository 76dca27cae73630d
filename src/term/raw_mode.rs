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
        let mut held = held();
        enable_raw_mode()?;
        *held = Held::Raw;
        #[cfg(windows)]
        super::console_modes::enable();
        Ok(Some(Self(())))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back for a while, as it was before; whether there was anything to be given back.
///
/// # Errors
/// When it does not let itself be switched.
#[cfg(unix)]
pub(super) fn lend() -> io::Result<bool> {
    let mut held = held();
    if *held != Held::Raw {
        return Ok(false);
    }
    screen::lend();
    disable_raw_mode()?;
    *held = Held::Lent;
    Ok(true)
}

/// Makes it raw again behind [`lend`], and switches on again what was on; not if it was restored for good in
/// the meantime.
///
/// # Errors
/// When it does not let itself be switched.
#[cfg(unix)]
pub(super) fn take_back() -> io::Result<()> {
    let mut held = held();
    if *held != Held::Lent {
        return Ok(());
    }
    enable_raw_mode()?;
    *held = Held::Raw;
    screen::take_back();
    Ok(())
}

/// What has become of the terminal by our doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    Not,
    Raw,
    #[cfg(unix)]
    Lent,
}

/// A program has but one terminal.
static HELD: Mutex<Held> = Mutex::new(Held::Not);

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the terminal is in raw mode by our doing.
pub fn is_raw() -> bool {
    is_raw_mode_enabled().unwrap_or_default()
}

/// Restores the terminal ahead of its [`RawMode`]'s end, for words that cannot wait for that. Does
/// nothing when there is nothing to restore.
pub fn restore() {
    screen::restore();
    {
        let mut held = held();
        *held = Held::Not;
        // A terminal that has vanished needs no restoring.
        let _ = disable_raw_mode();
    }
    #[cfg(windows)]
    super::console_modes::restore();
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
