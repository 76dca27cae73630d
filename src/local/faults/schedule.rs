//! What comes and goes at regular times.

use std::time::Duration;

/// On for `lasts`, every `every`. The first time comes after one whole `every`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    every: Duration,
    lasts: Duration,
}

impl Schedule {
    /// `None` unless there is time between two times.
    pub fn new(every: Duration, lasts: Duration) -> Option<Self> {
        (!lasts.is_zero() && lasts < every).then_some(Self { every, lasts })
    }

    /// Whether it is on at this age.
    pub fn is_on(&self, age: Duration) -> bool {
        age >= self.every && self.phase(age) < self.lasts
    }

    /// The age at which it is next switched on or off.
    pub fn next_change(&self, age: Duration) -> Duration {
        let phase = self.phase(age);
        let next = if self.is_on(age) { self.lasts } else { self.every };
        age + (next - phase)
    }

    fn phase(&self, age: Duration) -> Duration {
        let phase = age.as_nanos() % self.every.as_nanos();
        // Less than `every`, which nobody makes longer than five centuries.
        Duration::from_nanos(u64::try_from(phase).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_comes_and_goes() {
        let schedule = Schedule::new(10 * SECOND, 2 * SECOND).unwrap();
        let mut age = Duration::ZERO;
        let mut changes = Vec::new();
        for _ in 0..5 {
            changes.push((age.as_secs(), schedule.is_on(age)));
            age = schedule.next_change(age);
        }
        assert_eq!(changes, [(0, false), (10, true), (12, false), (20, true), (22, false)]);
        assert_eq!(schedule.next_change(Duration::from_millis(10_500)), 12 * SECOND);
        assert_eq!(schedule.next_change(Duration::from_millis(13_500)), 20 * SECOND);
    }

    #[test]
    fn there_is_time_between() {
        assert_eq!(Schedule::new(SECOND, SECOND), None);
        assert_eq!(Schedule::new(SECOND, Duration::ZERO), None);
    }
}
