//! `ssmport exec`: every byte of its input and its outputs, and a command that hangs.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::support::{
    Endpoint, Finished, NODE, Program, REGION, Signal, Terminal, command, in_shell,
};

/// The real agent never sends up to three such bytes at the end, nor more than one of a U+FFFD.
#[test]
fn output_that_is_no_text_arrives_whole() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("bytes");
    let noise: Vec<u8> = (0..300_000).map(|_| rand::random()).collect();
    for bytes in [
        &b"caf\xe9"[..],
        b"\xe9\xe9\xe9",
        "a\u{fffd}b\u{fffd}".as_bytes(),
        b"\xef\xbf",
        b"\xef",
        b"\0\0\0",
        b"\x1b_ssmport-",
        b"",
        &[&b"\xef\xbf\xbd".repeat(50_000)[..], b"\xef\xbf"].concat(),
        &noise,
    ] {
        fs::write(&path, bytes).unwrap();
        for script in ["cat $1 >&2; exit 3", "cat $1; exit 3"] {
            let mut shell =
                piped(&["sh", "-c", script, "sh", path.to_str().unwrap()], folder.path());
            shell.env("SCRIPT", r#""$0" "$@" >out 2>err"#);
            assert_eq!(Program::run(shell).code(), 3);
            let [out, err] = ["out", "err"].map(|name| fs::read(folder.path().join(name)).unwrap());
            let (same, none) = if script.contains(">&2") { (err, out) } else { (out, err) };
            assert!(same == bytes, "{} of {} bytes", same.len(), bytes.len());
            assert_eq!(String::from_utf8_lossy(&none), "");
        }
    }
}

/// Where the node has no tools, a command still runs, and no output is short without a word.
#[test]
fn without_tools_on_the_node_text_is_whole_and_other_output_is_an_error() {
    let folder = tempfile::TempDir::new().unwrap();
    let only = |names: &[&str]| {
        let path = folder.path().join(names.len().to_string());
        fs::create_dir(&path).unwrap();
        for name in names {
            let mut which = command("sh");
            which.args(["-c", &format!("ln -s $(command -v {name}) {}", path.display())]);
            Program::run(which).success();
        }
        path
    };
    for path in [only(&[]), only(&["sh"]), only(&["sh", "dd", "base64", "tr", "sleep"])] {
        let run = |format: &str| {
            let mut ssmport = exec(&["/usr/bin/printf", format]);
            ssmport.env("PATH", &path);
            Program::run(ssmport)
        };
        let ended = run("text");
        assert_eq!((ended.code(), &*ended.stdout), (0, "text"), "{path:?} {}", ended.stderr);
        let ended = run("caf\\351 au lait");
        assert_eq!(ended.code(), 6, "{path:?} {ended:?}");
        assert!(ended.stderr.contains("may not be whole"), "{}", ended.stderr);
        let mut missing = exec(&["no-such-command"]);
        missing.env("PATH", &path);
        let ended = Program::run(missing);
        assert_eq!(ended.code(), 127, "{path:?} {ended:?}");
        assert!(ended.stderr.contains("no-such-command"), "{}", ended.stderr);
        let with_input = with_input("echo x |", &["cat"], &path);
        if path.ends_with("0") {
            continue;
        }
        assert_eq!(with_input.code(), 4, "{path:?} {with_input:?}");
        assert!(with_input.stderr.contains("run it without input: -n"), "{}", with_input.stderr);
    }
}

