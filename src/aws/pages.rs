//! Lists that a service gives page by page.

/// Leads from page to page, and to an end even where the service has none.
#[derive(Debug)]
pub(super) struct Pages {
    left: usize,
    last: Option<String>,
}

impl Pages {
    /// Of no more than `most` pages.
    pub(super) fn at_most(most: usize) -> Self {
        Self { left: most, last: None }
    }

    /// The token of the page behind one that came with `token`; `None` behind the last. A page that
    /// leads to itself is the last one.
    pub(super) fn behind(&mut self, token: Option<String>) -> Option<String> {
        let token = token.filter(|token| !token.is_empty())?;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || self.last.as_ref() == Some(&token) {
            tracing::warn!(
                "a list of the service's has no end, and is shown as far as it was read"
            );
            return None;
        }
        self.last = Some(token.clone());
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_end_ends() {
        let token = |text: &str| Some(text.to_owned());
        let mut pages = Pages::at_most(3);
        assert_eq!(pages.behind(token("a")), token("a"));
        assert_eq!(pages.behind(token("b")), token("b"));
        assert_eq!(pages.behind(token("c")), None, "too many");
        let mut pages = Pages::at_most(9);
        assert_eq!(pages.behind(token("a")), token("a"));
        assert_eq!(pages.behind(token("a")), None, "it leads to itself");
        assert_eq!(Pages::at_most(9).behind(token("")), None);
        assert_eq!(Pages::at_most(9).behind(None), None);
    }
}
