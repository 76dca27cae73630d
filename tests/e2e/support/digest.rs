//! What tells two files apart.

use std::{fs, path::Path};

use sha2::{Digest, Sha256};

/// The SHA-256 of a file's content.
pub fn file_digest(path: &Path) -> [u8; 32] {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(content).into()
}
