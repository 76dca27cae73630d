use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{ANSWER_PATIENCE as PATIENCE, *};
use crate::streams::harness::Pair;

type Told = Arc<Mutex<Vec<String>>>;

/// A pipe, what stands for the user's programs on both its ends, and what it tells.
struct Fixture {
    pair: Pair,
    typed: DuplexStream,
    shown: DuplexStream,
    told: Told,
}

fn never() -> Stop {
    Box::pin(pending())
}

fn fixture(
    stop: Stop,
    reader_gone: Stop,
) -> (Fixture, Pipe<DuplexStream, DuplexStream, impl FnMut(PipeEvent)>) {
    let ((typed, input), (output, shown)) = (duplex(1 << 16), duplex(1 << 16));
    let told = Told::default();
    let observer = {
        let told = Arc::clone(&told);
        move |event: PipeEvent| told.lock().unwrap().push(format!("{event:?}"))
    };
    let mut pipe = Pipe::new(input, output, stop, reader_gone, observer);
    let mut pair = Pair::port();
    pair.run(&mut pipe);
    pair.advance(Duration::from_millis(10), &mut pipe);
    (Fixture { pair, typed, shown, told }, pipe)
}

#[tokio::test]
async fn bytes_go_both_ways_as_they_are() {
    let (mut fixture, mut pipe) = fixture(never(), never());
    fixture.typed.write_all(b"\n\0\xff~.").await.unwrap();
    fixture.pair.send(PayloadType::Output, b"SSH-2.0\r\n");
    fixture.pair.run(&mut pipe);
    assert_eq!(fixture.pair.output(), b"\n\0\xff~.");
    let mut shown = [0; 9];
    fixture.shown.read_exact(&mut shown).await.unwrap();
    assert_eq!(&shown, b"SSH-2.0\r\n");
    assert_eq!(*fixture.told.lock().unwrap(), ["Answered"]);
}

#[tokio::test]
async fn after_the_end_of_the_input_the_rest_of_the_reply_still_arrives() {
    let (fixture, mut pipe) = fixture(never(), never());
    let Fixture { mut pair, mut typed, mut shown, told } = fixture;
    typed.write_all(b"question").await.unwrap();
    drop(typed);
    pair.run(&mut pipe);
    // A destination may think for longer than it may pause.
    pair.advance(FIRST - Duration::from_millis(1), &mut pipe);
    for _ in 0..5 {
        assert_eq!(pair.turn, Turn::Idle);
        pair.send(PayloadType::Output, b"part");
        pair.run(&mut pipe);
        pair.advance(PATIENCE - Duration::from_millis(1), &mut pipe);
    }
    assert_eq!(*told.lock().unwrap(), ["Answered"]);
    pair.advance(Duration::from_millis(1), &mut pipe);
    assert_eq!(pair.turn, Turn::Done);
    assert_eq!(*told.lock().unwrap(), ["Answered", "Unanswered(30s)"], "it was cut off");
    assert_eq!(pair.flags, [Flag::TerminateSession]);
    assert_eq!(pair.output(), b"question");
    drop(pipe);
    let mut reply = String::new();
    shown.read_to_string(&mut reply).await.unwrap();
    assert_eq!(reply, "part".repeat(5));
}

#[tokio::test]
async fn the_destinations_silence_counts_from_when_it_has_had_everything() {
    let (fixture, mut pipe) = fixture(never(), never());
    let Fixture { mut pair, mut typed, told, .. } = fixture;
    pair.is_agent_deaf = true;
    typed.write_all(b"question").await.unwrap();
    drop(typed);
    pair.run(&mut pipe);
    pair.advance(FIRST * 3, &mut pipe);
    assert_eq!(pair.turn, Turn::Idle);
    pair.is_agent_deaf = false;
    pair.run(&mut pipe);
    assert_eq!((pair.turn, pair.output()), (Turn::Idle, b"question".to_vec()));
    pair.advance(FIRST, &mut pipe);
    assert_eq!(pair.turn, Turn::Done);
    assert_eq!(*told.lock().unwrap(), ["Unanswered(120s)"]);
}

#[tokio::test]
async fn without_a_reader_it_ends_once_nothing_more_is_sent() {
    let (fixture, mut pipe) = fixture(never(), Box::pin(async {}));
    let Fixture { mut pair, mut typed, told, .. } = fixture;
    for _ in 0..5 {
        typed.write_all(b"part").await.unwrap();
        pair.run(&mut pipe);
        pair.advance(LINGER - Duration::from_millis(1), &mut pipe);
        assert_eq!(pair.turn, Turn::Idle, "it may be all that the session is for");
    }
    pair.is_agent_deaf = true;
    typed.write_all(b"part").await.unwrap();
    pair.run(&mut pipe);
    pair.advance(3 * LINGER, &mut pipe);
    assert_eq!(pair.turn, Turn::Idle, "it has not arrived");
    pair.is_agent_deaf = false;
    pair.run(&mut pipe);
    pair.advance(LINGER, &mut pipe);
    assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
    assert_eq!(pair.output(), b"part".repeat(6));
    assert!(told.lock().unwrap()[0].contains("BrokenPipe"));
}

