//! What goes through a terminal: wherever the bytes are cut, escapes, whole characters and the
//! exit marker come out the same; and the words of a command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssmport::{
    fuzzing::{WholeCharacters, words},
    streams::ExitMarker,
    term::Escapes,
    wire::ExitCode,
};
use ssmport_fuzz::{Script, cut, within};
use uuid::Uuid;

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let (kind, cuts) = (script.byte(), script.bytes(4));
    let bytes = script.0;
    within(FIXED + FACTOR * input.len(), || match kind % 4 {
        0 => {
            for escapes in [Escapes::from_start(), Escapes::from_second_line(), Escapes::off()] {
                let whole = escaped(escapes.clone(), [bytes]);
                assert_eq!(escaped(escapes, cut(bytes, cuts)), whole);
            }
        }
        1 => assert_eq!(characters([bytes]), characters(cut(bytes, cuts))),
        2 => marker(bytes, cuts),
        _ => {
            let line = String::from_utf8_lossy(bytes);
            let words = words(&line).unwrap_or_default();
            assert!(words.iter().map(String::len).sum::<usize>() <= line.len());
        }
    });
});

type Commands = Vec<ssmport::term::Command>;

fn escaped<'a>(
    mut escapes: Escapes,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Commands) {
    let (mut passed, mut commands) = (Vec::new(), Vec::new());
    for mut piece in pieces {
        while !piece.is_empty() {
            let (used, command) = escapes.filter(piece, &mut passed);
            assert!(used > 0, "it goes on");
            commands.extend(command);
            piece = &piece[used..];
        }
    }
    (passed, commands)
}

fn characters<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut characters, mut out) = (WholeCharacters::default(), Vec::new());
    pieces.into_iter().for_each(|piece| characters.pass(piece, &mut out));
    out
}

/// The bytes with the id in place of each 0xff, so that markers come about.
fn marker(bytes: &[u8], cuts: &[u8]) {
    let name = format!("\x1b_ssmport-{}:", Uuid::from_u128(7).simple());
    let output: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| if *byte == 0xff { name.as_bytes().to_vec() } else { vec![*byte] })
        .collect();
    let whole = filtered([&output[..]]);
    assert_eq!(filtered(cut(&output, cuts)), whole);
    let (shown, exited) = whole;
    assert!(shown.len() <= output.len());
    assert!(shown.len() < output.len() || exited.is_none(), "a marker is taken out");
}

fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Option<ExitCode>) {
    let mut marker = ExitMarker::new(Uuid::from_u128(7));
    let (mut shown, mut exited) = (Vec::new(), None);
    for piece in pieces {
        let code = marker.filter(piece, &mut shown);
        exited = exited.or(code);
    }
    shown.extend(marker.rest());
    (shown, exited)
}

const FIXED: usize = 64 << 10;
const FACTOR: usize = 600;
