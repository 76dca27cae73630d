//! The map of the code in `CONTRIBUTING.md` has what there is.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn the_map_has_every_folder_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `src/"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let entries = fs::read_dir(root.join("src")).expect("src").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let folders: Vec<String> =
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(listed, folders.iter().map(String::as_str).collect());
}

#[test]
fn the_map_fits_one_screen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let map = text.split("## How the code is built\n").nth(1).expect("the map");
    let map = map.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n");
    assert!(map.lines().count() <= 22, "{map}");
    assert!(map.contains("| `src/cli` |"), "{map}");
}
