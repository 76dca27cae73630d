//! The words of a command line, as the real agent splits that of a non-interactive command: by
//! the rules of google/shlex. No shell sees the line: there are no variables, pipes or patterns.

use thiserror::Error;

/// Splits `line` into words.
///
/// White space separates words. Between single quotes everything is itself; between double quotes
/// and outside, a backslash takes any character behind it as itself. A `#` where a word could
/// begin starts a comment, which ends with its line.
///
/// # Errors
/// A quotation or a backslash at the end of the line.
pub(super) fn split(line: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                rest.by_ref().find(|c| *c == '\n');
            }
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let escaped = rest.next().ok_or(SplitError::Backslash)?;
                word.get_or_insert_default().push(escaped);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    loop {
        match rest.next().ok_or(SplitError::Quote)? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    loop {
        match rest.next().ok_or(SplitError::Quote)? {
            '"' => return Ok(()),
            '\\' => word.push(rest.next().ok_or(SplitError::Backslash)?),
            c => word.push(c),
        }
    }
}

/// Why a line has no words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum SplitError {
    #[error("a quotation mark has no counterpart")]
    Quote,
    #[error("nothing stands behind the last backslash")]
    Backslash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_quotes_taken_off() {
        for (line, words) in [
            ("uname -a", &["uname", "-a"][..]),
            ("  a\t b\r\nc  ", &["a", "b", "c"]),
            (r#"sh -c "echo hi; exit 5""#, &["sh", "-c", "echo hi; exit 5"]),
            (r"sh -c 'a \ b'", &["sh", "-c", r"a \ b"]),
            (r#""a \"b\" \x" c\ d"#, &[r#"a "b" x"#, "c d"]),
            (r#"a"b"'c'd"#, &["abcd"]),
            ("'' \"\"", &["", ""]),
            ("a#b # c d\ne", &["a#b", "e"]),
            ("$HOME | *", &["$HOME", "|", "*"]),
            ("", &[]),
            ("# nothing", &[]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_is_left_open_is_refused() {
        assert_eq!(split("a 'b"), Err(SplitError::Quote));
        assert_eq!(split("a \"b"), Err(SplitError::Quote));
        assert_eq!(split("a \\"), Err(SplitError::Backslash));
        assert_eq!(split("\"a \\"), Err(SplitError::Backslash));
    }
}
