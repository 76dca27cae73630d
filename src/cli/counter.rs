//! A line that tells how far long work has come; on a terminal only.

use std::io::{IsTerminal, Write, stderr};

use super::counted::counted;
use crate::term::can_be_redrawn;

/// Counts on one line of the terminal, which is wiped when the work is done.
pub(super) struct Counter {
    noun: &'static str,
    is_shown: bool,
}

impl Counter {
    pub(super) fn new(noun: &'static str, is_quiet: bool) -> Self {
        Self { noun, is_shown: !is_quiet && stderr().is_terminal() && can_be_redrawn() }
    }

    pub(super) fn show(&self, count: usize) {
        if self.is_shown {
            let _ = write!(stderr(), "\r{} so far", counted(count, self.noun));
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
