//! Data as a script sends it: in a form that the agent leaves as it is.
//!
//! The agent passes on any byte but those of a U+FFFD, of which it sends the first alone, and up to three
//! at the very end. So perl and python put a zero behind each `EF BF` and write `EF BF 01` at the end,
//! behind which a line of words follows always; without either of them it is base64, and a full stop.

use data_encoding::BASE64;

/// How data comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    Raw,
    Base64,
}

/// Reads one run of data, up to its end.
#[derive(Debug)]
pub(super) struct Decoder {
    coding: Coding,
    /// Letters that are no whole group yet.
    letters: Vec<u8>,
}

/// What has become of the bytes that were there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Decoded {
    /// So many of them were read.
    pub(super) used: usize,
    pub(super) is_end: bool,
}

/// It is nothing that a script sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Damaged;

impl Decoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self { coding, letters: Vec::new() }
    }

    /// Adds to `out` what `bytes` mean. Those that are not used come again, with more behind them.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Decoded, Damaged> {
        match self.coding {
            Coding::Raw => read_raw(bytes, out),
            Coding::Base64 => self.read_letters(bytes, out),
        }
    }

    fn read_letters(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Decoded, Damaged> {
        let end = bytes.iter().position(|byte| *byte == b'.');
        for line in bytes[..end.unwrap_or(bytes.len())].split(|byte| *byte == b'\n') {
            self.letters.extend_from_slice(line);
        }
        let whole = self.letters.len() / GROUP * GROUP;
        let start = out.len();
        out.resize(start + whole / GROUP * 3, 0);
        let decoded = BASE64.decode_mut(&self.letters[..whole], &mut out[start..]);
        out.truncate(start + decoded.map_err(|_| Damaged)?);
        self.letters.drain(..whole);
        if end.is_some() && !self.letters.is_empty() {
            return Err(Damaged);
        }
        Ok(Decoded { used: end.map_or(bytes.len(), |end| end + 1), is_end: end.is_some() })
    }
}

fn read_raw(bytes: &[u8], out: &mut Vec<u8>) -> Result<Decoded, Damaged> {
    let mut rest = bytes;
    let mut is_end = false;
    while !is_end {
        let plain = rest.iter().position(|byte| *byte == 0xef).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        rest = match *rest {
            [0xef, 0xbf, 0, ..] => {
                out.extend_from_slice(&[0xef, 0xbf]);
                &rest[3..]
            }
            [0xef, 0xbf, 1, ..] => {
                is_end = true;
                &rest[3..]
            }
            [0xef, 0xbf, _, ..] => return Err(Damaged),
            // It cannot be told yet.
            [] | [0xef] | [0xef, 0xbf] => break,
            [first, ..] => {
                out.push(first);
                &rest[1..]
            }
        };
    }
    Ok(Decoded { used: bytes.len() - rest.len(), is_end })
}

/// Letters.
const GROUP: usize = 4;
/// In bytes, of what sessions carry in turns.
pub(super) const CHUNK: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// All of it, with the bytes behind the end.
    fn decoded(coding: Coding, sent: &[u8], cut: usize) -> Result<(Vec<u8>, usize), Damaged> {
        let (mut decoder, mut out, mut waiting) = (Decoder::new(coding), Vec::new(), Vec::new());
        for piece in sent.chunks(cut) {
            waiting.extend_from_slice(piece);
            let Decoded { used, is_end } = decoder.read(&waiting, &mut out)?;
            waiting.drain(..used);
            if is_end {
                return Ok((out, waiting.len()));
            }
        }
        panic!("no end in {sent:?}")
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for &byte in bytes {
            sent.push(byte);
            if sent.ends_with(&[0xef, 0xbf]) {
                sent.push(0);
            }
        }
        [&sent[..], &[0xef, 0xbf, 1]].concat()
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_wherever_it_is_cut(
            bytes in vec(prop_oneof![Just(0xef), Just(0xbf), Just(0xbd), Just(0), Just(1), any::<u8>()], 0..60),
            cut in 1..9_usize,
        ) {
            prop_assert_eq!(decoded(Coding::Raw, &raw(&bytes), cut).unwrap().0, bytes.clone());
            // In lines, and as several runs.
            let letters: Vec<u8> = bytes
                .chunks(7)
                .flat_map(|line| (BASE64.encode(line) + "\n").into_bytes())
                .chain(*b".")
                .collect();
            prop_assert_eq!(decoded(Coding::Base64, &letters, cut).unwrap().0, bytes);
        }
    }

    #[test]
    fn what_no_script_sends_is_damaged() {
        let mut out = Vec::new();
        for (coding, sent) in [
            (Coding::Raw, &b"a\xef\xbf\xbd"[..]),
            (Coding::Base64, b"YW?j"),
            (Coding::Base64, b"YWJjZ."),
        ] {
            assert_eq!(Decoder::new(coding).read(sent, &mut out), Err(Damaged), "{sent:?}");
        }
    }
}
