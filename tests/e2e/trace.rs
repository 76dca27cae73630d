//! `--trace` and `ssmport decode`: a look at the frames of a session.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Endpoint, Plugin, Program, command, faulty, in_shell, port_request};

/// Lines of which a lost connection and lost frames become many.
const SCRIPT: &str = "seq 1 100000; sleep 0.7; echo c2VjcmV0 | base64 -d; seq 1 100000";

/// A command's session through a service that loses frames and a connection, and its trace.
fn traced(path: &Path, options: &[&str]) -> String {
    let mut exec = faulty("drop=5%,delay=5ms,cut=500ms,seed=3");
    exec.arg("--trace").arg(path).args(options).args(["-q", "exec", "local", "--"]);
    exec.args(["sh", "-c", SCRIPT]);
    Program::run(exec).success();
    fs::read_to_string(path).expect("a trace")
}

fn decode(words: &[&str], path: &Path) -> Command {
    let mut decode = command(env!("CARGO_BIN_EXE_ssmport"));
    decode.arg("decode").arg(path).args(words);
    decode
}

#[test]
fn every_frame_is_written_without_what_it_carries() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("trace");
    let trace = traced(&path, &[]);
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let lines: Vec<Value> =
        trace.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["trace"], &lines[0]["payloads"]), (&1.into(), &false.into()));
    let of = |direction: &str, kind: &str| {
        let is = |line: &&Value| line["direction"] == direction && line["kind"] == kind;
        lines.iter().filter(is).collect::<Vec<_>>()
    };
    let output = of("in", "output_stream_data");
    let acknowledged: Vec<_> =
        of("out", "acknowledge").iter().map(|line| &line["acknowledges"]).collect();
    assert!(output.iter().all(|line| acknowledged.contains(&&line["sequence"])));
    assert!(lines.iter().any(|line| line["note"] == "resumed"), "{trace}");
    assert!(lines.iter().any(|line| line["round_trip_ms"].is_number()), "{trace}");
    assert!(!trace.contains("payload\"") && !trace.contains("secret"), "{trace}");

    // In hexadecimal, where they are asked for.
    let trace = traced(&path, &["--trace-payloads"]);
    let mut lines = trace.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let is_whole = |line: &Value| {
        let digits = line["payload"].as_str().expect("a payload").len();
        line["bytes"].as_u64() == Some(digits as u64 / 2)
    };
    assert!(lines.all(|line| line["direction"].is_null() || is_whole(&line)));
}

#[test]
fn a_trace_is_told_chosen_from_and_drawn() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("trace");
    traced(&path, &[]);
    // Whoever has the variable set for all programs reads what they have written all the same.
    let mut again = decode(&[], &path);
    again.env("SSMPORT_TRACE", &path);
    let told = Program::run(again);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.len() <= 80), "{}", told.stdout);
    for part in [
        "<-  start_publication",
        "<-  output_stream_data  #0     handshake request, ",
        "->  acknowledge         #0     after ",
        "->  input_stream_data   #0     handshake response, ",
        ", copy 2",
        "--  resumed",
        "<-  channel_closed",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part} in {}", told.stdout);
    }
    for part in ["session local-", "  ->  ", " came again, 0 not acknowledged", "  round trip "] {
        assert!(told.stderr.contains(part), "{part} in {}", told.stderr);
    }

    let of_seven = Program::run(decode(&["--sequence", "7", "--direction", "in"], &path)).success();
    assert!(of_seven.lines().count() >= 1, "{of_seven}");
    assert!(of_seven.lines().all(|line| line.contains("<-") && line.contains("#7 ")), "{of_seven}");
    let late = Program::run(decode(&["--from", "0.5", "--kind", "acknow"], &path)).success();
    let time = |line: &str| line.trim_start().split(' ').next().map(str::parse::<f64>);
    assert!(late.lines().all(|line| matches!(time(line), Some(Ok(t)) if t >= 0.5)), "{late}");

    let svg = folder.path().join("trace.svg");
    let drawn = Program::run(decode(&["--svg", svg.to_str().expect("Unicode")], &path));
    assert_eq!((drawn.code(), &*drawn.stdout), (0, ""), "{drawn:#?}");
    let svg = fs::read_to_string(svg).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.matches("<circle").count() > 100, "there are no messages");
    for word in ["messages to the node", "acknowledged", "round trip, ms"] {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn what_is_no_trace_and_where_none_can_be_is_said() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("notes");
    fs::write(&path, "not a trace\n").expect("written");
    for (path, why) in [(&*path, "it is no trace"), (&folder.path().join("absent"), "No such file")]
    {
        let told = Program::run(decode(&[], path));
        assert_eq!(told.code(), 5, "{told:#?}");
        assert!(told.stderr.contains(why), "{told:#?}");
    }
    // Nothing is begun whose trace cannot be had.
    for (path, why) in [("/dev/full", "No space left"), ("/nowhere/trace", "No such file")] {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(["--trace", path, "exec", "local", "--", "echo", "ran"]);
        let told = Program::run(exec);
        assert_eq!((told.code(), &*told.stdout), (5, ""), "{told:#?}");
        assert!(told.stderr.starts_with(&format!("ssmport: cannot write the trace {path}\n")));
        assert!(told.stderr.contains(why), "{told:#?}");
    }
}

