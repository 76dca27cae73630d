//! Escapes in what is typed: `~.` and others at the beginning of a line, as in `ssh`.

/// Tells escapes from input.
#[derive(Clone, Debug)]
pub struct Escapes {
    state: State,
    paste: Paste,
    /// Those of a session that carries more than what is typed.
    has_all: bool,
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
    /// `~#`: show what the session carries.
    Status,
    /// `~C`: take a line that is for the program.
    CommandLine,
    /// `~^Z`: stop, and give the terminal back to the shell.
    Suspend,
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
        Self::starting(State::LineStart)
    }

    /// Looks for escapes behind the first line break, as the reference plugin does.
    pub fn from_second_line() -> Self {
        Self::starting(State::InLine)
    }

    /// Looks for none.
    pub fn off() -> Self {
        Self::starting(State::Off)
    }

    fn starting(state: State) -> Self {
        Self { state, paste: Paste::default(), has_all: false }
    }

    /// Those too that ask what the session carries and add to it, or suspend the program where the system
    /// knows that.
    #[must_use]
    pub fn with_all(self) -> Self {
        Self { has_all: true, ..self }
    }

    /// What there is, for a terminal in raw mode.
    pub fn help(&self) -> String {
        let all = SEQUENCES.iter().filter(|sequence| self.has_all || sequence.is_everywhere);
        let all = all.filter(|sequence| sequence.keys != SUSPEND || cfg!(unix));
        let lines = all.map(|Sequence { keys, does, .. }| format!(" {keys:<3} {does}\r\n"));
        let lines: String = lines.collect();
        format!("\r\nSupported escape sequences:\r\n{lines}(at the beginning of a line only)\r\n")
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
                (State::Escaped, b'#') if self.has_all => Some(Command::Status),
                (State::Escaped, b'C') if self.has_all => Some(Command::CommandLine),
                (State::Escaped, CONTROL_Z) if self.has_all && cfg!(unix) => Some(Command::Suspend),
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

const CONTROL_Z: u8 = 0x1a;

/// What can be typed.
struct Sequence {
    keys: &'static str,
    does: &'static str,
    /// Whatever the session is.
    is_everywhere: bool,
}

const fn sequence(keys: &'static str, does: &'static str) -> Sequence {
    Sequence { keys, does, is_everywhere: true }
}

const fn of_all(keys: &'static str, does: &'static str) -> Sequence {
    Sequence { keys, does, is_everywhere: false }
}

const SUSPEND: &str = "~^Z";
const SEQUENCES: [Sequence; 7] = [
    sequence("~.", "end the session"),
    of_all("~#", "show what the session carries"),
    of_all("~C", "open a command line, to add or remove forwards"),
    of_all(SUSPEND, "suspend ssmport"),
    sequence("~-", "turn escape sequences off"),
    sequence("~?", "show this"),
    sequence("~~", "send ~ itself"),
];

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
    fn a_session_that_carries_more_has_more_of_them() {
        for (input, command) in [
            (&b"~#"[..], Command::Status),
            (b"~C", Command::CommandLine),
            #[cfg(unix)]
            (b"~\x1a", Command::Suspend),
        ] {
            let mut all = Escapes::from_start().with_all();
            assert_eq!(filtered(&mut all, input), (b"".to_vec(), vec![command]));
            assert_eq!(filtered(&mut all, b"x~#"), (b"x~#".to_vec(), vec![]));
            let mut few = Escapes::from_start();
            assert_eq!(filtered(&mut few, input), (input.to_vec(), vec![]), "it is the session's");
        }
    }

    #[test]
    fn what_is_shown_is_what_there_is() {
        let few = Escapes::from_start().help();
        assert!(few.contains("\r\n ~.  end the session\r\n") && !few.contains("~#"), "{few}");
        let all = Escapes::from_start().with_all().help();
        for keys in ["~.", "~#", "~C", "~-", "~?", "~~"] {
            assert!(all.contains(&format!("\r\n {keys}  ")), "{keys}: {all}");
        }
        assert_eq!(all.contains("\r\n ~^Z "), cfg!(unix), "{all}");
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
