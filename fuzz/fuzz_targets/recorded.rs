//! Files that programs have written and people hand on: recordings of terminals, and traces. Whatever stands
//! there is shown or refused, in bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssmport::{
    fuzzing,
    term::{PlainText, Reader, Recorded},
};
use ssmport_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 2 {
        0 => within(FIXED + FACTOR * input.len(), || recording(bytes)),
        // A picture is large, however little there is on it.
        _ => within(PICTURE + FACTOR * input.len(), || {
            let _ = fuzzing::trace(bytes);
        }),
    }
});

fn recording(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    let mut plain = PlainText::default();
    while let Ok(Some((_, event))) = reader.next_event() {
        if let Recorded::Output(text) = event {
            let lines = plain.lines(&text);
            assert!(!lines.contains('\x1b'), "{lines:?}");
        }
    }
    assert!(!plain.end().contains('\x1b'));
}

/// A line that a few bytes have made long is one at a time.
const FIXED: usize = 2 << 20;
const PICTURE: usize = 8 << 20;
const FACTOR: usize = 2000;
