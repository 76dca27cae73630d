//! `ssmport shell --record`, and `ssmport play`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, Signal, Tmux, await_that, command, in_shell};

fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}

/// A shell in which this is typed, recorded into `file`.
fn recorded(file: &Path, typed: &str, options: &[&str]) {
    let shell = ["shell", "local", "--record", file.to_str().expect("text")];
    let shell = ssmport(&[&shell, options].concat());
    let mut shell = in_shell("printf '%b' \"$TYPED\" | \"$@\"", &shell);
    shell.env("TYPED", typed).env("TERM", "dumb");
    let ended = Program::run(shell);
    assert_eq!(ended.code(), 0, "{ended:#?}");
}

/// The events behind the header.
fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("a recording");
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let header = lines.next().expect("a header");
    assert_eq!((&header["version"], &header["title"]), (&2.into(), &"local".into()), "{header}");
    lines.collect()
}

fn shown(events: &[Value]) -> String {
    let shown = events.iter().filter(|event| event[1] == "o");
    shown.map(|event| event[2].as_str().expect("a text")).collect()
}

#[test]
fn a_shell_is_recorded_and_played_again() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    let typed = "PS1=; stty -echo\\necho begin; printf '\\\\303\\\\274\\\\n'; echo \"$((6 * 7))7\"; exit\\n";
    recorded(&file, typed, &[]);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let events = events(&file);
    let text = shown(&events);
    assert!(text.contains("begin\r\n\u{fc}\r\n427\r\n"), "{text:?}");
    assert!(events.iter().all(|event| event[1] != "i"), "what is typed is nobody's business");
    let times: Vec<_> = events.iter().map(|event| event[0].as_f64().expect("a time")).collect();
    assert!(times.is_sorted() && times[0] >= 0.0, "{times:?}");

    let file = file.to_str().expect("text");
    let played = Program::run(ssmport(&["play", file, "--speed", "1000"])).success();
    assert_eq!(played, text);
    let plain = Program::run(ssmport(&["play", file, "--text"])).success();
    assert!(plain.contains("begin\n\u{fc}\n427\n"), "{plain:?}");
    // Nothing is written over.
    let again = Program::run(ssmport(&["shell", "local", "--record", file]));
    assert!(again.code() == 5 && again.stderr.contains("give another name"), "{again:#?}");
    assert_eq!(shown(&self::events(Path::new(file))), text);
}

/// By those whose format it is.
#[cfg(feature = "aws")]
#[test]
fn asciinema_reads_it() {
    use crate::support::{missing, without};
    if without("asciinema") {
        return;
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let asciinema = tools.join("asciinema/bin/asciinema");
    if !asciinema.exists() {
        missing("asciinema");
    }
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    recorded(&file, "PS1=; echo \"$((6 * 7))7\"; printf '\\377\\n'; exit\\n", &[]);
    let mut cat = command(asciinema);
    cat.arg("cat").arg(&file).env("ASCIINEMA_CONFIG_HOME", folder.path());
    assert_eq!(Program::run(cat).success(), shown(&events(&file)));
}

#[test]
fn what_is_typed_is_recorded_if_that_is_wanted() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    recorded(&file, "echo typed; exit\\n", &["--record-input"]);
    let typed = events(&file).into_iter().filter(|event| event[1] == "i");
    let typed: String = typed.map(|event| event[2].as_str().expect("a text").to_owned()).collect();
    assert_eq!(typed, "echo typed; exit\n");
}

#[test]
fn a_terminals_sizes_are_recorded_and_what_a_crash_leaves_is_whole() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    let path = file.to_str().expect("text");
    let terminal = Tmux::start(&ssmport(&["shell", "local", "--record", path]), 80, 24);
    await_that("it is recorded", || file.exists() && !events(&file).is_empty());
    terminal.type_line("echo before$((1 + 1))");
    await_that("it is shown", || shown(&events(&file)).contains("before2\r\n"));
    terminal.resize(100, 30);
    await_that("the size is recorded", || {
        events(&file).iter().any(|event| event[1] == "r" && event[2] == "100x30")
    });
    drop(terminal);
    assert!(shown(&events(&file)).contains("before2\r\n"));

    // A last line that is not whole, as of a machine that went down.
    let text = fs::read_to_string(&file).expect("a recording");
    fs::write(&file, text + "[99.0,\"o\",\"lo").expect("a file");
    let played = Program::run(ssmport(&["play", path, "--text"]));
    assert_eq!(played.code(), 0, "{played:#?}");
    assert!(played.stdout.contains("before2\n"), "{played:#?}");
    assert!(played.stderr.contains("it breaks off in line "), "{played:#?}");
}

