//! A client and a server with a byte pipe in each direction, under random interleavings: what
//! must hold however calls are ordered and wherever the bytes are cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const BUDGET: usize = 20_000;

#[derive(Clone, Debug)]
enum Step {
    /// The client opens a stream.
    Open,
    /// The local socket of a stream has got so many more bytes.
    Write {
        end: usize,
        stream: usize,
        len: usize,
    },
    /// An end sends control frames and then up to so many data frames.
    Send {
        end: usize,
        frames: usize,
        frame_len: usize,
    },
    /// An end reads so many bytes from its carrier.
    Receive {
        end: usize,
        len: usize,
    },
    /// The local reader takes so many bytes.
    Deliver {
        end: usize,
        stream: usize,
        len: usize,
    },
    /// The local socket is at its end once everything written has been sent.
    Finish {
        end: usize,
        stream: usize,
    },
    /// All that an end has sent so far is known to have arrived.
    Acknowledge {
        end: usize,
    },
    /// Nothing could be heard of the other end for so many milliseconds.
    Reconnect(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (end, stream) = (0..2usize, 0..12usize);
    prop_oneof![
        2 => Just(Step::Open),
        6 => (end.clone(), stream.clone(), 1..20_000usize)
            .prop_map(|(end, stream, len)| Step::Write { end, stream, len }),
        8 => (end.clone(), 0..12usize, 1..9_000usize)
            .prop_map(|(end, frames, frame_len)| Step::Send { end, frames, frame_len }),
        4 => (end.clone(), 1..60usize).prop_map(|(end, len)| Step::Receive { end, len }),
        8 => (end.clone(), 1..30_000usize).prop_map(|(end, len)| Step::Receive { end, len }),
        8 => (end.clone(), stream.clone(), 1..20_000usize)
            .prop_map(|(end, stream, len)| Step::Deliver { end, stream, len }),
        2 => (end.clone(), stream).prop_map(|(end, stream)| Step::Finish { end, stream }),
        2 => end.prop_map(|end| Step::Acknowledge { end }),
        1 => (0..5_000u64).prop_map(Step::Reconnect),
        1 => (0..2_000u64).prop_map(Step::Wait),
    ]
}

/// One end of the session, with the local sockets of its streams.
struct End {
    mux: Mux,
    /// Bytes on the way to this end.
    carrier: VecDeque<u8>,
    sockets: BTreeMap<StreamId, Socket>,
    /// For each stream that waits for a turn, how many others may still come first.
    turns: BTreeMap<StreamId, usize>,
    /// Control frames that were taken and not sent yet.
    control: Vec<u8>,
}

#[derive(Default)]
struct Socket {
    to_send: usize,
    sent: usize,
    received: usize,
    readable: bool,
    ended: bool,
    finish: bool,
    told_finish: bool,
    /// Since when the other end has had everything and could be heard.
    delivered: Option<Instant>,
}

struct Pair {
    ends: [End; 2],
    linger: Duration,
    now: Instant,
}

impl Pair {
    fn new(linger: Duration) -> Pair {
        let end = |role| End {
            mux: Mux::new(Config {
                receive_budget: BUDGET,
                half_close_linger: linger,
                ..Config::new(role)
            }),
            carrier: VecDeque::new(),
            sockets: BTreeMap::new(),
            turns: BTreeMap::new(),
            control: Vec::new(),
        };
        Pair { ends: [end(Role::Client), end(Role::Server)], linger, now: Instant::now() }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Open => {
                let client = &mut self.ends[0];
                let id = client.mux.open().unwrap();
                client.sockets.insert(id, Socket::default());
            }
            Step::Write { end, stream, len } => self.ends[end].write(stream, len),
            Step::Send { end, frames, frame_len } => self.send(end, frames, frame_len),
            Step::Receive { end, len } => self.ends[end].receive(len, self.now),
            Step::Deliver { end, stream, len } => {
                if let Some(id) = self.ends[end].pick(stream) {
                    self.ends[end].deliver(id, len, 1 - end);
                }
            }
            Step::Finish { end, stream } => {
                if let Some(id) = self.ends[end].pick(stream) {
                    self.ends[end].socket(id).finish = true;
                    self.ends[end].finish_what_is_sent();
                }
            }
            Step::Acknowledge { end } => self.ends[end].acknowledge(self.now),
            Step::Reconnect(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                for end in &mut self.ends {
                    end.reconnect(self.now);
                }
            }
            Step::Wait(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                for end in &mut self.ends {
                    end.handle_timeout(self.linger, self.now);
                }
            }
        }
    }

    fn send(&mut self, from: usize, frames: usize, frame_len: usize) {
        let end = &mut self.ends[from];
        let mut bytes = std::mem::take(&mut end.control);
        for _ in 0..=frames {
            while let Some(control) = end.mux.poll_control() {
                bytes.extend(control);
            }
            if let Some((id, offset, len)) = end.take_turn(frame_len) {
                bytes.extend(end.mux.data_header(id, len).unwrap());
                bytes.extend((offset..offset + len).map(|at| pattern(id, from, at)));
            }
        }
        end.finish_what_is_sent();
        self.ends[1 - from].carrier.extend(bytes);
    }

