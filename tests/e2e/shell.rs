//! `ssmport shell` without a terminal: in pipes, in scripts, in cron.

use std::{fs, process::Stdio};

use super::support::{Finished, Program, Signal, await_gone, await_running, command, mark};

#[test]
fn lines_on_standard_input_are_typed_at_the_shell() {
    let ended = script("echo 'echo h''i; exit 3' | \"$0\" shell local");
    // As with ssh in a terminal: the shell's end is the session's, and the code is not told.
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("\nhi\r\n"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn without_any_input_the_shell_ends() {
    for how in ["\"$0\" shell local </dev/null", "\"$0\" shell local <&-", ": | \"$0\" shell local"]
    {
        let ended = script(how);
        assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{how}: {ended:?}");
    }
}

/// As cron has it: no terminal, not even one that could be opened.
#[test]
fn no_terminal_is_needed() {
    let ended = script("echo 'tty; stty size; exit' | setsid -w \"$0\" shell local");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{ended:?}");
    assert!(ended.stdout.contains("\n/dev/pts/"), "the remote side has one: {ended:?}");
    assert!(ended.stdout.contains("\n100 300\r\n"), "{ended:?}");
}

#[test]
fn the_end_of_the_input_does_not_cut_the_output_off() {
    // The last command still runs when the input is over, and its output is longer than what is
    // under way at a time.
    for last in ["", "exit\n"] {
        let ended = script(&format!(
            "printf 'stty -echo; PS1=\\nseq 1 200000\\n{last}' | \"$0\" shell local | grep -x '[0-9][0-9]*.' \
             | tr -d '\\r' | sha256sum; seq 1 200000 | sha256sum",
        ));
        let digests: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(digests.len(), 2, "{ended:?}");
        assert_eq!(digests[0], digests[1], "{last:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn output_can_go_to_a_file() {
    let ended = script(
        "cd \"$HOME\"; echo 'stty size; exit' | \"$0\" shell local >out 2>err; cat out; cat err >&2",
    );
    assert!(ended.stdout.contains("100 300"), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_reader_that_had_enough_ends_it_quickly_and_in_silence() {
    let ended =
        script("{ echo 'seq 100000000' | \"$0\" shell local; echo \"code $?\" >&2; } | head -n 1");
    assert_eq!(ended.stderr, "code 141\n");
}

#[test]
fn a_full_disk_is_a_local_failure() {
    let ended = script("echo 'seq 100000' | \"$0\" shell local >/dev/full");
    assert_eq!(ended.code(), 5, "{ended:?}");
    let said = "ssmport: cannot write what was received\n  No space left on device";
    assert!(ended.stderr.starts_with(said), "{ended:?}");
}

#[test]
fn signals_end_it_and_what_runs_in_it() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mark = mark();
        let shell = start(&format!(
            "cd \"$HOME\"; mkfifo in; exec 3<>in; echo 'sleep {mark}' >&3; exec \"$0\" shell local <in"
        ));
        await_running(&mark);
        shell.signal(signal);
        let ended = shell.finish();
        assert_eq!((ended.code(), &*ended.stderr), (code, ""), "{ended:?}");
        await_gone(&mark);
    }
}

/// A Ctrl-C in a pipeline is for the remote command.
#[test]
fn an_interrupt_reaches_the_remote_command() {
    let folder = tempfile::TempDir::new().unwrap();
    let input = folder.path().join("in");
    let mark = mark();
    let shell = start(&format!(
        "cd {}; mkfifo in; exec 3<>in; echo 'sleep {mark}' >&3; exec \"$0\" shell local <in",
        folder.path().display()
    ));
    await_running(&mark);
    shell.signal(Signal::INT);
    await_gone(&mark);
    fs::write(input, "echo still he''re; exit\n").unwrap();
    // Input that comes before the shell has prompted again is echoed before the prompt.
    shell.wait_for_stdout(|line| line.trim_end().ends_with("still here"));
    assert_eq!(shell.finish().code(), 0);
}

/// A line of shell in which $0 is ssmport.
fn start(line: &str) -> Program {
    let mut shell = command("sh");
    shell.args(["-c", line, env!("CARGO_BIN_EXE_ssmport")]).stdin(Stdio::null());
    Program::start(shell)
}

fn script(line: &str) -> Finished {
    start(line).finish()
}
