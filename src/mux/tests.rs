//! What a [`Mux`] does, one behaviour a test. Bytes in hexadecimal are what the real agent and
//! the reference client were seen to send.

mod answer_tests;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;

const A: StreamId = StreamId(3);
const B: StreamId = StreamId(5);
const LINGER: Duration = Duration::from_secs(1);

fn client() -> Mux {
    Mux::new(Config::new(Role::Client))
}

fn server() -> Mux {
    Mux::new(Config::new(Role::Server))
}

/// A client with one stream, [`A`], whose SYN is sent.
fn client_with_stream() -> Mux {
    let mut mux = client();
    assert_eq!(mux.open(), Ok(A));
    assert!(mux.poll_control().is_some());
    mux
}

/// A time to count from; the mux never asks for one.
fn start() -> Instant {
    Instant::now()
}

fn frame(command: u8, id: StreamId, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_le_bytes();
    [&[1, command], &length[..], &id.0.to_le_bytes()[..], payload].concat()
}

fn syn(id: StreamId) -> Vec<u8> {
    frame(0, id, b"")
}

fn fin(id: StreamId) -> Vec<u8> {
    frame(1, id, b"")
}

fn psh(id: StreamId, payload: &[u8]) -> Vec<u8> {
    frame(2, id, payload)
}

fn feed(mux: &mut Mux, frames: &[Vec<u8>]) {
    feed_at(mux, frames, start());
}

fn feed_at(mux: &mut Mux, frames: &[Vec<u8>], now: Instant) {
    mux.handle_bytes(Bytes::from(frames.concat()), now).unwrap();
}

/// The local end of file, at a time when all before it has reached the peer.
fn finish_delivered(mux: &mut Mux, id: StreamId, now: Instant) {
    mux.finish(id);
    mux.handle_delivered(id, now);
}

fn events(mux: &mut Mux) -> Vec<Event> {
    std::iter::from_fn(|| mux.poll_event()).collect()
}

fn control(mux: &mut Mux) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| mux.poll_control()).map(Vec::from).collect()
}

fn received(mux: &mut Mux, id: StreamId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(slice) = mux.front(id) {
        let n = slice.len();
        all.extend_from_slice(slice);
        mux.consume(id, n);
    }
    all
}

#[test]
fn a_connection_looks_as_in_the_captures() {
    let mut mux = client();
    let id = mux.open().unwrap();
    assert_eq!(mux.poll_control(), Some([1, 0, 0, 0, 3, 0, 0, 0]));
    assert_eq!(mux.data_header(id, 1), Ok([1, 2, 1, 0, 3, 0, 0, 0]));
    let echo = [1, 2, 1, 0, 3, 0, 0, 0, 0x45];
    mux.handle_bytes(Bytes::copy_from_slice(&echo), start()).unwrap();
    assert_eq!(mux.poll_event(), Some(Event::Readable(id)));
    assert_eq!(received(&mut mux, id), b"E");
}

#[test]
fn each_role_has_its_own_ids() {
    let mut mux = client();
    let ids = [mux.open(), mux.open(), mux.open()];
    assert_eq!(ids, [3, 5, 7].map(|id| Ok(StreamId(id))));
    let mut mux = server();
    assert_eq!([mux.open(), mux.open()], [2, 4].map(|id| Ok(StreamId(id))));
}

#[test]
fn payload_is_not_copied_when_delivered_at_once() {
    let mut mux = client_with_stream();
    for len in [5, 32 * 1024] {
        let input = Bytes::from(psh(A, &vec![7; len]));
        mux.handle_bytes(input.clone(), start()).unwrap();
        let slice = mux.front(A).unwrap();
        assert_eq!(slice.as_ptr(), input[HEADER_LEN..].as_ptr());
        mux.consume(A, len);
    }
}

#[test]
fn payload_that_waits_does_not_keep_its_input() {
    let mut mux = client_with_stream();
    for _ in 0..2 {
        let input = Bytes::from(psh(A, &[7; 32 * 1024]));
        mux.handle_bytes(input.clone(), start()).unwrap();
        mux.handle_bytes(Bytes::new(), start()).unwrap();
        assert!(input.is_unique(), "nothing but the test keeps the input");
    }
    assert_eq!(mux.queued(A), 64 * 1024);
}

#[test]
fn small_payload_that_waits_lets_go_of_earlier_inputs() {
    let mut mux = client_with_stream();
    mux.open().unwrap();
    let first = Bytes::from([psh(A, b"small"), psh(B, b"too")].concat());
    mux.handle_bytes(first.clone(), start()).unwrap();
    assert!(!first.is_unique());
    feed(&mut mux, &[psh(A, b" and more")]);
    assert!(first.is_unique());
    assert_eq!(received(&mut mux, A), b"small and more");
    assert_eq!(received(&mut mux, B), b"too");
}

