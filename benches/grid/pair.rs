//! Two senders on one path, of which the second comes later.

use std::time::Duration;

use super::{
    GOODPUT, Row, Trial,
    simulator::{Path, Sender, Simulation, rate_text},
};

/// The path that they share.
#[derive(Clone, Copy)]
pub struct Pair {
    path: Path,
}

/// What came of it, once both have been there for a while.
struct Outcome {
    /// The part of the rate that each has had.
    shares: [f64; 2],
    /// The longest that a key of either took, beyond the empty path.
    key: Duration,
}

impl Trial for Pair {
    const HEAD: &str = "\
| rate | round trip | first | second | longest key | |
|--:|--:|--:|--:|--:|---|";

    fn name(&self) -> String {
        format!("| {} | {} ms |", rate_text(self.path.rate), self.path.round_trip.as_millis())
    }

    fn run(&self) -> Row {
        let Outcome { shares: [first, second], key } = self.measure();
        let columns = format!(
            "{} {:.0} % | {:.0} % | {} ms |",
            self.name(),
            first * 100.0,
            second * 100.0,
            key.as_millis()
        );
        let limits = [
            ("goodput", first + second < GOODPUT),
            ("share", first.max(second) > MOST_UNEQUAL * first.min(second)),
        ];
        Row::new(columns, &limits)
    }
}

impl Pair {
    pub fn new(path: Path) -> Self {
        Self { path }
    }

    fn measure(&self) -> Outcome {
        let settled = SECOND_BEGINS + Duration::from_secs(20) + 60 * self.path.round_trip;
        let mut simulation = Simulation::new(self.path, Sender::Client, 7)
            .with_another(Sender::Client, SECOND_BEGINS);
        let delivered = |simulation: &Simulation| [0, 1].map(|n| simulation.flow(n).delivered);
        simulation.run_until(settled);
        let before = delivered(&simulation);
        simulation.run_until(settled + WATCHED);
        let after = delivered(&simulation);

        let most = self.path.slowest() * WATCHED.as_secs_f64();
        let keys = [(0, settled), (1, settled - SECOND_BEGINS)];
        let keys = keys.map(|(n, from)| simulation.flow(n).keys.longest_since(from));
        let key = keys.into_iter().flatten().max().unwrap_or_default();
        Outcome {
            shares: [0, 1].map(|n| (after[n] - before[n]) as f64 / most),
            key: key.saturating_sub(self.path.round_trip / 2),
        }
    }
}

const SECOND_BEGINS: Duration = Duration::from_secs(10);
/// Long enough for several looks at the empty path, each of which divides it anew.
const WATCHED: Duration = Duration::from_secs(30);
/// How many times as much one may have as the other.
const MOST_UNEQUAL: f64 = 2.0;
