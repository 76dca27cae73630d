//! What fingers type that know `ssh`, `kubectl` or the AWS CLI: it is understood, or answered with how
//! it is said here.

use super::support::{Finished, Program, command, free_port};

#[test]
fn words_of_other_programs_are_answered_with_ours() {
    for (words, answer) in [
        (&["5432"][..], "ssmport forward 5432"),
        (&["15432:db:5432"], "ssmport forward 15432:db:5432"),
        (&["i-0123456789abcdef0"], "ssmport shell i-0123456789abcdef0"),
        (&["tunnel", "5432"], "ssmport forward"),
        (&["port-forward", "web", "5432"], "ssmport forward"),
        (&["connect", "web"], "ssmport shell web"),
        (&["console"], "ssmport shell TARGET"),
        (&["start-session", "--target", "i-0123456789abcdef0"], "ssmport shell TARGET"),
        (&["list"], "ssmport ls"),
        (&["session"], "ssmport sessions"),
        (&["terminate-session", "--session-id", "x"], "ssmport sessions stop ID"),
        (&["shel"], "'shell'"),
        (&["shell", "web", "--target", "db"], "cannot be used with"),
        (&["exec", "--target", "web", "uptime"], "ssmport COMMAND TARGET"),
        (&["-t", "web", "shell"], "ssmport COMMAND TARGET"),
        (&["forward", "--remote-port", "5432"], "ssmport forward LOCAL:HOST:PORT -t TARGET"),
        (&["shell", "web", "--document-name", "x"], "--document NAME"),
        (&["forward", "-D", "1080", "web"], "ssmport socks 1080 -t TARGET"),
        (&["forward", "i-0123456789abcdef0:5432"], "ssmport forward i-0123456789abcdef0 5432"),
    ] {
        let ended = ssmport(words);
        assert_eq!(ended.code(), 2, "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(answer), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn forwards_are_taken_as_people_type_them() {
    for (words, ready) in [
        (&["local", "0:5432"][..], "to localhost:5432 on local"),
        (&["-NL", "0:127.0.0.1:5432", "local"], "to localhost:5432 on local"),
        (&["local", "127.0.0.1:0:5432"], "to localhost:5432 on local"),
        (&["local", "0.0.0.0:0:5432"], "to localhost:5432 on local"),
    ] {
        let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
        // What is typed goes before it.
        forward.env("SSMPORT_TARGET", "tag:no=such");
        let forward = Program::start({
            forward.arg("forward").args(words);
            forward
        });
        forward.wait_for_stderr(|line| line.ends_with(ready));
    }
}

#[test]
fn a_shell_takes_its_target_as_the_aws_cli_does() {
    for words in [&["--target", "local"][..], &["-t", "local"], &["local"], &[]] {
        let mut shell = command(env!("CARGO_BIN_EXE_ssmport"));
        shell.arg("shell").args(words).env("SSMPORT_TARGET", "i-");
        if words.is_empty() {
            let ended = Program::run(shell);
            assert_eq!(ended.code(), 2);
            assert!(ended.stderr.contains("SSMPORT_TARGET=i-"), "{}", ended.stderr);
        } else {
            Program::run(shell).success();
        }
    }
}

#[test]
fn a_host_without_a_local_port_has_its_own_here() {
    // Nobody else has it, for a test that is so quick.
    let port = free_port();
    let spec = format!("localhost:{port}");
    let start = || {
        let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
        forward.args(["forward", "local", &spec]);
        Program::start(forward)
    };
    let first = start();
    let line = first.wait_for_stderr(|line| line.contains("Forwarding"));
    assert!(line.contains(&format!("127.0.0.1:{port} ")), "{line}");
    let second = start().finish();
    assert_eq!(second.code(), 5);
    assert!(second.stderr.contains(&format!("0 for a free one: 0:{port}")), "{}", second.stderr);
}

#[test]
fn an_address_to_listen_on_may_be_a_port_alone() {
    for listen in ["0", "localhost:0", "127.0.0.1:0"] {
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.args(["local", "--listen", listen]);
        Program::start(local).wait_for_stderr(|line| line.contains("http://127.0.0.1:"));
    }
}

fn ssmport(words: &[&str]) -> Finished {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(words).env("COLUMNS", "80").env("LINES", "24");
    Program::run(ssmport)
}
