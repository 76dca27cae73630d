//! Which share of the messages is lost.

/// A moving average over some hundred messages.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LossShare {
    sent: f64,
    lost: f64,
}

impl LossShare {
    pub(super) fn handle_sent(&mut self) {
        self.sent += 1.0;
        if self.sent > MEMORY {
            self.sent /= 2.0;
            self.lost /= 2.0;
        }
    }

    pub(super) fn handle_lost(&mut self) {
        self.lost += 1.0;
    }

    /// More than what a network may lose without being full. Answers once, and then begins anew.
    pub(super) fn is_heavy(&mut self) -> bool {
        let is_heavy = self.lost >= LEAST && self.lost > self.sent * HEAVY_LOSS;
        if is_heavy {
            *self = Self::default();
        }
        is_heavy
    }
}

/// Messages that are remembered, half as much those before them.
const MEMORY: f64 = 256.0;
/// A service that has no room drops every second message. Where a network loses 5 % each way, every
/// tenth message is lost or not acknowledged, and so many of some hundred never by accident.
const HEAVY_LOSS: f64 = 0.2;
/// Fewer are an accident.
const LEAST: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// `lost` of a hundred, evenly.
    fn is_heavy(lost: u32) -> bool {
        let mut share = LossShare::default();
        let heavy = (0..10_000).filter(|n| {
            share.handle_sent();
            if n % 100 * lost / 100 != (n % 100 + 1) * lost / 100 {
                share.handle_lost();
            }
            share.is_heavy()
        });
        heavy.count() > 0
    }

    #[test]
    fn a_bad_network_is_not_a_full_one() {
        assert_eq!([1, 5, 10, 30, 50].map(is_heavy), [false, false, false, true, true]);
    }
}
