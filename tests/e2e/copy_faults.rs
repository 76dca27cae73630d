//! `ssmport cp` while connections break and messages are lost: what comes is right.

use std::{fs, time::Duration};

use tempfile::TempDir;

use super::{
    copy_files::{cp, each_way, noise},
    support::{Endpoint, NODE, Program, REGION, command},
};

#[test]
fn files_and_folders_are_right_under_faults() {
    for faults in [
        "cut=700ms,rate=8MB,seed=1",
        "drop=1%,dup=1%,reorder=1%,seed=2",
        "agent-cut=500ms,rate=8MB,seed=3",
        "pause=700ms/200ms,seed=4",
    ] {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let bytes = noise(5_000_000);
        fs::create_dir(at("tree")).unwrap();
        fs::write(at("tree/file"), &bytes).unwrap();
        for (words, copy) in each_way(folder.path()) {
            let mut ssmport = cp();
            ssmport.env("SSMPORT_LOCAL_FAULTS", faults).args(&words);
            let said = Program::run_within(PATIENCE, ssmport);
            assert_eq!(said.code(), 0, "{faults} {words:?} {said:?}");
            assert!(fs::read(at(copy)).unwrap() == bytes, "{faults} {words:?}");
        }
    }
}

/// The real agent's habits: it paces ports and terminals, and stops reading a command's output for good.
#[test]
fn the_real_agents_habits_are_lived_with() {
    let endpoint = Endpoint::with(&[
        "--quirks",
        "real",
        "--pace",
        "real",
        "--faults",
        "pause=4s/300ms,seed=5",
    ]);
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // Of more, several tries would each end in a pause.
    let bytes = noise(3_000_000);
    fs::write(at("source"), &bytes).unwrap();
    for words in [
        [format!("{NODE}:{}", at("source")), at("down")],
        [at("source"), format!("{NODE}:{}", at("up"))],
    ] {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["cp", "--endpoint-url", &endpoint.url, "--region", REGION]).args(&words);
        ssmport.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let said = Program::run_within(PATIENCE, ssmport);
        assert_eq!(said.code(), 0, "{words:?} {said:?}");
    }
    for way in ["down", "up"] {
        assert!(fs::read(at(way)).unwrap() == bytes, "{way}");
    }
}

/// A session more than there may be is done without.
#[test]
fn fewer_sessions_than_were_wanted_will_do() {
    let endpoint = Endpoint::with(&["--faults", "throttle=1"]);
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let bytes = noise(34_000_000);
    fs::write(at("source"), &bytes).unwrap();
    let mut ssmport = cp();
    ssmport.args(["--endpoint-url", &endpoint.url, "--region", REGION, "--sessions", "4"]);
    ssmport.args([format!("{NODE}:{}", at("source")), at("down")]);
    ssmport.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let said = Program::run_within(PATIENCE, ssmport);
    assert_eq!(said.code(), 0, "{said:?}");
    assert!(fs::read(at("down")).unwrap() == bytes);
}

const PATIENCE: Duration = Duration::from_secs(120);
