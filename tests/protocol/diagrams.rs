//! The pictures of the protocol's pages are what their texts make.

use std::process::Command;

#[test]
fn every_picture_is_drawn_from_its_text() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/diagrams");
    let checked = Command::new("python3").args([script, "--check"]).output().expect("python3 runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
