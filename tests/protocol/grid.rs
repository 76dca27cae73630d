//! The sender keeps its limits on a part of the grid that `cargo bench --bench grid` tries: its
//! corners and its middle. Time is virtual: no figure depends on the machine.

use trials::{
    Cell, Change, Pair, Trial, path,
    simulator::{Path, Sender},
    with_queue, with_slow_reader,
};

#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../../benches/grid/mod.rs"]
mod trials;

#[test]
fn a_path_carries_what_it_can_and_keeps_little_waiting() {
    let mut paths = Vec::new();
    for rate in [16_000, 60_000, 125_000, 1_250_000, 20_000_000] {
        paths.extend([2, 100, 600].map(|round_trip| path(rate, round_trip)));
        paths.extend([2, 100].map(|round_trip| with_queue(path(rate, round_trip))));
    }
    let middle = path(1_250_000, 100);
    paths.extend([with_slow_reader(middle), Path { drop: 10, ..middle }]);
    let by_the_agent = Cell::new(middle).by(Sender::Agent);
    keep_their_limits(paths.into_iter().map(Cell::new).chain([by_the_agent]));
}

#[test]
fn a_path_that_changes_is_followed() {
    let (fast, slow) = (path(1_250_000, 20), path(125_000, 20));
    let longer = path(1_250_000, 100);
    let changes = [(fast, slow), (slow, fast), (fast, longer), (longer, fast)];
    keep_their_limits(changes.map(|(before, after)| Change::new(before, after)));
}

#[test]
fn two_senders_share_a_path() {
    let paths = [path(60_000, 20), path(1_250_000, 100), path(20_000_000, 20)];
    keep_their_limits(paths.map(Pair::new));
}

fn keep_their_limits<T: Trial>(trials: impl IntoIterator<Item = T>) {
    let rows = trials.into_iter().map(|trial| trial.run());
    let missed: Vec<_> = rows.filter(|row| row.misses()).map(|row| row.to_string()).collect();
    assert!(missed.is_empty(), "limits are missed:\n{}\n{}", T::HEAD, missed.join("\n"));
}
