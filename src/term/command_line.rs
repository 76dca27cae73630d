//! A line that is typed for the program while the terminal is raw, behind `~C`.

/// The line so far. It is edited as a terminal in its line mode would do it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    text: Vec<u8>,
    sequence: Sequence,
    pasted: Pasted,
}

/// How far a key has come of which the terminal makes several bytes: those are one, and rule nothing here.
#[derive(Clone, Debug, Default)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// `ESC [`, and what stands between that and the last byte.
    Control(Vec<u8>),
    /// `ESC O`.
    Single,
}

/// Between the marks that terminals put around what is pasted, where a program on the node has asked for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Pasted {
    #[default]
    Not,
    /// Its first line, which is taken as if it were typed.
    FirstLine,
    /// The rest, which nobody is to carry out.
    Rest,
}

/// What a key has made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// There is more to come.
    More,
    /// The line is over.
    Line(String),
    /// It was given up.
    Nothing,
}

impl CommandLine {
    /// Takes a byte of a key. By what `is_alone`, with nothing read behind it, Escape is told from keys that begin so.
    pub fn key(&mut self, key: u8, is_alone: bool) -> Typed {
        if self.is_of_sequence(key, is_alone) {
            return Typed::More;
        }
        match (self.pasted, key) {
            (Pasted::Rest, _) => return Typed::More,
            (Pasted::FirstLine, b'\r' | b'\n') => {
                self.pasted = Pasted::Rest;
                return Typed::More;
            }
            // A key of the keyboard's is none in there.
            (Pasted::FirstLine, 0..0x20 | DELETE) => return Typed::More,
            (Pasted::FirstLine | Pasted::Not, _) => {}
        }
        match key {
            b'\r' | b'\n' => {
                return Typed::Line(String::from_utf8_lossy(&self.text).into_owned());
            }
            CONTROL_C | ESCAPE => return Typed::Nothing,
            CONTROL_D if self.text.is_empty() => return Typed::Nothing,
            CONTROL_U => self.text.clear(),
            BACKSPACE | DELETE => {
                // What a character has behind its first byte goes with that.
                while self.text.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            CONTROL_W => {
                let is_blank = |byte: &u8| *byte == b' ';
                let word_end = self.text.iter().rposition(|byte| !is_blank(byte)).unwrap_or(0);
                let start = self.text[..word_end].iter().rposition(is_blank);
                self.text.truncate(start.map_or(0, |blank| blank + 1));
            }
            0..0x20 => {}
            _ if self.text.len() < LONGEST => self.text.push(key),
            _ => {}
        }
        Typed::More
    }

    /// Whether a byte belongs to a key of several, or is the mark of something pasted.
    fn is_of_sequence(&mut self, key: u8, is_alone: bool) -> bool {
        self.sequence = match (std::mem::take(&mut self.sequence), key) {
            // In what is pasted it is no key.
            (Sequence::None, ESCAPE) if !is_alone || self.pasted != Pasted::Not => Sequence::Escape,
            (Sequence::None, _) => return false,
            (Sequence::Escape, b'[') => Sequence::Control(Vec::new()),
            (Sequence::Escape, b'O') => Sequence::Single,
            (Sequence::Control(parameters), LAST_FROM..=LAST_TO) => {
                match (&parameters[..], key) {
                    (b"200", b'~') => self.pasted = Pasted::FirstLine,
                    (b"201", b'~') => self.pasted = Pasted::Not,
                    _ => {}
                }
                Sequence::None
            }
            (Sequence::Control(mut parameters), key) => {
                if parameters.len() < LONGEST_SEQUENCE {
                    parameters.push(key);
                }
                Sequence::Control(parameters)
            }
            // With Alt, or the last byte of `ESC O`.
            (Sequence::Escape | Sequence::Single, _) => Sequence::None,
        };
        true
    }

    /// The whole line anew, behind its prompt. A character of which not all has come is not shown yet.
    pub fn shown(&self) -> String {
        let text = self.text.utf8_chunks().map(|chunk| chunk.valid()).collect::<String>();
        format!("\r\x1b[K{PROMPT}{text}")
    }
}

/// As that of ssh.
const PROMPT: &str = "ssmport> ";
/// In bytes; no SPEC is as long.
const LONGEST: usize = 1024;
/// In bytes; those that mean something here have three.
const LONGEST_SEQUENCE: usize = 16;
/// What `ESC [` ends with.
const LAST_FROM: u8 = b'@';
const LAST_TO: u8 = b'~';
const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const CONTROL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> (Typed, String) {
        let mut line = CommandLine::default();
        let mut last = Typed::More;
        for (behind, key) in keys.bytes().enumerate().map(|(at, key)| (keys.len() - at - 1, key)) {
            assert_eq!(last, Typed::More, "{keys:?}: the rest is for the node");
            last = line.key(key, behind == 0);
        }
        (last, line.shown())
    }

    #[test]
    fn keys_make_a_line() {
        for (keys, line) in [
            ("-L 8080:80\r", "-L 8080:80"),
            ("-L 80\x7f\x7f443\n", "-L 443"),
            ("\u{fc}\u{20ac}\x7f\x08x\r", "x"),
            ("-KL 8080 \x17\x178\r", "8"),
            ("-KL 80\x1790\r", "-KL 90"),
            ("wrong\x15help\r", "help"),
            ("\x7f\x17a\tb\r", "ab"),
            ("\r", ""),
            ("a\x1b[D\x1b[1;5C\x1bOHb\x1bxc\r", "abc"),
            ("\x1b[200~-L 8080:web:80\x1b[201~\r", "-L 8080:web:80"),
            ("\x1b[200~-L 1:2\rrm -r x\r\x1b[201~3\r", "-L 1:23"),
            ("\x1b[200~a\x03\tb\x1b[201~\r", "ab"),
        ] {
            assert_eq!(typed(keys).0, Typed::Line(line.to_owned()), "{keys:?}");
        }
        for keys in ["\x04", "-L\x03", "-L\x1b"] {
            assert_eq!(typed(keys).0, Typed::Nothing, "{keys:?}");
        }
        assert_eq!(typed("-L\x04").0, Typed::More, "it is not the end of a line");
    }

    #[test]
    fn the_end_of_what_is_pasted_may_come_in_two_parts() {
        let mut line = CommandLine::default();
        for key in b"\x1b[200~-L 1:2\rls\r" {
            assert_eq!(line.key(*key, false), Typed::More);
        }
        assert_eq!(line.key(ESCAPE, true), Typed::More);
        for key in b"[201~" {
            assert_eq!(line.key(*key, false), Typed::More);
        }
        assert_eq!(line.key(b'\r', true), Typed::Line("-L 1:2".to_owned()));
    }

    #[test]
    fn the_line_is_shown_as_it_is() {
        assert_eq!(typed("-L \u{fc}").1, "\r\x1b[Kssmport> -L \u{fc}");
        let mut line = CommandLine::default();
        line.key(0xc3, true);
        assert_eq!(line.shown(), "\r\x1b[Kssmport> ", "half a character");
    }

    #[test]
    fn a_line_has_an_end() {
        let keys = "x".repeat(LONGEST + 10) + "\r";
        assert_eq!(typed(&keys).0, Typed::Line("x".repeat(LONGEST)));
    }
}
