//! A network between two ends, in virtual time: it delays, loses, repeats and reorders frames from
//! a seed, and can be cut.
//!
//! What the channel is made for. Tests drive two channels over it, thousands of cases a second; the
//! embedded endpoint puts it between real sockets.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// What a network does to frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// How many of a thousand frames are lost.
    pub drop: u32,
    /// How many of a thousand frames come twice.
    pub duplicate: u32,
    /// How many of a thousand frames are held back, so that later ones overtake them: for a random
    /// time up to `delay`, or up to 5 ms where there is none.
    pub reorder: u32,
    /// How long every frame takes.
    pub delay: Duration,
    /// Bytes a second that pass; the rest waits.
    pub rate: Option<u32>,
    /// Frames a second that pass; the rest waits.
    pub frames: Option<u32>,
    /// How long frames may wait for their turn where there is a rate; what would have to wait
    /// longer is lost. `None` for as long as it takes.
    pub queue: Option<Duration>,
}

impl Faults {
    /// None but the time that a way across a country takes.
    pub const NONE: Self = Self {
        drop: 0,
        duplicate: 0,
        reorder: 0,
        delay: Duration::from_millis(10),
        rate: None,
        frames: None,
        queue: None,
    };
}

/// One direction of the network.
#[derive(Debug)]
pub struct Link {
    rng: StdRng,
    faults: Faults,
    under_way: BTreeMap<(Instant, u64), Bytes>,
    bytes: usize,
    sent: u64,
    /// Until when the link is busy with what was sent before.
    busy_until: Option<Instant>,
}

impl Link {
    /// A link on which everything random follows from `seed`.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self::with_rng(faults, StdRng::seed_from_u64(seed))
    }

    /// As [`new`](Self::new), for those who have a generator.
    pub fn with_rng(faults: Faults, rng: StdRng) -> Self {
        Self { rng, faults, under_way: BTreeMap::new(), bytes: 0, sent: 0, busy_until: None }
    }

    /// Sends a frame on its way, where anything may happen to it.
    pub fn send(&mut self, frame: Bytes, now: Instant) {
        if self.chance(self.faults.drop) || self.is_full(now) {
            return;
        }
        if self.chance(self.faults.duplicate) {
            self.carry(frame.clone(), now);
        }
        self.carry(frame, now);
    }

    /// Sends a frame that takes its time, as all do, and to which nothing else happens.
    pub fn send_safely(&mut self, frame: Bytes, now: Instant) {
        let leaves = self.leaves(&frame, now);
        self.arrive_at(leaves + self.faults.delay, frame);
    }

    /// The next frame that has arrived.
    pub fn receive(&mut self, now: Instant) -> Option<Bytes> {
        let first = self.under_way.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let frame = first.remove();
        self.bytes -= frame.len();
        Some(frame)
    }

    /// When the next frame arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The network changes; what is under way is not concerned.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Bytes under way.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames under way.
    pub fn frames(&self) -> usize {
        self.under_way.len()
    }

    /// Everything under way is gone, as when a connection breaks.
    pub fn cut(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
        self.busy_until = None;
    }

    fn carry(&mut self, frame: Bytes, now: Instant) {
        let late = if self.chance(self.faults.reorder) {
            let most = if self.faults.delay.is_zero() { LATE } else { self.faults.delay };
            most.mul_f64(self.rng.random_range(0.0..1.0))
        } else {
            Duration::ZERO
        };
        let leaves = self.leaves(&frame, now);
        self.arrive_at(leaves + self.faults.delay + late, frame);
    }

    /// Whether a frame would have to wait longer than the queue allows.
    fn is_full(&self, now: Instant) -> bool {
        let (Some(queue), Some(until)) = (self.faults.queue, self.busy_until) else { return false };
        until.saturating_duration_since(now) > queue
    }

    /// When all of a frame has left, behind those before it.
    fn leaves(&mut self, frame: &Bytes, now: Instant) -> Instant {
        let Faults { rate, frames, .. } = self.faults;
        let bytes = rate.map(|rate| frame.len() as f64 / f64::from(rate));
        let turn = frames.map(|frames| 1.0 / f64::from(frames));
        let Some(takes) = bytes.into_iter().chain(turn).reduce(f64::max) else { return now };
        let takes = Duration::from_secs_f64(takes);
        let leaves = self.busy_until.unwrap_or(now).max(now) + takes;
        self.busy_until = Some(leaves);
        leaves
    }

    fn arrive_at(&mut self, at: Instant, frame: Bytes) {
        self.sent += 1;
        self.bytes += frame.len();
        self.under_way.insert((at, self.sent), frame);
    }

    fn chance(&mut self, per_thousand: u32) -> bool {
        self.rng.random_range(0..1000) < per_thousand
    }
}

/// How late a frame may be where the way itself takes no time.
const LATE: Duration = Duration::from_millis(5);
