//! What clients say to the proxy of `socks`, in SOCKS5, SOCKS4 and HTTP. Wherever the bytes are cut, the same
//! comes of them: a connection, a page, or an answer that tells what is wrong. What is passed on to a
//! destination is one request, without what was for the proxy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssmport::streams::{LONGEST, Manner, ProxyReader, Step, Wanted};
use ssmport_fuzz::{cut, within};

fuzz_target!(|input: &[u8]| {
    let Some((cuts, bytes)) = input.split_at_checked(4) else { return };
    within(FIXED + FACTOR * input.len(), || {
        let whole = end(std::iter::once(bytes));
        let in_pieces = end(cut(bytes, cuts));
        match (&whole, &in_pieces) {
            (Step::Serve(Wanted::Connection(whole)), Step::Serve(Wanted::Connection(pieces))) => {
                assert_eq!(whole.destination, pieces.destination);
                assert_eq!(whole.manner, pieces.manner);
                // The rest may still have to be read.
                assert!(whole.ahead.starts_with(&pieces.ahead));
            }
            _ => assert_eq!(whole, in_pieces),
        }
        check(&whole);
    });
});

fn end<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Step {
    let mut reader = ProxyReader::default();
    let mut last = Step::More;
    for piece in pieces {
        reader.receive(piece);
        last = loop {
            match reader.step() {
                Step::Answer(bytes) => assert_eq!(bytes, [5, 0]),
                step => break step,
            }
        };
        if last != Step::More {
            break;
        }
    }
    last
}

fn check(step: &Step) {
    match step {
        Step::Serve(Wanted::Connection(request)) => {
            let host = request.destination.host();
            assert!(request.destination.port() > 0 && !host.is_empty() && host.len() <= 253);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
            assert!(host.bytes().all(is_plain), "{host}");
            if request.manner == Manner::Plain {
                let head = String::from_utf8_lossy(&request.ahead).to_ascii_lowercase();
                let head = head.split("\r\n\r\n").next().unwrap_or_default();
                assert!(!head.contains("\r\nproxy-authorization:"), "{head}");
                assert_eq!(head.matches("\r\nconnection: close").count(), 1, "{head}");
                assert_eq!(head.matches("\r\nhost: ").count(), 1, "{head}");
            }
        }
        Step::HangUp(misplaced) => {
            assert!(!misplaced.why.is_empty() && misplaced.answer.len() < 1024);
        }
        Step::Serve(Wanted::Page { path, .. }) => assert!(path.starts_with('/')),
        Step::More | Step::Answer(_) => {}
    }
}

/// A request may be as long as that, twice.
const FIXED: usize = 8 * LONGEST;
const FACTOR: usize = 16;
