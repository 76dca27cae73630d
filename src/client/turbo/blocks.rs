//! What a companion writes to its output: blocks, as a pure state machine.
//!
//! ```text
//!   D 0000002a 00008000 bytes ~~~     32 KiB of stream 42, as they are
//!   H 0000002a 00000006 efbfbd        the same in hexadecimal digits, where the agent would not pass them
//!   E 0000002a 00123456               the destination has finished: so many bytes have been sent, modulo 2^32
//!   R 0000002a 00000018 why           it is gone
//!   F 0000002a 00000012 why           it could not be connected to
//!   P 00000000 00000007               the answer to a ping
//! ```
//!
//! A head is in letters, without the blanks. The agent passes on any byte, save that of U+FFFD it sends the
//! first byte alone, and that it keeps up to three bytes back which could still become a character.

use bytes::{Buf, BytesMut};
use thiserror::Error;

/// Reads blocks out of pieces of any length.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// What has come of a head, or of a short body.
    begun: BytesMut,
    /// The data block that is being read.
    data: Option<Data>,
}

/// One thing that the companion says. Data comes in as many pieces as it was cut into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Block<'a> {
    Data { stream: u32, bytes: &'a [u8] },
    Finished { stream: u32, total: u32 },
    Gone { stream: u32, why: String },
    NotReached { stream: u32, why: String },
    Pong(u32),
}

/// The companion says something that it never would.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("what the companion on the node sends is not what it was sent as")]
pub(super) struct Garbled;

/// How far a data block has been read.
#[derive(Clone, Copy, Debug)]
struct Data {
    stream: u32,
    /// Bytes that are still to come, as they are sent.
    left: usize,
    /// Those behind them.
    tail: usize,
    is_hex: bool,
}

impl Blocks {
    /// Reads `bytes`, and tells what they say.
    ///
    /// # Errors
    /// They are no blocks.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        mut told: impl FnMut(Block<'_>) -> Result<(), Garbled>,
    ) -> Result<(), Garbled> {
        while !bytes.is_empty() {
            match &mut self.data {
                Some(data) if data.left == 0 && data.tail == 0 => self.data = None,
                Some(data) if data.left == 0 => {
                    let (tail, rest) = bytes.split_at(data.tail.min(bytes.len()));
                    if tail.iter().any(|byte| *byte != TAIL_BYTE) {
                        return Err(Garbled);
                    }
                    data.tail -= tail.len();
                    bytes = rest;
                }
                Some(data) if data.is_hex => {
                    let missing = data.left - self.begun.len();
                    let (digits, rest) = bytes.split_at(missing.min(bytes.len()));
                    self.begun.extend_from_slice(digits);
                    bytes = rest;
                    if self.begun.len() == data.left {
                        let decoded = data_encoding::HEXLOWER.decode(&self.begun);
                        let decoded = decoded.map_err(|_| Garbled)?;
                        told(Block::Data { stream: data.stream, bytes: &decoded })?;
                        self.begun.clear();
                        self.data = None;
                    }
                }
                Some(data) => {
                    let (piece, rest) = bytes.split_at(data.left.min(bytes.len()));
                    told(Block::Data { stream: data.stream, bytes: piece })?;
                    data.left -= piece.len();
                    bytes = rest;
                }
                None => self.read_head(&mut bytes, &mut told)?,
            }
        }
        Ok(())
    }

    /// Reads a head, and what stands behind it if that is short.
    fn read_head(
        &mut self,
        bytes: &mut &[u8],
        told: &mut impl FnMut(Block<'_>) -> Result<(), Garbled>,
    ) -> Result<(), Garbled> {
        if !self.fill(bytes, HEAD_LEN) {
            return Ok(());
        }
        let number = |at: usize| -> Result<u32, Garbled> {
            let digits = &self.begun[at..at + DIGITS];
            let is_plain = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            let digits = std::str::from_utf8(digits).ok().filter(|_| is_plain);
            digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(Garbled)
        };
        let (kind, stream, value) = (self.begun[0], number(1)?, number(1 + DIGITS)?);
        match kind {
            b'D' | b'H' => {
                let left = usize::try_from(value).map_err(|_| Garbled)?;
                if left == 0 || left > LONGEST {
                    return Err(Garbled);
                }
                let is_hex = kind == b'H';
                let tail = if is_hex { 0 } else { TAIL_LEN };
                self.data = Some(Data { stream, left, tail, is_hex });
            }
            b'E' => told(Block::Finished { stream, total: value })?,
            b'P' => told(Block::Pong(value))?,
            b'R' | b'F' => {
                let len = usize::try_from(value).ok().filter(|len| *len <= LONGEST_REASON);
                let len = HEAD_LEN + len.ok_or(Garbled)?;
                if !self.fill(bytes, len) {
                    return Ok(());
                }
                let why = String::from_utf8_lossy(&self.begun[HEAD_LEN..]).into_owned();
                told(match kind {
                    b'R' => Block::Gone { stream, why },
                    _ => Block::NotReached { stream, why },
                })?;
            }
            _ => return Err(Garbled),
        }
        self.begun.clear();
        Ok(())
    }

    /// Whether `len` bytes have come of what was begun.
    fn fill(&mut self, bytes: &mut &[u8], len: usize) -> bool {
        let missing = len.saturating_sub(self.begun.len()).min(bytes.len());
        self.begun.extend_from_slice(&bytes[..missing]);
        bytes.advance(missing);
        self.begun.len() >= len
    }
}

