//! A static program for another processor, which `scripts/test --platforms` has built.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{are_wanted, has_steps};
use crate::support::{Program, command, find_tool, without};

/// There is nothing but the program: no libraries, no `/etc/hosts`, no users. A session wants a shell at its other
/// end, and the emulator is there, with what these two want.
#[test]
fn the_demo_has_all_steps_on_arm64_in_an_empty_root() {
    if !are_wanted() || without("arm64") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for path in ["bin", "dev", "proc", "tmp"] {
        fs::create_dir(root.join(path)).unwrap();
    }
    let [qemu, busybox] = ["qemu-aarch64", "busybox"].map(find_tool);
    [&qemu, &busybox].iter().for_each(|program| install(program, root));
    fs::copy(program("aarch64-unknown-linux-musl"), root.join("bin/ssmport")).unwrap();

    let mut demo = command("unshare");
    demo.args(["--map-root-user", "--mount", "sh", "-c", INSIDE, "sh"]).arg(root);
    demo.args([&busybox, &qemu]).args(["/bin/ssmport", "demo", "--size", "1", "--json"]);
    has_steps(14, demo);
}

/// With its own name, and the libraries that it is linked with.
fn install(program: &Path, root: &Path) {
    let mut ldd = command("ldd");
    ldd.arg(program);
    // It fails where there are none.
    let listed = Program::run(ldd).stdout;
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new);
    for file in libraries.chain([program]) {
        let copy = root.join(file.strip_prefix("/").expect("an absolute path"));
        fs::create_dir_all(copy.parent().expect("a folder")).unwrap();
        fs::copy(file, copy).unwrap();
    }
}

fn program(target: &str) -> PathBuf {
    let ours =
        Path::new(env!("CARGO_BIN_EXE_ssmport")).ancestors().nth(2).expect("a target folder");
    let file = ours.join(target).join("debug/ssmport");
    assert!(file.is_file(), "{} is missing: scripts/test --platforms builds it", file.display());
    file
}

/// The kernel's own folders are those from outside.
const INSIDE: &str = r#"root=$1 busybox=$2 && shift 2 &&
    mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    chroot "$root" "$busybox" --install -s /bin &&
    exec chroot "$root" /bin/env -i HOME=/tmp PATH=/bin "$@""#;
