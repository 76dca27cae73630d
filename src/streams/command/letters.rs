//! Bytes as letters that every terminal and every agent leaves alone.

use data_encoding::{BASE64, Encoding, Specification};

/// Reads what comes as letters, so many of them to a group; lines end anywhere.
#[derive(Debug)]
pub(super) struct Letters {
    encoding: Encoding,
    group: usize,
    waiting: Vec<u8>,
    is_damaged: bool,
}

impl Letters {
    /// As `base64` writes them, one run behind the other.
    pub(super) fn base64() -> Self {
        Self::new(BASE64, 4)
    }

    /// Two letters of [`HEXADECIMAL`] to a byte. None of them is one of base64's.
    pub(super) fn hexadecimal() -> Self {
        let mut specification = Specification::new();
        specification.symbols.push_str(HEXADECIMAL);
        // Sixteen different letters are an encoding.
        match specification.encoding() {
            Ok(encoding) => Self::new(encoding, 2),
            Err(_) => Self::new(data_encoding::HEXLOWER, 2),
        }
    }

    fn new(encoding: Encoding, group: usize) -> Self {
        Self { encoding, group, waiting: Vec::new(), is_damaged: false }
    }

    /// Adds to `out` what `letters` and those before them mean.
    pub(super) fn read(&mut self, letters: &[u8], out: &mut Vec<u8>) {
        let letters = letters.iter().filter(|letter| !letter.is_ascii_whitespace());
        self.waiting.extend(letters);
        let whole = self.waiting.len() / self.group * self.group;
        match self.encoding.decode(&self.waiting[..whole]) {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(_) => self.is_damaged = true,
        }
        self.waiting.drain(..whole);
    }

    /// Whether a letter is one of [`hexadecimal`](Self::hexadecimal)'s.
    pub(super) fn is_hexadecimal(letter: u8) -> bool {
        HEXADECIMAL.as_bytes().contains(&letter)
    }

    /// Whether all that has come could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.waiting.is_empty() && !self.is_damaged
    }
}

/// For 0 to 15, in the order that `tr` takes them.
const HEXADECIMAL: &str = "!#%&()*,-.:;<>?@";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut letters: Letters, pieces: &[&str]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        pieces.iter().for_each(|piece| letters.read(piece.as_bytes(), &mut out));
        (out, letters.is_whole())
    }

    #[test]
    fn runs_are_read_wherever_they_are_cut() {
        let abc = (b"aabc".to_vec(), true);
        assert_eq!(read(Letters::base64(), &["YQ==\nYWJj\n"]), abc);
        assert_eq!(read(Letters::base64(), &["Y", "Q=", "=Y\nW", "Jj"]), abc);
        assert_eq!(read(Letters::base64(), &["YWJ"]), (vec![], false));
        assert!(!read(Letters::base64(), &["Y?Jj"]).1);
        assert_eq!(
            read(Letters::hexadecimal(), &["!@", "(", "#@@\n"]),
            (b"\x0f\x41\xff".to_vec(), true)
        );
    }

    #[test]
    fn the_two_alphabets_have_no_letter_in_common() {
        let is_base64 = |letter: u8| letter.is_ascii_alphanumeric() || b"+/=".contains(&letter);
        assert!(HEXADECIMAL.bytes().all(|letter| letter.is_ascii_graphic() && !is_base64(letter)));
        assert_eq!(HEXADECIMAL.len(), 16);
    }
}
