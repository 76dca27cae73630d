//! What a command has said, taken out of what its session carries.

use uuid::Uuid;

use super::{
    Way,
    letters::Letters,
    marks::{Marks, Part},
    mended::Mended,
    text::Text,
};
use crate::wire::{ExitCode, PayloadType};

/// Reads a session's payloads by the [`Way`] in which its command was started.
#[derive(Debug)]
pub(super) struct Decoder {
    form: Form,
    /// The script on the node runs, or there is none.
    pub(super) has_begun: bool,
    /// The script cannot go on, for want of a tool.
    pub(super) lacks_tools: bool,
    /// The command takes no more input.
    pub(super) is_past_input: bool,
    /// The end, once it is known.
    pub(super) exit: Option<Exit>,
}

/// How a command has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exit {
    pub(super) code: ExitCode,
    /// Whether every byte of its output is known to have come.
    pub(super) is_whole: bool,
}

#[derive(Debug)]
enum Form {
    Plain(Text),
    AsOne,
    Whole { output: Box<Sheltered>, error: Box<Sheltered> },
    WithInput(Mingled),
}

impl Decoder {
    pub(super) fn new(way: Way) -> Self {
        let form = match way {
            Way::Plain => Form::Plain(Text::default()),
            Way::AsOne => Form::AsOne,
            Way::Whole(name) => {
                let sheltered = || Box::new(Sheltered::new(name));
                Form::Whole { output: sheltered(), error: sheltered() }
            }
            Way::WithInput(name) => Form::WithInput(Mingled::new(name)),
        };
        Self {
            has_begun: matches!(form, Form::Plain(_) | Form::AsOne),
            form,
            lacks_tools: false,
            is_past_input: false,
            exit: None,
        }
    }

    /// Whether a script runs there.
    pub(super) fn has_script(&self) -> bool {
        self.has_begun && !matches!(self.form, Form::Plain(_) | Form::AsOne)
    }

    /// Adds what the command has written to `output` and `error`.
    pub(super) fn read(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        output: &mut Vec<u8>,
        error: &mut Vec<u8>,
    ) {
        if matches!(self.form, Form::AsOne) && is_shown(payload_type) {
            output.extend_from_slice(payload);
        }
        match (&mut self.form, payload_type) {
            (_, PayloadType::ExitCode) => {
                if let Form::Whole { output: out, error: err } = &mut self.form {
                    output.extend_from_slice(out.marks.rest());
                    error.extend_from_slice(err.marks.rest());
                }
                let is_whole = self.form.is_whole();
                self.exit = ExitCode::read(payload).map(|code| Exit { code, is_whole });
            }
            (Form::Plain(text), PayloadType::Output) => {
                text.read(payload);
                output.extend_from_slice(payload);
            }
            (Form::Whole { output: sheltered, .. }, PayloadType::Output) => {
                sheltered.read(payload, output);
                self.has_begun |= sheltered.phase != Phase::Unknown;
            }
            (Form::Whole { error: sheltered, .. }, PayloadType::StdErr) => {
                sheltered.read(payload, error);
            }
            (Form::WithInput(mingled), PayloadType::Output) => {
                mingled.read(payload, output, error);
                self.has_begun |= mingled.has_begun;
                self.lacks_tools |= mingled.lacks_tools;
                self.is_past_input |= mingled.code.is_some();
                self.exit = self.exit.or(mingled.exit());
            }
            (Form::AsOne, _) => {}
            (_, PayloadType::StdErr | PayloadType::Error) => error.extend_from_slice(payload),
            _ => {}
        }
    }
}

fn is_shown(payload_type: PayloadType) -> bool {
    use PayloadType::{Error, ExitCode, Output, StdErr};
    matches!(payload_type, Output | Error | StdErr | ExitCode)
}

impl Form {
    fn is_whole(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_text(),
            Self::Whole { output, error } => match output.phase {
                // The agent cuts off what is no text, without a word.
                Phase::Bare => output.text.is_text(),
                _ => output.is_whole() && error.is_whole(),
            },
            Self::AsOne => true,
            Self::WithInput(_) => false,
        }
    }
}

/// One of the two outputs. What the agent would not leave as it is comes as base64, in a mark; and
/// a mark comes last, as the very end is what it may cut off.
#[derive(Debug)]
struct Sheltered {
    marks: Marks,
    letters: Letters,
    text: Text,
    mended: Mended,
    /// What the node says of the text.
    sum: Vec<u8>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Unknown,
    /// The node lacks tools, and the output comes as it is.
    Bare,
    Open,
    /// Text, and its sum behind it.
    Summed,
    Ended,
    /// The sum is another's.
    Damaged,
}

