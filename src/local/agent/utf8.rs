//! Output in whole characters, as the real agent cuts it.
//!
//! A character that is cut at the end of a read waits for its rest. Bytes that are no UTF-8 pass
//! as they are, with two oddities of the real agent's that its clients live with: up to three such
//! bytes at the very end of the output are never sent, and of a U+FFFD that the program itself
//! wrote only the first byte is.

/// Cuts one stream of output.
#[derive(Default, Debug)]
pub(super) struct Runes {
    /// At most [`LOOK_AHEAD`] bytes less one: what cannot be judged yet.
    held: Vec<u8>,
}

impl Runes {
    /// Appends to `out` what of the stream may be sent now that `bytes` have come.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            self.judge(bytes, out);
        } else {
            self.judge(&[&held, bytes].concat(), out);
        }
    }

    fn judge(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let valid = match std::str::from_utf8(bytes) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let (text, invalid) = bytes.split_at(valid);
            let replacement = find(text, REPLACEMENT);
            let (good, doubtful) = bytes.split_at(replacement.unwrap_or(valid));
            out.extend_from_slice(good);
            if doubtful.len() < LOOK_AHEAD {
                self.held = doubtful.to_vec();
                return;
            }
            out.extend(doubtful.first());
            bytes = match replacement {
                Some(_) => &doubtful[REPLACEMENT.len()..],
                None => &invalid[1..],
            };
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A byte is judged once so many are there, itself included: the longest character has as many.
const LOOK_AHEAD: usize = 4;
/// U+FFFD: the real agent takes it for a byte that it could not read.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn passed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut runes, mut out) = (Runes::default(), Vec::new());
        pieces.into_iter().for_each(|piece| runes.pass(piece, &mut out));
        out
    }

    #[test]
    fn text_passes_and_a_cut_character_waits() {
        let (mut runes, mut out) = (Runes::default(), Vec::new());
        let smile = "a\u{1f600}".as_bytes();
        runes.pass(&smile[..3], &mut out);
        assert_eq!(out, b"a");
        runes.pass(&smile[3..], &mut out);
        assert_eq!(out, smile);
        assert!(runes.held.is_empty());
    }

    #[test]
    fn other_bytes_pass_once_it_is_clear_that_they_are_no_text() {
        assert_eq!(passed([&b"\xff\xfeabc"[..]]), b"\xff\xfeabc");
        assert_eq!(passed([&b"caf\xe9"[..]]), b"caf", "the last bytes are never sent");
        assert_eq!(passed([&b"caf\xe9"[..], b" au lait"]), b"caf\xe9 au lait");
        assert_eq!(passed([&b"\xe9\xe9\xe9"[..]]), b"");
        assert_eq!(passed([&b"\xe9\xe9\xe9\xe9"[..]]), b"\xe9");
    }

    #[test]
    fn of_a_replacement_character_the_first_byte_is_left() {
        assert_eq!(passed(["a\u{fffd}b\u{fffd}".as_bytes()]), b"a\xefb", "the last one waits");
        assert_eq!(passed(["a\u{fffd}b\u{fffd}".as_bytes(), b"c"]), b"a\xefb\xefc");
    }

    fn awkward_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            any::<u8>(),
            prop::sample::select(&b"a\xef\xbf\xbd\xf0\x9f\x98\x80\xc3\xa4"[..])
        ]
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_gives_the_same(
            bytes in vec(awkward_byte(), 0..200),
            lengths in vec(0usize..9, 0..60),
        ) {
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for length in lengths {
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            prop_assert_eq!(passed(pieces), passed([&bytes[..]]));
        }

        #[test]
        fn whole_text_passes_unchanged(text in "[^\u{fffd}]{0,80}") {
            prop_assert_eq!(passed([text.as_bytes()]), text.as_bytes());
        }
    }
}
