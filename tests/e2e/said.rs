//! How `ssmport` says what happens while a command lasts: when it was, in one form, in plain words.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    support::{DEADLINE, Forward, Signal},
    targets::{TcpTarget, closed_port},
};

#[tokio::test]
async fn what_comes_after_the_start_has_its_time() {
    let closed = closed_port();
    let forward = Forward::start(&[&format!("0:{closed}")], "local", &[]);
    let first = forward.program.stderr();
    assert!(first.starts_with("Forwarding "), "{first}");
    connect_and_wait(&forward).await;
    let line = forward.program.wait_for_stderr(|line| line.contains("warning: "));
    let (time, said) = line.split_at("12:34:56 ".len());
    assert!(is_time(time), "{line}");
    let expected = format!("warning: local cannot connect to localhost:{closed}: refused; ");
    assert!(said.starts_with(&expected), "{line}");
    forward.program.signal(Signal::INT);
    forward.program.finish();
}

#[tokio::test]
async fn a_name_that_may_not_be_known_is_told_as_that() {
    let forward = Forward::start(&["0:no-such-host.invalid:80"], "local", &[]);
    connect_and_wait(&forward).await;
    let line = forward.program.wait_for_stderr(|line| line.contains("warning: "));
    assert!(line.contains("or the name is not known there"), "{line}");
    assert!(line.contains("does local find no-such-host.invalid in its DNS?"), "{line}");
}

/// The library's words are for those who ask for more.
#[tokio::test]
async fn a_broken_connection_is_told_in_plain_words() {
    let target = TcpTarget::echo().await;
    for (more, has_detail) in [(&[][..], false), (&["-v"], true)] {
        let mut ssmport = crate::support::command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.env("SSMPORT_LOCAL_FAULTS", "cut=300ms,restart=1s/500ms");
        let specs = [format!("0:{}", target.port)];
        let forward = Forward::run(ssmport, &[&specs[0]], "local", more);
        let mut socket = TcpStream::connect(forward.address()).await.unwrap();
        socket.write_all(b"x").await.unwrap();
        timeout(DEADLINE, socket.read_exact(&mut [0])).await.expect("in time").expect("echoed");
        let line = forward.program.wait_for_stderr(|line| line.contains("resumed after "));
        assert!(is_time(&line[..9]), "{line}");
        let said = forward.program.stderr();
        assert_eq!(said.contains("WebSocket") || said.contains("IO error"), has_detail, "{said}");
        assert_eq!(said.contains("session="), has_detail, "{said}");
    }
}

async fn connect_and_wait(forward: &Forward) {
    let mut socket = TcpStream::connect(forward.address()).await.unwrap();
    // It ends one way or the other.
    let _ = timeout(DEADLINE, socket.read(&mut [0])).await.expect("an end");
}

/// As of a clock, and a blank.
fn is_time(text: &str) -> bool {
    let is_of = |(c, form): (char, char)| c == form || form == '0' && c.is_ascii_digit();
    text.len() == 9 && text.chars().zip("00:00:00 ".chars()).all(is_of)
}
