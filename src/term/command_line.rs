//! A line that is typed for the program while the terminal is raw, behind `~C`.

/// The line so far. It is edited as a terminal in its line mode would do it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    text: Vec<u8>,
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
    /// Takes a key.
    pub fn key(&mut self, key: u8) -> Typed {
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
        for key in keys.bytes() {
            last = line.key(key);
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
        ] {
            assert_eq!(typed(keys).0, Typed::Line(line.to_owned()), "{keys:?}");
        }
        for keys in ["\x04", "-L\x03", "-L\x1b"] {
            assert_eq!(typed(keys).0, Typed::Nothing, "{keys:?}");
        }
        assert_eq!(typed("-L\x04").0, Typed::More, "it is not the end of a line");
    }

    #[test]
    fn the_line_is_shown_as_it_is() {
        assert_eq!(typed("-L \u{fc}").1, "\r\x1b[Kssmport> -L \u{fc}");
        let mut line = CommandLine::default();
        line.key(0xc3);
        assert_eq!(line.shown(), "\r\x1b[Kssmport> ", "half a character");
    }

    #[test]
    fn a_line_has_an_end() {
        let keys = "x".repeat(LONGEST + 10) + "\r";
        assert_eq!(typed(&keys).0, Typed::Line("x".repeat(LONGEST)));
    }
}
