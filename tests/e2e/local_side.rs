//! Who gets in on this machine: listeners are loopback's unless asked otherwise, and a socket file is
//! its owner's.

use std::{
    fs,
    io::ErrorKind,
    net::TcpStream,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use tempfile::TempDir;

use crate::support::{
    Endpoint, Finished, Forward, Plugin, Program, Signal, command, outside_address,
};

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
