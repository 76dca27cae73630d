//! Why an account cannot be pretended.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why an account file cannot be used.
#[derive(Debug, Error)]
pub enum AccountError {
    /// It, or a file that it names, cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not the TOML that is expected.
    #[error("{}{}: {problem}", path.display(), Place(*line, key.as_deref()))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: Option<usize>,
        /// What stands at the line's beginning: a key, or a table's name.
        key: Option<String>,
        /// What is wrong; never a secret of the file.
        problem: String,
    },
    /// The made-up keys cannot be kept.
    #[error("{}: {source}", path.display())]
    Keep {
        /// The file of keys.
        path: PathBuf,
        /// The system's reason, or ours.
        source: io::Error,
    },
    /// Two users would have one access key.
    #[error("{}: {user} has the access key of {other}", path.display())]
    SameKey {
        /// The file of keys.
        path: PathBuf,
        /// The one.
        user: String,
        /// The other one.
        other: String,
    },
    /// The system has no random bytes for the keys.
    #[error("{0}")]
    NoRandom(io::Error),
}

/// Behind the file's name.
struct Place<'a>(Option<usize>, Option<&'a str>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.0 {
            write!(f, ":{line}")?;
        }
        match self.1 {
            Some(key) => write!(f, ": {key}"),
            None => Ok(()),
        }
    }
}

/// Reads TOML.
///
/// # Errors
/// [`AccountError::Invalid`].
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, AccountError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        // The value that is of the wrong type may be a secret.
        let message = error.message();
        let problem = match message.split_once(", expected ") {
            Some((begin, expected)) if begin.starts_with("invalid type") => {
                format!("expected {expected}")
            }
            _ => message.to_owned(),
        };
        invalid(path, text, at, problem)
    })
}

/// An error at a place of the text.
pub(super) fn invalid(path: &Path, text: &str, at: Option<usize>, problem: String) -> AccountError {
    let line = at.and_then(|at| text.get(..at)).map(|before| before.matches('\n').count() + 1);
    let content = line.and_then(|line| text.lines().nth(line - 1));
    // The value behind it may be a secret.
    let is_end = |c: char| matches!(c, '=' | ':') || c.is_whitespace();
    let key = content.map(str::trim).map(|text| match text.starts_with('[') {
        true => text,
        false => text.split(is_end).next().unwrap_or_default(),
    });
    let key = key.map(str::to_owned);
    AccountError::Invalid { path: path.to_owned(), line, key, problem }
}
