//! The project's own sources, for tests that read them.

use std::{fs, path::Path};

/// A file of Rust.
pub struct Source {
    /// From the folder on that was asked for, with `/` between its parts.
    pub path: String,
    pub text: String,
}

/// All that are below a folder of the project, in the order of their paths.
pub fn below(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source");
                let parts = path.strip_prefix(&root).expect("a path below the root").iter();
                let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
                found.push(Source { path: parts.join("/"), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
