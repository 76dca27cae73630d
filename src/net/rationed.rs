//! What happens again and again is told once in a while: a client that tries all the time would
//! otherwise fill the screen.

use std::time::{Duration, Instant};

/// One kind of event.
#[derive(Debug, Default)]
pub struct Rationed {
    told: Option<Instant>,
    untold: u32,
}

impl Rationed {
    /// Whether it is to be told now, and how often it was since the last time, if more than once.
    pub fn tell(&mut self, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now < told + TELL_INTERVAL) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(match std::mem::take(&mut self.untold) {
            0 => String::new(),
            more => format!(" ({} times)", more + 1),
        })
    }
}

const TELL_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::now;

    #[test]
    fn an_event_is_told_once_in_a_while_and_counted() {
        let (mut refusals, start) = (Rationed::default(), now());
        assert_eq!(refusals.tell(start).as_deref(), Some(""));
        assert_eq!(refusals.tell(start), None);
        assert_eq!(refusals.tell(start + TELL_INTERVAL / 2), None);
        assert_eq!(refusals.tell(start + TELL_INTERVAL).as_deref(), Some(" (3 times)"));
    }
}
