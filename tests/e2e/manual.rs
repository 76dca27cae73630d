//! The manual pages.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::support::{Program, command, find_tool};

#[test]
fn pages_of_all_commands_and_topics_are_written_and_have_no_faults() {
    let folder = TempDir::new().expect("a directory");
    let manuals = folder.path().join("share/man");
    let written = ssmport_man(&manuals);
    assert!(written.stderr.contains("man -M "), "{written:#?}");
    let commands = names(&manuals.join("man1"));
    assert!(commands.contains(&"ssmport.1".to_owned()), "{commands:?}");
    assert!(commands.contains(&"ssmport-ssh-config.1".to_owned()), "{commands:?}");
    assert!(commands.contains(&"ssmport-sessions-stop.1".to_owned()), "{commands:?}");
    let topics = names(&manuals.join("man7"));
    let expected = ["environment", "exit-codes", "proxies", "targets"];
    assert_eq!(topics, expected.map(|topic| format!("ssmport-{topic}.7")));

    for (section, pages) in [("man1", &commands), ("man7", &topics)] {
        for page in pages {
            let shown = shown(&manuals.join(section).join(page));
            let widest = shown.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(80), "{widest:?}\n{shown}");
            for heading in ["NAME\n", "DESCRIPTION\n"] {
                assert!(shown.contains(heading), "{heading} in {page}:\n{shown}");
            }
        }
    }
}

#[test]
fn a_page_has_the_options_notes_and_examples_of_the_help() {
    let folder = TempDir::new().expect("a directory");
    ssmport_man(folder.path());
    let page = |name: &str| shown(&folder.path().join(name));
    let exec = page("man1/ssmport-exec.1");
    for part in [
        "exec - Run a command on a node",
        "--no-input",
        "--dead-after <TIME>",
        "SSMPORT_DEAD_AFTER",
        "NOTES\n",
        "\n  ssmport exec i-0123456789abcdef0 -- df -h /\n",
        "ssmport-exit-codes(7)",
    ] {
        assert!(exec.contains(part), "{part} in:\n{exec}");
    }
    // What means nothing to a command stays hidden.
    let demo = page("man1/ssmport-demo.1");
    assert!(demo.contains("--size") && !demo.contains("--profile"), "{demo}");
    // What is pasted must be what a shell understands, and laid out as it was.
    let man = page("man1/ssmport-man.1");
    assert!(man.contains("\n  ssmport man ~/.local/share/man\n"), "{man}");
    let shell = page("man1/ssmport-shell.1");
    assert!(shell.contains("~. ends the session"), "{shell}");
    let local = page("man1/ssmport-local.1");
    assert!(local.contains("  [users.alice]                # access keys are made"), "{local}");
    let codes = page("man7/ssmport-exit-codes.7");
    assert!(codes.contains("\n  130  Ctrl-C; any other signal"), "{codes}");
}

#[test]
fn without_a_folder_it_says_what_to_do() {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.arg("man");
    let ended = Program::run(ssmport);
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("`ssmport man ~/.local/share/man`"), "{ended:#?}");
}

#[track_caller]
fn ssmport_man(folder: &Path) -> crate::support::Finished {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.arg("man").arg(folder);
    let ended = Program::run(ssmport);
    assert_eq!(ended.code(), 0, "{ended:#?}");
    ended
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A page as a terminal of 80 columns shows it; groff has nothing to say against it.
#[track_caller]
fn shown(page: &Path) -> String {
    let mut groff = command(find_tool("groff"));
    groff.args(["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=78n"]).arg(page);
    let ended = Program::run(groff);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{page:?}");
    ended.stdout
}