impl Sheltered {
    fn new(name: Uuid) -> Self {
        Self {
            marks: Marks::new(name),
            letters: Letters::base64(),
            text: Text::default(),
            mended: Mended::default(),
            sum: Vec::new(),
            phase: Phase::Unknown,
        }
    }

    fn read(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let Self { marks, letters, text, mended, sum, phase } = self;
        marks.read(payload, |part| match part {
            Part::Text(bytes) if *phase == Phase::Summed => mended.read(bytes, out),
            Part::Text(bytes) => {
                if *phase == Phase::Bare {
                    text.read(bytes);
                }
                out.extend_from_slice(bytes);
            }
            Part::Content(b'b', bytes) => letters.read(bytes, out),
            Part::End(b'h') => *phase = Phase::Open,
            Part::End(b'p') => *phase = Phase::Bare,
            Part::End(b'e') => *phase = Phase::Ended,
            Part::End(b't') => *phase = Phase::Summed,
            Part::Content(b's', bytes) if sum.len() < MOST_DIGITS => sum.extend_from_slice(bytes),
            Part::End(b's') => {
                let is_right = mended.end(&String::from_utf8_lossy(sum), out);
                *phase = if is_right { Phase::Ended } else { Phase::Damaged };
            }
            Part::Content(..) | Part::End(_) => {}
        });
    }

    fn is_whole(&self) -> bool {
        self.phase == Phase::Ended && self.letters.is_whole()
    }
}

/// Both outputs on one terminal, each in letters of its own, wherever one interrupts the other.
#[derive(Debug)]
struct Mingled {
    marks: Marks,
    output: Letters,
    error: Letters,
    has_begun: bool,
    lacks_tools: bool,
    has_ended: bool,
    digits: Vec<u8>,
    code: Option<ExitCode>,
}

impl Mingled {
    fn new(name: Uuid) -> Self {
        Self {
            marks: Marks::new(name),
            output: Letters::base64(),
            error: Letters::hexadecimal(),
            has_begun: false,
            lacks_tools: false,
            has_ended: false,
            digits: Vec::new(),
            code: None,
        }
    }

    fn read(&mut self, payload: &[u8], out: &mut Vec<u8>, err: &mut Vec<u8>) {
        let Self { marks, output, error, has_begun, lacks_tools, has_ended, digits, code } = self;
        marks.read(payload, |part| match part {
            // What the terminal echoed before the script had it is nobody's output.
            Part::Text(_) if !*has_begun => {}
            Part::Text(bytes) => {
                let (hexadecimal, base64): (Vec<u8>, Vec<u8>) =
                    bytes.iter().partition(|byte| Letters::is_hexadecimal(**byte));
                output.read(&base64, out);
                error.read(&hexadecimal, err);
            }
            Part::Content(b'x', bytes) if digits.len() < MAX_DIGITS => {
                digits.extend_from_slice(bytes);
            }
            Part::End(b'h') => *has_begun = true,
            Part::End(b'n') => *lacks_tools = true,
            Part::End(b'x') => {
                let number = std::str::from_utf8(digits).ok();
                *code = number.and_then(|number| number.parse().ok()).map(ExitCode);
            }
            Part::End(b'e') => *has_ended = true,
            Part::Content(..) | Part::End(_) => {}
        });
    }

    fn exit(&self) -> Option<Exit> {
        let is_whole = self.output.is_whole() && self.error.is_whole();
        self.code.filter(|_| self.has_ended).map(|code| Exit { code, is_whole })
    }
}

