//! `ssmport proxy`: a port of the node's on standard input and output.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[cfg(feature = "aws")]
use super::support::{Endpoint, NODE, REGION, home::Home};
use super::{
    support::{Finished, Program, Signal, command, file_digest},
    targets::{closed_port, pattern},
};

#[test]
fn every_byte_arrives_as_it_is() {
    let folder = tempfile::TempDir::new().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).chain(*b"\r\n~.\n\n~.\x03\x04").collect();
    fs::write(&source, &bytes).unwrap();
    let port = serve(move |socket| {
        let mut received = vec![0; bytes.len()];
        socket.read_exact(&mut received).unwrap();
        socket.write_all(&received).unwrap();
        assert!(received == bytes);
    });
    let ended = proxy(port, &source, &target);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    assert_eq!(file_digest(&target), file_digest(&source));
}

/// The session knows no half-close: that the input is over is not told, and the reply still comes.
#[test]
fn the_end_of_the_input_does_not_cut_the_reply_off() {
    let folder = tempfile::TempDir::new().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::write(&source, "question\n").unwrap();
    let port = serve(|socket| {
        let mut question = [0; 9];
        socket.read_exact(&mut question).unwrap();
        for part in 0..3 {
            thread::sleep(Duration::from_millis(200));
            socket.write_all(format!("part {part}\n").as_bytes()).unwrap();
        }
    });
    let ended = proxy(port, &source, &target);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    assert_eq!(fs::read_to_string(target).unwrap(), "part 0\npart 1\npart 2\n");
}

#[test]
fn bulk_goes_both_ways_at_once() {
    const LEN: usize = 64 << 20;
    let folder = tempfile::TempDir::new().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let (up, down) = (pattern(0, LEN), pattern(7, LEN));
    fs::write(&source, &up).unwrap();
    let reply = down.clone();
    let (tell, told) = mpsc::channel();
    let port = serve(move |socket| {
        let mut writing = socket.try_clone().unwrap();
        let writer = thread::spawn(move || writing.write_all(&reply).unwrap());
        let mut received = vec![0; LEN];
        socket.read_exact(&mut received).unwrap();
        writer.join().unwrap();
        tell.send(received == up).unwrap();
    });
    let ended = proxy(port, &source, &target);
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    assert!(told.recv().unwrap(), "what the server received");
    assert!(fs::read(target).unwrap() == down, "what the client received");
}

#[test]
fn a_closed_port_is_a_target_that_is_not_there() {
    let port = closed_port();
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["proxy", "local", &port.to_string()]);
    let ended = Program::run(ssmport);
    assert_eq!(ended.code(), 4, "{ended:?}");
    assert!(
        ended.stderr.starts_with(&format!("ssmport: nothing answers on port {port} of local\n")),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
}

/// As when ssh is killed: both ends of the ProxyCommand are closed at once.
#[test]
fn a_client_that_is_gone_ends_it() {
    let (tell, told) = mpsc::channel();
    let port = serve(move |socket| {
        socket.write_all(b"greeting\n").unwrap();
        tell.send(socket.read(&mut [0]).map_err(|error| error.kind())).unwrap();
    });
    let mut shell = command("sh");
    // The input stays open until the greeting has come, and the reader ends with it.
    let script = r#"mkfifo in out; "$0" proxy local "$1" <in >out & exec 3>in; read line <out; exec 3>&-
        wait $!; echo "code $?" >&2"#;
    let folder = tempfile::TempDir::new().unwrap();
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport"), &port.to_string()]);
    shell.current_dir(folder.path());
    let before = Instant::now();
    let ended = Program::run(shell);
    assert!(matches!(&*ended.stderr, "code 0\n" | "code 141\n"), "{ended:?}");
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    let end = told.recv_timeout(Duration::from_secs(5)).expect("the server sees the end");
    assert!(!matches!(end, Ok(1..)), "{end:?}");
}

