//! Whether bytes are text.

/// Looks at a stream for anything that is no UTF-8, wherever it is cut.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The beginning of a character.
    held: Vec<u8>,
    is_broken: bool,
}

impl Text {
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.is_broken {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let joined;
        let whole = match held.is_empty() {
            true => bytes,
            false => {
                joined = [&held, bytes].concat();
                &joined
            }
        };
        if let Err(error) = std::str::from_utf8(whole) {
            self.is_broken = error.error_len().is_some();
            if !self.is_broken {
                self.held = whole[error.valid_up_to()..].to_vec();
            }
        }
    }

    /// Whether it was text to its end.
    pub(super) fn is_text(&self) -> bool {
        !self.is_broken && self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_text_once_its_rest_has_come() {
        let mut text = Text::default();
        for (index, byte) in "a\u{1f600}".bytes().enumerate() {
            text.read(&[byte]);
            assert_eq!(text.is_text(), index == 0 || index == 4, "{index}");
        }
        text.read(b"\xff");
        text.read(b"a");
        assert!(!text.is_text());
    }
}
