//! The terminal while the table has it.

use std::io::{self, Write};

use crate::cli::console::entrust_line_mode;
use crate::term::{RawMode, restore, watch};

/// A screen of its own. Dropping it gives the terminal back as it was.
pub(super) struct Screen {
    _raw_mode: Option<RawMode>,
    /// For the case of a kill.
    _line_mode: Box<dyn std::any::Any + Send>,
}

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        let line_mode = Box::new(entrust_line_mode());
        let mut screen = Self { _raw_mode: RawMode::enable()?, _line_mode: line_mode };
        screen.write("\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(screen)
    }

    /// Shows these lines, of which none is wider than the terminal, and no others.
    pub(super) fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let lines: Vec<_> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
        self.write(&format!("\x1b[H{}\x1b[J", lines.join("\r\n")))
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        // What has to be undone is undone, however this ends.
        watch(text.as_bytes());
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}
