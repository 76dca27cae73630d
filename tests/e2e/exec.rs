//! `ssmport exec`: a command's output, its exit code, and its end.

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit};

use super::support::{
    Finished, Program, Signal, await_gone, await_running, command, file_digest, in_shell, mark,
};

/// A script's `&` ignores them, `nohup` another one; on the node that is nobody's wish.
#[test]
fn signals_that_are_ignored_here_are_heeded_on_the_node() {
    for signal in ["INT", "QUIT", "HUP"] {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(["exec", "local", "--", "sh", "-c"]);
        exec.arg(format!("kill -{signal} $$; echo goes on"));
        let ran = Program::run(in_shell(&format!("trap '' {signal}; exec \"$@\""), &exec));
        assert_eq!((ran.code(), &*ran.stdout), (255, ""), "{signal}: {ran:#?}");
    }
}

#[test]
fn the_exit_code_is_the_commands_own() {
    for code in [0, 1, 7, 127, 255] {
        let script = format!("exit {code}");
        for terminal in [&[][..], &["-t"]] {
            let ended = exec(terminal, &["sh", "-c", &script]);
            assert_eq!(ended.code(), code, "{terminal:?} {ended:?}");
            assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""), "{terminal:?}");
        }
    }
}

#[test]
fn a_command_that_a_signal_ends_is_told_of() {
    let ended = exec(&[], &["sh", "-c", "kill -KILL $$"]);
    assert_eq!(ended.code(), 255);
    assert_eq!(ended.stderr, "ssmport: the command was ended by a signal\n");
    // On a terminal it is the node's shell that tells.
    let ended = exec(&["-t"], &["sh", "-c", "kill -KILL $$"]);
    assert_eq!(ended.code(), 128 + 9);
}

#[test]
fn both_outputs_stay_apart() {
    let script = "echo out; echo err >&2; echo more; echo again >&2; exit 3";
    let ended = exec(&[], &["sh", "-c", script]);
    assert_eq!(ended.code(), 3);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("out\nmore\n", "err\nagain\n"));
    let ended = exec(&["-t"], &["sh", "-c", script]);
    assert_eq!(ended.code(), 3);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("out\r\nerr\r\nmore\r\nagain\r\n", ""));
}

/// A short command is over before its output could be lost on the way to a slow reader.
#[test]
fn the_output_of_a_short_command_is_never_lost() {
    for _ in 0..20 {
        for terminal in [&[][..], &["-t"]] {
            let ended = exec(terminal, &["printf", "%s", "all of it"]);
            let came = (ended.code(), &*ended.stdout, &*ended.stderr);
            assert_eq!(came, (0, "all of it", ""), "{terminal:?}");
        }
    }
}

/// What the embedded agent starts has its limits: no core for keys to be found in, neither in a file nor,
/// which takes one byte and not none, piped to a program; and room for many connections.
#[test]
fn no_core_and_many_descriptors() {
    let mut shell = command("sh");
    let script = r#"ulimit -c unlimited; ulimit -S -n 200
        exec "$0" exec local -- sh -c 'ulimit -S -n
        sed -n "s/Max core file size *//p" /proc/self/limits'"#;
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport")]);
    let ended = Program::run(shell);
    let most = getrlimit(Resource::Nofile).maximum.map_or(8192, |most| most.min(8192));
    let (code, lines) = (ended.code(), ended.stdout.lines().collect::<Vec<_>>());
    assert!(lines[1].starts_with("1 "), "{lines:?}");
    assert_eq!((code, lines[0]), (0, &*most.to_string()), "{}", ended.stderr);
}