#[test]
fn a_reader_that_is_gone_ends_it() {
    let (tell, told) = mpsc::channel();
    let port = serve(move |socket| {
        let chunk = vec![b'x'; 1 << 16];
        let end = loop {
            if let Err(error) = socket.write_all(&chunk) {
                break error.kind();
            }
        };
        tell.send(end).unwrap();
    });
    let mut shell = command("sh");
    // The input stays open: only the output's reader is gone.
    let script = r#"{ "$0" proxy local "$1" </dev/zero; echo "code $?" >&2; } | head -c 1000 >out"#;
    let folder = tempfile::TempDir::new().unwrap();
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport"), &port.to_string()]);
    shell.current_dir(folder.path());
    let ended = Program::run(shell);
    assert_eq!(ended.stderr, "code 141\n");
    told.recv_timeout(Duration::from_secs(5)).expect("the server sees the end");
}

#[test]
fn signals_end_it() {
    for (signal, code) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        let (tell, told) = mpsc::channel();
        let port = serve(move |socket| {
            socket.write_all(b"greeting\n").unwrap();
            tell.send(socket.read(&mut [0]).is_ok_and(|len| len > 0)).unwrap();
        });
        let mut shell = command("sh");
        let script = r#"mkfifo in; exec 3<>in; exec "$0" proxy local "$1" <in"#;
        let folder = tempfile::TempDir::new().unwrap();
        shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport"), &port.to_string()]);
        shell.current_dir(folder.path());
        let program = Program::start(shell);
        program.wait_for_stdout(|line| line == "greeting");
        program.signal(signal);
        let ended = program.finish();
        assert_eq!((ended.code(), &*ended.stderr), (code, ""));
        assert!(!told.recv_timeout(Duration::from_secs(5)).expect("the server sees the end"));
    }
}

/// Standard input is the session's: a program that is asked for credentials finds nothing there.
#[test]
#[cfg(feature = "aws")]
fn whoever_gives_credentials_takes_none_of_the_input() {
    let home = Home::with("[profile p]\ncredential_process = cat - ~/keys.json\n");
    let keys = r#"{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "k"}"#;
    fs::write(home.path().join("keys.json"), keys).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::write(&source, "question\n").unwrap();
    let port = serve(|socket| {
        let mut question = [0; 9];
        socket.read_exact(&mut question).unwrap();
        socket.write_all(&question).unwrap();
    });
    let endpoint = Endpoint::start();
    let mut shell = command("sh");
    shell.args(["-c", r#"exec "$0" --profile p proxy "$1" "$2" <"$3" >"$4""#]);
    shell.args([env!("CARGO_BIN_EXE_ssmport"), NODE, &port.to_string()]).arg(source).arg(&target);
    shell.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    let ended = Program::run(home.of(&shell));
    assert_eq!((ended.code(), &*ended.stderr), (0, ""));
    assert_eq!(fs::read_to_string(target).unwrap(), "question\n");
}

/// What the service says of the target is not taken for something about the stream.
#[test]
#[cfg(feature = "aws")]
fn a_target_that_is_not_connected_is_told_by_its_name() {
    let home = Home::with("");
    let endpoint = Endpoint::start();
    let nobody = "i-00000000000000001";
    let mut proxy = command(env!("CARGO_BIN_EXE_ssmport"));
    proxy.args(["proxy", nobody, "22"]).stdin(std::process::Stdio::null());
    proxy.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    proxy.env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SECRET_ACCESS_KEY", "k");
    let ended = Program::run(home.of(&proxy));
    assert_eq!(ended.code(), 4, "{ended:#?}");
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.contains(nobody) && first.contains("not connected"), "{ended:#?}");
}

/// A server for one connection.
fn serve(serve: impl FnOnce(&mut std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        serve(&mut socket);
        let _ = socket.shutdown(Shutdown::Both);
    });
    port
}

fn proxy(port: u16, input: &Path, output: &Path) -> Finished {
    let mut shell: Command = command("sh");
    shell.args(["-c", r#"exec "$0" proxy local "$1" <"$2" >"$3""#]);
    shell.args([env!("CARGO_BIN_EXE_ssmport"), &port.to_string()]).arg(input).arg(output);
    Program::run(shell)
}
