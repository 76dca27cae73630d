//! What the system does not allow: few descriptors, a full disk, no `/proc`.

use std::{fs, os::unix::fs::FileTypeExt};

use tempfile::TempDir;

use super::support::{
    Endpoint, NODE, Plugin, Program, Signal, await_that, command, in_shell, port_request,
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
        ssmport.args(arguments).arg("--json").env("AWS_REGION", super::support::REGION);
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
