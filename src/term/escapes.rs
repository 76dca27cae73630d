//! Escapes in what is typed: `~.` and others at the beginning of a line, as in `ssh`.

/// Tells escapes from input.
#[derive(Clone, Debug)]
pub struct Escapes {
    state: State,
    paste: Paste,
}

/// What a terminal puts around a paste for programs that ask for it: nothing in there was typed.
#[derive(Clone, Copy, Debug, Default)]
struct Paste {
    is_inside: bool,
    /// So much of the next mark has come.
    matched: usize,
}

impl Paste {
    /// Whether the next byte of the input is pasted.
    fn takes(&mut self, byte: u8) -> bool {
        let was_inside = self.is_inside;
        let mark = if was_inside { PASTE_END } else { PASTE_START };
        self.matched = match mark[self.matched] == byte {
            true => self.matched + 1,
            // The marks' first byte is in them but once.
            false => usize::from(mark[0] == byte),
        };
        if self.matched == mark.len() {
            *self = Self { is_inside: !was_inside, matched: 0 };
        }
        was_inside
    }
}

/// What the user asks of the program, not of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// `~.`: end the session, however it is.
    Disconnect,
    /// `~?`: show what there is.
    Help,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    LineStart,
    InLine,
    /// Behind a `~` at the beginning of a line, which has not been passed on.
    Escaped,
    /// `~-` has turned escapes off.
    Off,
}

impl Escapes {
    /// Looks for escapes from the first byte on, as `ssh` does.
    pub fn from_start() -> Self {
        Self { state: State::LineStart, paste: Paste::default() }
    }

    /// Looks for escapes behind the first line break, as the reference plugin does.
    pub fn from_second_line() -> Self {
        Self { state: State::InLine, paste: Paste::default() }
    }

    /// Looks for none.
    pub fn off() -> Self {
        Self { state: State::Off, paste: Paste::default() }
    }

    /// Adds to `passed` what of `input` is for the session, up to the first command; gives that
    /// and how much of `input` has been dealt with.
    pub fn filter(&mut self, input: &[u8], passed: &mut Vec<u8>) -> (usize, Option<Command>) {
        for (index, &byte) in input.iter().enumerate() {
            if self.paste.takes(byte) {
                passed.push(byte);
                continue;
            }
            let command = match (self.state, byte) {
                (State::Off, _) => {
                    passed.extend_from_slice(&input[index..]);
                    return (input.len(), None);
                }
                (State::LineStart, b'~') => {
                    self.state = State::Escaped;
                    continue;
                }
                (State::Escaped, b'.') => Some(Command::Disconnect),
                (State::Escaped, b'?') => Some(Command::Help),
                (State::Escaped, b'-') => {
                    self.state = State::Off;
                    continue;
                }
                (State::Escaped, b'~') => None,
                (State::Escaped, _) => {
                    passed.push(b'~');
                    None
                }
                (State::LineStart | State::InLine, _) => None,
            };
            if let Some(command) = command {
                self.state = State::LineStart;
                return (index + 1, Some(command));
            }
            passed.push(byte);
            self.state = match byte {
                b'\r' | b'\n' => State::LineStart,
                _ => State::InLine,
            };
        }
        (input.len(), None)
    }
}

const PASTE_START: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// For a terminal in raw mode.
pub const ESCAPES_HELP: &str = "\r\n\
Supported escape sequences:\r\n \
~.  end the session\r\n \
~-  turn escape sequences off\r\n \
~?  show this\r\n \
~~  send ~ itself\r\n\
(at the beginning of a line only)\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(escapes: &mut Escapes, mut input: &[u8]) -> (Vec<u8>, Vec<Command>) {
        let (mut passed, mut commands) = (Vec::new(), Vec::new());
        while !input.is_empty() {
            let (used, command) = escapes.filter(input, &mut passed);
            commands.extend(command);
            input = &input[used..];
        }
        (passed, commands)
    }

    #[test]
    fn escapes_are_found_at_the_beginning_of_a_line_alone() {
        for (input, passed, commands) in [
            (&b"~."[..], &b""[..], &[Command::Disconnect][..]),
            (b"ls\r~.", b"ls\r", &[Command::Disconnect]),
            (b"ls\n~?pwd\r", b"ls\npwd\r", &[Command::Help]),
            (b"~?~.", b"", &[Command::Help, Command::Disconnect]),
            (b"cd ~.", b"cd ~.", &[]),
            (b"~/bin\r", b"~/bin\r", &[]),
            (b"~~.\r", b"~.\r", &[]),
            (b"a\r~~\r~.", b"a\r~\r", &[Command::Disconnect]),
            (b"~-\r~.", b"\r~.", &[]),
            (b"~\r~.", b"~\r", &[Command::Disconnect]),
        ] {
            let found = filtered(&mut Escapes::from_start(), input);
            assert_eq!(found, (passed.to_vec(), commands.to_vec()), "{input:?}");
        }
    }

    #[test]
    fn what_is_pasted_holds_no_escapes() {
        let pasted = b"\r\x1b[200~\n~.\n~?\x1b[201~x\r";
        let mut escapes = Escapes::from_start();
        assert_eq!(filtered(&mut escapes, pasted), (pasted.to_vec(), vec![]));
        assert_eq!(filtered(&mut escapes, b"~."), (b"".to_vec(), vec![Command::Disconnect]));
    }

    #[test]
    fn the_reference_plugin_wants_a_line_break_first() {
        let mut escapes = Escapes::from_second_line();
        assert_eq!(filtered(&mut escapes, b"~."), (b"~.".to_vec(), vec![]));
        assert_eq!(filtered(&mut escapes, b"\r~."), (b"\r".to_vec(), vec![Command::Disconnect]));
    }

    proptest! {
        #[test]
        fn cuts_in_the_input_change_nothing(
            input in proptest::collection::vec(prop_oneof![
                Just(b'~'), Just(b'.'), Just(b'?'), Just(b'-'), Just(b'\r'), Just(b'x')
            ], 0..40),
            cut in 0usize..40,
        ) {
            let whole = filtered(&mut Escapes::from_start(), &input);
            let (head, tail) = input.split_at(cut.min(input.len()));
            let mut escapes = Escapes::from_start();
            let (mut passed, mut commands) = filtered(&mut escapes, head);
            let rest = filtered(&mut escapes, tail);
            passed.extend(rest.0);
            commands.extend(rest.1);
            prop_assert_eq!(whole, (passed, commands));
        }

        #[test]
        fn without_escapes_everything_passes(input in proptest::collection::vec(any::<u8>(), 0..99)) {
            prop_assert_eq!(filtered(&mut Escapes::off(), &input), (input, vec![]));
        }
    }
}
