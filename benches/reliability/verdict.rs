//! What a row came to, and whether that is as it must be.

use std::time::Duration;

use super::{
    bytes::Flaws,
    silence::{Silences, percentile},
};

/// What a row's transfers came to.
#[derive(Default, Debug)]
pub struct Run {
    /// MB/s.
    pub up: f64,
    pub down: f64,
    pub flaws: Flaws,
    /// Connections to the service that the client lost, and those that it had again.
    pub lost: usize,
    pub resumed: usize,
    /// Behind the cuts in the middle of transfers.
    pub silences: Silences,
}

impl Run {
    /// All that is not as it must be, where at least so many connections break.
    pub fn failures(&self, least_cuts: usize) -> Vec<String> {
        let mut failures = Vec::new();
        if !self.flaws.is_none() {
            failures.push(format!("bytes did not arrive as they were sent: {:?}", self.flaws));
        }
        if self.lost < least_cuts {
            failures.push(format!("{} connections broke, not {least_cuts}", self.lost));
        }
        // The last one may be on its way.
        if self.resumed < least_cuts.min(1) || self.resumed + 1 < self.lost {
            failures.push(format!("{} of {} connections were resumed", self.resumed, self.lost));
        }
        if self.silences.endless > 0 {
            failures.push(format!("nothing came behind {} cuts", self.silences.endless));
        }
        failures
    }

    /// A row of the table below [`HEAD`].
    pub fn row(&self, name: &str) -> String {
        let Self { up, down, flaws, resumed, silences, .. } = self;
        let Flaws { lost, repeated, misplaced } = flaws;
        let ms = |silence: Option<Duration>| match silence {
            Some(silence) => silence.as_millis().to_string(),
            None => "-".to_owned(),
        };
        let [half, most, all] = [50, 99, 100].map(|share| ms(percentile(&silences.all, share)));
        let [slow, slowest] = [99, 100].map(|share| ms(percentile(&silences.slowest, share)));
        let count = silences.all.len();
        format!(
            "| {name} | {up:.1} | {down:.1} | {lost} | {repeated} | {misplaced} | {resumed} \
             | {count} | {half} | {most} | {all} | {slow} | {slowest} |"
        )
    }
}

/// What one way through a line with a rate came to.
#[derive(Default, Debug)]
pub struct OneWay {
    /// What came in a second, of the line's rate.
    pub share: f64,
    /// How long keys took there and back meanwhile, shortest first.
    pub keys: Vec<Duration>,
    pub flaws: Flaws,
}

impl OneWay {
    /// All that is not as it must be.
    pub fn failure(&self) -> Option<String> {
        let flaws = self.flaws;
        (!flaws.is_none()).then(|| format!("bytes did not arrive as they were sent: {flaws:?}"))
    }

    fn columns(&self) -> String {
        let keys = [50, 90, 100].map(|share| match percentile(&self.keys, share) {
            Some(key) => format!("{} |", key.as_millis()),
            None => "- |".to_owned(),
        });
        format!("{:.0} % | {}", 100.0 * self.share, keys.join(" "))
    }
}

/// A row of the table below [`RATES_HEAD`].
pub fn rates_row(name: &str, ways: &[OneWay; 2]) -> String {
    let [mut flaws, other] = [ways[0].flaws, ways[1].flaws];
    flaws += other;
    let Flaws { lost, repeated, misplaced } = flaws;
    let [up, down] = [&ways[0], &ways[1]].map(OneWay::columns);
    format!("| {name} | {up} {down} {lost} | {repeated} | {misplaced} |")
}

/// The first lines of the table of lines with a rate. A way has too few keys for their 99 % to be
/// another one than the longest.
pub const RATES_HEAD: &str = "\
| line | up, of the rate | keys, ms: 50 % | 90 % | longest \
| down, of the rate | keys, ms: 50 % | 90 % | longest | bytes lost | repeated | out of place |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// The table's first lines.
pub const HEAD: &str = "\
| service | up, MB/s | down, MB/s | bytes lost | repeated | out of place | resumed \
| cuts | moves again, ms: 50 % | 99 % | longest | slowest stream: 99 % | longest |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Run {
        let ms = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        let silences = Silences { all: ms(&[1, 2, 30]), slowest: ms(&[3, 4, 50]), endless: 0 };
        Run { up: 10.0, down: 20.0, lost: 4, resumed: 3, silences, ..Run::default() }
    }

    #[test]
    fn what_is_as_it_must_be_does_not_fail() {
        assert_eq!(good().failures(4), [""; 0]);
        assert_eq!(Run::default().failures(0), [""; 0]);
    }

    #[test]
    fn every_flaw_fails() {
        let lost = Flaws { lost: 8, ..Flaws::default() };
        let repeated = Flaws { repeated: 8, ..Flaws::default() };
        let misplaced = Flaws { misplaced: 8, ..Flaws::default() };
        for flaws in [lost, repeated, misplaced] {
            let failures = Run { flaws, ..good() }.failures(4);
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(failures[0].contains(": 8"), "{failures:?}");
        }
    }

    #[test]
    fn faults_that_did_not_come_or_were_not_made_good_fail() {
        assert!(good().failures(5)[0].contains("4 connections broke, not 5"));
        let unresumed = Run { resumed: 2, ..good() }.failures(4);
        assert!(unresumed[0].contains("2 of 4 connections were resumed"), "{unresumed:?}");
        let never = Run { lost: 1, resumed: 0, ..Run::default() }.failures(1);
        assert!(never[0].contains("0 of 1"), "{never:?}");
        let mut endless = good();
        endless.silences.endless = 1;
        assert!(endless.failures(4)[0].contains("nothing came behind 1"));
    }

    #[test]
    fn a_line_shows_both_ways_and_their_flaws() {
        let keys = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        let up = OneWay { share: 0.904, keys: keys(&[21, 22, 60]), flaws: Flaws::default() };
        let lost = Flaws { lost: 8, ..Flaws::default() };
        let down = OneWay { share: 0.5, keys: Vec::new(), flaws: lost };
        assert_eq!(up.failure(), None);
        assert!(down.failure().is_some_and(|it| it.contains("lost: 8")));
        let row = rates_row("some", &[up, down]);
        assert_eq!(row, "| some | 90 % | 22 | 60 | 60 | 50 % | - | - | - | 8 | 0 | 0 |");
        let columns = |line: &str| line.matches('|').count();
        assert!(RATES_HEAD.lines().all(|line| columns(line) == columns(&row)), "{row}");
    }

    #[test]
    fn a_row_has_as_many_columns_as_its_head() {
        let row = good().row("some");
        let columns = |line: &str| line.matches('|').count();
        assert!(HEAD.lines().all(|line| columns(line) == columns(&row)), "{row}");
        assert!(row.ends_with("| 3 | 3 | 2 | 30 | 30 | 50 | 50 |"), "{row}");
    }
}
