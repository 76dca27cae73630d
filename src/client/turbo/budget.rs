//! How much one stream may have under way, so that all of them together stay below a bound.

/// What the streams of one direction share. Each may have half of what the others leave: one alone is fast,
/// and those that are stuck keep others from nothing but speed.
#[derive(Debug)]
pub(super) struct Budget {
    taken: usize,
    total: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { taken: 0, total: TOTAL }
    }
}

impl Budget {
    /// Has them share so many bytes from now on.
    pub(super) fn resize(&mut self, total: usize) {
        self.total = total;
    }

    /// What a stream may have under way that has `held` of it now.
    pub(super) fn window(&self, held: usize) -> usize {
        let others = self.taken.saturating_sub(held);
        (self.total.saturating_sub(others) / 2).clamp(LEAST, MOST)
    }

    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
    }

    pub(super) fn give_back(&mut self, count: usize) {
        self.taken = self.taken.saturating_sub(count);
    }
}

/// Bytes of all streams of one direction, beside the least that each may have.
const TOTAL: usize = super::allowance::MOST;
/// Of one stream: 40 MB in a second over a line of 100 ms.
const MOST: usize = 4 << 20;
/// The companion tells of each [`TOLD`] bytes that it is rid of.
const LEAST: usize = 2 * TOLD;
const TOLD: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_has_much_and_many_that_are_stuck_leave_something() {
        let mut budget = Budget::default();
        assert_eq!(budget.window(0), MOST);
        let mut all = 0;
        for _ in 0..1000 {
            let window = budget.window(0);
            assert!(window >= LEAST);
            budget.take(window);
            all += window;
        }
        assert!(all <= TOTAL + 1000 * LEAST, "{all}");
        budget.give_back(all);
        assert_eq!(budget.window(0), MOST);
    }

    #[test]
    fn what_a_stream_has_itself_is_not_held_against_it() {
        let mut budget = Budget::default();
        budget.take(MOST);
        assert_eq!(budget.window(MOST), MOST);
    }
}
