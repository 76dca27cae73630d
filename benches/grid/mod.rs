//! What is tried in the grid, and what is expected of it.

mod cell;
mod change;
mod pair;
#[path = "../simulator/mod.rs"]
pub mod simulator;

use std::{fmt, time::Duration};

pub use cell::Cell;
pub use change::Change;
pub use pair::Pair;
use simulator::Path;

/// Something to be tried, in virtual time.
pub trait Trial {
    /// The head of its table.
    const HEAD: &str;

    /// The first columns of its row.
    fn name(&self) -> String;

    fn run(&self) -> Row;
}

/// What came of it: a row of a table, and the columns that are not as they should be.
pub struct Row {
    columns: String,
    missed: Vec<&'static str>,
}

impl Row {
    /// Of `columns`, and of all limits, each with whether it is missed.
    fn new(columns: String, limits: &[(&'static str, bool)]) -> Self {
        let missed = limits.iter().filter(|(_, is_missed)| *is_missed).map(|(name, _)| *name);
        Self { columns, missed: missed.collect() }
    }

    pub fn misses(&self) -> bool {
        !self.missed.is_empty()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} |", self.columns, self.missed.join(", "))
    }
}

/// A path that carries `rate` bytes a second, of `round_trip` milliseconds, and loses nothing.
pub fn path(rate: u32, round_trip: u64) -> Path {
    Path::new(rate, Duration::from_millis(round_trip))
}

/// The same with a queue that has an end: 100 ms, and never less than ten packets as no router has.
pub fn with_queue(path: Path) -> Path {
    let packets = Duration::from_secs_f64(15_000.0 / f64::from(path.rate));
    Path { queue: Some(packets.max(Duration::from_millis(100))), ..path }
}

/// The same with a destination that takes three quarters of its rate.
pub fn with_slow_reader(path: Path) -> Path {
    Path { reader: Some(path.rate / 4 * 3), ..path }
}

/// Part of the rate that is to arrive.
const GOODPUT: f64 = 0.9;
/// How long a key may take beyond the empty path, where people still type.
const QUICK: Duration = Duration::from_millis(100);