/// More than an exit code has.
const MAX_DIGITS: usize = 16;
/// More than a sum and a length have.
const MOST_DIGITS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "\x1b_ssmport-00000000000000000000000000000000:";

    fn read(decoder: &mut Decoder, payload_type: PayloadType, payload: &str) -> (Vec<u8>, Vec<u8>) {
        let (mut output, mut error) = (Vec::new(), Vec::new());
        decoder.read(payload_type, payload.as_bytes(), &mut output, &mut error);
        (output, error)
    }

    fn mark(letter: &str) -> String {
        format!("{NAME}{letter}\x1b\\")
    }

    fn exit(code: i64, is_whole: bool) -> Option<Exit> {
        Some(Exit { code: ExitCode(code), is_whole })
    }

    #[test]
    fn a_sheltered_output_is_whole_when_both_have_ended() {
        for (error_ends, is_whole) in [(true, true), (false, false)] {
            let mut decoder = Decoder::new(Way::Whole(Uuid::nil()));
            let said = format!("{}caf{}!{}", mark("h"), mark("b6Q==\n"), mark("e"));
            let output = read(&mut decoder, PayloadType::Output, &said).0;
            assert_eq!(output, b"caf\xe9!");
            assert!(decoder.has_begun);
            let said = format!("{}oh{}", mark("h"), mark(if error_ends { "e" } else { "?" }));
            assert_eq!(read(&mut decoder, PayloadType::StdErr, &said).1, b"oh");
            read(&mut decoder, PayloadType::ExitCode, "EXIT_CODE: 3");
            assert_eq!(decoder.exit, exit(3, is_whole));
        }
    }

    #[test]
    fn text_with_a_sum_is_whole_when_that_is_right() {
        for (sum, is_whole) in [("654390552 4", false), ("3001061895 5", true), ("", false)] {
            let mut decoder = Decoder::new(Way::Whole(Uuid::nil()));
            let start = [mark("h"), mark("t")].concat();
            // What the agent leaves of a U+FFFD.
            let said = [start.as_bytes(), b"\0a\xef", mark(&format!("s{sum}")).as_bytes()].concat();
            let (mut output, mut error) = (Vec::new(), Vec::new());
            decoder.read(PayloadType::Output, &said, &mut output, &mut error);
            assert_eq!(output, "\0a\u{fffd}".as_bytes());
            read(&mut decoder, PayloadType::StdErr, &[mark("h"), mark("e")].concat());
            read(&mut decoder, PayloadType::ExitCode, "EXIT_CODE: 0");
            assert_eq!(decoder.exit, exit(0, is_whole), "{sum}");
        }
    }

    #[test]
    fn output_as_it_is_has_to_be_text() {
        for (said, is_whole) in [("aü", true), ("caf\u{e9}\u{fffd}", true), ("", true)] {
            let mut decoder = Decoder::new(Way::Plain);
            read(&mut decoder, PayloadType::Output, said);
            read(&mut decoder, PayloadType::ExitCode, "EXIT_CODE: 0");
            assert_eq!(decoder.exit, exit(0, is_whole), "{said}");
        }
        for (said, is_whole) in [(&b"caf\xe9 au lait"[..], false), (b"\x1b[1ma\x1b", true)] {
            let mut decoder = Decoder::new(Way::Whole(Uuid::nil()));
            read(&mut decoder, PayloadType::Output, &mark("p"));
            let mut output = Vec::new();
            decoder.read(PayloadType::Output, said, &mut output, &mut Vec::new());
            decoder.read(PayloadType::ExitCode, b"EXIT_CODE: 0", &mut output, &mut Vec::new());
            assert_eq!((&output[..], decoder.exit), (said, exit(0, is_whole)));
        }
    }

    #[test]
    fn as_one_all_is_output_as_it_comes() {
        let mut decoder = Decoder::new(Way::AsOne);
        for (payload_type, said) in [
            (PayloadType::Output, "out\n"),
            (PayloadType::StdErr, "err\n"),
            (PayloadType::Error, "oh\n"),
            (PayloadType::Flag, "x"),
            (PayloadType::ExitCode, "EXIT_CODE: 5"),
        ] {
            let shown = if payload_type == PayloadType::Flag { "" } else { said };
            assert_eq!(read(&mut decoder, payload_type, said), (shown.into(), vec![]));
        }
        assert_eq!(decoder.exit, exit(5, true));
    }

    #[test]
    fn two_outputs_on_one_terminal_are_told_apart() {
        let mut decoder = Decoder::new(Way::WithInput(Uuid::nil()));
        assert_eq!(read(&mut decoder, PayloadType::Output, "echo").0, b"");
        read(&mut decoder, PayloadType::Output, &mark("h"));
        // An error in the middle of the output's letters, and the exit code in that of both.
        let said = format!("YW(#(#Jj\n{}YQ", mark("x7"));
        let told = read(&mut decoder, PayloadType::Output, &said);
        assert_eq!(told, (b"abc".to_vec(), b"AA".to_vec()));
        assert!(decoder.is_past_input);
        assert_eq!(decoder.exit, None);
        read(&mut decoder, PayloadType::Output, &format!("==\n{}", mark("e")));
        assert_eq!(decoder.exit, exit(7, true));
    }
}
