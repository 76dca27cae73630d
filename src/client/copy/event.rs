//! What is told of a copy.

use super::node_path::NodePath;

/// How a copy goes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CopyEvent {
    /// What is copied is known now.
    Begun {
        /// In bytes, unless it is a folder or a stream.
        size: Option<u64>,
        /// So many of them are there from before.
        resumed_at: u64,
    },
    /// So many bytes are there, those from before included.
    Progress(u64),
    /// It goes by a way that is slower than others; this is why.
    Slower(String),
    /// A session was lost, and another one goes on.
    Resumed(String),
    /// The file has grown since the copy began, and is copied as it was then.
    Grown,
    /// A thing in a folder that is neither a file, a folder nor a link is left out.
    LeftOut(String),
}

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Copied {
    /// Where it is now: on the node the whole path, here as it was asked for.
    pub path: String,
    /// Its files' bytes; of a folder those of its archive.
    pub bytes: u64,
    /// So many of them had been there from before.
    pub resumed_at: u64,
    /// How many files there are in it.
    pub files: u64,
    /// SHA-256 of what was sent, in hexadecimal.
    pub sha256: String,
}

/// Hears of it.
pub(super) type Observer<'a> = &'a mut (dyn FnMut(CopyEvent) + Send);

/// How a path is told that the node has said in digits.
pub(super) fn shown(digits: &str) -> String {
    NodePath::of_digits(digits).map_or_else(String::new, |path| path.to_string())
}
