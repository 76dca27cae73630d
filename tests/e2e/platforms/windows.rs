//! The programs for Windows, under wine, with services and nodes on this machine.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use rustix::process::kill_process;
use tempfile::TempDir;

use super::{are_wanted, has_steps};
use crate::{
    raw_client::await_active_sessions,
    support::{
        Endpoint, NODE, Plugin, Program, Signal, Terminal, await_that, forget_credentials,
        in_shell, noting_modes, port_request, sts::Sts, windows, windows_path, windows_with,
        without,
    },
};

fn are_tried() -> bool {
    are_wanted() && !without("wine")
}

/// The embedded agent has no terminals there.
#[test]
fn the_demo_has_all_steps_but_those_of_terminals() {
    if !are_tried() {
        return;
    }
    let mut demo = windows(SSMPORT);
    demo.args(["demo", "--size", "1", "--json"]);
    has_steps(12, demo);
}

#[test]
fn a_commands_outputs_and_exit_code_arrive() {
    if !are_tried() {
        return;
    }
    let endpoint = Endpoint::start();
    let mut exec = windows_with(&endpoint, SSMPORT);
    exec.args(["exec", "-n", NODE, "--", "sh", "-c", r"printf 'a\377b\n'; echo wrong >&2; exit 7"]);
    let folder = TempDir::new().expect("a folder");
    let output = folder.path().join("output");
    let mut shell = in_shell(r#""$@" >"$OUTPUT""#, &exec);
    shell.env("OUTPUT", &output);
    let ended = Program::run(shell);
    assert_eq!((ended.code(), &*ended.stderr), (7, "wrong\n"));
    assert_eq!(fs::read(output).expect("the output"), b"a\xffb\n");
}

#[test]
fn the_drop_in_opens_a_port() {
    if !are_tried() {
        return;
    }
    let (endpoint, port) = (Endpoint::start(), serve_backwards(3));
    let response = endpoint.start_port_session(port);
    let ours = Plugin::command(&endpoint, &response, &port_request(port));
    let mut plugin = windows("session-manager-plugin.exe");
    crate::support::copy_environment(&ours, &mut plugin);
    plugin.args(ours.get_args());
    let plugin = Plugin::run(plugin, &response);
    let mut socket = TcpStream::connect(plugin.address).expect("the port is open");
    socket.write_all(b"abc").expect("it takes that");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "cba");
}

