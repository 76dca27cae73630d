//! A static program for another processor, which `scripts/test --platforms` has built.

use std::path::{Path, PathBuf};

use super::{are_wanted, has_steps};
use crate::support::{command, find_tool, without};

fn are_tried() -> bool {
    are_wanted() && !without("arm64")
}

#[test]
fn the_demo_has_all_steps_on_arm64() {
    if !are_tried() {
        return;
    }
    let mut demo = command(find_tool("qemu-aarch64"));
    demo.arg(program("aarch64-unknown-linux-musl")).args(["demo", "--size", "1", "--json"]);
    has_steps(14, demo);
}

fn program(target: &str) -> PathBuf {
    let ours =
        Path::new(env!("CARGO_BIN_EXE_ssmport")).ancestors().nth(2).expect("a target folder");
    let file = ours.join(target).join("debug/ssmport");
    assert!(file.is_file(), "{} is missing: scripts/test --platforms builds it", file.display());
    file
}