#[test]
fn standard_input_goes_to_the_command_and_ends() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path();
    let noise: Vec<u8> = (0..3_000_000).map(|_| rand::random()).collect();
    fs::write(path.join("noise"), &noise).unwrap();
    let run = |script: &str, words: &[&str]| {
        let mut shell = piped(words, path);
        shell.env("SCRIPT", script);
        Program::run(shell)
    };
    assert_eq!(run(r#"echo x | "$0" "$@""#, &["cat"]).stdout, "x\n");
    // Binary, both ways; both outputs; the command's exit code.
    let script = "cat; echo error >&2; exit 7";
    let ended = run(r#""$0" "$@" <noise >copy"#, &["sh", "-c", script]);
    assert_eq!((ended.code(), &*ended.stderr), (7, "error\n"));
    assert!(fs::read(path.join("copy")).unwrap() == noise);
    let target = path.join("target");
    fs::create_dir(&target).unwrap();
    let ended = run(r#"tar c noise | "$0" "$@""#, &["tar", "xC", target.to_str().unwrap()]);
    assert_eq!((ended.code(), ended.stderr), (0, String::new()));
    assert!(fs::read(target.join("noise")).unwrap() == noise);
    // One that wants no more than a part.
    assert_eq!(run(r#"yes | "$0" "$@""#, &["head", "-n", "1"]).stdout, "y\n");
    // A line is answered before the next one comes.
    let answers = r#"mkfifo answers; { echo a; read -r answer <answers; echo "$answer$answer"; } |
        "$0" "$@" | { read -r first; echo "$first" >answers; cat; }"#;
    assert_eq!(run(answers, &["cat"]).stdout, "aa\n");
    let missing = run(r#"echo x | "$0" "$@""#, &["no-such-command"]);
    assert_eq!(missing.code(), 127, "{missing:?}");
    assert!(missing.stderr.contains("no-such-command"), "{missing:?}");
}

/// Input that nobody has is waited for, and that of a loop is left alone on request.
#[test]
fn input_that_is_empty_or_not_wanted_is_not_read() {
    let run = |script: &str, words: &[&str]| {
        let mut shell = piped(words, Path::new("."));
        shell.env("SCRIPT", script);
        Program::run(shell)
    };
    let script =
        r#"printf '1\n2\n3\n' | while read -r id; do "$0" exec -n local -- echo "$id"; done"#;
    assert_eq!(run(script, &[]).stdout, "1\n2\n3\n");
    // Without -n the first command takes the rest, as that of ssh does.
    let script = r#"printf '1\n2\n3\n' | while read -r id; do "$0" exec local -- cat; done"#;
    assert_eq!(run(script, &[]).stdout, "2\n3\n");
    for nothing in ["</dev/null", "<&-", "< .", "3<&0"] {
        let ended = run(&format!(r#""$0" "$@" {nothing}"#), &["sh", "-c", "cat; echo over"]);
        assert_eq!((ended.code(), &*ended.stdout), (0, "over\n"), "{nothing} {ended:?}");
    }
    // A pipe that is never written to keeps no command from its end.
    let script = r#"sleep 100 | { "$0" "$@"; kill 0; }"#;
    assert_eq!(run(script, &["echo", "over"]).stdout, "over\n");
}

/// The agent's habit: it stops reading a command's output for good.
#[test]
fn a_command_that_is_stuck_is_told_of_and_ends_at_its_time_limit() {
    let endpoint =
        Endpoint::with(&["--quirks", "none,+pause-ends-output", "--faults", "pause=1s/500ms"]);
    let script = "while :; do echo line; sleep 0.1; done";
    let stuck = Program::start(at(&endpoint, &["exec", NODE, "--", "sh", "-c", script]));
    stuck.wait_for_stdout(|line| line == "line");
    let warning = stuck.wait_for_stderr(|line| line.contains("nothing has come for 10 s"));
    assert!(warning.contains("--timeout"), "{warning}");
    stuck.signal(Signal::TERM);
    assert_eq!(stuck.finish().code(), 143);

    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["exec", "--timeout", "1s", "local", "--", "sh", "-c", "echo first; sleep 100"]);
    let before = Instant::now();
    let ended = Program::run(ssmport);
    assert_eq!((ended.code(), &*ended.stdout), (124, "first\n"), "{ended:?}");
    assert!(ended.stderr.contains("--timeout"), "{}", ended.stderr);
    assert!(before.elapsed() >= Duration::from_secs(1));
}

/// The prompt that comes next begins a line.
#[test]
fn output_without_a_last_newline_gets_one_on_a_terminal_alone() {
    let mut shell = command("sh");
    shell.args([
        "-c",
        r#""$0" exec local -- printf abc; "$0" exec local -- echo def; printf prompt"#,
    ]);
    shell.arg(env!("CARGO_BIN_EXE_ssmport"));
    let (_, shown) = Terminal::start(&shell).finish();
    assert_eq!(shown, "abc\r\ndef\r\nprompt");
    let ended = Program::run(exec(&["printf", "abc"]));
    assert_eq!(ended.stdout, "abc");
}

/// A command of the real agent's, with all of its habits.
#[test]
fn input_and_output_are_whole_at_an_agent_with_every_habit() {
    let endpoint = Endpoint::with(&["--quirks", "real"]);
    let folder = tempfile::TempDir::new().unwrap();
    let noise: Vec<u8> = (0..50_000).map(|_| rand::random()).collect();
    fs::write(folder.path().join("noise"), &noise).unwrap();
    for options in ["<noise", "<noise -n"] {
        let (input, option) = options.split_once(' ').unwrap_or((options, ""));
        let file = format!("cat {}", folder.path().join("noise").display());
        let words = if option.is_empty() { "cat" } else { &file };
        let script = format!(r#""$1" exec {option} {NODE} -- {words} {input} >copy"#);
        let mut shell = in_shell(&script, &at(&endpoint, &[]));
        shell.current_dir(folder.path());
        Program::run(shell).success();
        assert!(fs::read(folder.path().join("copy")).unwrap() == noise, "{options}");
    }
}

/// `ssmport` at a service of its own.
fn at(endpoint: &Endpoint, arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    ssmport.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").args(arguments);
    ssmport
}

fn exec(words: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["exec", "local", "--"]).args(words);
    ssmport
}

/// A shell that evaluates `SCRIPT` with the command's words.
fn piped(words: &[&str], folder: &Path) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", r#"eval "$SCRIPT""#, env!("CARGO_BIN_EXE_ssmport")]);
    if !words.is_empty() {
        shell.args(["exec", "local", "--"]).args(words);
    }
    shell.current_dir(folder);
    shell
}

fn with_input(feeding: &str, words: &[&str], path: &Path) -> Finished {
    let mut shell = piped(words, Path::new("."));
    shell.env("SCRIPT", format!(r#"{feeding} PATH="{}" "$0" "$@""#, path.display()));
    Program::run(shell)
}
