//! Every JSON document and every small payload: read, written and read again it says the same, in
//! memory that grows no faster than the input. The first byte says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, from_slice, to_vec};
use ssmport::wire::{
    Acknowledgement, ExitCode, MessageType, TerminalSize, Version,
    control::{Flag, OpenDataChannel, ServiceMessage},
    encryption::{EncryptionChallenge, KmsParameters, KmsResult},
    handshake::{
        HandshakeComplete, HandshakeRequest, HandshakeResponse, SessionType, SessionTypeParameters,
    },
};
use ssmport_fuzz::within;

/// Reads a document as the type and writes it; what that reads as is the same.
macro_rules! same_again {
    ($Document:ty, $json:expr) => {
        if let Ok(document) = from_slice::<$Document>($json) {
            let written = to_vec(&document).expect("a document has a JSON form");
            let again: $Document = from_slice(&written).expect("it is read back");
            assert!(again == document);
            from_slice::<Value>(&written).expect("it is JSON");
        }
    };
}
fuzz_target!(|input: &[u8]| {
    let Some((kind, document)) = input.split_first() else { return };
    within(FIXED + FACTOR * input.len(), || read(*kind, document));
});

fn read(kind: u8, document: &[u8]) {
    match kind % 14 {
        0 => same_again!(HandshakeRequest, document),
        1 => same_again!(HandshakeResponse, document),
        2 => same_again!(HandshakeComplete, document),
        3 => same_again!(SessionTypeParameters, document),
        4 => same_again!(ServiceMessage, document),
        5 => {
            if let Ok(open) = from_slice::<OpenDataChannel>(document) {
                // The same whatever it is.
                assert_eq!(format!("{:?}", open.token_value), "Token(hidden)");
                let written = to_vec(&open).expect("a document has a JSON form");
                let again: OpenDataChannel = from_slice(&written).expect("it is read back");
                assert_eq!(again.token_value, open.token_value);
            }
        }
        6 => acknowledgement(document),
        7 => {
            if let Some(flag) = Flag::read(document) {
                assert_eq!(flag.to_bytes(), document[..4]);
            }
        }
        8 => {
            if let Some(code) = ExitCode::read(document) {
                assert_eq!(ExitCode::read(code.to_text().as_bytes()), Some(code));
                code.as_u8();
            }
        }
        9 => {
            if let Some(size) = TerminalSize::read(document) {
                assert_eq!(TerminalSize::read(size.to_json().as_bytes()), Some(size));
            }
        }
        10 => same_again!(KmsParameters, document),
        11 => same_again!(KmsResult, document),
        12 => same_again!(EncryptionChallenge, document),
        _ => names(&String::from_utf8_lossy(document)),
    }
}

fn acknowledgement(document: &[u8]) {
    let Ok(one) = Acknowledgement::read(document) else { return };
    let mut written = Vec::new();
    one.write(&mut written);
    assert!(written.len() <= Acknowledgement::MAX_LEN);
    assert_eq!(Acknowledgement::read(&written).expect("it is read back"), one);
}

fn names(text: &str) {
    assert_eq!(SessionType::from_name(text).name(), text);
    assert!(MessageType::from_name(text).is_none_or(|kind| kind.name() == text));
    if let Some(version) = Version::parse(text) {
        assert_eq!(Version::parse(&version.to_string()), Some(version));
    }
    let (one, other) = text.split_once(' ').unwrap_or((text, text));
    let ordering = Version::compare_loosely(one, other);
    assert_eq!(Version::compare_loosely(other, one), ordering.reverse());
}

const FIXED: usize = 16 << 10;
/// A JSON value of two bytes is one of tens of bytes in memory, in a list that doubles; and it is
/// here up to three times.
const FACTOR: usize = 400;