/// A `ProxyCommand` has binary data on its standard streams, and what is started for its credentials takes
/// none of it.
#[test]
fn every_byte_of_a_stream_arrives_though_a_program_reads_standard_input() {
    if !are_tried() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let [keys, config, source, target] =
        ["keys.json", "config", "source", "target"].map(|name| folder.path().join(name));
    let printed = r#"{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "k"}"#;
    fs::write(&keys, printed).expect("a file");
    let thief = format!("cmd /c set /p stolen= & type {}", windows_path(&keys));
    fs::write(&config, format!("[profile p]\ncredential_process = {thief}\n")).expect("a file");
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n~.\n\n~.\x03\x04\x1a\n\x1a").collect();
    fs::write(&source, &bytes).expect("a file");

    let (endpoint, port) = (Endpoint::start(), serve_backwards(bytes.len()));
    let mut proxy = windows_with(&endpoint, SSMPORT);
    proxy.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    proxy.env("AWS_CONFIG_FILE", windows_path(&config));
    proxy.args(["--profile", "p", "proxy", NODE, &port.to_string()]);
    let mut shell = in_shell(r#""$@" <"$SOURCE" >"$TARGET""#, &proxy);
    shell.env("SOURCE", &source).env("TARGET", &target);
    let ended = Program::run(shell);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    let backwards: Vec<u8> = bytes.into_iter().rev().collect();
    assert!(fs::read(target).expect("the output") == backwards);
}

/// Of keys wine's console makes what a console makes, but for arrows and Ctrl-C.
#[test]
fn a_terminal_has_any_bytes_and_ctrl_z_and_the_consoles_modes_are_given_back() {
    if !are_tried() {
        return;
    }
    let (endpoint, folder) = (Endpoint::start(), TempDir::new().expect("a folder"));
    let notes = folder.path().join("notes");
    let mut exec = windows_with(&endpoint, SSMPORT);
    exec.args(["exec", "-t", NODE, "--", "sh", "-c", ON_TERMINAL]);
    let mut terminal = Terminal::raw(&noting_modes(&notes, &exec));
    terminal.wait_for("a\u{fffd}b");
    terminal.wait_for("33 101");
    terminal.wait_for("ready");
    terminal.press("\x1a\u{e9}x");
    terminal.wait_for("1a c3 a9 78");
    let (code, screen) = terminal.finish();
    assert_eq!(code, Some(9), "{screen}");

    let (before, meanwhile, afterwards) = modes(&notes);
    assert_eq!(before, afterwards);
    // Keys one by one without an echo, as sequences; sequences shown.
    let [input, output] = meanwhile.last().expect("some");
    assert_eq!((input & 0x207, output & 0x4), (0x200, 0x4), "{meanwhile:x?}");
}

/// What colours its words has sequences shown.
#[test]
fn an_error_gives_the_consoles_modes_back() {
    if !are_tried() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let notes = folder.path().join("notes");
    let mut forward = windows(SSMPORT);
    forward.args(["forward", "-t", "local", "/no/socket:80"]);
    let (code, screen) = Terminal::raw(&noting_modes(&notes, &forward)).finish();
    assert_eq!((code, screen.contains("on Unix alone")), (Some(5), true), "{screen}");
    let (before, _, afterwards) = modes(&notes);
    assert_eq!(before, afterwards);
}

#[test]
fn a_code_is_asked_for_and_not_shown() {
    if !are_tried() {
        return;
    }
    forget_credentials();
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125"]));
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("config");
    fs::write(&config, PROFILE).expect("a file");
    let mut hello = windows_with(&endpoint, SSMPORT);
    hello.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    hello.env("AWS_CONFIG_FILE", windows_path(&config)).env("AWS_ENDPOINT_URL_STS", &sts.url);
    hello.args(["--profile", "alice", "exec", "-n", NODE, "--", "echo", "hello"]);
    let mut terminal = Terminal::raw(&hello);
    terminal.wait_for("MFA code for ");
    terminal.press("604125\r");
    terminal.wait_for("hello");
    let (code, screen) = terminal.finish();
    assert_eq!((code, screen.contains("604125")), (Some(0), false), "{screen}");
    assert_eq!(sts.count("GetSessionToken"), 1);
}

#[test]
fn ctrl_c_ends_a_forward_and_its_session() {
    if !are_tried() {
        return;
    }
    let endpoint = Endpoint::start();
    let mut forward = windows_with(&endpoint, SSMPORT);
    forward.args(["forward", "0:9", "-t", NODE]);
    let forward = Program::start(forward);
    forward.wait_for_stderr(|line| line.starts_with("Forwarding "));
    await_active_sessions(&endpoint, 1);
    // wine makes Ctrl-C of it.
    forward.signal(Signal::INT);
    assert_eq!(forward.finish().code(), 130);
    await_active_sessions(&endpoint, 0);
}

#[test]
fn who_is_killed_leaves_no_program_behind() {
    if !are_tried() {
        return;
    }
    let mark = rand::random_range(100_000..1_000_000).to_string();
    let mut forward = windows(SSMPORT);
    forward.args(["forward", "0:9", "-t", "local", "--"]);
    // Two programs, of which the second is not known to us.
    forward.args(["cmd", "/c", "ping", "-n", &mark, "127.0.0.1"]);
    let forward = Program::start(forward);
    await_that("ping runs", || is_running("ping", &mark));
    kill_process(forward.pid(), Signal::KILL).expect("it is there");
    await_that("ping is gone", || !is_running("ping", &mark));
}

/// Whether a program runs that has this word among its own.
fn is_running(program: &str, word: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| {
        let mut words = line.split('\0');
        words.next().is_some_and(|name| name.contains(program)) && words.any(|other| other == word)
    })
}

/// How a console's input and output were set: before, meanwhile, afterwards.
fn modes(notes: &Path) -> ([u32; 2], Vec<[u32; 2]>, [u32; 2]) {
    let notes = fs::read_to_string(notes).expect("notes");
    let of = |when: &str| -> Vec<[u32; 2]> {
        let lines = notes.lines().filter_map(|line| line.strip_prefix(when)?.split_once(' '));
        let mode = |text: &str| u32::from_str_radix(text, 16).expect("a mode");
        lines.map(|(input, output)| [mode(input), mode(output)]).collect()
    };
    (of("before ")[0], of("meanwhile "), of("afterwards ")[0])
}

/// A server that takes so many bytes from one connection and gives them back, the last one first.
fn serve_backwards(len: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut bytes = vec![0; len];
        socket.read_exact(&mut bytes).expect("so many bytes");
        bytes.reverse();
        socket.write_all(&bytes).expect("they are taken");
    });
    port
}

const SSMPORT: &str = "ssmport.exe";
const ON_TERMINAL: &str = r"printf 'a\377b\r\n'; stty size; stty raw -echo; printf 'ready\r\n'
head -c 4 | od -An -tx1; exit 9";
const PROFILE: &str = "\
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
