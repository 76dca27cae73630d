//! What is wrong with a text that was given.

use thiserror::Error;

/// A text that does not say what it should, in words for whoever wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub(crate) struct Malformed(String);

impl From<String> for Malformed {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<&str> for Malformed {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

impl From<Malformed> for String {
    fn from(malformed: Malformed) -> Self {
        malformed.0
    }
}
