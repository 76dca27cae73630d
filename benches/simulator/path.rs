//! What lies between the two ends.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ssmport::channel::link::Faults;

/// A path, and the reader at its end.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Bytes a second that pass.
    pub rate: u32,
    pub round_trip: Duration,
    /// How many of a thousand frames are lost, each way.
    pub drop: u32,
    /// How long frames may wait at the slowest place; `None` for as long as it takes.
    pub queue: Option<Duration>,
    /// Bytes a second that the destination takes; `None` for as many as come.
    pub reader: Option<u32>,
}

impl Path {
    pub fn new(rate: u32, round_trip: Duration) -> Self {
        Self { rate, round_trip, drop: 0, queue: None, reader: None }
    }

    pub(super) fn faults(&self) -> Faults {
        Faults {
            drop: self.drop,
            delay: self.round_trip / 2,
            rate: Some(self.rate),
            queue: self.queue,
            ..Faults::NONE
        }
    }

    /// Acknowledgements are small: they have a way that is not full.
    pub(super) fn way_back(&self) -> Faults {
        Faults { rate: None, queue: None, ..self.faults() }
    }

    /// Bytes a second of the slowest place.
    pub fn slowest(&self) -> f64 {
        f64::from(self.reader.map_or(self.rate, |reader| reader.min(self.rate)))
    }
}

/// A rate in bytes a second, for people.
pub fn rate_text(rate: u32) -> String {
    match rate {
        1_000_000.. => format!("{} MB/s", f64::from(rate) / 1e6),
        _ => format!("{} KB/s", rate / 1000),
    }
}

/// A destination that takes one message after the other, each in its time, as the agent does.
pub struct Reader {
    rate: Option<u32>,
    waiting: VecDeque<Bytes>,
    busy_until: Instant,
}

impl Reader {
    pub(super) fn new(rate: Option<u32>, now: Instant) -> Self {
        Self { rate, waiting: VecDeque::new(), busy_until: now }
    }

    pub(super) fn arrive(&mut self, frame: Bytes) {
        self.waiting.push_back(frame);
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.busy_until {
            return None;
        }
        let frame = self.waiting.pop_front()?;
        if let Some(rate) = self.rate {
            let takes = Duration::from_secs_f64(frame.len() as f64 / f64::from(rate));
            self.busy_until = self.busy_until.max(now) + takes;
        }
        Some(frame)
    }

    /// When it takes the next one of those that wait.
    pub(super) fn free_at(&self, now: Instant) -> Option<Instant> {
        (!self.waiting.is_empty() && self.busy_until > now).then_some(self.busy_until)
    }
}
