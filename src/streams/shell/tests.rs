use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};

use super::*;
use crate::streams::harness::Pair;

/// A shell, what stands for the terminal, and what it tells.
struct Fixture {
    pair: Pair,
    typed: DuplexStream,
    output: DuplexStream,
    error: DuplexStream,
    sizes: mpsc::UnboundedSender<TerminalSize>,
    signals: mpsc::UnboundedSender<u8>,
    told: Arc<Mutex<Vec<String>>>,
}

fn fixture(marker: Option<ExitMarker>) -> (Fixture, Shell<impl FnMut(ShellEvent)>) {
    let ((typed, input), (ours, output)) = (duplex(1 << 20), duplex(1 << 20));
    let (our_error, error) = duplex(1 << 20);
    let (sizes, mut later_sizes) = mpsc::unbounded_channel();
    let (signals, mut later_signals) = mpsc::unbounded_channel();
    let console = Console {
        input: Some(Box::new(input)),
        output: Box::new(ours),
        error: Box::new(our_error),
        sizes: Box::pin(stream::poll_fn(move |cx| later_sizes.poll_recv(cx))),
        signals: Box::pin(stream::poll_fn(move |cx| later_signals.poll_recv(cx))),
        raw_mode: None,
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: ShellEvent| told.lock().unwrap().push(format!("{event:?}"))
    };
    let shell = Shell::new(console, marker, Box::pin(pending()), observer);
    let pair = Pair::without_handshake();
    (Fixture { pair, typed, output, error, sizes, signals, told }, shell)
}

/// A fixture whose session has begun with a prompt.
fn begun() -> (Fixture, Shell<impl FnMut(ShellEvent)>) {
    let (mut fixture, mut shell) = fixture(None);
    fixture.pair.send(PayloadType::Output, b"$ ");
    fixture.pair.run(&mut shell);
    (fixture, shell)
}

const SIZE: TerminalSize = TerminalSize { cols: 132, rows: 43 };

