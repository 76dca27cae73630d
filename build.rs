//! What `ssmport --version` says of a build: its target, and of a release its commit. What Windows wants of a
//! program's file.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    // Whoever works on it does not wait for a whole build after each commit.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if is_release { of_package().or_else(of_repository) } else { None };
    let commit = commit.as_deref().unwrap_or("no commit");
    println!("cargo::rustc-env=SSMPORT_BUILD={commit}, {target}");
    if target.contains("-windows-") {
        for_windows(&target);
    }
}

fn for_windows(target: &str) {
    // Windows gives a program's first thread 1 or 2 MiB, as its file says; elsewhere it has 8.
    if target.ends_with("-msvc") {
        println!("cargo::rustc-link-arg-bins=/STACK:{STACK}");
    } else {
        println!("cargo::rustc-link-arg-bins=-Wl,--stack,{STACK}");
    }
    // Its version, and what the Task Manager calls it.
    for (program, description) in PROGRAMS {
        let mut resource = winresource::WindowsResource::new();
        resource.set("FileDescription", description);
        if let Err(error) = resource.compile_for(program) {
            println!("cargo::warning={program}.exe has no version for Windows to show: {error}");
        }
    }
}

/// What cargo notes in a package.
fn of_package() -> Option<String> {
    let noted = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let commit = noted.split_once("\"sha1\"")?.1.split('"').nth(1)?;
    commit.get(..SHOWN).map(str::to_owned)
}

fn of_repository() -> Option<String> {
    // A repository that this folder merely lies in says nothing of it.
    if !Path::new(".git").exists() {
        return None;
    }
    // Written with each commit that is made or checked out.
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "HEAD"])?.get(..SHOWN).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(said.stdout).ok().filter(|_| said.status.success())?;
    Some(text.trim().to_owned())
}

const PROGRAMS: [(&str, &str); 2] = [
    ("ssmport", "ssmport for AWS Session Manager"),
    ("session-manager-plugin", "session-manager-plugin of ssmport"),
];
/// In bytes.
const STACK: usize = 8 << 20;
/// As many digits as git shows of a large repository's.
const SHOWN: usize = 12;
