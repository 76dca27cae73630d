//! Files that people write: `~/.aws/config`, the paths and command lines in it, and `~/.ssh/config`
//! with a block of ours. Whatever stands there is read or refused; a block that is put in again
//! changes nothing, and nothing of what was there is lost.
#![no_main]

// The crate is built without AWS here, and these readers know nothing of it.
#[path = "../../src/aws/files/ini.rs"]
mod ini;
#[allow(dead_code)]
#[allow(dead_code, reason = "the crate uses more of it")]
#[path = "../../src/malformed.rs"]
mod malformed;
#[allow(dead_code)]
#[path = "../../src/aws/files/place.rs"]
mod place;
#[allow(dead_code)]
#[path = "../../src/aws/files/shell_words.rs"]
mod shell_words;

use libfuzzer_sys::fuzz_target;
use ssmport::fuzzing;
use ssmport_fuzz::within;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    within(FIXED + FACTOR * input.len(), || match kind % 4 {
        0 => sections(bytes),
        1 => with_text(bytes, |line| {
            let _ = shell_words::words_of(line);
        }),
        2 => with_text(bytes, path),
        _ => with_text(bytes, block),
    });
});

fn with_text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
}

/// Of a line that cannot be read the error quotes nothing: it may be a secret.
fn sections(bytes: &[u8]) {
    match ini::parse(bytes) {
        Ok(sections) => assert!(sections.iter().all(|(name, _)| name != "DEFAULT")),
        Err(error) => assert!(error.to_string().chars().count() < 120, "{error}"),
    }
}

fn path(text: &str) {
    let path = place::expand(text, &|name| (name == "HOME").then(|| "/home/jo".to_owned()));
    assert!(text.contains(['$', '~']) || path.as_os_str() == text);
}

fn block(before: &str) {
    let Ok(after) = fuzzing::installed(before, BLOCK) else { return };
    assert!(after.contains(BLOCK));
    assert_eq!(fuzzing::installed(&after, BLOCK).as_deref(), Ok(&*after), "it was put in twice");
    let without = after.replacen(BLOCK, "", 1);
    // A byte order mark stays at the very beginning.
    let kept = |line: &&str| {
        let line = line.trim_start_matches('\u{feff}');
        without.contains(line) || BLOCK.contains(line)
    };
    let marks = before.matches("# >>> ssmport >>>").count();
    assert!(marks > 0 || before.lines().all(|line| kept(&line)), "{before:?} became {after:?}");
}

const BLOCK: &str = "# >>> ssmport >>>\nHost i-* mi-*\n    ProxyCommand ssmport proxy %h %p\nHost *\n\
                     # <<< ssmport <<<\n";

const FIXED: usize = 32 << 10;
const FACTOR: usize = 400;
