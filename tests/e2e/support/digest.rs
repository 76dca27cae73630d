//! What tells two files apart.

use std::{fs::File, io::Read, path::Path};

use sha2::{Digest, Sha256};

/// The SHA-256 of a file's content.
pub fn file_digest(path: &Path) -> [u8; 32] {
    let failed = |error| panic!("{}: {error}", path.display());
    let mut file = File::open(path).unwrap_or_else(failed);
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let failed = |error| panic!("{}: {error}", path.display());
        match file.read(&mut block).unwrap_or_else(failed) {
            0 => return digest.finalize().into(),
            len => digest.update(&block[..len]),
        }
    }
}
