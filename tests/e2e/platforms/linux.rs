//! Static programs, which `scripts/test --platforms` has built: in a root with nothing else in it, and on another
//! processor.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::are_wanted;
use crate::support::{Program, command, find_tool, without};

fn are_tried() -> bool {
    are_wanted() && !without("static")
}

/// No library, no name service, no users, no terminfo; but a shell for what runs at the other end.
#[test]
fn a_static_programs_demo_has_all_steps_in_an_empty_root() {
    if !are_tried() {
        return;
    }
    let root = TempDir::new().expect("a folder");
    let at = |name: &str| root.path().join(name);
    for folder in ["bin", "dev", "proc", "tmp"] {
        fs::create_dir(at(folder)).expect("a folder");
    }
    fs::copy(program("x86_64-unknown-linux-musl"), at("bin/ssmport")).expect("the program");
    with_libraries(&find_tool("busybox"), root.path());
    // The mounts are gone with their namespace.
    let script = "mount --rbind /dev \"$0/dev\" && mount --rbind /proc \"$0/proc\" && \
                  chroot \"$0\" /bin/busybox --install /bin && \
                  exec chroot \"$0\" /bin/ssmport demo --size 1 --json";
    let mut demo = command(find_tool("unshare"));
    demo.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(root.path());
    demo.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    has_all_steps(demo);
}

#[test]
fn the_demo_has_all_steps_on_arm64() {
    if !are_tried() {
        return;
    }
    let mut demo = command(find_tool("qemu-aarch64"));
    demo.arg(program("aarch64-unknown-linux-musl")).args(["demo", "--size", "1", "--json"]);
    has_all_steps(demo);
}

fn has_all_steps(demo: Command) {
    let report = Program::run_within(SLOW, demo).success();
    let steps: Vec<Value> =
        report.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert!(steps.iter().all(|step| step["state"] == "ok"), "{report}");
    assert_eq!(steps.len(), 14, "{report}");
}

fn program(target: &str) -> PathBuf {
    let ours =
        Path::new(env!("CARGO_BIN_EXE_ssmport")).ancestors().nth(2).expect("a target folder");
    let file = ours.join(target).join("debug/ssmport");
    assert!(file.is_file(), "{} is missing: scripts/test --platforms builds it", file.display());
    file
}

/// Puts a program and the libraries that it wants into another root.
fn with_libraries(program: &Path, root: &Path) {
    let mut ldd = command(find_tool("ldd"));
    ldd.arg(program);
    let wanted = Program::run(ldd);
    let libraries = wanted.stdout.split_whitespace().filter(|word| word.starts_with('/'));
    for library in libraries {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        fs::copy(library, copy).expect("a library");
    }
    fs::copy(program, root.join("bin/busybox")).expect("a program");
}

const SLOW: Duration = Duration::from_secs(120);