#[test]
fn one_stream_opens_before_it_reads_before_it_finishes() {
    let mut mux = server();
    feed(&mut mux, &[syn(A), psh(A, b"x"), psh(A, b"y"), fin(A)]);
    let expected = [Event::Opened(A), Event::Readable(A), Event::Finished(A)];
    assert_eq!(events(&mut mux), expected);
    assert!(!mux.is_finished(A), "two bytes are still to be delivered");
    assert_eq!(received(&mut mux, A), b"xy");
    assert!(mux.is_finished(A));
}

#[test]
fn readable_tells_only_of_a_queue_that_was_empty() {
    let mut mux = client_with_stream();
    feed(&mut mux, &[psh(A, b"x")]);
    assert_eq!(events(&mut mux), [Event::Readable(A)]);
    feed(&mut mux, &[psh(A, b"y")]);
    assert_eq!(events(&mut mux), []);
    mux.consume(A, 2);
    feed(&mut mux, &[psh(A, b"z")]);
    assert_eq!(events(&mut mux), [Event::Readable(A)]);
}

#[test]
fn what_belongs_to_no_stream_is_skipped() {
    let mut mux = client_with_stream();
    feed(&mut mux, &[psh(B, b"lost"), fin(B), psh(A, b""), fin(A), psh(A, b"late"), fin(A)]);
    assert_eq!(events(&mut mux), [Event::Finished(A)]);
    assert_eq!(mux.queued(A), 0);
    assert_eq!(mux.buffered(), 0);
}

#[test]
fn a_repeated_syn_changes_nothing() {
    let mut mux = server();
    feed(&mut mux, &[syn(A), psh(A, b"x"), syn(A), psh(A, b"y")]);
    assert_eq!(events(&mut mux), [Event::Opened(A), Event::Readable(A)]);
    assert_eq!(received(&mut mux, A), b"xy");
}

#[test]
fn a_client_refuses_streams() {
    let mut mux = client();
    feed(&mut mux, &[syn(A), psh(A, b"ignored")]);
    assert_eq!(events(&mut mux), []);
    assert_eq!(control(&mut mux), [fin(A)]);
    assert_eq!((mux.stream_count(), mux.buffered()), (0, 0));
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let mut config = Config::new(Role::Server);
    config.max_streams = 1;
    let mut mux = Mux::new(config);
    feed(&mut mux, &[syn(A), syn(B)]);
    assert_eq!(events(&mut mux), [Event::Opened(A)]);
    assert_eq!(control(&mut mux), [fin(B)]);
    assert_eq!(mux.open(), Err(MuxError::TooManyStreams(1)));
}

#[test]
fn a_flood_of_syns_is_an_error_and_no_memory() {
    let mut mux = client();
    let flood: Vec<Vec<u8>> = (0..20_000).map(|id| syn(StreamId(2 * id))).collect();
    let flood = Bytes::from(flood.concat());
    let error = mux.handle_bytes(flood.clone(), start()).unwrap_err();
    let limit = 2 * 4096 + 1024;
    let stream = StreamId(2 * limit);
    let waiting = limit as usize;
    assert_eq!(error, MuxError::SynFlood { stream, waiting });
    assert_eq!(mux.open(), Err(MuxError::ControlBacklog(waiting)));
    assert_eq!(mux.handle_bytes(flood, start()), Err(error));
    assert_eq!(control(&mut mux).len(), waiting);
}

#[test]
fn broken_frames_are_final_but_take_nothing_back() {
    let mut mux = client_with_stream();
    let version_2 = Bytes::from([psh(A, b"good"), vec![2, 0, 0, 0, 3, 0, 0, 0]].concat());
    let error = Err(MuxError::Header(HeaderError::Version(2)));
    assert_eq!(mux.handle_bytes(version_2, start()), error);
    assert_eq!(mux.handle_bytes(Bytes::from(psh(A, b"x")), start()), error);
    assert_eq!(received(&mut mux, A), b"good");
}

#[test]
fn a_client_skips_commands_that_it_does_not_know_and_a_server_refuses_them() {
    for unknown in [4, 5, 77, 255] {
        let odd = frame(unknown, A, &[0; 8]);
        let mut mux = client_with_stream();
        let bytes = [psh(A, b"one "), odd.clone(), frame(unknown, A, b""), psh(A, b"two")];
        // In pieces, so that a header is never whole.
        for piece in bytes.concat().chunks(5) {
            mux.handle_bytes(Bytes::copy_from_slice(piece), start()).unwrap();
        }
        assert_eq!(received(&mut mux, A), b"one two");
        let refused = server().handle_bytes(Bytes::from(odd), start());
        assert_eq!(refused, Err(MuxError::Header(HeaderError::Command(unknown))));
    }
}