#[tokio::test]
async fn without_input_and_without_a_reader_it_ends_at_once() {
    let (fixture, mut pipe) = fixture(never(), Box::pin(async {}));
    let Fixture { mut pair, typed, told, .. } = fixture;
    pair.run(&mut pipe);
    assert_eq!(pair.turn, Turn::Idle, "input may still come");
    drop(typed);
    pair.run(&mut pipe);
    assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
    assert!(told.lock().unwrap().is_empty(), "nobody is there who misses anything");
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_it_when_something_comes() {
    let (fixture, mut pipe) = fixture(never(), never());
    let Fixture { mut pair, shown, told, .. } = fixture;
    drop(shown);
    pair.send(PayloadType::Output, b"nobody wants this");
    pair.run(&mut pipe);
    assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
    assert!(told.lock().unwrap()[1].contains("BrokenPipe"));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_session_and_loses_nothing() {
    let (fixture, mut pipe) = fixture(never(), never());
    let Fixture { mut pair, mut shown, .. } = fixture;
    let sent: Vec<u8> = (0..3_000_000).map(|index| (index / 251) as u8).collect();
    for part in sent.chunks(100_000) {
        pair.send(PayloadType::Output, part);
    }
    pair.run(&mut pipe);
    assert!(!pipe.can_receive());
    let mut received = Vec::new();
    while received.len() < sent.len() {
        pair.run(&mut pipe);
        let read = shown.read_buf(&mut received);
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    }
    assert!(received == sent);
    pair.run(&mut pipe);
    assert!(pipe.can_receive() && pipe.is_drained());
}

#[tokio::test]
async fn a_stop_ends_the_session() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (fixture, mut pipe) = fixture(Box::pin(async { drop(stopped.await) }), never());
    let Fixture { mut pair, .. } = fixture;
    assert_eq!(pair.turn, Turn::Idle);
    stop.send(()).unwrap();
    pair.run(&mut pipe);
    assert_eq!((pair.turn, &pair.flags[..]), (Turn::Done, &[Flag::TerminateSession][..]));
}

#[tokio::test]
async fn a_reader_that_pauses_loses_nothing_after_the_end_of_the_input() {
    for is_closed in [false, true] {
        let (fixture, mut pipe) = fixture(never(), never());
        let Fixture { mut pair, typed, mut shown, .. } = fixture;
        drop(typed);
        let reply: Vec<u8> = (0..300_000).map(|index| index as u8).collect();
        for part in reply.chunks(10_000) {
            pair.send(PayloadType::Output, part);
        }
        pair.run(&mut pipe);
        if is_closed {
            let closed = Event::Closed { reason: String::new() };
            pipe.handle_event(closed, &mut pair.client, pair.now).unwrap();
        }
        pair.advance(FIRST * 100, &mut pipe);
        assert_eq!(pair.turn, Turn::Idle);
        assert!(!pipe.is_drained());
        let mut received = vec![0; reply.len()];
        let reading = shown.read_exact(&mut received);
        let writing = std::future::poll_fn(|cx| {
            pipe.poll(cx, &mut pair.client, pair.now).unwrap();
            if pipe.is_drained() { Poll::Ready(()) } else { Poll::Pending }
        });
        let (read, ()) = tokio::join!(reading, writing);
        read.unwrap();
        assert!(received == reply);
    }
}

#[tokio::test]
async fn the_time_without_a_connection_is_no_silence_of_the_destination() {
    let (fixture, mut pipe) = fixture(never(), never());
    let Fixture { mut pair, mut typed, mut shown, .. } = fixture;
    typed.write_all(b"question").await.unwrap();
    drop(typed);
    pair.run(&mut pipe);
    pair.now += FIRST * 2;
    pair.client.handle_reconnected(pair.now);
    pipe.handle_reconnected(pair.now);
    pair.run(&mut pipe);
    assert_eq!(pair.turn, Turn::Idle);
    pair.send(PayloadType::Output, b"reply");
    pair.run(&mut pipe);
    let mut reply = [0; 5];
    shown.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"reply");
}

/// What the first byte of an answer is waited for.
const FIRST: Duration = Duration::from_secs(120);
