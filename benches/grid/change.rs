//! A path that becomes another one in the middle of a transfer.

use std::time::Duration;

use super::{
    GOODPUT, QUICK, Row, Trial,
    simulator::{Path, Sender, Simulation, rate_text},
};

/// The path at first, and the one that it becomes.
#[derive(Clone, Copy)]
pub struct Change {
    before: Path,
    after: Path,
}

/// What came of it.
struct Outcome {
    /// How long what was under way at the change takes to pass after it.
    passes: Duration,
    /// From the change to the first second in which enough of the new rate arrived.
    full: Option<Duration>,
    /// The part of the new rate that arrived from then on.
    goodput: f64,
    /// The longest that a key took that was typed from then on, beyond the empty path.
    key: Duration,
    /// From the change to the last key that was not quick.
    quick: Duration,
}

impl Trial for Change {
    const HEAD: &str = "\
| rate | round trip | full after | goodput then | longest key then | keys quick after | |
|--:|--:|--:|--:|--:|--:|---|";

    fn name(&self) -> String {
        let rates = from_to(self.before.rate, self.after.rate, rate_text);
        let (before, after) = (self.before.round_trip, self.after.round_trip);
        let round_trips = from_to(before, after, |time| format!("{} ms", time.as_millis()));
        format!("| {rates} | {round_trips} |")
    }

    fn run(&self) -> Row {
        let Outcome { passes, full, goodput, key, quick } = self.measure();
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let columns = format!(
            "{} {} | {:.0} % | {} ms | {} |",
            self.name(),
            full.map_or("never".to_owned(), seconds),
            goodput * 100.0,
            key.as_millis(),
            seconds(quick)
        );
        // To see a longer path takes some round trips, and so does each doubling.
        let most_until_full = Duration::from_secs(1) + 20 * self.longer_round_trip();
        // Twice until what was under way has shown the new rate, and halves from there on.
        let most_until_quick = Duration::from_secs(1) + 4 * passes;
        let limits = [
            ("full", full.is_none_or(|full| full > most_until_full)),
            ("goodput", goodput < GOODPUT),
            ("longest key", key > passes + QUICK),
            ("quick", quick > most_until_quick),
        ];
        Row::new(columns, &limits)
    }
}

impl Change {
    pub fn new(before: Path, after: Path) -> Self {
        Self { before, after }
    }

    fn measure(&self) -> Outcome {
        let changed = Duration::from_secs(10) + 40 * self.longer_round_trip();
        let watched = Duration::from_secs(20) + 60 * self.longer_round_trip();
        let mut simulation = Simulation::new(self.before, Sender::Client, 7);
        simulation.run_until(changed);
        let under_way = simulation.flow(0).under_way();
        simulation.change(self.after);

        let mut delivered = vec![simulation.flow(0).delivered];
        while simulation.elapsed() < changed + watched {
            simulation.run_until(simulation.elapsed() + STEP);
            delivered.push(simulation.flow(0).delivered);
        }
        let rate = self.after.slowest();
        let is_full =
            |second: &[u64]| (second[STEPS_A_SECOND] - second[0]) as f64 >= GOODPUT * rate;
        let full = delivered.windows(STEPS_A_SECOND + 1).position(is_full);
        let rest = &delivered[full.unwrap_or_default()..];
        let arrived = (rest[rest.len() - 1] - rest[0]) as f64;
        let time = STEP.as_secs_f64() * (rest.len() - 1) as f64;

        let full = full.map(|steps| STEP * steps as u32);
        let keys = &simulation.flow(0).keys;
        let one_way = self.after.round_trip / 2;
        let key = keys.longest_since(changed + full.unwrap_or_default()).unwrap_or_default();
        let late = keys.last_beyond(one_way + QUICK).unwrap_or_default();
        Outcome {
            passes: Duration::from_secs_f64(under_way as f64 / rate),
            full,
            goodput: arrived / time / rate,
            key: key.saturating_sub(one_way),
            quick: late.saturating_sub(changed),
        }
    }

    fn longer_round_trip(&self) -> Duration {
        self.before.round_trip.max(self.after.round_trip)
    }
}

fn from_to<T: PartialEq + Copy>(before: T, after: T, text: impl Fn(T) -> String) -> String {
    if before == after { text(after) } else { format!("{} to {}", text(before), text(after)) }
}

/// How often is looked at what has arrived.
const STEP: Duration = Duration::from_millis(50);
const STEPS_A_SECOND: usize = 20;