/// Two frames, a line that is none between them, and a last one that is cut off.
const DAMAGED: &str = r#"{"trace":1}
{"t":0.1,"session":"s","direction":"out","kind":"input_stream_data","sequence":0,"bytes":3}
{"t":0.2,"session"\u0000
{"t":0.3,"session":"s","direction":"in","kind":"acknowledge","acknowledges":0}
{"t":0.4,"sess"#;

#[test]
fn what_is_damaged_is_told_and_which_kinds_there_are() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("trace");
    fs::write(&path, DAMAGED).expect("written");
    let told = Program::run(decode(&[], &path));
    assert_eq!((told.code(), told.stdout.lines().count()), (0, 2), "{told:#?}");
    let doubts = "trace: line 3 is not understood; it breaks off in line 5";
    assert!(told.stderr.contains(doubts), "{told:#?}");

    for (kind, next) in [
        ("acknowlegde", "did you mean acknowledge? "),
        ("bogus", "the kinds that there are: acknowledge, input_stream_data"),
    ] {
        let told = Program::run(decode(&["--kind", kind], &path));
        assert_eq!((told.code(), &*told.stdout), (2, ""), "{told:#?}");
        assert!(told.stderr.contains("ssmport: no frame of the trace is meant\n"), "{told:#?}");
        assert!(told.stderr.contains(next), "{told:#?}");
    }
    for options in [&["--sequence", "7"][..], &["--direction", "out", "--kind", "ack"]] {
        let told = Program::run(decode(options, &path));
        assert_eq!((told.code(), &*told.stdout), (2, ""), "{told:#?}");
        assert!(told.stderr.contains("leave options out: "), "{told:#?}");
    }
}

#[test]
fn a_picture_can_go_to_standard_output() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("trace");
    fs::write(&path, DAMAGED).expect("written");
    let of_stdin = decode(&["--svg", "-"], Path::new("-"));
    let of_stdin = in_shell(&format!("exec \"$@\" <{}", path.display()), &of_stdin);
    for mut drawn in [decode(&["--svg", "-"], &path), of_stdin] {
        drawn.current_dir(folder.path());
        let drawn = Program::run(drawn);
        let svg = &drawn.stdout;
        assert!(drawn.code() == 0 && svg.starts_with("<svg"), "{drawn:#?}");
        assert!(svg.ends_with("</svg>\n"), "{drawn:#?}");
        assert!(
            !svg.contains("input_stream_data") && !drawn.stderr.contains("Drawn"),
            "{drawn:#?}"
        );
        // Nothing came from the node, and nothing is known of the path.
        assert_eq!(svg.matches("nothing of it in this trace").count(), 4, "{drawn:#?}");
        assert!(svg.contains("0.30 s") && !svg.contains("0.300 s"), "{drawn:#?}");
    }
    assert!(!folder.path().join("-").exists());
}

#[test]
fn a_trace_goes_to_a_file() {
    let folder = TempDir::new().expect("a folder");
    for (option, variable) in [(Some("-"), None), (None, Some("-"))] {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(option.map(|path| ["--trace", path]).into_iter().flatten());
        exec.envs(variable.map(|path| ("SSMPORT_TRACE", path)));
        exec.args(["exec", "local", "--", "echo", "ran"]).current_dir(folder.path());
        let told = Program::run(exec);
        assert_eq!((told.code(), &*told.stdout), (2, ""), "{told:#?}");
        assert!(told.stderr.contains("a trace is a file, and - is none"), "{told:#?}");
    }
    assert!(!folder.path().join("-").exists());
}

#[test]
fn the_drop_in_writes_one_when_its_environment_asks() {
    let endpoint = Endpoint::start();
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("%p.trace");
    let request = port_request(1);
    let mut plugin = Plugin::command(&endpoint, &endpoint.start_port_session(1), &request);
    plugin.env("SSMPORT_TRACE", &path);
    let plugin = Program::start(plugin);
    plugin.wait_for_stdout(|line| line == "Waiting for connections...");
    let trace = folder.path().join(format!("{}.trace", plugin.pid().as_raw_nonzero()));
    plugin.stop(crate::support::Signal::TERM);
    let told = Program::run(decode(&[], &trace)).success();
    assert!(told.contains("handshake complete"), "{told}");
    let trace = fs::read_to_string(trace).expect("a trace");
    assert!(!trace.contains("TokenValue"), "{trace}");

    // Where none can be, it says so and goes on.
    let response = endpoint.start_port_session(1);
    let mut plugin = Plugin::command(&endpoint, &response, &request);
    plugin.env("SSMPORT_TRACE", "/nowhere/trace");
    let plugin = Program::start(plugin);
    plugin.wait_for_stderr(|line| {
        line.starts_with("warning: cannot write the trace /nowhere/trace: ")
    });
    plugin.wait_for_stdout(|line| line == "Waiting for connections...");
    plugin.stop(crate::support::Signal::TERM);
}