#[test]
fn data_follows_the_syn_and_precedes_the_fin() {
    let mut mux = client();
    let id = mux.open().unwrap();
    assert_eq!(mux.data_header(id, 1), Err(MuxError::SynNotSent(id)));
    assert_eq!(control(&mut mux), [syn(id)]);
    assert!(mux.data_header(id, 1).is_ok());
    mux.finish(id);
    assert_eq!(mux.data_header(id, 1), Err(MuxError::SendingEnded(id)));
    mux.reset(id);
    assert_eq!(mux.data_header(id, 1), Err(MuxError::UnknownStream(id)));
}

#[test]
fn a_frame_has_one_byte_at_least_and_65535_at_most() {
    let mut mux = client_with_stream();
    for len in [0, MAX_FRAME + 1] {
        let error = MuxError::FrameLength { stream: A, len };
        assert_eq!(mux.data_header(A, len), Err(error));
    }
    let header = mux.data_header(A, MAX_FRAME);
    assert_eq!(header, Ok([1, 2, 0xff, 0xff, 3, 0, 0, 0]));
}

#[test]
fn one_keepalive_waits_for_any_number() {
    let mut mux = client_with_stream();
    assert!(!mux.has_control());
    mux.send_keepalive();
    mux.send_keepalive();
    assert!(mux.has_control());
    assert_eq!(control(&mut mux), [frame(3, StreamId(0), b"")]);
    assert!(!mux.has_control());
}

#[test]
fn the_budget_counts_bytes_and_slices() {
    let mut config = Config::new(Role::Client);
    config.receive_budget = 1_000;
    let mut mux = Mux::new(config);
    mux.open().unwrap();
    mux.open().unwrap();
    feed(&mut mux, &[psh(A, &[0; 100]), psh(B, &[0; 600])]);
    assert_eq!(mux.buffered(), 700 + 2 * SLICE_OVERHEAD);
    assert!(mux.has_room());
    assert_eq!(mux.fullest(), Some((B, 600 + SLICE_OVERHEAD)));
    feed(&mut mux, &[psh(A, &[0; 200])]);
    assert!(!mux.has_room());
    mux.reset(B);
    assert_eq!(mux.buffered(), 300 + 2 * SLICE_OVERHEAD);
    mux.consume(A, usize::MAX);
    assert_eq!((mux.buffered(), mux.fullest()), (0, None));
}

#[test]
fn a_held_fin_goes_after_silence() {
    let mut mux = client_with_stream();
    let t0 = start();
    finish_delivered(&mut mux, A, t0);
    finish_delivered(&mut mux, A, t0 + LINGER);
    assert_eq!(mux.poll_timeout(), Some(t0 + LINGER));
    mux.handle_timeout(t0 + LINGER - Duration::from_millis(1));
    assert!(!mux.has_control());
    mux.handle_timeout(t0 + LINGER);
    assert_eq!(control(&mut mux), [fin(A)]);
    assert_eq!(mux.poll_timeout(), None);
    assert!(mux.contains(A), "the peer may still send");
}

