//! The sender on paths of all kinds, in virtual time, beside what each path carries.
//!
//! `cargo bench --profile dev --bench grid` prints the table that `benches/grid.md` keeps; cells
//! that miss a limit are marked, and it exits with 1.

#[path = "grid/cell.rs"]
mod cell;
#[path = "simulator/mod.rs"]
mod simulator;

use std::time::Duration;

use cell::Cell;
use simulator::Path;

fn main() {
    let only: Option<String> = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let mut missed = 0;
    println!("{}", Cell::HEAD);
    for cell in cells() {
        let name = cell.name();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let result = cell.run();
        missed += usize::from(!result.misses().is_empty());
        println!("{}", result.row());
    }
    println!("\n{missed} cells miss a limit");
    std::process::exit(i32::from(missed > 0));
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate in RATES {
        for round_trip in ROUND_TRIPS {
            let path = Path::new(rate, Duration::from_millis(round_trip));
            for drop in [0, 10, 50] {
                cells.push(Cell::new(Path { drop, ..path }));
            }
            // No router has less room than ten packets.
            let packets = Duration::from_secs_f64(15_000.0 / f64::from(rate));
            let queue = packets.max(Duration::from_millis(100));
            cells.push(Cell::new(Path { queue: Some(queue), ..path }));
            cells.push(Cell::new(Path { reader: Some(rate / 4 * 3), ..path }));
        }
    }
    cells
}

/// Bytes a second.
const RATES: [u32; 10] = [
    16_000,
    60_000,
    125_000,
    300_000,
    600_000,
    1_250_000,
    5_000_000,
    20_000_000,
    40_000_000,
    125_000_000,
];
/// Milliseconds.
const ROUND_TRIPS: [u64; 8] = [2, 20, 50, 100, 200, 600, 1200, 2000];
