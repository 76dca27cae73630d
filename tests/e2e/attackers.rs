//! Programs of people who mean harm: a web page in a browser of this machine, another user of it, and
//! whoever wrote a file that is read. `docs/threats.md` says what each of them may try.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    DEADLINE, Endpoint, Finished, NODE, Program, REGION, await_that, command, find_tool,
};

/// What a browser sends for a page: with an origin, without one, for a name that has been pointed at this
/// machine, as a form, an image, a WebSocket.
#[test]
fn a_web_page_starts_no_session_and_reads_no_answer() {
    let endpoint = Endpoint::start();
    let address = endpoint.address();
    let start = json!({ "Target": NODE }).to_string();
    let post = |headers: &str| {
        format!(
            "POST / HTTP/1.1\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{start}",
            start.len()
        )
    };
    let target = "X-Amz-Target: AmazonSSM.StartSession\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let upgrade = "GET /v1/data-channel/local-0 HTTP/1.1\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let ours = format!("Host: {address}\r\n");
    let attempts = [
        // fetch(), with and without CORS, from a page of the network and from a file.
        ("403", post(&format!("{ours}{target}Origin: https://evil.test\r\n"))),
        ("403", post(&format!("{ours}{target}Origin: null\r\n"))),
        ("403", post(&format!("{ours}{target}Sec-Fetch-Site: cross-site\r\n"))),
        ("403", post(&format!("{ours}{form}Origin: https://evil.test\r\n"))),
        // What asks whether it may ask.
        (
            "403",
            format!(
                "OPTIONS / HTTP/1.1\r\n{ours}Origin: https://evil.test\r\n\
                 Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
            ),
        ),
        // DNS rebinding: it is the page's own origin, so that some requests tell none.
        ("421", post(&format!("Host: evil.test:{}\r\n{target}", address.port()))),
        ("421", post(&format!("Host: localhost.evil.test\r\n{target}"))),
        (
            "421",
            "GET /?Action=GetCallerIdentity&Version=2011-06-15 HTTP/1.1\r\nHost: evil.test\r\n\
             Connection: close\r\n\r\n"
                .to_owned(),
        ),
        // An image.
        (
            "403",
            format!(
                "GET /?Action=GetSessionToken&Version=2011-06-15 HTTP/1.1\r\n{ours}\
                 Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nConnection: close\r\n\r\n"
            ),
        ),
        ("403", format!("{upgrade}{ours}Origin: https://evil.test\r\n\r\n")),
        ("421", format!("{upgrade}Host: evil.test\r\n\r\n")),
    ];
    for (status, request) in &attempts {
        let answer = said(address, request.as_bytes());
        assert_eq!(answer.split(' ').nth(1), Some(*status), "{request}\n{answer}");
        let lower = answer.to_lowercase();
        assert!(!lower.contains("tokenvalue") && !lower.contains("access-control"), "{answer}");
    }
    assert_eq!(endpoint.active_sessions(), [""; 0]);
}

/// Whoever reaches the port, another user of this machine among them, may ask for WebSockets.
#[test]
fn more_strangers_than_there_is_room_for_cost_little_and_keep_nobody_out() {
    let endpoint = Endpoint::start();
    let upgrade = format!(
        "GET /v1/data-channel/local-0 HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        endpoint.address()
    );
    let mut strangers = Vec::new();
    for number in 0..STRANGERS {
        let mut stranger = TcpStream::connect(endpoint.address()).expect("it listens");
        let request = if number % 2 == 0 { &upgrade[..] } else { "POST / HTTP/1.1\r\n" };
        stranger.write_all(request.as_bytes()).expect("taken");
        strangers.push(stranger);
    }
    // Before any of them has run out of time, or after: it makes no difference.
    let started = endpoint.start_port_session(9);
    assert!(started["TokenValue"].is_string());
    let first = &mut strangers[0];
    first.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    let _ = first.read_to_end(&mut Vec::new()).expect("the oldest one is cut off");
    let peak = endpoint.program.peak_memory();
    assert!(peak < 64 << 20, "{peak} bytes");
}