#[test]
fn arguments_arrive_as_they_are_typed() {
    let arguments = [
        "",
        " ",
        "a b",
        "  two  ",
        "'",
        "\"",
        "'\"'\"'",
        "a'b\"c",
        "$HOME",
        "${HOME}",
        "$(id)",
        "`id`",
        "$$",
        "\\",
        "\\\\",
        "\\n",
        "a\\ b",
        "a\nb",
        "\n",
        "\t",
        "\r",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "~",
        "~/x",
        "#",
        "!",
        "!!",
        "&",
        "&&",
        ";",
        "|",
        ">",
        "<",
        ">x",
        "(",
        ")",
        "=",
        "a=b",
        "%s",
        "%",
        "-",
        "--",
        "-n",
        "--help",
        "-t",
        "^",
        "ü",
        "世界",
        "😀",
        "e\u{301}",
        "\u{1b}[1m",
        "\u{7f}",
        "\u{a0}",
        "\u{2028}",
    ];
    // One to a line, in a form of its own.
    let script =
        r#"for argument; do printf '%s' "$argument" | od -An -v -tx1 | tr -d ' \n'; echo; done"#;
    let expected: Vec<String> = arguments
        .iter()
        .map(|argument| argument.bytes().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let words = [&["sh", "-c", script, "sh"][..], &arguments].concat();
    for terminal in [&[][..], &["-t"]] {
        let ended = exec(terminal, &words);
        assert_eq!(ended.code(), 0, "{terminal:?} {ended:?}");
        let arrived: Vec<&str> = ended.stdout.split('\n').map(str::trim_end).collect();
        assert_eq!(arrived[..arguments.len()], expected, "{terminal:?}");
    }
}

#[test]
fn a_command_that_cannot_start_says_why() {
    let ended = exec(&[], &["no-such-command-anywhere"]);
    assert_eq!(ended.code(), 127, "{ended:?}");
    assert!(ended.stderr.contains("\"no-such-command-anywhere\""), "{ended:?}");
    assert!(ended.stderr.contains("not found"), "{ended:?}");

    let ended = exec(&["-t"], &["no-such-command-anywhere"]);
    assert_eq!(ended.code(), 127, "{ended:?}");
    assert!(ended.stdout.contains("no-such-command-anywhere"), "{ended:?}");

    // Who meant a line of shell is told how to have one.
    let ended = exec(&["-t"], &["echo two words"]);
    assert_eq!(ended.code(), 127, "{ended:?}");
    assert!(ended.stderr.contains("sh -c 'echo two words'"), "{ended:?}");
}

#[test]
fn large_output_is_whole_and_takes_little_memory() {
    const MIB: usize = 100;
    let folder = tempfile::TempDir::new().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let line = "0123456789 abcdefghijklmnopqrstuvwxyz äöü 世界 😀 ........\n";
    let block: String = line.chars().cycle().take(1 << 16).collect();
    let mut file = fs::File::create(&source).unwrap();
    let mut written = 0;
    while written < MIB << 20 {
        // Blocks that differ.
        written += file.write(format!("{written:x}{block}").as_bytes()).unwrap();
    }
    drop(file);
    let mark = mark();
    let script = format!("cat {}; echo done >&2; exec sleep {mark}", source.display());
    let mut shell = command("sh");
    shell.args(["-c", r#"exec "$0" exec local -- sh -c "$1" >"$2""#]);
    shell.args([env!("CARGO_BIN_EXE_ssmport"), &script]).arg(&target);
    let ssmport = Program::start(shell);
    ssmport.wait_for_stderr(|line| line == "done");
    let memory = ssmport.peak_memory();
    assert!(memory < 40 << 20, "{} MiB at the most", memory >> 20);
    await_running(&mark);
    ssmport.signal(Signal::INT);
    assert_eq!(ssmport.finish().code(), 130);
    assert_eq!(file_digest(&target), file_digest(&source));
}

#[test]
fn a_reader_that_is_slow_gets_everything() {
    let folder = tempfile::TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    Program::run(with(command("mkfifo"), &fifo)).success();
    let mut shell = command("sh");
    // More than pipes hold, less than ssmport does: the session is over long before it is read.
    shell.args(["-c", r#""$0" exec local -- seq 100000 >"$1"; echo "code $?" >&2"#]);
    shell.arg(env!("CARGO_BIN_EXE_ssmport")).arg(&fifo);
    let shell = Program::start(shell);
    let mut reader = fs::File::open(&fifo).unwrap();
    let mut text = String::new();
    (&mut reader).take(100).read_to_string(&mut text).unwrap();
    // Longer than anything that is given time at a session's end.
    std::thread::sleep(Duration::from_millis(2500));
    reader.read_to_string(&mut text).unwrap();
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
    assert_eq!(shell.finish().stderr, "code 0\n");
}

#[test]
fn a_reader_that_had_enough_ends_it_quickly_and_in_silence() {
    for terminal in ["", "-t"] {
        let mut shell = command("sh");
        let script = r#"{ "$0" exec $1 local -- seq 100000000; echo "code $?" >&2; } | head -n 1"#;
        shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport"), terminal]);
        let before = Instant::now();
        let ended = Program::run(shell);
        assert_eq!(ended.stdout.trim_end(), "1", "{ended:?}");
        assert_eq!(ended.stderr, "code 141\n");
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    }
}

#[test]
fn a_full_disk_is_a_local_failure() {
    for count in ["1", "1000000"] {
        for terminal in ["", "-t"] {
            let mut shell = command("sh");
            let script = r#"exec "$0" exec $1 local -- seq $2 >/dev/full"#;
            shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport"), terminal, count]);
            let ended = Program::run(shell);
            assert_eq!(ended.code(), 5, "{count} {terminal}: {ended:?}");
            let said = "ssmport: cannot write what was received\n  No space left on device";
            assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
        }
    }
}

#[test]
fn ctrl_c_interrupts_the_command() {
    let mark = mark();
    let running = start(&[], &["sleep", &mark]);
    await_running(&mark);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!((ended.code(), &*ended.stdout, &*ended.stderr), (130, "", ""));
    await_gone(&mark);

    // What a command still says then is heard.
    let script = format!("trap 'echo cleaned up; exit 9' INT; sleep {mark} >/dev/null 2>&1 & wait");
    let running = start(&[], &["sh", "-c", &script]);
    await_running(&mark);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!((ended.code(), &*ended.stdout), (130, "cleaned up\n"));
    await_gone(&mark);
}

#[test]
fn a_second_ctrl_c_ends_it_even_if_the_command_ignores_the_first() {
    let mark = mark();
    let script = format!("trap 'echo ignored' INT; while :; do sleep {mark}; done");
    let running = start(&[], &["sh", "-c", &script]);
    await_running(&mark);
    let before = Instant::now();
    running.signal(Signal::INT);
    running.wait_for_stdout(|line| line == "ignored");
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!((ended.code(), &*ended.stderr), (130, ""));
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    await_gone(&mark);
}

#[test]
fn signals_of_a_parent_end_the_command() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        for terminal in [&[][..], &["-t"]] {
            // On a terminal SIGQUIT is a key.
            if signal == Signal::QUIT && !terminal.is_empty() {
                continue;
            }
            let mark = mark();
            let running = start(terminal, &["sleep", &mark]);
            await_running(&mark);
            running.signal(signal);
            assert_eq!(running.finish().code(), code, "{terminal:?}");
            await_gone(&mark);
        }
    }
}

fn start(options: &[&str], words: &[&str]) -> Program {
    Program::start(exec_command(options, words))
}

fn exec(options: &[&str], words: &[&str]) -> Finished {
    Program::run(exec_command(options, words))
}

fn exec_command(options: &[&str], words: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.arg("exec").args(options).args(["local", "--"]).args(words);
    ssmport.stdin(Stdio::null());
    ssmport
}

fn with(mut command: Command, argument: impl AsRef<std::ffi::OsStr>) -> Command {
    command.arg(argument);
    command
}
