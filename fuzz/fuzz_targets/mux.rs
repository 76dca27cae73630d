//! The multiplexer of either role. On bytes of the peer: wherever they are cut, the same comes of
//! them. And on a script in which the owner opens, sends, reads and ends streams meanwhile: what a
//! stream tells comes in order, and memory stays within what the module promises.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ssmport::mux::{Config, Event, HEADER_LEN, Mux, Role, SLICE_OVERHEAD, StreamId};
use ssmport_fuzz::{Script, cut, start, within};

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let setting = script.byte();
    let role = if setting & 1 == 0 { Role::Server } else { Role::Client };
    if setting & 2 == 0 {
        let cuts = script.bytes(4);
        assert_eq!(outcome(role, script.0, &[]), outcome(role, script.0, cuts));
    } else {
        // Chunks allocate twice their length, and a stream costs some hundred bytes.
        let limit = 4 * (BUDGET + input.len()) + MAX_STREAMS * 1024 + 32 * input.len() + (64 << 10);
        within(limit, || Bench::new(role).run(&mut script));
    }
});

/// What of each stream arrived, whether it ended, what was sent, and how it went on.
type Outcome = (BTreeMap<StreamId, (Vec<u8>, bool)>, Vec<[u8; HEADER_LEN]>, Option<String>);

/// Feeds bytes, as a whole if there are no cuts, and reads whatever arrives.
fn outcome(role: Role, bytes: &[u8], cuts: &[u8]) -> Outcome {
    let mut mux = Mux::new(Config::new(role));
    let (mut streams, mut control) = (BTreeMap::<_, (Vec<u8>, bool)>::new(), Vec::new());
    let mut broken = None;
    if role == Role::Client {
        for _ in 0..3 {
            streams.insert(mux.open().expect("there is room"), Default::default());
        }
    }
    let mut pieces: Vec<_> = if cuts.is_empty() { vec![bytes] } else { cut(bytes, cuts).collect() };
    // So that there is one.
    pieces.push(&[]);
    for piece in pieces {
        let fed = mux.handle_bytes(Bytes::copy_from_slice(piece), start());
        broken = fed.err().map(|error| error.to_string());
        while let Some(event) = mux.poll_event() {
            match event {
                Event::Opened(id) => drop(streams.insert(id, Default::default())),
                Event::Readable(id) => {
                    let (arrived, _) = streams.get_mut(&id).expect("it was opened");
                    while let Some(slice) = mux.front(id) {
                        arrived.extend_from_slice(slice);
                        mux.consume(id, slice.len());
                    }
                }
                Event::Finished(id) => streams.get_mut(&id).expect("it was opened").1 = true,
                Event::Unanswered(id) => panic!("nobody awaits an answer on {id}"),
            }
        }
        control.extend(std::iter::from_fn(|| mux.poll_control()));
        assert_eq!(mux.buffered(), 0, "everything was read");
    }
    (streams, control, broken)
}

struct Bench {
    mux: Mux,
    now: std::time::Instant,
    /// How far each stream is: opened 1, finished 2.
    told: BTreeMap<StreamId, u8>,
}

impl Bench {
    fn new(role: Role) -> Self {
        let config = Config {
            receive_budget: BUDGET,
            max_streams: MAX_STREAMS,
            half_close_linger: std::time::Duration::from_millis(100),
            ..Config::new(role)
        };
        Self { mux: Mux::new(config), now: start(), told: BTreeMap::new() }
    }

    fn run(&mut self, script: &mut Script<'_>) {
        while script.goes_on() {
            self.step(script);
            while let Some(event) = self.mux.poll_event() {
                self.hear(event);
            }
            assert!(self.mux.stream_count() <= MAX_STREAMS);
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let op = script.byte();
        let id = StreamId(u32::from(op >> 4));
        match op % 16 {
            0..=5 if self.mux.has_room() => {
                let input = self.frames(op, id, script);
                // Each frame of the input may cost a slice, beside its bytes.
                let limit = BUDGET + input.len() * (1 + SLICE_OVERHEAD);
                let _ = self.mux.handle_bytes(input, self.now);
                assert!(self.mux.buffered() < limit);
            }
            6 => {
                let before = self.mux.stream_count();
                if let Ok(id) = self.mux.open() {
                    assert_eq!(self.mux.stream_count(), before + 1);
                    self.told.insert(id, 1);
                }
            }
            7 => self.mux.finish(id),
            8 => self.mux.reset(id),
            9 => self.mux.consume(id, usize::from(script.byte()) * 16),
            10 => {
                self.now += script.time();
                self.mux.handle_timeout(self.now);
            }
            11 => {
                self.mux.mark_ready(id);
                self.mux.handle_delivered(id, self.now);
            }
            12 => {
                let turn = self.mux.next_turn();
                assert!(
                    turn.is_none_or(
                        |id| self.mux.data_header(id, 1).is_ok() || self.mux.has_control()
                    )
                );
            }
            13 => while self.mux.poll_control().is_some() {},
            14 => {
                self.mux.send_keepalive();
                self.mux.handle_reconnected(self.now);
            }
            _ => self.mux.fullest().map(|(id, _)| self.mux.reset(id)).unwrap_or_default(),
        }
    }

    /// A frame of stream `id`, or bytes of any kind.
    fn frames(&self, op: u8, id: StreamId, script: &mut Script<'_>) -> Bytes {
        if op % 16 == 5 {
            return Bytes::copy_from_slice(script.text());
        }
        // SYN, FIN, PSH, PSH, NOP.
        let command = [0, 1, 2, 2, 3][usize::from(op % 16)];
        let repeats = if command == 2 { 1 + usize::from(script.byte()) } else { 1 };
        let payload = script.text().repeat(repeats);
        let length = u16::try_from(payload.len()).expect("255 times 255 bytes");
        let [low, high] = length.to_le_bytes();
        let [a, b, c, d] = id.0.to_le_bytes();
        Bytes::from([&[1, command, low, high, a, b, c, d], &payload[..]].concat())
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Opened(id) => drop(self.told.insert(id, 1)),
            Event::Readable(id) => {
                assert_eq!(self.told.get(&id), Some(&1));
                assert!(self.mux.queued(id) > 0 && self.mux.front(id).is_some());
            }
            Event::Finished(id) => assert_eq!(self.told.insert(id, 2), Some(1)),
            Event::Unanswered(id) => panic!("nobody awaits an answer on {id}"),
        }
    }
}

const BUDGET: usize = 32 << 10;
const MAX_STREAMS: usize = 8;
