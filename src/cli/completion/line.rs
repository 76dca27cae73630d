//! What has been typed so far, for shells that hand it over as it stands, and how a word is written there.

/// A line up to the cursor, as its words mean it; the last one is being typed and may be empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) words: Vec<String>,
    /// The last word as it was typed.
    typed: String,
    /// The quote that is open at its end.
    open: Option<char>,
    rules: Rules,
}

/// Whose quotes these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    Bash,
    PowerShell,
}

impl Line {
    pub(super) fn new(text: &str, rules: Rules) -> Self {
        let mut line = Self { words: Vec::new(), typed: String::new(), open: None, rules };
        let mut word: Option<String> = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            if line.open.is_none() && letter.is_whitespace() {
                line.words.extend(word.take());
                line.typed.clear();
                continue;
            }
            line.typed.push(letter);
            let word = word.get_or_insert_default();
            let next = letters.peek().copied();
            match (line.open, letter) {
                (None, '\'' | '"') => line.open = Some(letter),
                // PowerShell doubles a quote to have it.
                (Some(open), _) if letter == open => match next {
                    Some(next) if next == open && rules == Rules::PowerShell => {
                        word.extend(letters.next());
                        line.typed.push(next);
                    }
                    _ => line.open = None,
                },
                (open, _) if letter == rules.escape() && open != Some('\'') => match next {
                    Some(next) if open.is_none() || rules.is_escaped_in_quotes(next) => {
                        word.extend(letters.next());
                        line.typed.push(next);
                    }
                    Some(_) => word.push(letter),
                    None => {}
                },
                _ => word.push(letter),
            }
        }
        line.words.push(word.unwrap_or_default());
        line
    }

    /// What is to stand in the place of `replaced`, which is the end of what was typed, for the last word
    /// to be `word`; nothing when that cannot be written there so that the shell runs or expands nothing.
    pub(super) fn completed(&self, word: &str, replaced: &str) -> Option<String> {
        if word.chars().any(char::is_control) {
            return None;
        }
        let written = match self.rules {
            Rules::Bash => in_bash(word, self.open)?,
            Rules::PowerShell => return in_powershell(word),
        };
        // Bash ends words at colons and others, too; what is before stays.
        let before = self.typed.strip_suffix(replaced)?;
        written.strip_prefix(before).map(str::to_owned)
    }
}

impl Rules {
    fn escape(self) -> char {
        match self {
            Self::Bash => '\\',
            Self::PowerShell => '`',
        }
    }

    fn is_escaped_in_quotes(self, letter: char) -> bool {
        self == Self::PowerShell || matches!(letter, '$' | '`' | '"' | '\\')
    }
}

fn in_bash(word: &str, open: Option<char>) -> Option<String> {
    let escaped = |is_escaped: fn(char) -> bool| {
        let mut text = String::new();
        for letter in word.chars() {
            if is_escaped(letter) {
                text.push('\\');
            }
            text.push(letter);
        }
        text
    };
    match open {
        // The home directory stays what it is.
        None if word.starts_with("~/") => {
            Some(in_bash(&word[1..], None)?).map(|rest| format!("~{rest}"))
        }
        None => Some(escaped(|letter| letter.is_ascii() && !is_plain(letter))),
        Some('\'') => (!word.contains('\'')).then(|| format!("'{word}")),
        // There, nothing keeps `!` from meaning a command of before.
        Some(_) if word.contains('!') => None,
        Some(_) => Some(escaped(|letter| matches!(letter, '$' | '`' | '"' | '\\')))
            .map(|text| format!("\"{text}")),
    }
}

fn in_powershell(word: &str) -> Option<String> {
    // It takes these for quotes.
    if word.contains([
        '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}',
    ]) {
        return None;
    }
    let is_plain = word.chars().all(|letter| is_plain(letter) && letter != ',' && letter != '@');
    if is_plain { Some(word.to_owned()) } else { Some(format!("'{}'", word.replace('\'', "''"))) }
}

/// Whether it means itself to a shell.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_./:=@,+%".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_the_shell_makes_of_them() {
        for (text, words) in [
            ("ssmport fo", vec!["ssmport", "fo"]),
            ("ssmport  -t ", vec!["ssmport", "-t", ""]),
            ("a 'b c' \"d\\\"e\" f\\ g", vec!["a", "b c", "d\"e", "f g"]),
            ("a \"b c", vec!["a", "b c"]),
            ("a 'b\\", vec!["a", "b\\"]),
            ("a \"\\n", vec!["a", "\\n"]),
            ("a tag:R", vec!["a", "tag:R"]),
            ("a \\", vec!["a", ""]),
        ] {
            assert_eq!(Line::new(text, Rules::Bash).words, words, "{text}");
        }
        let words = |text| Line::new(text, Rules::PowerShell).words;
        assert_eq!(words("a 'b''c' d`  \"e\"\"f`\""), ["a", "b'c", "d ", "e\"f\""]);
    }

    #[test]
    fn words_are_written_so_that_nothing_runs() {
        let bash = |line, word, replaced| Line::new(line, Rules::Bash).completed(word, replaced);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(bash("s web", "web-1", "web"), some("web-1"));
        assert_eq!(bash("s w", "w $(id)'\"`!", "w"), some("w\\ \\$\\(id\\)\\'\\\"\\`\\!"));
        assert_eq!(bash("s 'w", "w $(id)", "w"), some("w $(id)"));
        assert_eq!(bash("s 'w", "w'", "w"), None);
        assert_eq!(bash("s \"w", "w $x`\"", "w"), some("w \\$x\\`\\\""));
        assert_eq!(bash("s \"w", "w!", "w"), None);
        assert_eq!(bash("s w", "w\nrm", "w"), None);
        assert_eq!(bash("s w", "Über", ""), None);
        assert_eq!(bash("s ", "Über", ""), some("Über"));
        // Words of bash are shorter.
        assert_eq!(bash("s tag:Ro", "tag:Role=db", "Ro"), some("Role=db"));
        assert_eq!(bash("s jo@w", "jo@web", "@w"), some("@web"));
        assert_eq!(bash("s ~/a", "~/a b", "~/a"), some("~/a\\ b"));
        assert_eq!(bash("s ~", "~x", "~"), some("\\~x"));

        let powershell = |word| Line::new("s ", Rules::PowerShell).completed(word, "");
        assert_eq!(powershell("web-1"), some("web-1"));
        assert_eq!(powershell("it's $(x)"), some("'it''s $(x)'"));
        assert_eq!(powershell("\u{2019}; x"), None);
    }
}
