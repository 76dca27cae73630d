//! What the system does not allow: few descriptors, a full disk, no `/proc`.

use std::{fs, os::unix::fs::FileTypeExt, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    support::{
        Endpoint, Forward, NODE, Plugin, Program, REGION, Signal, await_that, command,
        copy_environment, find_tool, in_shell, port_request,
    },
    targets::TcpTarget,
};

#[test]
fn few_descriptors_are_an_error_of_one_line_that_names_the_limit() {
    for arguments in [
        &["forward", "0:80", "-t", "local"][..],
        &["exec", "local", "--", "true"],
        &["shell", "local"],
        &["proxy", "local"],
        &["ssh", "local"],
        &["local"],
        &["demo"],
        &["login"],
        #[cfg(feature = "aws")]
        &["ls"],
        #[cfg(feature = "aws")]
        &["doctor"],
    ] {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments);
        let ended = Program::run(in_shell("ulimit -n 8; exec \"$@\"", &ssmport));
        assert_eq!((ended.code(), &*ended.stdout), (5, ""), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("8 open files are too few"), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("(ulimit -n)"), "{arguments:?}: {ended:?}");
    }
    let endpoint = Endpoint::start();
    let plugin = Plugin::command(&endpoint, &endpoint.start_port_session(9), &port_request(9));
    let ended = Program::run(in_shell("ulimit -n 8; exec \"$@\"", &plugin));
    let said = "Cannot perform start session: 8 open files are too few";
    assert!(ended.stdout.contains(said), "{ended:?}");
    assert_eq!(ended.code(), 0);
}

#[test]
fn as_many_descriptors_as_are_asked_for_are_enough() {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["exec", "local", "--", "echo", "done"]);
    let ended = Program::run(in_shell("ulimit -n 64; exec \"$@\"", &ssmport));
    assert_eq!(ended.success(), "done\n");
}

/// Those that the caller has open are open here.
#[test]
fn descriptors_that_others_have_left_open_are_told_of() {
    for arguments in [
        &["forward", "0:80", "-t", "local"][..],
        &["exec", "local", "--", "echo", "done"],
        &["shell", "local"],
        &["local"],
        #[cfg(feature = "aws")]
        &["ls"],
        #[cfg(feature = "aws")]
        &["doctor"],
    ] {
        for left in [4, 20] {
            let ended = Program::run(with_few_left(left, &ssmport(arguments)));
            assert_eq!((ended.code(), &*ended.stdout), (5, ""), "{left}, {arguments:?}: {ended:?}");
            let expected = format!(
                "ssmport: of the 64 open files that are the limit here (ulimit -n) {left} are left: raise \
                 it, 32 are needed at least\n"
            );
            assert_eq!(ended.stderr, expected, "{arguments:?}");
        }
    }
    let enough = with_few_left(32, &ssmport(&["exec", "local", "--", "echo", "done"]));
    assert_eq!(Program::run(enough).success(), "done\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_a_descriptor_are_told_of_with_the_limit() {
    let (server, endpoint) = (TcpTarget::echo().await, Endpoint::start());
    let few = |program: &Command| in_shell("ulimit -n 64; exec \"$@\"", program);
    let forward = few(&command(env!("CARGO_BIN_EXE_ssmport")));
    let forward = Forward::run(forward, &[&format!("0:{}", server.port)], "local", &[]);
    let response = endpoint.start_port_session(server.port);
    let plugin = few(&Plugin::command(&endpoint, &response, &port_request(server.port)));
    let plugin = Plugin::run(plugin, &response);
    let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
    local.args(["local", "--listen", "127.0.0.1:0", "--json"]);
    let local = Program::start(few(&local));
    let ready: Value = serde_json::from_str(&local.wait_for_stdout(|_| true)).expect("JSON");
    let url = ready["url"].as_str().and_then(|url| url.strip_prefix("http://")).expect("a URL");

    let mut connections = Vec::new();
    for (program, address) in [
        (&forward.program, forward.address()),
        (&plugin.program, plugin.address),
        (&local, url.parse().expect("an address")),
    ] {
        for _ in 0..70 {
            connections.push(TcpStream::connect(address).await.expect("the queue takes it"));
        }
        let line = program.wait_for_stderr(|line| line.contains("(os error 24)"));
        let remedy = "; 64 open files are the limit here: raise it (ulimit -n)";
        assert!(line.contains(remedy), "{line}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let endpoint = Endpoint::start();
    for arguments in [
        &["forward", "0:80", "-t", "local"][..],
        &["forward", "0:80", "-t", NODE, "--endpoint-url", &endpoint.url],
        &["local", "--listen", "127.0.0.1:0"],
        #[cfg(feature = "aws")]
        &["ls", "--endpoint-url", &endpoint.url],
    ] {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments).arg("--json").env("AWS_REGION", REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        let ended = Program::run(in_shell("exec \"$@\" >/dev/full", &ssmport));
        assert_eq!(ended.code(), 5, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("cannot write to standard output"), "{ended:?}");
        assert!(ended.stderr.contains("No space left"), "{ended:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_forwards_socket_is_removed_without_proc_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", &format!("{}:9", path.display()), "-t", "local", "--json"]);
    let script = "exec unshare --map-root-user --mount sh -c \
                  'mount -t tmpfs none /proc && exec \"$@\"' sh \"$@\"";
    let forward = Program::start(in_shell(script, &forward));
    forward.wait_for_stdout(|line| line.contains("\"ready\""));
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    rustix::process::kill_process(forward.pid(), Signal::KILL).unwrap();
    await_that("the socket's file is gone", || !path.exists());
}

fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments).env("AWS_REGION", REGION);
    ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    ssmport
}

/// `program` with 64 descriptors, of which so many are free.
fn with_few_left(left: u32, program: &Command) -> Command {
    let script = "import os, resource, sys\n\
                  resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n\
                  for number in range(3, 64 - int(sys.argv[1])): os.dup2(0, number)\n\
                  os.execv(sys.argv[2], sys.argv[2:])";
    let mut python = command(find_tool("python3"));
    copy_environment(program, &mut python);
    python.args(["-c", script, &left.to_string()]);
    python.arg(program.get_program()).args(program.get_args());
    python
}
