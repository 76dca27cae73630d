//! Words of a line, as Python's `shlex.split` finds them: the names of sections and the commands of
//! `credential_process` are cut so.

/// Whether any part of a word was quoted or escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Quoting {
    #[default]
    Bare,
    Quoted,
}

/// `None` when a quotation has no end.
pub fn words_of(line: &str) -> Option<Vec<(String, Quoting)>> {
    let mut words = Vec::new();
    let mut word: Option<(String, Quoting)> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let (text, quoting) = word.get_or_insert_default();
                *quoting = Quoting::Quoted;
                loop {
                    match rest.next()? {
                        end if end == c => break,
                        '\\' if c == '"' => match rest.next()? {
                            escaped @ ('"' | '\\') => text.push(escaped),
                            other => text.extend(['\\', other]),
                        },
                        other => text.push(other),
                    }
                }
            }
            '\\' => {
                let (text, quoting) = word.get_or_insert_default();
                *quoting = Quoting::Quoted;
                text.push(rest.next()?);
            }
            other => word.get_or_insert_default().0.push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        Some(words_of(line)?.into_iter().map(|(word, _)| word).collect())
    }

    #[test]
    fn words_end_at_spaces_outside_of_quotations() {
        for (line, expected) in [
            ("profile \"my work\"", &["profile", "my work"][..]),
            ("profile 'my \"work\"'", &["profile", "my \"work\""]),
            ("a\\ b '' \"c\\\"\\\\\\d\"e", &["a b", "", "c\"\\\\de"]),
            (" # x ", &["#", "x"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        for open in ["'a", "\"a\\\"", "a\\"] {
            assert_eq!(words(open), None, "{open}");
        }
    }
}
