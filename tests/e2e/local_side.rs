//! Who gets in on this machine: listeners are loopback's unless asked otherwise, and a socket file is
//! its owner's.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    DEADLINE, Endpoint, Finished, Forward, NODE, Plugin, Program, Signal, await_that, command,
    outside_address,
};

/// Whoever may start sessions at an embedded endpoint is its user on this machine, and every user
/// reaches a port of loopback.
#[test]
fn the_service_inside_a_program_takes_no_calls() {
    let destination = TcpListener::bind("127.0.0.1:0").unwrap();
    destination.set_nonblocking(true).unwrap();
    let spec = format!("0:{}", destination.local_addr().unwrap().port());
    let forward = Forward::start(&[&spec], "local", &[]);
    let local = forward.address();
    let mut service = listeners_of(&forward.program).into_iter();
    let service = service.find(|address| address.port() != local.port());
    let service = service.expect("its own service's");
    let inside = Endpoint { program: forward.program, url: format!("http://{service}") };
    for (operation, request) in [
        ("StartSession", json!({ "Target": NODE })),
        ("ResumeSession", json!({ "SessionId": "local-0" })),
        ("DescribeSessions", json!({ "State": "Active" })),
    ] {
        let (status, answer) = inside.call(operation, &request);
        assert_eq!(status, 404, "{answer}");
        let says = answer["message"].as_str().expect("a message");
        assert!(says.contains("`ssmport local`"), "{says}");
    }

    let mut client = TcpStream::connect(local).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let accepted = std::cell::RefCell::new(None);
    await_that("a connection", || {
        *accepted.borrow_mut() = destination.accept().ok();
        accepted.borrow().is_some()
    });
    let (mut server, _) = accepted.take().unwrap();
    server.write_all(b"welcome").unwrap();
    let mut said = [0; 7];
    client.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"welcome");
}

#[test]
fn ports_are_open_to_this_machine_alone_unless_asked_otherwise() {
    let outside = outside_address();
    let closed = Forward::start(&["0:9"], "local", &[]);
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, 9);
    for port in [closed.port(), plugin.address.port(), endpoint.address().port()] {
        TcpStream::connect(("127.0.0.1", port)).expect("open on loopback");
        if let Some(outside) = outside {
            let refused = TcpStream::connect((outside, port)).expect_err("closed elsewhere");
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
    }
    assert!(!closed.program.stderr().contains("other machines"));

    let open = Forward::start(&["0.0.0.0:0:localhost:9"], "local", &[]);
    if let Some(outside) = outside {
        TcpStream::connect((outside, open.port())).expect("open elsewhere, too");
    }
    let expected = format!("0.0.0.0:{} can be reached from other machines", open.port());
    open.program.wait_for_stderr(|line| line.contains(&expected));

    let local = Program::start(ssmport(&["local", "--listen", "0.0.0.0:0"]));
    local.wait_for_stderr(|line| line.contains("can be reached from other machines"));
}

#[test]
fn a_socket_file_is_its_owners_and_goes_away_with_its_program() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    // A permissive mask is no invitation.
    let forward = start(&path, "umask 0; exec \"$@\"");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    UnixStream::connect(&path).expect("it listens");
    forward.signal(Signal::INT);
    assert_eq!(forward.finish().code(), 130);
    assert!(!path.exists());
}

#[test]
fn a_socket_file_that_nobody_listens_on_any_more_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket(), "it is left behind");
    let _next = start(&path, "exec \"$@\"");
    UnixStream::connect(&path).expect("it listens");
}

#[test]
fn files_of_others_are_never_touched() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "precious").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink(at("file"), at("link")).unwrap();
    let listener = UnixListener::bind(at("live")).unwrap();
    symlink(at("live"), at("link-to-live")).unwrap();
    let inode = fs::metadata(at("live")).unwrap().ino();
    for name in ["file", "folder", "link", "live", "link-to-live"] {
        let ended = Program::run(forward(&at(name)));
        refused(&ended, &at(name));
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    assert!(at("folder").is_dir());
    assert_eq!(fs::read_link(at("link")).unwrap(), at("file"));
    assert_eq!(fs::read_link(at("link-to-live")).unwrap(), at("live"));
    assert_eq!(fs::metadata(at("live")).unwrap().ino(), inode);
    listener.set_nonblocking(true).unwrap();
    UnixStream::connect(at("live")).expect("it still listens");
}

#[test]
fn a_socket_that_has_taken_the_files_place_is_not_removed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let first = start(&path, "exec \"$@\"");
    fs::remove_file(&path).unwrap();
    let _second = UnixListener::bind(&path).unwrap();
    first.signal(Signal::INT);
    first.finish();
    UnixStream::connect(&path).expect("the second still listens");
}

/// The addresses on which a program listens.
fn listeners_of(program: &Program) -> Vec<SocketAddr> {
    let all = listeners::get_all().expect("the system tells");
    let of_it = |listener: &listeners::Listener| {
        listener.state == listeners::SocketState::Listen
            && i64::from(listener.process.pid) == i64::from(program.pid().as_raw_nonzero().get())
    };
    all.into_iter().filter(of_it).map(|listener| listener.socket).collect()
}

/// `ssmport forward` with its socket there.
fn start(path: &Path, script: &str) -> Program {
    let program = Program::start(crate::support::in_shell(script, &forward(path)));
    program.wait_for_stdout(|line| line.contains("\"ready\""));
    program
}

fn forward(path: &Path) -> std::process::Command {
    let spec = format!("{}:9", path.display());
    ssmport(&["forward", &spec, "-t", "local", "--json"])
}

fn ssmport(arguments: &[&str]) -> std::process::Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}

#[track_caller]
fn refused(ended: &Finished, path: &Path) {
    assert_eq!(ended.code(), 5, "{ended:?}");
    let expected = format!("ssmport: cannot listen on {}\n", path.display());
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}
