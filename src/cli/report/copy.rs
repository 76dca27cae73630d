//! What `cp` tells.

use serde::Serialize;

/// A source's turn has come, and what it is is known.
#[derive(Debug, Serialize)]
pub(crate) struct Copying<'a> {
    pub(crate) source: &'a str,
    pub(crate) destination: &'a str,
    /// In bytes, of a file.
    pub(crate) size: Option<u64>,
    /// So many of them are there from before.
    pub(crate) resumed_at: u64,
}

/// How far it has come; once a second at most.
#[derive(Debug, Serialize)]
pub(crate) struct CopyProgress<'a> {
    pub(crate) source: &'a str,
    pub(crate) bytes: u64,
    pub(crate) size: Option<u64>,
    /// Since it began.
    pub(crate) bytes_per_second: u64,
}

/// A source is copied.
#[derive(Debug, Serialize)]
pub(crate) struct FileCopied<'a> {
    pub(crate) source: &'a str,
    /// Where it is now.
    pub(crate) path: &'a str,
    pub(crate) bytes: u64,
    pub(crate) resumed_at: u64,
    pub(crate) files: u64,
    pub(crate) sha256: &'a str,
    pub(crate) seconds: f64,
}

/// All of them are.
#[derive(Debug, Serialize)]
pub(crate) struct CopySummary {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}
