//! Processes that are no children of ours: those that sessions have started.

use std::fs;

use super::program::await_that;

/// A number of seconds for `sleep`, more than an hour of them, by which the process can be found.
pub fn mark() -> String {
    format!("{}.{:09}", rand::random_range(4000..9000), rand::random_range(0..1_000_000_000))
}

/// Whether a `sleep` with `mark` runs.
fn is_running(mark: &str) -> bool {
    let expected = format!("sleep\0{mark}\0").into_bytes();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| line == expected)
}

/// Waits until a `sleep` with `mark` runs.
#[track_caller]
pub fn await_running(mark: &str) {
    await_that("sleep runs", || is_running(mark));
}

/// Waits until no `sleep` with `mark` runs.
#[track_caller]
pub fn await_gone(mark: &str) {
    await_that("sleep is gone", || !is_running(mark));
}