/// With another number than the one who runs `ssmport`, which root alone can give a process.
#[test]
fn another_user_of_the_machine_finds_the_doors_shut() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can start a program as another user");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("open to all");
    let socket = folder.path().join("s");
    let log = folder.path().join("failures.log");
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", &format!("{}:9", socket.display()), "-t", "local", "--json"]);
    forward.env("AWS_SECRET_ACCESS_KEY", SECRET);
    let forward = Program::start(forward);
    forward.wait_for_stdout(|line| line.contains("\"ready\""));

    let mut curl = command(find_tool("curl"));
    curl.args(["--silent", "--show-error", "--unix-socket"]).arg(&socket).arg("http://x/");
    let ended = as_nobody(curl);
    assert_eq!(ended.code(), 7, "it connects to the socket: {ended:?}");

    // The environment of a process, and what it has in its memory, are its user's.
    let pid = forward.pid().as_raw_nonzero();
    for name in ["environ", "mem", "maps"] {
        let mut cat = command("cat");
        cat.arg(format!("/proc/{pid}/{name}"));
        let ended = as_nobody(cat);
        assert!(ended.code() != 0 && !ended.stdout.contains(SECRET), "{name}: {ended:?}");
    }

    // Why something failed is kept for its user.
    let mut failing = command(env!("CARGO_BIN_EXE_ssmport"));
    failing.args(["forward", "192.0.2.1:0:h:80", "-t", "local"]).env("SSMPORT_FAILURE_LOG", &log);
    let _ = Program::run(failing);
    let mut cat = command("cat");
    cat.arg(&log);
    assert!(log.exists(), "nothing was kept");
    assert_ne!(as_nobody(cat).code(), 0);

    // A socket that somebody else has put in the place is not taken for an abandoned one of ours.
    let own = folder.path().join("own");
    fs::create_dir(&own).expect("a folder");
    fs::set_permissions(&own, PermissionsExt::from_mode(0o777)).expect("open to all");
    let theirs = own.join("s");
    let script = format!(
        "import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('{}'); s.listen(); time.sleep(600)",
        theirs.display()
    );
    let mut python = command("python3");
    python.args(["-c", &script]).uid(NOBODY).gid(NOBODY);
    let _theirs = Program::start(python);
    await_that("their socket", || theirs.exists());
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", &format!("{}:9", theirs.display()), "-t", "local"]);
    let ended = Program::run(forward);
    assert_eq!(ended.code(), 5, "{ended:?}");
}

#[test]
fn files_without_an_end_are_refused_in_one_line() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).expect("a pipe");
    symlink("/dev/zero", at("zero")).expect("a link");
    symlink(at("loop"), at("loop")).expect("a link");
    fs::write(at("huge"), vec![b'#'; 5 << 20]).expect("written");
    fs::write(at("deep"), format!("a = {}", "[".repeat(100_000))).expect("written");
    fs::write(at("deep.json"), "[".repeat(100_000)).expect("written");
    fs::write(at("binary"), b"\xff\xfe\x00").expect("written");
    for name in ["pipe", "zero", "loop", "huge", "deep", "binary", "."] {
        let path = at(name);
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.args(["local", "--listen", "127.0.0.1:0", "--account"]).arg(&path);
        refused(&Program::run(local), 2, name);

        let account = folder.path().join("account.toml");
        fs::write(&account, format!("[users.alice]\npolicies = ['{name}']\n")).expect("written");
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.args(["local", "--listen", "127.0.0.1:0", "--account"]).arg(&account);
        refused(&Program::run(local), 2, name);

        let mut exec = exec();
        exec.env("SSMPORT_CONFIG", &path).args(["web", "--", "true"]);
        refused(&Program::run(exec), 2, name);
    }
    let account = folder.path().join("account.toml");
    fs::write(&account, "[users.alice]\npolicies = ['deep.json']\n").expect("written");
    let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
    local.args(["local", "--listen", "127.0.0.1:0", "--account"]).arg(&account);
    refused(&Program::run(local), 2, "deep.json");
}

#[cfg(feature = "aws")]
#[test]
fn settings_of_aws_without_an_end_are_not_read() {
    let folder = TempDir::new().expect("a folder");
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
    for path in [std::path::Path::new("/dev/zero"), &pipe] {
        for variable in [
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_CA_BUNDLE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ] {
            let mut exec = exec();
            exec.env("HOME", folder.path()).env(variable, path).args(["--endpoint-url"]);
            exec.args(["http://127.0.0.1:9", NODE, "--", "true"]);
            match variable {
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => {
                    let address = "http://127.0.0.1:9/credentials";
                    exec.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", address);
                }
                "AWS_WEB_IDENTITY_TOKEN_FILE" => {
                    exec.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r");
                }
                _ => {
                    exec.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", SECRET);
                }
            }
            let ended = Program::run(exec);
            assert_eq!(ended.stdout, "", "{variable}: {ended:?}");
            // For these two it is as if there were none, as for botocore.
            let is_passed_over = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
            let part = match is_passed_over.contains(&variable) {
                true => "cannot reach http://127.0.0.1:9",
                false => "it is not a file",
            };
            assert!(ended.stderr.contains(part), "{variable}: {ended:?}");
        }
    }
}

fn exec() -> Command {
    let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
    exec.arg("exec").env("AWS_REGION", REGION);
    exec
}

#[track_caller]
fn refused(ended: &Finished, code: i32, what: &str) {
    assert_eq!((ended.code(), &*ended.stdout), (code, ""), "{what}: {ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{what}: {ended:?}");
    assert!(ended.stderr.len() < 1000, "{what}: {ended:?}");
}

/// Runs a program as a user who has nothing here.
fn as_nobody(mut program: Command) -> Finished {
    program.uid(NOBODY).gid(NOBODY);
    Program::run(program)
}

/// What is answered to `request`, until the connection is closed or the head of the answer is there.
fn said(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    socket.write_all(request).expect("taken");
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = socket.read(&mut bytes).expect("an answer");
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&bytes[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

const SECRET: &str = "sesame-17c0e5b2-open";
const NOBODY: u32 = 65534;
/// More than there is room for, which is 1024.
const STRANGERS: usize = 1100;
