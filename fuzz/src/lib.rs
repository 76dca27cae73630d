//! What the fuzz targets have in common: scripts read from the input, and bounds on memory.

mod script;

pub use script::{Frames, Script};

use std::time::Instant;

/// Runs `act`; the memory that it holds at any time must stay below `limit` bytes.
///
/// # Panics
/// When it does not, which is a finding.
pub fn within(limit: usize, act: impl FnOnce()) {
    let peak = allocation_counter::measure(act).bytes_max;
    assert!(peak <= limit as u64, "{peak} bytes were held, more than {limit}");
}

/// When virtual time begins.
pub fn start() -> Instant {
    Instant::now()
}

/// Pieces of `bytes`, cut where the bytes of `cuts` say, over and over.
pub fn cut<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut % 32) + 1).cycle();
    std::iter::from_fn(move || {
        let length = lengths.next().unwrap_or(bytes.len()).min(bytes.len());
        let (piece, rest) = bytes.split_at(length);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