    /// Everything that was begun comes to its end.
    fn settle(&mut self) {
        for end in &mut self.ends {
            for socket in end.sockets.values_mut() {
                socket.finish = true;
            }
        }
        for _ in 0..10_000 {
            if self.ends.iter().all(End::is_quiet) {
                return;
            }
            for end in 0..2 {
                self.ends[end].finish_what_is_sent();
                self.send(end, 20, 5_000);
                self.ends[end].acknowledge(self.now);
                self.ends[end].receive(3_000, self.now);
                for id in self.ends[end].sockets.keys().copied().collect::<Vec<_>>() {
                    self.ends[end].deliver(id, 7_000, 1 - end);
                    // A stream that the client finished early is accepted only here.
                    self.ends[end].socket(id).finish = true;
                }
            }
            self.run(Step::Wait(100));
        }
        panic!("the session does not come to rest");
    }
}

impl End {
    fn pick(&self, stream: usize) -> Option<StreamId> {
        let index = stream.checked_rem(self.sockets.len())?;
        self.sockets.keys().nth(index).copied()
    }

    fn socket(&mut self, id: StreamId) -> &mut Socket {
        self.sockets.get_mut(&id).expect("a stream of this test")
    }

    fn write(&mut self, stream: usize, len: usize) {
        let Some(id) = self.pick(stream) else { return };
        if self.socket(id).finish {
            return;
        }
        self.socket(id).to_send += len;
        self.mark_ready(id);
    }

    fn mark_ready(&mut self, id: StreamId) {
        self.mux.mark_ready(id);
        let others = self.turns.len();
        self.turns.entry(id).or_insert(others);
    }

    fn take_turn(&mut self, frame_len: usize) -> Option<(StreamId, usize, usize)> {
        let Some(id) = self.mux.next_turn() else {
            assert!(self.turns.is_empty(), "{:?} wait in vain", self.turns);
            return None;
        };
        assert!(self.turns.remove(&id).is_some(), "stream {id} did not wait");
        for (other, left) in &mut self.turns {
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("stream {other} starves"));
        }
        let socket = self.socket(id);
        let len = socket.to_send.min(frame_len);
        let offset = socket.sent;
        socket.sent += len;
        socket.to_send -= len;
        if socket.to_send > 0 {
            self.mark_ready(id);
        }
        Some((id, offset, len))
    }

    fn finish_what_is_sent(&mut self) {
        for (id, socket) in &mut self.sockets {
            if socket.finish && !socket.told_finish && socket.to_send == 0 {
                socket.told_finish = true;
                self.mux.finish(*id);
            }
        }
    }

    fn acknowledge(&mut self, now: Instant) {
        for (id, socket) in &mut self.sockets {
            if socket.told_finish {
                self.mux.handle_delivered(*id, now);
                socket.delivered.get_or_insert(now);
            }
        }
    }

    fn reconnect(&mut self, now: Instant) {
        self.mux.handle_reconnected(now);
        for socket in self.sockets.values_mut() {
            socket.delivered = socket.delivered.map(|_| now);
        }
    }

    /// What time alone lets go are FINs of streams whose other end was silent for long enough.
    fn handle_timeout(&mut self, linger: Duration, now: Instant) {
        self.control.extend(std::iter::from_fn(|| self.mux.poll_control()).flatten());
        self.mux.handle_timeout(now);
        while let Some(fin) = self.mux.poll_control() {
            let id = StreamId(u32::from_le_bytes([fin[4], fin[5], fin[6], fin[7]]));
            let since = self.socket(id).delivered.expect("the other end has had everything");
            assert!(fin[1] == 1 && now - since >= linger, "too soon");
            self.control.extend(fin);
        }
    }

    fn receive(&mut self, len: usize, now: Instant) {
        if !self.mux.has_room() {
            return;
        }
        let len = len.min(self.carrier.len());
        let input: Bytes = self.carrier.drain(..len).collect();
        self.mux.handle_bytes(input, now).unwrap();
        // Every slice but the first costs a header in the input.
        let slices = 1 + len / (HEADER_LEN + 1);
        assert!(self.mux.buffered() < BUDGET + len + slices * SLICE_OVERHEAD);
        while let Some(event) = self.mux.poll_event() {
            match event {
                Event::Opened(id) => {
                    assert!(self.sockets.insert(id, Socket::default()).is_none());
                }
                Event::Readable(id) => {
                    assert!(!self.socket(id).readable, "was told already");
                    self.socket(id).readable = true;
                }
                Event::Finished(id) => {
                    assert!(!self.socket(id).ended, "was told already");
                    self.socket(id).ended = true;
                }
                Event::Unanswered(id) => panic!("nobody awaits an answer on {id}"),
            }
        }
    }

    fn deliver(&mut self, id: StreamId, len: usize, peer: usize) {
        let mut left = len;
        while left > 0
            && let Some(slice) = self.mux.front(id)
        {
            let n = slice.len().min(left);
            let socket = self.sockets.get_mut(&id).expect("a stream of this test");
            assert!(socket.readable, "bytes without an event");
            for byte in &slice[..n] {
                assert_eq!(*byte, pattern(id, peer, socket.received));
                socket.received += 1;
            }
            self.mux.consume(id, n);
            left -= n;
        }
        let empty = self.mux.queued(id) == 0;
        self.socket(id).readable &= !empty;
    }

    fn is_quiet(&self) -> bool {
        self.carrier.is_empty()
            && self.control.is_empty()
            && !self.mux.has_control()
            && self.mux.stream_count() == 0
            && self.sockets.values().all(|socket| socket.to_send == 0)
    }
}

