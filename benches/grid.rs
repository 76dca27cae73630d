//! The sender on paths of all kinds, in virtual time, beside what each path carries.
//!
//! `cargo bench --profile dev --bench grid` prints the tables that `benches/grid.md` keeps; rows
//! that miss a limit are marked, and it exits with 1. `-- PART` takes those with PART in their first
//! columns. `-- --picture protocol-docs/sender.svg` draws three paths instead.

#[path = "grid/mod.rs"]
mod grid;
#[path = "grid/picture.rs"]
mod picture;

use grid::{
    Cell, Change, Pair, Trial, path,
    simulator::{Path, Sender},
    with_queue, with_slow_reader,
};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--picture", file] => {
            std::fs::write(file, picture::draw()).expect("a file that can be written");
        }
        [] => try_all(""),
        [only] => try_all(only),
        _ => panic!("one part of a name, or --picture and a file"),
    }
}

fn try_all(only: &str) {
    let missed = table("The client sends", cells(), only)
        + table("The agent sends", agents(), only)
        + table("The path changes", changes(), only)
        + table("A second sender", pairs(), only);
    println!("{missed} rows miss a limit");
    std::process::exit(i32::from(missed > 0));
}

/// Prints what comes of those with `only` in their names. Returns how many miss a limit.
fn table<T: Trial>(title: &str, mut trials: Vec<T>, only: &str) -> usize {
    trials.retain(|trial| trial.name().contains(only));
    if trials.is_empty() {
        return 0;
    }
    println!("### {title}\n\n{}", T::HEAD);
    let rows = trials.iter().map(Trial::run).inspect(|row| println!("{row}"));
    let missed = rows.filter(|row| row.misses()).count();
    println!();
    missed
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate in RATES {
        for round_trip in ROUND_TRIPS {
            let path = path(rate, round_trip);
            cells.extend([0, 10, 50].map(|drop| Cell::new(Path { drop, ..path })));
            cells.extend([with_queue(path), with_slow_reader(path)].map(Cell::new));
        }
    }
    cells
}

/// What the client is, the agent is too: a few corners show it.
fn agents() -> Vec<Cell> {
    let mut paths = Vec::new();
    for rate in [60_000, 1_250_000, 20_000_000] {
        paths.extend([20, 100, 600].map(|round_trip| path(rate, round_trip)));
    }
    let middle = path(1_250_000, 100);
    paths.extend([Path { drop: 10, ..middle }, with_queue(middle), with_slow_reader(middle)]);
    paths.into_iter().map(|path| Cell::new(path).by(Sender::Agent)).collect()
}

/// Each there and back.
fn changes() -> Vec<Change> {
    let mut ends = Vec::new();
    for round_trip in [20, 200] {
        for (high, low) in [(5_000_000, 500_000), (1_250_000, 125_000)] {
            ends.push([path(high, round_trip), path(low, round_trip)]);
        }
    }
    for rate in [1_250_000, 20_000_000] {
        for (short, long) in [(20, 100), (100, 400)] {
            ends.push([path(rate, short), path(rate, long)]);
        }
    }
    ends.into_iter().flat_map(|[a, b]| [Change::new(a, b), Change::new(b, a)]).collect()
}

fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for rate in [60_000, 1_250_000, 20_000_000] {
        pairs.extend([20, 100, 200].map(|round_trip| Pair::new(path(rate, round_trip))));
    }
    pairs
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
