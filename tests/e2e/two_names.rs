//! One file, two programs: `ssmport`, and by its name the drop-in; a small one leads to it.

use std::{env, fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;

use crate::support::{Endpoint, Plugin, Program, Signal, command};

#[test]
fn a_link_to_ssmport_is_the_drop_in() {
    let folder = TempDir::new().expect("a directory");
    let link = folder.path().join("session-manager-plugin");
    symlink(env!("CARGO_BIN_EXE_ssmport"), &link).expect("a link");
    assert_eq!(version(&link), version(Path::new(PLUGIN)));

    let other = folder.path().join("ssm");
    symlink(env!("CARGO_BIN_EXE_ssmport"), &other).expect("a link");
    assert!(version(&other).starts_with("ssmport "), "any other name is ssmport");
}

#[test]
fn the_drop_in_is_found_wherever_links_to_it_lead_from() {
    let folder = TempDir::new().expect("a directory");
    for name in ["session-manager-plugin", "smp"] {
        let link = folder.path().join(name);
        symlink(PLUGIN, &link).expect("a link");
        assert_eq!(version(&link), version(Path::new(PLUGIN)), "{name}");
    }
}

#[test]
fn a_drop_in_that_was_taken_away_from_ssmport_says_so() {
    let folder = TempDir::new().expect("a directory");
    let alone = folder.path().join("session-manager-plugin");
    fs::copy(PLUGIN, &alone).expect("a copy");
    let mut alone = command(&alone);
    alone.arg("--version");
    let ended = Program::run(alone);
    assert_eq!((ended.code(), &*ended.stdout), (127, ""), "{ended:#?}");
    let place = folder.path().canonicalize().expect("it is there");
    let expected = format!(
        "session-manager-plugin: there is no ssmport in {}\n  the one does nothing without the other: \
         put both into one folder, or make this a link to ssmport\n",
        place.display()
    );
    assert_eq!(ended.stderr, expected);
}

/// Callers and people know it by its number and its name.
#[test]
fn the_process_is_the_one_that_was_started_and_has_its_name() {
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, 9).program;
    let of_process = |file: &str| {
        let path = format!("/proc/{}/{file}", plugin.pid().as_raw_nonzero());
        fs::read_to_string(path).expect("it runs")
    };
    assert_eq!(of_process("comm"), "session-manager\n", "as long as the system has it");
    assert!(of_process("cmdline").starts_with(&format!("{PLUGIN}\0")), "as its caller named it");
    let file = fs::read_link(format!("/proc/{}/exe", plugin.pid().as_raw_nonzero()));
    assert_eq!(file.expect("it runs"), Path::new(env!("CARGO_BIN_EXE_ssmport")));
    plugin.signal(Signal::KILL);
    plugin.finish();
}

#[test]
fn each_says_whose_it_is() {
    let mut plugin = command(PLUGIN);
    plugin.arg("--ssmport-version");
    let ours = format!("ssmport {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Program::run(plugin).success(), ours);

    let program = Path::new(env!("CARGO_BIN_EXE_ssmport"));
    let said = version(program);
    let (name, build) = said.split_once(" (").expect("a build");
    assert_eq!(format!("{name}\n"), ours);
    assert!(build.contains(env::consts::ARCH) && build.ends_with(")\n"), "{said}");
    let mut short = command(program);
    short.arg("-V");
    assert_eq!(Program::run(short).success(), ours);
}

fn version(program: &Path) -> String {
    let mut program = command(program);
    program.arg("--version");
    Program::run(program).success()
}

const PLUGIN: &str = env!("CARGO_BIN_EXE_session-manager-plugin");
