//! What is wrong with a part of a policy.

use std::fmt;

/// A part that cannot be read, or is not evaluated here: in words that [`PolicyError`](super::PolicyError)
/// puts behind the statement's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
