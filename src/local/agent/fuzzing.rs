//! The agent's pure readers, for the fuzz target `terminal`.

use super::{utf8::Runes, words::split};

/// One stream of output, cut at whole characters.
#[derive(Default, Debug)]
pub struct WholeCharacters(Runes);

impl WholeCharacters {
    /// Appends to `out` what of the stream may be sent now that `bytes` have come.
    pub fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.0.pass(bytes, out);
    }
}

/// The words of a command line; `None` if something is left open.
pub fn words(line: &str) -> Option<Vec<String>> {
    split(line).ok()
}
