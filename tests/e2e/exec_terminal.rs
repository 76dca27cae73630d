//! `ssmport exec -t`: a command on a real terminal.

use std::process::Command;

use super::support::{Tmux, await_gone, await_running, command, mark};

#[test]
fn keys_are_for_the_command_and_its_exit_code_is_ours() {
    let terminal = start(&["sh", "-c", "read line; echo \"<$line>\"; exit 7"]);
    terminal.type_line("typed ahead");
    assert_eq!(terminal.finish_restored(), 7);
    // Whether the key behind it was echoed here or there decides where its line begins.
    let screen = terminal.wait_for(|screen| screen.contains("<typed ahead>"));
    assert!(!screen.contains("ssmport"), "{screen}");
}

#[test]
fn ctrl_c_ends_a_command_that_lets_it() {
    let mark = mark();
    let terminal = start(&["sleep", &mark]);
    await_running(&mark);
    terminal.press("C-c");
    assert_eq!(terminal.finish_restored(), 130);
    await_gone(&mark);
}

#[test]
fn a_command_that_lives_on_after_ctrl_c_keeps_its_session() {
    let terminal =
        start(&["sh", "-c", "trap 'echo caught' INT; echo ready; read a; read b; exit 5"]);
    terminal.wait_for_line("ready");
    terminal.press("C-c");
    terminal.wait_for(|screen| screen.contains("caught"));
    terminal.press("Enter");
    terminal.press("Enter");
    assert_eq!(terminal.finish_restored(), 5);
}

#[test]
fn the_command_finds_a_terminal_of_the_right_size_that_echoes() {
    let terminal = start(&["sh", "-c", "stty size; stty -a | grep -o ' echo '; read key"]);
    terminal.wait_for_line("30 100");
    terminal.wait_for_line(" echo");
    terminal.press("Enter");
    assert_eq!(terminal.finish_restored(), 0);
}

fn start(words: &[&str]) -> Tmux {
    let mut ssmport: Command = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["exec", "-t", "local", "--"]).args(words);
    Tmux::start(&ssmport, 100, 30)
}
