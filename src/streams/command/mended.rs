//! Text that the agent has damaged, and whether it is right again.
//!
//! Of a U+FFFD that a command has written the agent sends the first byte alone. In what is text
//! otherwise such a byte means nothing else. The sum of what the command wrote, which comes behind it,
//! tells whether that was so.

/// Puts replacement characters together again.
#[derive(Debug)]
pub(super) struct Mended {
    /// The beginning of a character.
    held: Vec<u8>,
    is_text: bool,
    sum: Sum,
}

impl Default for Mended {
    fn default() -> Self {
        Self { held: Vec::new(), is_text: true, sum: Sum::default() }
    }
}

impl Mended {
    /// Adds to `out` what `bytes` were.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match std::mem::take(&mut self.held) {
            held if held.is_empty() => self.mend(bytes, out),
            held => self.mend(&[&held, bytes].concat(), out),
        }
        self.sum.add(&out[start..]);
    }

    fn mend(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while self.is_text {
            let Err(error) = std::str::from_utf8(bytes) else { break };
            let (text, rest) = bytes.split_at(error.valid_up_to());
            out.extend_from_slice(text);
            if error.error_len().is_none() {
                self.held = rest.to_vec();
                return;
            }
            bytes = rest;
            self.mend_first(&mut bytes, out);
        }
        out.extend_from_slice(bytes);
    }

    /// Takes the first byte, which is in no character.
    fn mend_first(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) {
        match bytes.split_first() {
            Some((&REPLACEMENT_START, rest)) => {
                out.extend_from_slice("\u{fffd}".as_bytes());
                *bytes = rest;
            }
            _ => self.is_text = false,
        }
    }

    /// Adds to `out` what was held back, and tells whether all of it is what the command wrote, by
    /// what cksum(1) says of that: a number, and how many bytes there were.
    pub(super) fn end(&mut self, said: &str, out: &mut Vec<u8>) -> bool {
        let (held, start) = (std::mem::take(&mut self.held), out.len());
        let mut rest = &held[..];
        if !rest.is_empty() {
            self.mend_first(&mut rest, out);
        }
        out.extend_from_slice(rest);
        self.sum.add(&out[start..]);
        let mut numbers = said.split_ascii_whitespace().map(str::parse::<u64>);
        let (sum, len) = self.sum.finish();
        numbers.next() == Some(Ok(sum.into())) && numbers.next() == Some(Ok(len))
    }
}

/// The checksum of cksum(1), as POSIX has it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    remainder: u32,
    len: u64,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.remainder = bytes.iter().fold(self.remainder, |sum, byte| step(sum, *byte));
        self.len += bytes.len() as u64;
    }

    fn finish(self) -> (u32, u64) {
        let len = self.len.to_le_bytes();
        let significant = 8 - self.len.leading_zeros() as usize / 8;
        let sum = len[..significant].iter().fold(self.remainder, |sum, byte| step(sum, *byte));
        (!sum, self.len)
    }
}

fn step(sum: u32, byte: u8) -> u32 {
    let [first, ..] = sum.to_be_bytes();
    sum << 8 ^ TABLE[usize::from(first ^ byte)]
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut remainder = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let is_high = remainder >> 31 == 1;
            remainder = remainder << 1 ^ if is_high { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[index] = remainder;
        index += 1;
    }
    table
}

const POLYNOMIAL: u32 = 0x04c1_1db7;
const REPLACEMENT_START: u8 = 0xef;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum_of(bytes: &[u8]) -> String {
        let mut sum = Sum::default();
        sum.add(bytes);
        let (sum, len) = sum.finish();
        format!("{sum} {len}")
    }

    fn mended(pieces: &[&[u8]], written: &[u8]) -> (Vec<u8>, bool) {
        let (mut mended, mut out) = (Mended::default(), Vec::new());
        pieces.iter().for_each(|piece| mended.read(piece, &mut out));
        let is_right = mended.end(&sum_of(written), &mut out);
        (out, is_right)
    }

    #[test]
    fn the_sum_is_that_of_cksum() {
        // As GNU's says.
        assert_eq!(sum_of(b""), "4294967295 0");
        assert_eq!(sum_of(b"\0a\xef\xbf\xbd"), "3001061895 5");
        assert_eq!(sum_of(b"caf\xe9"), "654390552 4");
        assert!(!Mended::default().end("", &mut Vec::new()));
        assert!(!Mended::default().end("x y", &mut Vec::new()));
    }

    #[test]
    fn what_the_agent_leaves_of_a_replacement_character_is_one_again() {
        let text = "a\u{fffd}\u{fffd}ü\u{fffd}".as_bytes();
        assert_eq!(mended(&[b"a\xef\xef\xc3", b"\xbc\xef"], text), (text.to_vec(), true));
        // A byte of that value may have been alone; then that is noticed.
        assert!(!mended(&[b"na\xefve"], b"na\xefve").1);
        // Behind what is no text it is left alone.
        let latin = b"\xe9t\xe9 na\xefve";
        assert_eq!(mended(&[latin], latin), (latin.to_vec(), true));
        assert!(!mended(&[b"\xe9\xef"], b"\xe9\xef\xbf\xbd").1);
        assert_eq!(mended(&[b"a\xe4\xb8"], b"a\xe4\xb8"), (b"a\xe4\xb8".to_vec(), true));
    }

    proptest! {
        #[test]
        fn text_that_the_agent_has_cut_is_whole(text in "[a\u{fffd}ü世😀]{0,40}", cut in 0usize..160) {
            let sent = text.as_bytes().to_vec();
            // All of it but the second and third byte of each replacement character.
            let damaged: Vec<u8> = String::from_utf8_lossy(&sent).chars().flat_map(|character| {
                let bytes = character.to_string().into_bytes();
                if character == '\u{fffd}' { vec![0xef] } else { bytes }
            }).collect();
            let (head, tail) = damaged.split_at(cut.min(damaged.len()));
            prop_assert_eq!(mended(&[head, tail], &sent), (sent, true));
        }
    }
}
