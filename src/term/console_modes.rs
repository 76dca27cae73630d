//! The modes of a console of Windows: escape sequences both ways, as a remote terminal has them.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use crossterm_winapi::{ConsoleMode, Handle};

/// Has keys come as sequences, and sequences shown. What a console does not know, an old one, it does
/// not do.
pub(super) fn enable() {
    let before = [input(), output()].map(|console| {
        let console = console.ok()?;
        let mode = console.mode().ok()?;
        Some((console, mode))
    });
    let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, (found, sequences)) in before.into_iter().zip(SEQUENCES).enumerate() {
        if let Some((console, mode)) = found
            && console.set_mode(mode | sequences).is_ok()
        {
            kept[place].get_or_insert(mode & sequences);
        }
    }
}

/// Sequences are what they were before.
pub(super) fn restore() {
    let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, (console, sequences)) in [input(), output()].into_iter().zip(SEQUENCES).enumerate()
    {
        // A console that has vanished needs no restoring.
        if let (Some(before), Ok(console)) = (kept[place].take(), console)
            && let Ok(mode) = console.mode()
        {
            let _ = console.set_mode(mode & !sequences | before);
        }
    }
}

/// How the console is set when a program starts. What has been changed since, by crates that colour text
/// too, is undone when this is dropped.
#[derive(Debug)]
pub struct KeptModes([Option<u32>; 2]);

impl KeptModes {
    /// Those of now.
    pub fn now() -> Self {
        Self([input(), output()].map(|console| console.ok()?.mode().ok()))
    }
}

impl Drop for KeptModes {
    fn drop(&mut self) {
        for (kept, console) in self.0.into_iter().zip([input(), output()]) {
            if let (Some(kept), Ok(console)) = (kept, console)
                && console.mode().is_ok_and(|mode| mode != kept)
            {
                let _ = console.set_mode(kept);
            }
        }
    }
}

fn input() -> io::Result<ConsoleMode> {
    Handle::input_handle().map(ConsoleMode::from)
}

fn output() -> io::Result<ConsoleMode> {
    Handle::output_handle().map(ConsoleMode::from)
}

/// Of input and output, while they are changed.
static BEFORE: Mutex<[Option<u32>; 2]> = Mutex::new([None; 2]);
/// ENABLE_VIRTUAL_TERMINAL_INPUT, and ENABLE_VIRTUAL_TERMINAL_PROCESSING.
const SEQUENCES: [u32; 2] = [0x200, 0x4];