#[tokio::test]
async fn the_size_goes_first_and_nothing_before_the_first_output() {
    let (mut fixture, mut shell) = fixture(None);
    fixture.typed.write_all(b"typed ahead\r").await.unwrap();
    fixture.sizes.send(SIZE).unwrap();
    fixture.pair.run(&mut shell);
    assert_eq!(fixture.pair.received, []);
    fixture.pair.send(PayloadType::Output, b"$ ");
    fixture.pair.run(&mut shell);
    let [size, typed] = &fixture.pair.received[..] else { panic!("{:?}", fixture.pair.received) };
    assert_eq!(*size, (PayloadType::Size, br#"{"cols":132,"rows":43}"#.to_vec()));
    assert_eq!(*typed, (PayloadType::Output, b"typed ahead\r".to_vec()));
    let mut first = [0; 2];
    fixture.output.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"$ ", "nothing of the first output is lost");
}

#[tokio::test]
async fn a_lone_line_feed_is_the_return_key() {
    let (mut fixture, mut shell) = begun();
    fixture.typed.write_all(b"\n").await.unwrap();
    fixture.pair.run(&mut shell);
    fixture.typed.write_all(b"ls\n").await.unwrap();
    fixture.pair.run(&mut shell);
    assert_eq!(fixture.pair.output(), b"\rls\n");
}

#[tokio::test]
async fn size_and_signals_do_not_wait_behind_a_paste_that_the_node_does_not_read() {
    let (mut fixture, mut shell) = begun();
    fixture.pair.is_agent_deaf = true;
    let paste: Vec<u8> = (0..100 * 1024).map(|index| b'a' + (index % 26) as u8).collect();
    fixture.typed.write_all(&paste).await.unwrap();
    fixture.pair.run(&mut shell);
    let under_way = fixture.pair.client.bytes_under_way();
    assert!(under_way < UNDER_WAY + 2 * PAYLOAD_LEN, "{under_way} bytes are under way");
    fixture.sizes.send(SIZE).unwrap();
    fixture.pair.run(&mut shell);
    let with_size = fixture.pair.client.bytes_under_way();
    assert!(with_size > under_way, "the size goes though nothing is acknowledged");
    fixture.signals.send(3).unwrap();
    fixture.pair.run(&mut shell);
    assert!(fixture.pair.client.bytes_under_way() > with_size, "and so does Ctrl-C");
    fixture.pair.is_agent_deaf = false;
    fixture.pair.run(&mut shell);
    let interrupt = fixture.pair.output().iter().position(|byte| *byte == 3).unwrap();
    assert!(interrupt < UNDER_WAY + PAYLOAD_LEN, "Ctrl-C came behind {interrupt} bytes");
    let received = &fixture.pair.received;
    let size = received.iter().position(|(kind, _)| *kind == PayloadType::Size).unwrap();
    let before: usize = received[..size].iter().map(|(_, payload)| payload.len()).sum();
    assert!(before < UNDER_WAY + PAYLOAD_LEN, "the size came behind {before} bytes");
    let mut arrived = fixture.pair.output();
    arrived.retain(|byte| *byte != 3);
    assert!(arrived == paste, "the paste is whole");
}

#[tokio::test]
async fn the_end_of_the_input_is_said_as_a_terminal_does_and_again_in_longer_and_longer_silences() {
    for (input, said) in
        [(&b"exit\n"[..], &b"exit\n\x04"[..]), (b"cat", b"cat\x04\x04"), (b"", b"\x04")]
    {
        let (fixture, mut shell) = begun();
        let Fixture { mut pair, mut typed, mut output, .. } = fixture;
        typed.write_all(input).await.unwrap();
        drop(typed);
        pair.run(&mut shell);
        assert_eq!(pair.output(), said);
        assert_eq!(pair.turn, Turn::Idle, "the output is waited for");
        pair.advance(FIRST_PAUSE - Duration::from_millis(1), &mut shell);
        assert_eq!(pair.output(), said);
        // What is not silent has not swallowed it.
        pair.send(PayloadType::Output, b"busy");
        pair.run(&mut shell);
        pair.advance(FIRST_PAUSE - Duration::from_millis(1), &mut shell);
        assert_eq!(pair.output(), said);
        pair.advance(Duration::from_millis(1), &mut shell);
        assert_eq!(pair.output(), [said, b"\x04"].concat());
        pair.advance(FIRST_PAUSE, &mut shell);
        assert_eq!(pair.output(), [said, b"\x04"].concat());
        pair.advance(FIRST_PAUSE, &mut shell);
        assert_eq!(pair.output(), [said, b"\x04\x04"].concat());
        let mut shown = [0; 6];
        output.read_exact(&mut shown).await.unwrap();
        assert_eq!(&shown, b"$ busy");
    }
}

#[tokio::test]
async fn standard_error_and_the_exit_code_come_apart_from_the_output() {
    let (mut fixture, mut shell) = begun();
    fixture.pair.send(PayloadType::Output, b"out");
    fixture.pair.send(PayloadType::StdErr, b"err");
    fixture.pair.run(&mut shell);
    assert!(!shell.has_last_word());
    fixture.pair.send(PayloadType::ExitCode, b"EXIT_CODE: 5");
    fixture.pair.run(&mut shell);
    assert!(shell.has_last_word());
    drop(shell);
    let (mut output, mut error) = (String::new(), String::new());
    fixture.output.read_to_string(&mut output).await.unwrap();
    fixture.error.read_to_string(&mut error).await.unwrap();
    assert_eq!((&*output, &*error), ("$ out", "err"));
    assert_eq!(*fixture.told.lock().unwrap(), ["Exited(ExitCode(5))"]);
}

#[tokio::test]
async fn an_exit_code_in_the_output_is_found_and_not_shown() {
    let id = uuid::Uuid::from_u128(1);
    let (mut fixture, mut shell) = fixture(Some(ExitMarker::new(id)));
    let mark = |code: &str| format!("\x1b_ssmport-{}:{code}\x1b\\", id.simple());
    fixture.typed.write_all(b"typed ahead").await.unwrap();
    fixture.pair.send(PayloadType::Output, mark("").as_bytes());
    fixture.pair.run(&mut shell);
    assert_eq!(fixture.pair.output(), b"", "the command does not go ahead without a size");
    fixture.sizes.send(SIZE).unwrap();
    fixture.pair.run(&mut shell);
    assert_eq!(fixture.pair.received[0].0, PayloadType::Size);
    assert_eq!(fixture.pair.output(), b"\rtyped ahead");
    let printed = format!("hello{}\x1b", mark("42"));
    fixture.pair.send(PayloadType::Output, printed.as_bytes());
    fixture.pair.run(&mut shell);
    let closed = Event::Closed { reason: String::new() };
    shell.handle_event(closed, &mut fixture.pair.client, fixture.pair.now).unwrap();
    fixture.pair.run(&mut shell);
    drop(shell);
    let mut shown = String::new();
    fixture.output.read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, "hello\x1b");
    assert_eq!(*fixture.told.lock().unwrap(), ["Exited(ExitCode(42))"]);
}

