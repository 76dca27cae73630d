//! A recording as text: lines without escapes, as they stood when they ended.

/// The line that a terminal's cursor is in. Of what moves the cursor elsewhere nothing is known.
#[derive(Clone, Debug, Default)]
pub struct PlainText {
    line: Vec<char>,
    at: usize,
    state: State,
}

/// Where in a sequence of a terminal's the output is.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and [, with what came since.
    Control(String),
    /// In a text for the terminal itself, a title for one; whether an ESC was the last of it.
    Title { may_end: bool },
}

impl PlainText {
    /// The lines that end in this.
    pub fn lines(&mut self, text: &str) -> String {
        let mut lines = String::new();
        for character in text.chars() {
            match std::mem::take(&mut self.state) {
                State::Text => self.character(character, &mut lines),
                State::Escape => {
                    self.state = match character {
                        '[' => State::Control(String::new()),
                        ']' | 'P' | 'X' | '^' | '_' => State::Title { may_end: false },
                        // With more to come.
                        ' '..='/' | '\x1b' => State::Escape,
                        _ => State::Text,
                    };
                }
                State::Control(mut parameters) => match character {
                    '@'..='~' => self.control(&parameters, character),
                    // Broken off by another one.
                    '\x1b' => self.state = State::Escape,
                    _ => {
                        if parameters.len() < LONGEST_PARAMETERS {
                            parameters.push(character);
                        }
                        self.state = State::Control(parameters);
                    }
                },
                State::Title { may_end } => {
                    let is_over = character == '\x07' || (may_end && character == '\\');
                    if !is_over {
                        self.state = State::Title { may_end: character == '\x1b' };
                    }
                }
            }
        }
        lines
    }

    /// What is left of the last line.
    pub fn end(&mut self) -> String {
        match self.line.is_empty() {
            true => String::new(),
            false => self.settled(),
        }
    }

    fn character(&mut self, character: char, lines: &mut String) {
        match character {
            '\x1b' => self.state = State::Escape,
            '\u{9b}' => self.state = State::Control(String::new()),
            '\n' => lines.push_str(&self.settled()),
            '\r' => self.at = 0,
            '\x08' => self.at = self.at.saturating_sub(1),
            character if character.is_control() && character != '\t' => {}
            character => {
                self.line.resize(self.line.len().max(self.at), ' ');
                match self.line.get_mut(self.at) {
                    Some(place) => *place = character,
                    None => self.line.push(character),
                }
                self.at += 1;
                if self.line.len() >= LONGEST {
                    lines.push_str(&self.settled());
                }
            }
        }
    }

    /// What a shell's line editor does to its line.
    fn control(&mut self, parameters: &str, end: char) {
        let count = parameters.parse::<usize>().unwrap_or(1).clamp(1, LONGEST);
        let behind = (self.at + count).min(self.line.len());
        match (end, parameters) {
            ('C', _) => self.at = (self.at + count).min(LONGEST),
            ('D', _) => self.at = self.at.saturating_sub(count),
            ('G', _) => self.at = count - 1,
            ('K', "" | "0") => self.line.truncate(self.at),
            ('K', "2") => self.line.clear(),
            ('P', _) if self.at < behind => drop(self.line.drain(self.at..behind)),
            ('@', _) if self.at < self.line.len() && self.line.len() + count <= LONGEST => {
                let blanks = std::iter::repeat_n(' ', count);
                self.line.splice(self.at..self.at, blanks);
            }
            _ => {}
        }
    }

    /// The line, with its end.
    fn settled(&mut self) -> String {
        self.at = 0;
        let line: String = std::mem::take(&mut self.line).into_iter().collect();
        format!("{}\n", line.trim_end())
    }
}

/// In characters.
const LONGEST: usize = 1 << 16;
const LONGEST_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_stood_there_at_last() {
        for (shown, text) in [
            ("\x1b[1m$ \x1b[0mls\r\n", "$ ls\n"),
            ("10 %\r100 %\r\n", "100 %\n"),
            ("lz\x08s\x07\r\nwebx\x08 \x08\r\nend", "ls\nweb\nend\n"),
            ("\x1b]0;title\x07a\x1b]2;other\x1b\\b\x1bP1$r\x1b\\c\x1b(B", "abc\n"),
            ("long line\r\x1b[Kshort\n", "short\n"),
            ("abcdef\x1b[4D\x1b[2P\n", "abef\n"),
            ("abef\x08\x08\x1b[2@cd\n", "abcdef\n"),
            ("a\x1b[3Cb\n\x1b[5Gx\n", "a   b\n    x\n"),
            ("\x1b[\x1b[31mred\x1b[999999999999mstill\n", "redstill\n"),
            ("\u{9b}31m\u{fc}\u{fffd}\tb\n\n", "\u{fc}\u{fffd}\tb\n\n"),
        ] {
            // Wherever it is cut.
            for size in [1, 3, 100] {
                let mut plain = PlainText::default();
                let shown: Vec<char> = shown.chars().collect();
                let parts = shown.chunks(size).map(|part| part.iter().collect::<String>());
                let lines: String = parts.map(|part| plain.lines(&part)).collect();
                assert_eq!(lines + &plain.end(), text, "{shown:?} by {size}");
            }
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut plain = PlainText::default();
        let text = "x".repeat(LONGEST + 5);
        assert_eq!(plain.lines(&text).len(), LONGEST + 1);
        assert!(plain.lines("\x1b[9999999C\x1b[2Jy\n").len() < 2 * LONGEST);
    }
}