/// The byte at one place of what `end` sends on a stream.
fn pattern(id: StreamId, end: usize, at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 8) ^ (id.0 as usize * 7) ^ (end * 101)) as u8
}

proptest! {
    /// Every byte arrives once, in order, on its stream; no stream starves; the budget holds; and
    /// in the end nothing is left.
    #[test]
    fn streams_are_whole_and_independent(
        steps in prop::collection::vec(step(), 1..150),
        linger in prop_oneof![Just(0), 1..3_000u64],
    ) {
        let mut pair = Pair::new(Duration::from_millis(linger));
        for step in steps {
            pair.run(step);
        }
        pair.settle();
        let [client, server] = &pair.ends;
        prop_assert_eq!(client.sockets.len(), server.sockets.len());
        for (id, socket) in &client.sockets {
            let peer = &server.sockets[id];
            prop_assert_eq!(socket.sent, peer.received);
            prop_assert_eq!(peer.sent, socket.received);
            prop_assert!(socket.ended && peer.ended);
        }
        for end in &pair.ends {
            prop_assert_eq!(end.mux.buffered(), 0);
            prop_assert_eq!(end.mux.poll_timeout(), None);
        }
    }

    /// Whatever the peer sends and the owner does: no panic, no growth beyond what was fed in,
    /// no event without its stream.
    #[test]
    fn nothing_from_outside_panics(
        server in any::<bool>(),
        inputs in prop::collection::vec((noise(), 0..8u8, 0..8u32), 0..60),
    ) {
        let mut mux = Mux::new(Config {
            max_streams: 4,
            ..Config::new(if server { Role::Server } else { Role::Client })
        });
        let mut now = Instant::now();
        let mut fed = 0;
        let mut known: BTreeSet<_> = (0..200).map(StreamId).collect();
        for (input, call, id) in inputs {
            fed += input.len();
            let _ = mux.handle_bytes(Bytes::from(input), now);
            now += Duration::from_millis(300);
            let id = StreamId(id);
            match call {
                0 => drop(mux.open()),
                1 => mux.consume(id, 5),
                2 => mux.finish(id),
                3 => mux.reset(id),
                4 => mux.handle_timeout(now),
                5 => mux.handle_delivered(id, now),
                6 => mux.handle_reconnected(now),
                _ => mux.mark_ready(id),
            }
            while let Some(event) = mux.poll_event() {
                let (Event::Opened(id)
                | Event::Readable(id)
                | Event::Finished(id)
                | Event::Unanswered(id)) = event;
                prop_assert!(mux.contains(id) || mux.is_finished(id));
                // Noise has ids of any size.
                known.insert(id);
            }
            if let Some(turn) = mux.next_turn() {
                prop_assert!(mux.contains(turn));
            }
            prop_assert!(mux.stream_count() <= 4);
            let queued: usize = (0..8).map(|id| mux.queued(StreamId(id))).sum();
            prop_assert!(queued <= mux.buffered() && queued <= fed);
            prop_assert_eq!(mux.fullest().is_none(), mux.buffered() == 0);
        }
        for id in known {
            mux.reset(id);
        }
        prop_assert_eq!((mux.stream_count(), mux.buffered()), (0, 0));
        prop_assert_eq!((mux.poll_event(), mux.next_turn()), (None, None));
        prop_assert_eq!(mux.poll_timeout(), None);
    }
}

/// Bytes that are frames often enough to get somewhere.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0..4u8, 0..8u32, prop::collection::vec(any::<u8>(), 0..20)).prop_map(
        |(command, id, payload)| {
            let length = (payload.len() as u16).to_le_bytes();
            [&[1, command], &length[..], &id.to_le_bytes()[..], &payload].concat()
        },
    );
    let frames = prop::collection::vec(frame, 0..6).prop_map(|frames| frames.concat());
    prop_oneof![
        30 => frames,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}
