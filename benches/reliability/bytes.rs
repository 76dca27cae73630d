//! What goes through a tunnel: words that know their places.

use std::{
    io::{self, Read, Write},
    ops::AddAssign,
};

/// Bytes that did not arrive as they were sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flaws {
    pub lost: u64,
    pub repeated: u64,
    pub misplaced: u64,
}

impl Flaws {
    /// Whether each byte came once, and in its place.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Flaws {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.misplaced += other.misplaced;
    }
}

/// Sends `len` bytes, of which each word says to which connection it belongs, and its place there.
pub fn send(to: &mut impl Write, len: u64, stream: u64) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_LEN);
    for index in 0..len / WORD_LEN {
        buffer.extend(word(stream, index).to_be_bytes());
        if buffer.len() >= BUFFER_LEN {
            to.write_all(&buffer)?;
            buffer.clear();
        }
    }
    to.write_all(&buffer)
}

/// Receives what [`send`] sent, telling `arrived` of each piece, until all has come or nothing comes
/// any more.
pub fn receive(from: &mut impl Read, len: u64, stream: u64, mut arrived: impl FnMut()) -> Flaws {
    let count = len / WORD_LEN;
    let mut seen = vec![false; count as usize];
    let (mut flaws, mut expected, mut taken) = (Flaws::default(), 0, 0);
    let mut part = vec![0; BUFFER_LEN];
    let mut buffer = Vec::new();
    while taken < count {
        let Ok(read @ 1..) = from.read(&mut part) else { break };
        arrived();
        buffer.extend_from_slice(&part[..read]);
        let (words, rest) = buffer.as_chunks();
        for bytes in words {
            let received = u64::from_be_bytes(*bytes);
            let index = received & INDEX;
            taken += 1;
            match seen.get_mut(index as usize) {
                Some(seen) if received == word(stream, index) => {
                    let again = std::mem::replace(seen, true);
                    flaws.repeated += if again { WORD_LEN } else { 0 };
                    flaws.misplaced += if !again && index != expected { WORD_LEN } else { 0 };
                }
                _ => flaws.misplaced += WORD_LEN,
            }
            expected = index + 1;
        }
        buffer = rest.to_vec();
    }
    flaws.lost = seen.iter().filter(|seen| !**seen).count() as u64 * WORD_LEN;
    flaws
}

fn word(stream: u64, index: u64) -> u64 {
    stream << INDEX.count_ones() | index
}

pub const WORD_LEN: u64 = 8;
const INDEX: u64 = (1 << 40) - 1;
const BUFFER_LEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of twenty words of connection 3 that `damage` was done to on the way.
    fn received(damage: impl FnOnce(&mut Vec<[u8; 8]>)) -> Flaws {
        let mut bytes = Vec::new();
        send(&mut bytes, 160, 3).unwrap();
        let mut words = bytes.as_chunks().0.to_vec();
        damage(&mut words);
        let mut pieces = 0;
        let flaws = receive(&mut &*words.concat(), 160, 3, || pieces += 1);
        assert_eq!(pieces, usize::from(!words.is_empty()));
        flaws
    }

    #[test]
    fn what_comes_as_it_was_sent_has_no_flaw() {
        assert!(received(|_| {}).is_none());
    }

    #[test]
    fn every_flaw_is_seen() {
        let flaws = |lost, repeated, misplaced| Flaws { lost, repeated, misplaced };
        assert_eq!(received(|words| words.swap(7, 8)), flaws(0, 0, 24));
        assert_eq!(received(|words| words[7] = words[6]), flaws(8, 8, 8));
        assert_eq!(
            received(|words| words.retain(|it| *it != word(3, 7).to_be_bytes())),
            flaws(8, 0, 8)
        );
        assert_eq!(received(|words| words.truncate(12)), flaws(64, 0, 0));
        assert_eq!(received(Vec::clear), flaws(160, 0, 0));
        let of_another = word(4, 7).to_be_bytes();
        assert_eq!(received(|words| words[7] = of_another), flaws(8, 0, 8));
        assert_eq!(received(|words| words[7] = [0xff; 8]), flaws(8, 0, 16));
    }

    #[test]
    fn words_may_come_in_pieces_of_any_length() {
        let mut bytes = Vec::new();
        send(&mut bytes, 160, 3).unwrap();
        let (one, other) = bytes.split_at(77);
        assert!(receive(&mut one.chain(other), 160, 3, || {}).is_none());
    }
}
