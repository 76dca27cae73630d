//! What a session leaves of the terminal when it ends in the middle of something, and what is said
//! meanwhile.

use std::{fs, process::Command};

use rustix::process::{Pid, kill_process};
use serde_json::json;

use super::support::{
    Endpoint, NODE, Plugin, Signal, Tmux, await_running, await_that, command, in_shell, mark,
};

const COLS: u16 = 100;
const ROWS: u16 = 30;
/// As an editor sets it up: a screen of its own, the mouse, keys, pasting, no cursor.
const EDITOR: &str = r"printf '\033[?1049h\033[?1000h\033[?1006h\033[?2004h\033[?1h\033=\033[?25l'";

fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}

#[test]
fn a_session_that_ends_in_an_editor_leaves_the_screen_as_it_was() {
    let endpoint = Endpoint::start();
    for is_plugin in [false, true] {
        for end in ["escape", "signal"] {
            let program = match is_plugin {
                true => Plugin::session(&endpoint, &json!({ "Target": NODE })).1,
                false => ssmport(&["shell", "local"]),
            };
            let terminal = Tmux::start(&program, COLS, ROWS);
            terminal.wait_for_prompt();
            let before = terminal.modes();
            let mark = mark();
            terminal.type_line(&format!("{EDITOR}; sleep {mark}"));
            await_running(&mark);
            let editor = "screen 1 mouse 11 cursor 0 keys 11";
            await_that("the editor has the screen", || terminal.modes() == editor);
            match end {
                "escape" => terminal.type_text("\r~."),
                _ => terminal.signal(Signal::TERM),
            }
            terminal.finish_restored();
            assert_eq!(terminal.modes(), before, "{end} {program:?}");
        }
    }
}

/// The modes are the terminal's all the same, by way of a program that copies the output there.
#[test]
fn so_does_one_whose_output_is_piped() {
    let endpoint = Endpoint::start();
    let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    for program in [ssmport(&["shell", "local"]), plugin] {
        let terminal = Tmux::start(&in_shell(r#""$@" | cat"#, &program), COLS, ROWS);
        terminal.wait_for_prompt();
        let (before, mark) = (terminal.modes(), mark());
        terminal.type_line(&format!("{EDITOR}; sleep {mark}"));
        await_running(&mark);
        let editor = "screen 1 mouse 11 cursor 0 keys 11";
        await_that("the editor has the screen", || terminal.modes() == editor);
        terminal.type_text("\r~.");
        terminal.finish_restored();
        assert_eq!(terminal.modes(), before, "{program:?}");
    }
}

/// Most people who pipe the output of a shell want to keep a copy of it.
#[test]
fn with_its_output_piped_a_shell_has_the_size_of_the_terminal_and_its_changes() {
    let endpoint = Endpoint::start();
    let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    for program in [ssmport(&["shell", "local"]), plugin] {
        let script = r#""$@" 2>&1 | cat"#;
        let terminal = Tmux::start(&in_shell(script, &program), COLS, ROWS);
        terminal.wait_for_prompt();
        assert_eq!(terminal.answer_to("stty size"), [format!("{ROWS} {COLS}")]);
        terminal.resize(72, 20);
        await_that("the new size arrives", || terminal.answer_to("stty size") == ["20 72"]);
        terminal.type_line("exit");
        terminal.finish_restored();
    }
}

#[test]
fn what_is_said_waits_for_a_program_that_has_the_whole_screen() {
    let mut shell = ssmport(&["-v", "shell", "local"]);
    shell.env("SSMPORT_LOCAL_FAULTS", "cut=3s");
    let terminal = Tmux::start(&shell, COLS, ROWS);
    // Whatever is said behind the prompt.
    terminal.wait_for(|screen| screen.contains(['$', '#']));
    terminal
        .type_line(r"printf '\033[?1049h\033[H\033[2JFULL\n'; sleep 5; echo LEAVING; read -r go");
    let screen = terminal.wait_for_line("LEAVING");
    let shown: Vec<&str> = screen.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(shown, ["FULL", "LEAVING"]);
    terminal.press("Enter");
    terminal.type_line(r"printf '\033[?1049l'");
    terminal.wait_for(|screen| screen.contains("resumed"));
    terminal.type_line("exit");
    terminal.finish_restored();
}

/// Nobody is asked at a SIGKILL.
#[test]
fn the_line_mode_comes_back_after_a_kill() {
    let endpoint = Endpoint::start();
    let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    for program in [ssmport(&["shell", "local"]), plugin] {
        // A shell without a line editor leaves the terminal as it finds it.
        let script = r#"sh -c 'echo $$ >"$PID"; exec "$@"' sh "$@"
            until stty -a | grep -q ' icanon'; do sleep 0.05; done"#;
        let mut shell = in_shell(script, &program);
        let folder = tempfile::TempDir::new().unwrap();
        shell.env("PID", folder.path().join("pid"));
        let terminal = Tmux::start(&shell, COLS, ROWS);
        terminal.wait_for_prompt();
        let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        terminal.finish_restored();
    }
}

/// A command of the drop-in's has no terminal at its other end that would return the carriage.
#[test]
fn a_command_of_the_drop_ins_leaves_the_ends_of_lines_to_our_terminal() {
    let endpoint = Endpoint::start();
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": {
            "command": ["sh -c 'echo one; echo two >&2; exit 3'"],
            "separateOutputStream": ["true"],
        },
    });
    let (_, plugin) = Plugin::session(&endpoint, &request);
    let terminal = Tmux::start(&plugin, COLS, ROWS);
    terminal.finish_restored();
    let screen = terminal.wait_for_line("EXIT_CODE: 3");
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines.windows(3).any(|lines| lines == ["one", "two", "EXIT_CODE: 3"]), "{screen}");
}
