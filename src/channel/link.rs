//! A network of virtual time between two ends: it delays, loses, repeats and reorders frames
//! from a seed, and can be cut.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// Out of a thousand.
    pub(super) drop: u32,
    pub(super) duplicate: u32,
    pub(super) reorder: u32,
    pub(super) delay: Duration,
    /// Bytes a second that pass; the rest waits.
    pub(super) rate: Option<u32>,
}

impl Faults {
    pub(super) const NONE: Self =
        Self { drop: 0, duplicate: 0, reorder: 0, delay: Duration::from_millis(10), rate: None };
}

/// One direction of the network.
pub(super) struct Link {
    rng: StdRng,
    faults: Faults,
    under_way: BTreeMap<(Instant, u64), Bytes>,
    sent: u64,
    /// Until when the link is busy with what was sent before.
    busy_until: Option<Instant>,
}

impl Link {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, faults, under_way: BTreeMap::new(), sent: 0, busy_until: None }
    }

    pub(super) fn send(&mut self, frame: Bytes, now: Instant) {
        if self.chance(self.faults.drop) {
            return;
        }
        if self.chance(self.faults.duplicate) {
            self.carry(frame.clone(), now);
        }
        self.carry(frame, now);
    }

    pub(super) fn receive(&mut self, now: Instant) -> Option<Bytes> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// Everything under way is gone, as when a connection breaks.
    pub(super) fn cut(&mut self) {
        self.under_way.clear();
    }

    fn carry(&mut self, frame: Bytes, now: Instant) {
        let late = if self.chance(self.faults.reorder) {
            self.faults.delay.mul_f64(self.rng.random_range(0.0..2.0))
        } else {
            Duration::ZERO
        };
        self.sent += 1;
        let mut leaves = now;
        if let Some(rate) = self.faults.rate {
            let takes = Duration::from_secs_f64(frame.len() as f64 / f64::from(rate));
            leaves = self.busy_until.unwrap_or(now).max(now) + takes;
            self.busy_until = Some(leaves);
        }
        self.under_way.insert((leaves + self.faults.delay + late, self.sent), frame);
    }

    fn chance(&mut self, per_thousand: u32) -> bool {
        self.rng.random_range(0..1000) < per_thousand
    }
}