const DIGITS: usize = 8;
const HEAD_LEN: usize = 1 + 2 * DIGITS;
/// Behind bytes that are no text, for the agent to keep nothing back.
const TAIL_LEN: usize = 3;
const TAIL_BYTE: u8 = b'~';
/// More than any companion sends at once.
const LONGEST: usize = 128 * 1024;
const LONGEST_REASON: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// As a companion writes it.
    fn written(block: &Block<'_>) -> Vec<u8> {
        let head = |kind: char, stream: u32, value: u32| format!("{kind}{stream:08x}{value:08x}");
        let reason =
            |kind, stream, why: &str| head(kind, stream, why.len().try_into().unwrap()) + why;
        match block {
            Block::Data { stream, bytes } if bytes.windows(3).any(|part| part == REPLACED) => {
                let digits = data_encoding::HEXLOWER.encode(bytes);
                reason('H', *stream, &digits).into_bytes()
            }
            Block::Data { stream, bytes } => {
                let mut block = head('D', *stream, bytes.len().try_into().unwrap()).into_bytes();
                block.extend_from_slice(bytes);
                block.extend_from_slice(b"~~~");
                block
            }
            Block::Finished { stream, total } => head('E', *stream, *total).into_bytes(),
            Block::Gone { stream, why } => reason('R', *stream, why).into_bytes(),
            Block::NotReached { stream, why } => reason('F', *stream, why).into_bytes(),
            Block::Pong(number) => head('P', 0, *number).into_bytes(),
        }
    }

    const REPLACED: &[u8] = "\u{fffd}".as_bytes();

    /// What the decoder makes of the pieces; data of one stream in a row is one.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Said>, Garbled> {
        let (mut blocks, mut said) = (Blocks::default(), Vec::<Said>::new());
        for piece in pieces {
            blocks.read(piece, |block| {
                match (said.last_mut(), block) {
                    (Some(Said::Data(last, all)), Block::Data { stream, bytes })
                        if *last == stream =>
                    {
                        all.extend_from_slice(bytes);
                    }
                    (_, Block::Data { stream, bytes }) => {
                        said.push(Said::Data(stream, bytes.to_vec()));
                    }
                    (_, other) => said.push(Said::Other(format!("{other:?}"))),
                }
                Ok(())
            })?;
        }
        Ok(said)
    }

    #[derive(Clone, PartialEq, Eq, Debug)]
    enum Said {
        Data(u32, Vec<u8>),
        Other(String),
    }

    #[derive(Clone, Debug)]
    enum Sent {
        Data(u32, Vec<u8>),
        Finished(u32, u32),
        Gone(u32, String),
        Pong(u32),
    }

    impl Sent {
        fn block(&self) -> Block<'_> {
            match self {
                Self::Data(stream, bytes) => Block::Data { stream: *stream, bytes },
                Self::Finished(stream, total) => Block::Finished { stream: *stream, total: *total },
                Self::Gone(stream, why) => Block::Gone { stream: *stream, why: why.clone() },
                Self::Pong(number) => Block::Pong(*number),
            }
        }
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"a~\xef\xbf\xbd\xf0D0"[..])];
        prop_oneof![
            (0..3u32, vec(byte, 1..60)).prop_map(|(stream, bytes)| Sent::Data(stream, bytes)),
            (any::<u32>(), any::<u32>()).prop_map(|(stream, total)| Sent::Finished(stream, total)),
            (any::<u32>(), "[ -~]{0,20}").prop_map(|(stream, why)| Sent::Gone(stream, why)),
            any::<u32>().prop_map(Sent::Pong),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_however_it_is_cut(
            all in vec(sent(), 0..12),
            lengths in vec(0usize..9, 0..80),
        ) {
            let bytes: Vec<u8> = all.iter().flat_map(|sent| written(&sent.block())).collect();
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            for length in lengths {
                let (piece, behind) = rest.split_at(length.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            let mut expected = Vec::<Said>::new();
            for sent in &all {
                match (expected.last_mut(), sent) {
                    (Some(Said::Data(last, all)), Sent::Data(stream, bytes)) if last == stream => {
                        all.extend_from_slice(bytes);
                    }
                    (_, Sent::Data(stream, bytes)) => {
                        expected.push(Said::Data(*stream, bytes.clone()));
                    }
                    (_, other) => expected.push(Said::Other(format!("{:?}", other.block()))),
                }
            }
            prop_assert_eq!(read(pieces), Ok(expected));
        }

        #[test]
        fn nothing_that_comes_panics(bytes in vec(any::<u8>(), 0..200)) {
            let _ = read([&bytes[..]]);
            let _ = read([&b"D00000001000000"[..], &bytes[..]]);
        }
    }

    #[test]
    fn what_is_no_block_is_said_to_be_none() {
        for wrong in [
            &b"Z0000000100000001"[..],
            b"D0000000100000000",
            b"D00000001ffffffff",
            b"D+000000100000001",
            b"D000000010000000A",
            b"R0000000100010000",
            b"D0000000100000001x~~!",
            b"H0000000100000002xy",
            b"H0000000100000001a",
        ] {
            assert_eq!(read([wrong]), Err(Garbled), "{}", wrong.escape_ascii());
        }
    }
}
