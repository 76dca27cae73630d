//! `record` of the configuration files: who asks for recordings, and who demands them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{Finished, Program, Tmux, command, in_shell};

/// A machine with its file, and a user with his own.
struct Machine(TempDir);

impl Machine {
    fn with(machine: &str, own: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let root = folder.path().to_str().expect("text");
        for (name, text) in [("machine.toml", machine), ("own.toml", own)] {
            fs::write(folder.path().join(name), text.replace("ROOT", root)).expect(name);
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ssmport(&self, arguments: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments).env("TERM", "dumb");
        ssmport.env("SSMPORT_CONFIG", self.path("own.toml"));
        ssmport.env("SSMPORT_SYSTEM_CONFIG", self.path("machine.toml"));
        ssmport
    }

    /// A shell in which somebody says something and leaves.
    fn shell(&self, options: &[&str]) -> Finished {
        let shell = self.ssmport(&[&["shell", "local"], options].concat());
        Program::run(in_shell("echo 'echo \"$((6 * 7))7\"; exit' | \"$@\"", &shell))
    }

    fn recordings(&self, folder: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        files.map(|file| file.path()).collect()
    }
}

#[track_caller]
fn holds_it(file: &Path) {
    let text = fs::read_to_string(file).expect("a recording");
    assert!(text.contains("427"), "{text}");
    let mode = fs::metadata(file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", file.display());
}

#[test]
fn each_terminal_has_a_recording_of_its_own() {
    let machine = Machine::with("", "[defaults]\nrecord = \"ROOT/own/rec\"\n");
    assert_eq!(machine.shell(&[]).code(), 0);
    let files = machine.recordings("own/rec");
    let [file] = &files[..] else { panic!("{files:?}") };
    holds_it(file);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let parts: Vec<_> = name.strip_suffix(".cast").expect("a suffix").split('-').collect();
    assert!(parts.len() == 3 && parts[0].ends_with('Z') && parts[1] == "local", "{name}");
    let mode = fs::metadata(machine.path("own/rec")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let played = Program::run(machine.ssmport(&["play", file.to_str().unwrap(), "--text"]));
    assert!(played.success().contains("427"));

    let exec = machine.ssmport(&["exec", "-t", "local", "--", "expr", "6", "*", "7"]);
    let terminal = Tmux::start(&exec, 80, 24);
    assert_eq!(terminal.finish_restored(), 0);
    assert_eq!(machine.recordings("own/rec").len(), 2);
    // What has no terminal has no recording.
    Program::run(machine.ssmport(&["exec", "local", "--", "true"])).success();
    assert_eq!(machine.recordings("own/rec").len(), 2);

    // A habit gives way to what is typed.
    assert_eq!(machine.shell(&["--no-record"]).code(), 0);
    let typed = machine.path("typed.cast");
    assert_eq!(machine.shell(&["--record", typed.to_str().unwrap()]).code(), 0);
    holds_it(&typed);
    assert_eq!(machine.recordings("own/rec").len(), 2);
}

#[test]
fn what_the_machine_demands_nobody_takes_away() {
    let machine = Machine::with(
        "[defaults]\nrecord = \"ROOT/all/{user}-{target}-{time}-{pid}\"\n",
        "[defaults]\nrecord = \"ROOT/own\"\n",
    );
    assert_eq!(machine.shell(&[]).code(), 0);
    let files = machine.recordings("all");
    let [file] = &files[..] else { panic!("{files:?}") };
    holds_it(file);
    assert!(!machine.path("own").exists(), "one demand is one recording");

    let refused = machine.shell(&["--no-record"]);
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert!(refused.stderr.contains("machine.toml, line 2, demands one"), "{refused:#?}");
    let refused =
        Program::run(machine.ssmport(&["exec", "-t", "--no-record", "local", "--", "true"]));
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert_eq!(machine.recordings("all").len(), 1, "and nothing has run");

    let typed = machine.path("typed.cast");
    assert_eq!(machine.shell(&["--record", typed.to_str().unwrap()]).code(), 0);
    holds_it(&typed);
    let files = machine.recordings("all");
    assert_eq!(files.len(), 2);
    files.iter().for_each(|file| holds_it(file));

    let shown = Program::run(machine.ssmport(&["config"])).success();
    let line = shown.lines().find(|line| line.starts_with("defaults.record")).expect("a line");
    assert!(line.contains("/all/") && line.ends_with("machine.toml:2"), "{shown}");
}

/// As where the disk is full: a habit is told at the end, a demand ends the session.
#[test]
fn what_must_be_recorded_and_cannot_is_not_shown_either() {
    let record = "[defaults]\nrecord = \"ROOT/rec\"\n";
    for (machine, own, is_demanded) in [(record, "", true), ("", record, false)] {
        let machine = Machine::with(machine, own);
        let script = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";
        let shell = in_shell(script, &machine.ssmport(&["shell", "local"]));
        let terminal = Tmux::start(&shell, 80, 24);
        terminal.wait_for_prompt();
        terminal.type_line("seq 2000; echo all of it; read -r line");
        if !is_demanded {
            terminal.wait_for_line("all of it");
            terminal.type_line("");
            terminal.type_line("exit");
        }
        assert_eq!(terminal.finish_restored(), 5);
        let reason = if is_demanded { "recorded any more" } else { "File too large" };
        terminal.wait_for(|screen| screen.replace('\n', "").contains(reason));
    }
}

#[test]
fn without_a_recording_there_is_no_session() {
    for (machine, own) in
        [("record = \"/proc/nowhere\"\n", ""), ("", "record = \"/proc/nowhere\"\n")]
    {
        let defaults = |text: &str| format!("[defaults]\n{text}");
        let machine = Machine::with(&defaults(machine), &defaults(own));
        let refused = machine.shell(&[]);
        assert_eq!(refused.code(), 5, "{refused:#?}");
        assert!(refused.stderr.contains("cannot make the folder /proc/nowhere"), "{refused:#?}");
        assert!(refused.stderr.contains(".toml, line 2, wants it recorded there"), "{refused:#?}");
        assert!(!refused.stdout.contains("427"), "{refused:#?}");
    }
}
