use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::streams::harness::Pair;

/// A command, what stands for its standard streams, and what it tells.
struct Fixture {
    pair: Pair,
    typed: DuplexStream,
    output: DuplexStream,
    error: DuplexStream,
    told: Arc<Mutex<Vec<String>>>,
}

fn fixture(way: Way) -> (Fixture, Command<impl FnMut(CommandEvent)>) {
    let ((typed, input), (ours, output)) = (duplex(1 << 20), duplex(1 << 20));
    let (our_error, error) = duplex(1 << 20);
    let console = Console {
        input: Some(Box::new(input)),
        output: Box::new(ours),
        error: Box::new(our_error),
        sizes: Box::pin(stream::pending()),
        signals: Box::pin(stream::pending()),
        raw_mode: None,
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: CommandEvent| told.lock().unwrap().push(format!("{event:?}"))
    };
    let command = Command::new(console, way, Box::pin(pending()), observer);
    (Fixture { pair: Pair::without_handshake(), typed, output, error, told }, command)
}

fn mark(letter: &str) -> Vec<u8> {
    format!("\x1b_{}{letter}\x1b\\", marks::mark_name(Uuid::nil())).into_bytes()
}

async fn whole(mut stream: DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn input_goes_in_chunks_with_their_length_once_the_script_runs() {
    let (mut fixture, mut command) = fixture(Way::WithInput(Uuid::nil()));
    fixture.typed.write_all(b"binary \x03\xff\0").await.unwrap();
    fixture.pair.send(PayloadType::Output, b"echo");
    fixture.pair.run(&mut command);
    assert_eq!(fixture.pair.output(), b"", "the terminal may still be one for people");
    fixture.pair.send(PayloadType::Output, &mark("h"));
    fixture.pair.run(&mut command);
    assert_eq!(fixture.pair.output(), b"000010binary \x03\xff\0");
    drop(fixture.typed);
    fixture.pair.run(&mut command);
    assert_eq!(fixture.pair.output(), b"000010binary \x03\xff\x00000000");
}

#[tokio::test]
async fn a_command_that_is_over_takes_no_more_input() {
    let (mut fixture, mut command) = fixture(Way::WithInput(Uuid::nil()));
    fixture.pair.send(PayloadType::Output, &mark("h"));
    fixture.pair.run(&mut command);
    assert!(!command.has_last_word());
    fixture.pair.send(PayloadType::Output, &[&b"YWJj"[..], &mark("x3")].concat());
    fixture.pair.run(&mut command);
    assert_eq!(fixture.pair.output(), b"000000", "there may be more to read, and nobody for it");
    fixture.pair.send(PayloadType::Output, &mark("e"));
    fixture.pair.run(&mut command);
    assert!(command.has_last_word());
    let told = fixture.told.lock().unwrap().join("\n");
    assert!(told.contains("code: ExitCode(3), is_whole: true, is_line_open: true"), "{told}");
    drop(command);
    assert_eq!(whole(fixture.output).await, b"abc");
}

/// What the agent says of the script is nobody's business while there is another way.
#[tokio::test]
async fn an_error_is_shown_once_it_is_the_commands() {
    for begins in [true, false] {
        let (mut fixture, mut command) = fixture(Way::Whole(Uuid::nil()));
        fixture.pair.send(PayloadType::StdErr, b"oh\n");
        if begins {
            fixture.pair.send(PayloadType::Output, &mark("h"));
        }
        fixture.pair.send(PayloadType::ExitCode, b"EXIT_CODE: 1");
        fixture.pair.run(&mut command);
        assert_eq!(fixture.told.lock().unwrap().first().unwrap() == "Begun", begins);
        drop(command);
        assert_eq!(whole(fixture.error).await, if begins { &b"oh\n"[..] } else { b"" });
    }
}

/// The agent tells the exit code of a command that cannot start, and a second later the reason.
#[tokio::test]
async fn an_exit_code_is_the_last_word_unless_a_reason_follows() {
    for (code, is_last) in [("0", true), ("3", true), ("1", false)] {
        let (mut fixture, mut command) = fixture(Way::Plain);
        fixture.pair.send(PayloadType::ExitCode, format!("EXIT_CODE: {code}").as_bytes());
        fixture.pair.run(&mut command);
        assert_eq!(command.has_last_word(), is_last, "{code}");
        fixture.pair.send(PayloadType::StdErr, b"exec: no such thing");
        fixture.pair.run(&mut command);
        assert!(command.has_last_word());
        assert!(fixture.told.lock().unwrap().join("").contains("NotStarted(\"exec: no"));
    }
}

#[tokio::test]
async fn silence_behind_an_interruption_is_told() {
    let (mut fixture, mut command) = fixture(Way::Plain);
    fixture.pair.send(PayloadType::Output, b"line\n");
    fixture.pair.run(&mut command);
    command.handle_reconnected(fixture.pair.now);
    fixture.pair.advance(Duration::from_secs(9), &mut command);
    assert!(!fixture.told.lock().unwrap().join("").contains("Silent"));
    fixture.pair.advance(Duration::from_secs(1), &mut command);
    assert!(fixture.told.lock().unwrap().join("").contains("Silent(10s)"));
}
