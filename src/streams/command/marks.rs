//! Marks that a script on the node puts among what a command says.
//!
//! A mark is an application program command (`ESC _ ... ESC \`), a control string that terminals
//! ignore: a name that no command says by chance, one letter, and what belongs to it.

use uuid::Uuid;

/// Tells marks from all else, wherever the bytes are cut.
#[derive(Debug)]
pub(super) struct Marks {
    /// How every mark begins.
    start: Vec<u8>,
    state: State,
}

/// A part of what has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part<'a> {
    /// What stands between marks.
    Text(&'a [u8]),
    /// Some of what belongs to a mark of this letter.
    Content(u8, &'a [u8]),
    /// The end of a mark of this letter.
    End(u8),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes may be the start of a mark.
    Outside(usize),
    /// The letter comes next.
    Letter,
    Inside(u8),
    /// Behind an escape character in there.
    Ending(u8),
}

impl Marks {
    pub(super) fn new(name: Uuid) -> Self {
        let start = format!("\x1b_{}", mark_name(name)).into_bytes();
        Self { start, state: State::Outside(0) }
    }

    /// Gives the parts of `bytes`.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut each: impl FnMut(Part<'_>)) {
        while let Some(&next) = bytes.first() {
            let mut used = 1;
            self.state = match self.state {
                State::Outside(held) if next == self.start[held] => match held + 1 {
                    whole if whole == self.start.len() => State::Letter,
                    held => State::Outside(held),
                },
                // The escape character is in the start but once: nothing of it begins inside.
                State::Outside(held @ 1..) => {
                    each(Part::Text(&self.start[..held]));
                    used = 0;
                    State::Outside(0)
                }
                State::Outside(_) => {
                    used = until_escape(bytes);
                    each(Part::Text(&bytes[..used]));
                    State::Outside(0)
                }
                State::Letter => State::Inside(next),
                State::Inside(letter) if next == ESCAPE => State::Ending(letter),
                State::Inside(letter) => {
                    used = until_escape(bytes);
                    each(Part::Content(letter, &bytes[..used]));
                    State::Inside(letter)
                }
                State::Ending(letter) => {
                    each(Part::End(letter));
                    State::Outside(0)
                }
            };
            bytes = &bytes[used..];
        }
    }

    /// What was held back as the start of a mark, and is none.
    pub(super) fn rest(&mut self) -> &[u8] {
        match std::mem::replace(&mut self.state, State::Outside(0)) {
            State::Outside(held) => &self.start[..held],
            _ => &[],
        }
    }
}

/// What the node's script has for a name.
pub(super) fn mark_name(name: Uuid) -> String {
    format!("ssmport-{}:", name.simple())
}

fn until_escape(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == ESCAPE).unwrap_or(bytes.len())
}

const ESCAPE: u8 = 0x1b;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "\x1b_ssmport-00000000000000000000000000000000:";

    /// Text and marks, each in one piece.
    fn parts<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
        let (mut text, mut marks) = (Vec::new(), Vec::new());
        let (mut reader, mut content) = (Marks::new(Uuid::nil()), Vec::new());
        for piece in pieces {
            reader.read(piece, |part| match part {
                Part::Text(bytes) => text.extend_from_slice(bytes),
                Part::Content(_, bytes) => content.extend_from_slice(bytes),
                Part::End(letter) => marks.push((letter, std::mem::take(&mut content))),
            });
        }
        text.extend_from_slice(reader.rest());
        (text, marks)
    }

    #[test]
    fn marks_are_taken_out_and_all_else_is_left() {
        let said = format!("a{NAME}h\x1b\\b{NAME}x12\x1b\\\x1b[1mc\x1b");
        let (text, marks) = parts([said.as_bytes()]);
        assert_eq!(text, b"ab\x1b[1mc\x1b");
        assert_eq!(marks, [(b'h', vec![]), (b'x', b"12".to_vec())]);
        let other = "\x1b_ssmport-0000000000000000000000000000000x:h\x1b\\";
        assert_eq!(parts([other.as_bytes()]), (other.as_bytes().to_vec(), vec![]));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            before in proptest::collection::vec(prop_oneof![Just(0x1b), Just(b'_'), Just(b's')], 0..9),
            cuts in proptest::collection::vec(0usize..99, 0..6),
        ) {
            let mut said = before;
            said.extend(format!("{NAME}bQUJD\n\x1b\\rest{NAME}e\x1b\\").into_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(said.len())).collect();
            cuts.extend([0, said.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &said[cut[0]..cut[1]]);
            prop_assert_eq!(parts(pieces), parts([&said[..]]));
        }
    }
}
