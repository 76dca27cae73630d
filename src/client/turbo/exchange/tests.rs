use std::task::Waker;

use super::*;

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The frames that wait: kind, stream, and what stands behind that.
fn frames(exchange: &mut Exchange) -> Vec<(char, u32, Vec<u8>)> {
    let bytes = exchange.transmit(&cx()).unwrap_or_default();
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((head, behind)) = rest.split_first_chunk::<9>() {
        let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        let (body, behind) = behind.split_at(number(5).try_into().unwrap());
        // How long what comes waits is not the matter here.
        if head[0] != b'P' || body[0] < 0x80 {
            frames.push((char::from(head[0]), number(1), body.to_vec()));
        }
        rest = behind;
    }
    assert!(rest.is_empty());
    frames
}

fn kinds(exchange: &mut Exchange) -> String {
    frames(exchange).iter().map(|(kind, ..)| *kind).collect()
}

fn said(exchange: &mut Exchange, text: &str) -> Result<(), Garbled> {
    exchange.read(0, text.as_bytes(), Instant::now())
}

fn taken(exchange: &mut Exchange, stream: u32) -> Vec<u8> {
    match exchange.take(stream) {
        Arrival::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_come_and_what_is_consumed_may_come_again() {
    let mut exchange = Exchange::default();
    let stream = exchange.open("db", 5432, Instant::now());
    let opened = frames(&mut exchange);
    let [('O', 1, body)] = &opened[..] else { panic!("{opened:?}") };
    let credit = u32::from_be_bytes(*body.first_chunk().unwrap());
    let mut given = usize::try_from(credit).unwrap();
    for _ in 0..1000 {
        said(&mut exchange, &format!("D{stream:08x}00010000{}~~~", "x".repeat(0x1_0000))).unwrap();
        given -= 0x1_0000;
        assert_eq!(taken(&mut exchange, stream).len(), 0x1_0000);
        exchange.consumed(stream, 0x1_0000);
        for (kind, _, body) in frames(&mut exchange) {
            if kind == 'C' {
                let more = u32::from_be_bytes(*body.first_chunk().unwrap());
                given += usize::try_from(more).unwrap();
            }
        }
        assert!(given >= 0x1_0000, "the destination is never held up");
    }
}

#[test]
fn who_sends_more_than_may_come_is_not_believed() {
    let mut exchange = Exchange::default();
    let stream = exchange.open("db", 5432, Instant::now());
    let block = format!("D{stream:08x}00010000{}~~~", "x".repeat(0x1_0000));
    let results: Vec<_> = (0..1000).map(|_| said(&mut exchange, &block)).collect();
    assert!(results.contains(&Err(Garbled)));
    assert_eq!(said(&mut Exchange::default(), &block), Ok(()), "one that was closed");
}

#[test]
fn an_end_that_comes_too_early_is_none() {
    let begun = || {
        let mut exchange = Exchange::default();
        let stream = exchange.open("db", 5432, Instant::now());
        said(&mut exchange, &format!("D{stream:08x}00000005hello~~~")).unwrap();
        (exchange, stream)
    };
    let (mut exchange, stream) = begun();
    assert_eq!(said(&mut exchange, &format!("E{stream:08x}00000006")), Err(Garbled));
    let (mut exchange, stream) = begun();
    said(&mut exchange, &format!("E{stream:08x}00000005")).unwrap();
    assert_eq!(taken(&mut exchange, stream), b"hello");
    assert!(matches!(exchange.take(stream), Arrival::End(End::Finished)));
    assert!(exchange.room(stream) > 0, "the other direction goes on");
}

#[test]
fn what_a_destination_does_not_take_holds_up_its_stream_alone() {
    let mut exchange = Exchange::default();
    let (stuck, other) =
        (exchange.open("a", 1, Instant::now()), exchange.open("b", 2, Instant::now()));
    let bytes = vec![0; 64 << 10];
    while exchange.room(stuck) >= bytes.len() {
        exchange.send(stuck, &bytes, Instant::now());
        frames(&mut exchange);
    }
    assert!(exchange.room(other) > bytes.len());
    let mut takes =
        |count| exchange.answered(Answer::Taken { stream: stuck, count }, Instant::now());
    assert_eq!(takes(1 << 20), Ok(()));
    assert_eq!(takes(1 << 30), Err(Garbled));
    assert!(exchange.room(stuck) >= 1 << 20);
}

#[test]
fn the_queue_to_the_port_has_a_bound() {
    let mut exchange = Exchange::default();
    let streams = [exchange.open("a", 1, Instant::now()), exchange.open("b", 2, Instant::now())];
    let bytes = vec![0; 64 << 10];
    let mut sent = 0;
    while let Some(stream) = streams.into_iter().find(|stream| exchange.room(*stream) > 0) {
        let len = exchange.room(stream).min(bytes.len());
        exchange.send(stream, &bytes[..len], Instant::now());
        sent += len;
    }
    assert!(sent < QUEUE + bytes.len(), "{sent}");
    assert!(exchange.transmit(&cx()).is_some_and(|frames| frames.len() > sent));
    assert!(exchange.room(streams[0]) > 0);
}

#[test]
fn what_has_come_is_acknowledged_and_where_it_moves_all_of_it() {
    let mut exchange = Exchange::default();
    let stream = exchange.open("db", 5432, Instant::now());
    kinds(&mut exchange);
    said(&mut exchange, &format!("D{stream:08x}00000005hel")).unwrap();
    let hello = Hello { port: 99, secret: b"secret".to_vec() };
    exchange.move_to(&hello, 1, Instant::now());
    let moved = frames(&mut exchange);
    assert_eq!(
        moved,
        [('A', 0, vec![0, 0, 0, 20]), ('M', 0, b"\0\x63secret".to_vec())],
        "a head, and three bytes"
    );
    // What the old one still says is said again by the new one.
    said(&mut exchange, "lo~~~").unwrap();
    exchange.read(1, b"lo~~~", Instant::now()).unwrap();
    assert_eq!(taken(&mut exchange, stream), b"hello");
    let long = format!("D{stream:08x}00008000{}~~~", "x".repeat(0x8000));
    for _ in 0..8 {
        exchange.read(1, long.as_bytes(), Instant::now()).unwrap();
        exchange.consumed(stream, 0x8000);
    }
    assert_eq!(kinds(&mut exchange).matches('A').count(), 1);
}

#[test]
fn a_stream_that_is_closed_leaves_its_share_and_cuts_the_destination_off() {
    let mut exchange = Exchange::default();
    let first = exchange.open("db", 5432, Instant::now());
    exchange.close(first, false);
    kinds(&mut exchange);
    let window = exchange.table.down.window(0);
    for is_cut in [true, false] {
        let stream = exchange.open("db", 5432, Instant::now());
        said(&mut exchange, &format!("D{stream:08x}00000005hello~~~")).unwrap();
        exchange.send(stream, b"bytes", Instant::now());
        exchange.close(stream, is_cut);
        assert_eq!(kinds(&mut exchange), if is_cut { "ODX" } else { "OD" });
        assert_eq!(exchange.table.down.window(0), window);
        assert!(matches!(exchange.take(stream), Arrival::End(End::Over)));
    }
}

#[test]
fn all_streams_end_with_the_companion() {
    let mut exchange = Exchange::default();
    let stream = exchange.open("db", 5432, Instant::now());
    assert!(matches!(exchange.take(stream), Arrival::Nothing));
    exchange.end();
    assert_eq!(exchange.room(stream), 0);
    assert!(matches!(exchange.take(stream), Arrival::End(End::Over)));
}