#[test]
fn every_arrival_holds_the_fin_longer() {
    let mut mux = client_with_stream();
    let t0 = start();
    finish_delivered(&mut mux, A, t0);
    let arrival = t0 + Duration::from_millis(700);
    feed_at(&mut mux, &[psh(A, b"reply")], arrival);
    mux.handle_timeout(t0 + LINGER);
    assert!(!mux.has_control());
    assert_eq!(mux.poll_timeout(), Some(arrival + LINGER));
    mux.handle_timeout(arrival + LINGER);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn silence_before_the_peer_has_had_everything_does_not_count() {
    let mut mux = client_with_stream();
    let t0 = start();
    mux.finish(A);
    assert_eq!(mux.poll_timeout(), None);
    feed_at(&mut mux, &[psh(A, b"a greeting, not the reply")], t0 + LINGER);
    mux.handle_timeout(t0 + 5 * LINGER);
    assert!(!mux.has_control());
    let delivered = t0 + 6 * LINGER;
    mux.handle_delivered(A, delivered);
    // Said twice, it is the first time that counts.
    mux.handle_delivered(A, delivered + LINGER / 2);
    mux.handle_timeout(delivered + LINGER - Duration::from_millis(1));
    assert!(!mux.has_control());
    mux.handle_timeout(delivered + LINGER);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn the_time_without_a_carrier_is_no_silence_of_the_peer() {
    let mut mux = client_with_stream();
    let t0 = start();
    finish_delivered(&mut mux, A, t0);
    let back = t0 + 3 * LINGER;
    mux.handle_reconnected(back);
    mux.handle_timeout(back);
    assert!(!mux.has_control());
    assert_eq!(mux.poll_timeout(), Some(back + LINGER));
    mux.handle_timeout(back + LINGER);
    assert_eq!(control(&mut mux), [fin(A)]);
    mux.handle_reconnected(back + 2 * LINGER);
    assert_eq!(mux.poll_timeout(), None, "nothing is held any more");
}

#[test]
fn the_peers_fin_releases_the_held_one() {
    for is_delivered in [false, true] {
        let mut mux = client_with_stream();
        mux.finish(A);
        if is_delivered {
            mux.handle_delivered(A, start());
        }
        feed(&mut mux, &[psh(A, b"reply"), fin(A)]);
        assert_eq!(control(&mut mux), [fin(A)]);
        assert_eq!(mux.poll_timeout(), None);
    }
}

#[test]
fn silence_of_our_own_making_does_not_count() {
    let mut config = Config::new(Role::Client);
    config.receive_budget = 10;
    let mut mux = Mux::new(config);
    let t0 = start();
    mux.open().unwrap();
    mux.open().unwrap();
    control(&mut mux);
    feed_at(&mut mux, &[psh(B, b"a reader that does not read")], t0);
    finish_delivered(&mut mux, A, t0);
    mux.handle_timeout(t0 + LINGER);
    assert!(!mux.has_control());
    mux.consume(B, usize::MAX);
    assert_eq!(mux.poll_timeout(), Some(t0 + 2 * LINGER));
    mux.handle_timeout(t0 + 2 * LINGER);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn no_fin_is_held_without_a_reason() {
    let mut mux = client_with_stream();
    feed(&mut mux, &[fin(A)]);
    mux.finish(A);
    assert_eq!(control(&mut mux), [fin(A)]);

    let mut mux = server();
    feed(&mut mux, &[syn(A)]);
    mux.finish(A);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn an_endless_linger_waits_for_the_peer() {
    let mut config = Config::new(Role::Client);
    config.half_close_linger = Duration::MAX;
    let mut mux = Mux::new(config);
    mux.open().unwrap();
    control(&mut mux);
    finish_delivered(&mut mux, A, start());
    assert_eq!(mux.poll_timeout(), None);
    feed(&mut mux, &[fin(A)]);
    assert_eq!(control(&mut mux), [fin(A)]);
}

#[test]
fn a_stream_is_forgotten_when_both_ends_are_done_and_told() {
    let mut mux = server();
    feed(&mut mux, &[syn(A), psh(A, b"x"), fin(A)]);
    mux.finish(A);
    events(&mut mux);
    assert!(mux.contains(A), "a byte is still to be delivered");
    mux.consume(A, 1);
    assert!(!mux.contains(A));

    feed(&mut mux, &[syn(B)]);
    events(&mut mux);
    mux.finish(B);
    feed(&mut mux, &[fin(B)]);
    assert!(mux.contains(B), "the owner has not heard of the end");
    assert_eq!(events(&mut mux), [Event::Finished(B)]);
    assert!(!mux.contains(B) && mux.is_finished(B));

    feed(&mut mux, &[syn(A), psh(A, b"anew")]);
    assert_eq!(events(&mut mux), [Event::Opened(A), Event::Readable(A)]);
    assert_eq!(received(&mut mux, A), b"anew");
}

#[test]
fn a_reset_leaves_nothing_behind() {
    let mut mux = client_with_stream();
    feed(&mut mux, &[psh(A, b"thrown away")]);
    mux.mark_ready(A);
    mux.finish(A);
    mux.reset(A);
    assert_eq!(control(&mut mux), [fin(A)]);
    feed(&mut mux, &[psh(A, b"late"), fin(A)]);
    assert_eq!(events(&mut mux), []);
    assert_eq!((mux.next_turn(), mux.poll_timeout()), (None, None));
    assert_eq!((mux.stream_count(), mux.buffered()), (0, 0));
    mux.reset(A);
    assert_eq!(control(&mut mux), [] as [Vec<u8>; 0]);
}

#[test]
fn a_reset_in_the_middle_of_a_frame_keeps_the_borders() {
    let mut mux = client_with_stream();
    mux.open().unwrap();
    let long = psh(A, &[9; 500]);
    feed(&mut mux, &[long[..200].to_vec()]);
    mux.reset(A);
    feed(&mut mux, &[long[200..].to_vec(), psh(B, b"next")]);
    assert_eq!(mux.buffered(), 4 + SLICE_OVERHEAD);
    assert_eq!(received(&mut mux, B), b"next");
}

#[test]
fn the_peer_never_hears_of_a_stream_reset_before_its_syn_went() {
    let mut config = Config::new(Role::Client);
    config.half_close_linger = Duration::ZERO;
    let mut mux = Mux::new(config);
    let id = mux.open().unwrap();
    mux.finish(id);
    mux.reset(id);
    assert!(!mux.has_control());
}
