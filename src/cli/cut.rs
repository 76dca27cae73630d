//! Texts that are cut to a width, counted as terminals do.

use unicode_width::UnicodeWidthStr;

/// A text with an ellipsis for what is wider than `width`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    // A text is not always as wide as its characters are: some make the one before them wider.
    let room = width.saturating_sub(1);
    let ends = text.char_indices().map(|(at, _)| at);
    let kept = ends.map(|end| &text[..end]).take_while(|kept| kept.width() <= room).last();
    format!("{}\u{2026}", kept.unwrap_or_default().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_take_no_width_and_what_they_stand_on_does() {
        assert_eq!(cut("e\u{301}e\u{301}", 2), "e\u{301}e\u{301}");
        assert_eq!(
            (cut("web-server", 6), cut("\u{c6f9}\u{c11c}\u{bc84}", 5)),
            ("web-s\u{2026}".to_owned(), "\u{c6f9}\u{c11c}\u{2026}".to_owned())
        );
    }

    #[test]
    fn a_name_whose_characters_make_one_another_wider_fits() {
        let name = "\u{26a0}\u{fe0f}".repeat(30);
        for width in 4..80 {
            assert!(cut(&name, width).width() <= width, "{width}");
        }
    }
}
