//! What is typed while a recording is played.

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Pause,
    Step,
    Quit,
    Interrupt,
    Suspend,
}

/// Finds keys in what comes from a terminal. That answers what a recording asks of it, too, and tells of
/// the mouse and of what is pasted, if a recording has switched that on: all of it is passed over.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    is_pasted: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// Behind `ESC [`, with what came since.
    Sequence(Vec<u8>),
    /// So many bytes tell of the mouse, or of a key.
    Skipped(usize),
    /// An answer of many bytes.
    Answer,
}

impl Keys {
    /// Takes what was read at once.
    pub(super) fn read(&mut self, typed: &[u8]) -> Vec<Key> {
        let keys = typed.iter().filter_map(|byte| self.byte(*byte)).collect();
        if matches!(self.state, State::Escape) {
            // The key of that name: nothing follows.
            self.state = State::Text;
        }
        keys
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        let (state, key) = match (std::mem::take(&mut self.state), byte) {
            (State::Skipped(more), _) if more > 1 => (State::Skipped(more - 1), None),
            (State::Skipped(_), _) => (State::Text, None),
            // Whatever went before it.
            (_, INTERRUPT) => (State::Text, Some(Key::Interrupt)),
            (_, ESCAPE) => (State::Escape, None),
            (State::Text, _) if self.is_pasted => (State::Text, None),
            (State::Text, b' ') => (State::Text, Some(Key::Pause)),
            (State::Text, b'.') => (State::Text, Some(Key::Step)),
            (State::Text, b'q' | b'Q') => (State::Text, Some(Key::Quit)),
            (State::Text, SUSPEND) => (State::Text, Some(Key::Suspend)),
            (State::Text, _) => (State::Text, None),
            (State::Escape, b'[') => (State::Sequence(Vec::new()), None),
            (State::Escape, b'O') => (State::Skipped(1), None),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (State::Answer, None),
            (State::Escape, _) => (State::Text, None),
            (State::Sequence(parameters), b'M') if parameters.is_empty() => {
                (State::Skipped(MOUSE), None)
            }
            (State::Sequence(parameters), b'@'..=b'~') => {
                (State::Text, self.sequence(&parameters, byte))
            }
            (State::Sequence(mut parameters), _) => {
                if parameters.len() < LONGEST {
                    parameters.push(byte);
                }
                (State::Sequence(parameters), None)
            }
            (State::Answer, BELL) => (State::Text, None),
            (State::Answer, _) => (State::Answer, None),
        };
        self.state = state;
        key
    }

    /// A whole one. Keys with Ctrl come so where a recording has asked for that.
    fn sequence(&mut self, parameters: &[u8], end: u8) -> Option<Key> {
        let parameters: Vec<_> = parameters.split(|byte| *byte == b';').map(number).collect();
        match (&parameters[..], end) {
            ([Some(200)], b'~') => self.is_pasted = true,
            ([Some(201)], b'~') => self.is_pasted = false,
            ([Some(key), Some(with), ..], b'u') | ([Some(27), Some(with), Some(key)], b'~')
                if with.saturating_sub(1) & !LOCKS == CTRL =>
            {
                return match key {
                    99 => Some(Key::Interrupt),
                    122 => Some(Key::Suspend),
                    _ => None,
                };
            }
            _ => {}
        }
        None
    }
}

/// The one that a parameter begins with.
fn number(parameter: &[u8]) -> Option<u32> {
    let digits = parameter.split(|byte| *byte == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const INTERRUPT: u8 = 0x03;
const BELL: u8 = 0x07;
const SUSPEND: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;
/// Which button, and where.
const MOUSE: usize = 3;
const CTRL: u32 = 4;
/// Of capitals and of numbers.
const LOCKS: u32 = 64 | 128;
/// In bytes.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_nothing_else() {
        use Key::{Interrupt, Pause, Quit, Step, Suspend};
        for (typed, keys) in [
            (&b" .q"[..], &[Pause, Step, Quit][..]),
            (b"rm -rf\r\n", &[Pause]),
            (b"\x03\x1a", &[Interrupt, Suspend]),
            // Arrows and other keys, Alt with one, Escape.
            (b"\x1b[A\x1bOq\x1b[1;5C\x1bq\x1b[3~", &[]),
            (b"\x1b", &[]),
            // The mouse, by both of its encodings.
            (b"\x1b[M q.\x1b[<0;10;20M.", &[Step]),
            // Where the cursor is, which terminal that is, its colour.
            (b"\x1b[24;80R\x1b[?62;22c\x1bP>|q 1.0\x1b\\\x1b]11;rgb:00/q.\x07q", &[Quit]),
            // What is pasted, and the way out of it.
            (b"\x1b[200~q . q\x1b[201~.", &[Step]),
            (b"\x1b[200~q \x03", &[Interrupt]),
            // Ctrl-C, Ctrl-Z and Ctrl-V of terminals that tell keys by numbers.
            (b"\x1b[99;5u\x1b[99;133:1u\x1b[27;5;99~", &[Interrupt; 3]),
            (b"\x1b[122;5u\x1b[118;5u\x1b[99;1u", &[Suspend]),
        ] {
            assert_eq!(Keys::default().read(typed), keys, "{typed:?}");
        }
    }

    #[test]
    fn what_comes_in_parts_is_one_thing() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"\x1b"), []);
        assert_eq!(keys.read(b"q"), [Key::Quit], "behind the key Escape");
        assert_eq!(keys.read(b"\x1b[1;"), []);
        assert_eq!(keys.read(b"q"), []);
        assert_eq!(keys.read(b"\x1b]11;rgb:"), []);
        assert_eq!(keys.read(b"q.\x1b\\."), [Key::Step]);
        assert_eq!(keys.read(&[b"\x1b[", &[b'1'; 9000][..], b"A "].concat()), [Key::Pause]);
    }
}
