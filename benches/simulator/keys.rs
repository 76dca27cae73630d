//! What is typed beside a transfer, and how long it takes to arrive.

use std::time::{Duration, Instant};

/// One key a quarter of a second.
pub struct Keys {
    due: Instant,
    began: Instant,
    /// When each that was sent was typed.
    typed: Vec<Instant>,
    /// How long each took to the other end.
    pub took: Vec<Duration>,
}

impl Keys {
    pub(super) fn new(began: Instant) -> Self {
        Self { due: began + INTERVAL, began, typed: Vec::new(), took: Vec::new() }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    pub(super) fn next_due(&self) -> Instant {
        self.due
    }

    /// The message of the key that is due.
    pub(super) fn next(&mut self) -> Vec<u8> {
        let number = self.typed.len() as u32;
        self.typed.push(self.due);
        self.due += INTERVAL;
        let mut message = vec![KEY; 9];
        message[..4].copy_from_slice(&number.to_be_bytes());
        message
    }

    pub(super) fn handle_arrived(&mut self, payload: &[u8], now: Instant) {
        if payload.len() == 9
            && payload[8] == KEY
            && let Some(number) = payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
        {
            self.took.push(now - self.typed[number as usize]);
        }
    }

    /// The longest that keys took which were typed from `from` after the beginning on.
    pub fn longest_since(&self, from: Duration) -> Option<Duration> {
        let typed = self.typed.iter().zip(&self.took);
        typed.filter(|(at, _)| **at >= self.began + from).map(|(_, took)| *took).max()
    }

    /// How long after the beginning the last key was typed that took longer than `limit`.
    pub fn last_beyond(&self, limit: Duration) -> Option<Duration> {
        let typed = self.typed.iter().zip(&self.took);
        typed.filter(|(_, took)| **took > limit).map(|(at, _)| *at - self.began).max()
    }
}

const INTERVAL: Duration = Duration::from_millis(251);
const KEY: u8 = 0xaa;