#[test]
fn what_cannot_be_recorded_or_played_is_told() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    let path = file.to_str().expect("text");
    for (arguments, code, part) in [
        (
            &["shell", "local", "--record", "/nowhere/cast"][..],
            5,
            "cannot record into /nowhere/cast",
        ),
        (&["shell", "local", "--record-input"], 2, "--record"),
        (&["play", "/nowhere/cast"], 5, "cannot play /nowhere/cast"),
        (&["play", "/dev/null"], 5, "no recording of asciinema's version 2"),
        (&["play", path, "--speed", "0"], 2, "not a number from 0.01"),
        (&["play", path, "--idle", "0"], 2, "no pause at all would be left"),
        (&["play", path, "--idle", "soon"], 2, "not a time such as 0.5, 2s or 500ms"),
        (&["play", path, "--speed", "2", "--text"], 2, "cannot be used with"),
    ] {
        let mut ssmport = ssmport(arguments);
        ssmport.stdin(Stdio::null());
        let ended = Program::run(ssmport);
        assert!(ended.code() == code && ended.stderr.contains(part), "{arguments:?}: {ended:#?}");
    }
    // Without a session there is no recording.
    let shell = ["shell", "local", "--document", "No-Such-Document", "--record", path];
    assert_eq!(Program::run(ssmport(&shell)).code(), 3);
    assert!(!file.exists());

    // Somebody who has seen enough.
    let header = r#"{"version":2,"width":80,"height":24}"#;
    fs::write(&file, format!("{header}\n[0.1,\"o\",\"a\\n\"]\n[9999,\"o\",\"b\"]\n"))
        .expect("a file");
    let play = Program::start(ssmport(&["play", path]));
    play.wait_for_stdout(|line| line == "a");
    play.signal(Signal::INT);
    assert_eq!(play.finish().code(), 130);
    for idle in ["1s", "0.5", "500ms"] {
        let play = Program::run(ssmport(&["play", path, "--idle", idle]));
        assert_eq!(play.success(), "a\nb");
    }
}

#[test]
fn other_versions_are_told_with_what_makes_the_second_of_them() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    for (version, recording) in [
        (3, "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[0.1,\"o\",\"a\"]\n"),
        (1, "{\"version\":1,\"width\":80,\"height\":24,\"stdout\":[[0.1,\"a\"]]}\n"),
        (1, "{\n  \"version\": 1,\n  \"width\": 80,\n  \"height\": 24\n}\n"),
    ] {
        fs::write(&file, recording).expect("a file");
        let played = Program::run(ssmport(&["play", file.to_str().expect("text")]));
        assert_eq!((played.code(), &*played.stdout), (5, ""), "{played:#?}");
        let why = format!("it is of asciinema's version {version}, and version 2 can be played");
        assert!(played.stderr.contains(&why), "{played:#?}");
        assert!(played.stderr.contains("asciinema convert -f asciicast-v2 "), "{played:#?}");
    }
}

/// Three lines, with hours between them.
fn slow(file: &Path) {
    let header = r#"{"version":2,"width":80,"height":24}"#;
    let events = ["first", "second", "third"].iter().zip([0.1, 9999.0, 19999.0]);
    let events = events.map(|(line, at)| format!("[{at:?},\"o\",\"{line}\\r\\n\"]\n"));
    fs::write(file, format!("{header}\n{}", events.collect::<String>())).expect("a file");
}

#[test]
fn keys_rule_the_playing_and_none_is_left_for_the_shell() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    slow(&file);
    let mut outer = command("sh");
    outer.arg("-i").env("SSMPORT", env!("CARGO_BIN_EXE_ssmport")).env("CAST", &file);
    let terminal = Tmux::start(&outer, 80, 24);
    terminal.wait_for_prompt();
    terminal.type_line("PS1='outer> '");
    let is_outer = |screen: &str| screen.trim_end().ends_with("outer>");
    terminal.wait_for(is_outer);
    let play = || {
        terminal.type_line("clear; $SSMPORT play $CAST");
        terminal.wait_for_line("first");
    };

    play();
    // No step without a pause; and what a terminal tells of itself is no key.
    terminal.type_line("date.");
    terminal.type_text("\u{1b}[24;80R\u{1b}]11;rgb:00/q\u{7}");
    terminal.type_text(" .");
    let screen = terminal.wait_for_line("second");
    assert!(!screen.contains("third") && !screen.contains("date"), "{screen}");
    terminal.press("C-z");
    terminal.wait_for(|screen| screen.contains("Stopped") && is_outer(screen));
    terminal.type_line("clear; stty -a | grep -ow -- '-*icanon'");
    terminal.wait_for_line("icanon");
    terminal.type_line("fg");
    // The shell says what goes on.
    terminal.wait_for(|screen| screen.contains("CAST"));
    terminal.type_text(".");
    let screen = terminal.wait_for(|screen| screen.contains("third") && is_outer(screen));
    assert!(!screen.contains("not found"), "{screen}");

    for (key, code) in [("q", "code0"), ("C-c", "code130")] {
        play();
        terminal.press(key);
        terminal.wait_for(is_outer);
        terminal.type_line("echo code$?; stty -a | grep -ow -- '-*icanon'");
        terminal.wait_for_line(code);
        terminal.wait_for_line("icanon");
    }
}

#[test]
fn the_terminal_is_given_back_whatever_ends_the_playing() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("cast");
    slow(&file);
    let play = ssmport(&["play", file.to_str().expect("text")]);
    let terminal = Tmux::start(&play, 80, 24);
    terminal.wait_for_line("first");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.finish_restored(), 143);
    // Paused, and with the screen and the mouse switched on.
    let text = fs::read_to_string(&file).expect("a recording");
    fs::write(&file, text.replace("first", "\\u001b[?1049h\\u001b[?1000hfirst")).expect("a file");
    let terminal = Tmux::start(&play, 80, 24);
    terminal.wait_for_line("first");
    terminal.type_text(" ");
    terminal.press("C-c");
    assert_eq!(terminal.finish_restored(), 130);
    assert!(terminal.modes().starts_with("screen 0 mouse 00"), "{}", terminal.modes());
}
