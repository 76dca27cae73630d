//! How much goes through each tunnel in a second.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{client::upkeep::Status, net::now};

/// Of the time between the last two looks.
#[derive(Debug, Default)]
pub(super) struct Rates {
    seen: HashMap<String, u64>,
    at: Option<Instant>,
    rates: HashMap<String, u64>,
}

impl Rates {
    pub(super) fn note(&mut self, statuses: &[Status]) {
        let now = now();
        let before = self.at.replace(now);
        let between = before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let total = |status: &Status| status.bytes_sent.saturating_add(status.bytes_received);
        self.rates = statuses
            .iter()
            .filter_map(|status| {
                let more = total(status).saturating_sub(*self.seen.get(&status.name)?);
                let rate = more as f64 / between.as_secs_f64().max(SHORTEST);
                Some((status.name.clone(), rate as u64))
            })
            .collect();
        self.seen = statuses.iter().map(|status| (status.name.clone(), total(status))).collect();
    }

    /// Bytes a second, both ways together.
    pub(super) fn of(&self, name: &str) -> u64 {
        self.rates.get(name).copied().unwrap_or_default()
    }
}

/// In seconds.
const SHORTEST: f64 = 0.1;
