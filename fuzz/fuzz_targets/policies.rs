//! Account files and IAM policies: whatever they say, they are read or refused with a short reason; a
//! deny of everything beats what they allow, and what is decided does not depend on a second reading.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssmport::fuzzing::{Decided, account, decide, decide_trust};
use ssmport_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let Some((kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    within(FIXED + FACTOR * input.len(), || match kind % 4 {
        0 => {
            if let Err(why) = account(text) {
                assert!(why.lines().count() <= 1 || why.len() < 4 * text.len() + 500, "{why}");
            }
        }
        1 => {
            let _ = decide_trust(text);
        }
        2 => policy(text),
        // A statement, for which a whole document is long.
        _ => policy(&format!(r#"{{"Version": "2012-10-17", "Statement": [{text}]}}"#)),
    });
});

fn policy(text: &str) {
    let Ok(alone) = decide(&[text]) else { return };
    assert_eq!(decide(&[text, text]), Ok(alone));
    assert_eq!(decide(&[text, DENY]), Ok(Decided::Denied));
    let with_all = if alone == Decided::Denied { Decided::Denied } else { Decided::Allowed };
    assert_eq!(decide(&[text, ALLOW]), Ok(with_all));
}

const DENY: &str = r#"{"Version": "2012-10-17",
    "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
const ALLOW: &str = r#"{"Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

const FIXED: usize = 256 << 10;
const FACTOR: usize = 2000;