/// An encrypted session has a handshake, and takes input long before the command is there.
#[tokio::test]
async fn a_command_does_not_go_ahead_before_it_has_spoken() {
    let id = uuid::Uuid::from_u128(1);
    let (mut fixture, mut shell) = fixture(Some(ExitMarker::new(id)));
    fixture.pair = Pair::port();
    fixture.sizes.send(SIZE).unwrap();
    fixture.pair.run(&mut shell);
    fixture.pair.advance(Duration::from_millis(10), &mut shell);
    assert_eq!(fixture.pair.received[0].0, PayloadType::Size);
    assert_eq!(fixture.pair.output(), b"");
    let mark = format!("\x1b_ssmport-{}:\x1b\\", id.simple());
    fixture.pair.send(PayloadType::Output, mark.as_bytes());
    fixture.pair.run(&mut shell);
    assert_eq!(fixture.pair.output(), b"\r");
}

#[tokio::test]
async fn an_output_that_nobody_takes_ends_the_session() {
    let (fixture, mut shell) = begun();
    let Fixture { mut pair, output, told, .. } = fixture;
    drop(output);
    pair.send(PayloadType::Output, b"lost");
    pair.run(&mut shell);
    assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
    assert!(told.lock().unwrap()[0].starts_with("OutputFailed"));
}

#[tokio::test]
async fn the_end_of_the_input_waits_for_a_node_that_takes_nothing() {
    let (fixture, mut shell) = begun();
    let Fixture { mut pair, mut typed, .. } = fixture;
    pair.is_agent_deaf = true;
    typed.write_all(&[b'x'; UNDER_WAY - 1]).await.unwrap();
    drop(typed);
    pair.run(&mut shell);
    for _ in 0..9 {
        pair.advance(FIRST_PAUSE * 2, &mut shell);
        assert_eq!(pair.turn, Turn::Idle);
    }
    pair.is_agent_deaf = false;
    pair.advance(FIRST_PAUSE * 2, &mut shell);
    assert!(pair.output().ends_with(b"x\x04\x04"));
}

#[tokio::test]
async fn an_end_is_not_held_up_by_a_reader_that_is_gone_or_stuck() {
    for is_gone in [true, false] {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (fixture, mut shell) = begun();
        shell.stop = Box::pin(async { drop(stopped.await) });
        let Fixture { mut pair, output, .. } = fixture;
        let kept = (!is_gone).then_some(output);
        // More than is kept of it: the session takes nothing any more.
        for _ in 0..300 {
            pair.send(PayloadType::Output, &[b'x'; 10_000]);
        }
        pair.run(&mut shell);
        drop(stop);
        pair.run(&mut shell);
        assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
        assert!(shell.can_receive(), "acknowledgements are heard");
        pair.run(&mut shell);
        assert!(pair.agent.is_drained(), "everything is acknowledged");
        drop(kept);
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_session_and_loses_nothing() {
    for kind in [PayloadType::Output, PayloadType::StdErr] {
        let (fixture, mut shell) = begun();
        let Fixture { mut pair, mut output, mut error, .. } = fixture;
        output.read_exact(&mut [0; 2]).await.unwrap();
        let sent: Vec<u8> = (0..4_000_000).map(|index| (index / 251) as u8).collect();
        for part in sent.chunks(100_000) {
            pair.send(kind, part);
        }
        pair.run(&mut shell);
        assert!(!shell.can_receive());
        let shown = if kind == PayloadType::Output { &mut output } else { &mut error };
        let mut received = Vec::new();
        while received.len() < sent.len() {
            pair.run(&mut shell);
            let read = shown.read_buf(&mut received);
            tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        }
        assert!(received == sent);
        pair.run(&mut shell);
        assert!(shell.can_receive() && shell.is_drained());
    }
}
