//! Text that others have written - nodes, services, proxies, whoever named a node - on its way to
//! people.
//!
//! One rule for all of it: what a terminal obeys becomes a blank, what it hides or turns round becomes
//! a visible mark, and no line of it looks like one of ours. What a program on a node writes is not
//! such a text: it goes to the terminal as it is.

/// `text` without what a terminal obeys or hides. Line ends and tabs stay.
pub fn visible(text: &str) -> String {
    let mut before = ' ';
    let visible = text.chars().map(|character| {
        let shown = match character {
            '\n' | '\t' => character,
            // Further ends of lines, to some viewers.
            '\u{2028}' | '\u{2029}' => ' ',
            character if character.is_control() => ' ',
            character if is_hidden(character) && !is_joined(character, before) => MARK,
            character => character,
        };
        before = shown;
        shown
    });
    visible.collect()
}

/// `text` in one line, with single blanks between its words.
pub fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` in one line of no more than `longest` characters; behind a longer one stands an ellipsis.
pub fn one_line_within(longest: usize, text: &str) -> String {
    cut(longest, one_line(text))
}

/// `text` in lines, of which the second and the following begin with blanks: they cannot be taken for
/// lines of ours.
pub fn paragraph(text: &str) -> String {
    visible(text).replace('\n', "\n  ")
}

/// As [`paragraph`], of no more than `longest` characters.
pub fn paragraph_within(longest: usize, text: &str) -> String {
    paragraph(&cut(longest, text.to_owned()))
}

/// A JSON document of the same meaning, in which what a terminal obeys or hides is written in letters
/// and digits.
pub fn json(document: &str) -> String {
    let mut plain = String::with_capacity(document.len());
    for character in document.chars() {
        let is_obeyed = character.is_control() && !"\r\n\t".contains(character);
        let is_end_of_line = matches!(character, '\u{2028}' | '\u{2029}');
        match is_obeyed || is_end_of_line || is_hidden(character) {
            // They stand in strings only.
            true => plain.push_str(&escaped(character)),
            false => plain.push(character),
        }
    }
    plain
}

fn escaped(character: char) -> String {
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

fn cut(longest: usize, mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Whether a character has no width, or changes the direction of others: with it one name can look
/// like another. (Unicode's Default_Ignorable_Code_Point, and marks of annotations.)
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether it belongs to the pictograph `before` it, as in a coloured heart: banners are full of them.
fn is_joined(character: char, before: char) -> bool {
    let is_joiner = matches!(character, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
    let is_picture = !before.is_ascii() && !before.is_alphanumeric() && before != MARK;
    is_joiner && is_picture
}

/// Unicode's replacement character.
const MARK: char = '\u{fffd}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_becomes_blank() {
        assert_eq!(visible("a\x1b]52;c;eA==\x07b\r\u{9b}2Jc\td\ne"), "a ]52;c;eA== b  2Jc\td\ne");
        assert_eq!(visible("a\0b\x7fc\u{85}d\u{90}e\u{9d}f"), "a b c d e f");
    }

    #[test]
    fn what_a_terminal_hides_or_turns_round_is_seen() {
        for hidden in [
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{ad}',
            '\u{61c}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{e0041}',
        ] {
            assert_eq!(visible(&format!("we{hidden}b")), "we\u{fffd}b", "{hidden:?}");
        }
        // They combine with nothing but pictures, and only once.
        assert_eq!(visible("\u{26a0}\u{fe0f} keep out"), "\u{26a0}\u{fe0f} keep out");
        let burning = "\u{2764}\u{fe0f}\u{200d}\u{1f525}";
        assert_eq!(visible(burning), burning);
        assert_eq!(visible("\u{fe0f}\u{200d}"), "\u{fffd}\u{fffd}");
        for plain in ["Grüße", "数据库", "بغداد", "नमस्ते", "e\u{301}"] {
            assert_eq!(visible(plain), plain);
        }
    }

    #[test]
    fn no_further_line_can_be_taken_for_ours() {
        for end in ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "\x0b", "\x0c"] {
            let text = format!("over{end}ssmport: all is well");
            assert_eq!(one_line(&text), "over ssmport: all is well", "{end:?}");
            let told = paragraph(&text);
            assert!(!told.lines().skip(1).any(|line| !line.starts_with("  ")), "{told:?}");
        }
        assert_eq!(paragraph("over\nssmport: all is well"), "over\n  ssmport: all is well");
    }

    #[test]
    fn there_is_an_end_to_it() {
        assert_eq!(one_line_within(4, "  ab\tcd"), "ab c...");
        assert_eq!(one_line_within(5, "  ab\tcd"), "ab cd");
        assert_eq!(paragraph_within(3, "ä\nbc"), "ä\n  b...");
    }

    #[test]
    fn a_report_means_the_same_and_is_plain() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}2J\u{7f}\x1b\u{2028}\u{e0041}é"});
        let plain = json(&value.to_string());
        assert!(
            plain
                .chars()
                .all(|character| character
                    == visible(&character.to_string()).chars().next().unwrap())
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).unwrap(), value);
    }
}
