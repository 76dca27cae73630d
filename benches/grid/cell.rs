//! One path: what the sender makes of it.

use std::time::Duration;

use super::{
    GOODPUT, QUICK, Row, Trial,
    simulator::{Path, Sender, Simulation, rate_text},
};

/// A path to be tried, and who sends on it.
#[derive(Clone, Copy)]
pub struct Cell {
    path: Path,
    sender: Sender,
}

/// What came of it.
struct Outcome {
    /// Of the slowest place, in steady state.
    goodput: f64,
    /// Bytes sent for each that was delivered.
    overhead: f64,
    /// The longest that a key took to the other end, beyond the empty path.
    key: Duration,
    /// How long the first bytes took, in slow starts of the ideal kind.
    start: f64,
}

impl Outcome {
    /// The mean of several; the longest that a key took in any; the median start, since one that lost
    /// its first message says nothing of the others.
    fn of_all(runs: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        let mut starts: Vec<_> = runs.iter().map(|run| run.start).collect();
        starts.sort_by(f64::total_cmp);
        Self {
            goodput: mean(|run| run.goodput),
            overhead: mean(|run| run.overhead),
            key: runs.iter().map(|run| run.key).max().unwrap_or_default(),
            start: starts[starts.len() / 2],
        }
    }
}

impl Trial for Cell {
    const HEAD: &str = "\
| rate | round trip | loss | goodput | sent/delivered | key | start | |
|--:|--:|--:|--:|--:|--:|--:|---|";

    fn name(&self) -> String {
        let Path { rate, round_trip, drop, queue, reader } = self.path;
        let loss = match (drop, queue, reader) {
            (_, Some(queue), _) => format!("queue {} ms", queue.as_millis()),
            (_, _, Some(_)) => "slow reader".to_owned(),
            (drop, ..) => format!("{} %", f64::from(drop) / 10.0),
        };
        format!("| {} | {} ms | {loss} |", rate_text(rate), round_trip.as_millis())
    }

    fn run(&self) -> Row {
        let Outcome { goodput, overhead, key, start } = self.measure();
        let Path { drop, queue, .. } = self.path;
        let loses = drop > 0 || queue.is_some();
        let lost = 1.0 / (1.0 - f64::from(drop) / 1000.0);
        let most_sent = if loses { lost * 1.25 } else { 1.10 };
        // Below, the shortest messages that make sense take so long.
        let is_typed_on = !loses && self.path.slowest() >= 60e3;
        let columns = format!(
            "{} {:.0} % | {overhead:.2} | {} ms | {start:.2} |",
            self.name(),
            goodput * 100.0,
            key.as_millis()
        );
        let limits = [
            ("goodput", goodput < GOODPUT),
            ("sent", overhead > most_sent),
            ("key", is_typed_on && key > QUICK),
            ("start", !loses && start > 1.5),
        ];
        Row::new(columns, &limits)
    }
}

impl Cell {
    pub fn new(path: Path) -> Self {
        Self { path, sender: Sender::Client }
    }

    pub fn by(self, sender: Sender) -> Self {
        Self { sender, ..self }
    }

    fn measure(&self) -> Outcome {
        if self.path.drop == 0 {
            return self.measure_once(FIRST_SEED);
        }
        // What one run loses, and when, is an accident.
        let runs = (FIRST_SEED..FIRST_SEED + RUNS).map(|seed| self.measure_once(seed));
        Outcome::of_all(&runs.collect::<Vec<_>>())
    }

    fn measure_once(&self, seed: u64) -> Outcome {
        let mut simulation = Simulation::new(self.path, self.sender, seed);
        let round_trip = self.path.round_trip;
        // The handshake takes one and a half round trips, and the first data waits for another one.
        let began = round_trip * 5 / 2 + Duration::from_millis(10);
        let first = self.first_bytes();
        simulation.run(HOUR, |it| it.flow(0).delivered >= first as u64);
        let start = simulation.elapsed().saturating_sub(began).as_secs_f64();

        let settled = began + Duration::from_secs(1) + 30 * round_trip + ideal(*self, first) * 2;
        // Long enough for losses to even out.
        let some = Duration::from_secs_f64(400e3 / self.limit());
        let rounds = if self.path.drop > 0 { 40 } else { 14 };
        let end = settled + Duration::from_secs(3) + rounds * round_trip + some;
        simulation.run_until(settled);
        let (sent, delivered) = (simulation.flow(0).sent, simulation.flow(0).delivered);
        simulation.run_until(end);
        let flow = simulation.flow(0);
        let delivered = (flow.delivered - delivered) as f64;
        let one_way = flow.keys.longest_since(settled).unwrap_or_default();
        Outcome {
            goodput: delivered / (end - settled).as_secs_f64() / self.limit(),
            overhead: (flow.sent - sent) as f64 / delivered,
            key: one_way.saturating_sub(round_trip / 2),
            start: start / ideal(*self, first).as_secs_f64(),
        }
    }

    /// Bytes a second that can arrive: by the slowest place, by what may be unacknowledged, and by
    /// what may wait for one message that is missing. A lost message takes one and a quarter round
    /// trips more, the unluckiest of a window as often as chance has it. What has arrived goes again
    /// if its acknowledgement is lost, and takes its part of the rate.
    fn limit(&self) -> f64 {
        let round_trip = self.path.round_trip.as_secs_f64();
        let lost = f64::from(self.path.drop) / 1000.0;
        let repeats = match self.path.drop {
            0 => 0.0,
            _ => 512.0_f64.ln() / (1.0 / lost).ln(),
        };
        let unacknowledged = f64::from(16 << 20) / (round_trip * (1.0 + 1.25 * 2.0 * lost));
        let kept = f64::from(48 << 20) / (round_trip * (1.0 + 1.25 * repeats));
        (self.path.slowest() * (1.0 - lost)).min(unacknowledged).min(kept)
    }

    /// Enough to have filled the path.
    fn first_bytes(&self) -> f64 {
        3.0 * self.limit() * self.path.round_trip.as_secs_f64() + 256e3
    }
}

/// How long slow start takes to deliver `bytes`: it begins with 16 KiB, doubles each round trip, and
/// ends where the path is full.
fn ideal(cell: Cell, bytes: f64) -> Duration {
    let round_trip = cell.path.round_trip.as_secs_f64();
    let full = cell.limit() * round_trip;
    let (mut window, mut sent, mut time) = (f64::from(16 << 10), 0.0, round_trip / 2.0);
    while window < full && sent + window < bytes {
        sent += window;
        time += round_trip;
        window *= 2.0;
    }
    Duration::from_secs_f64(time + (bytes - sent) / cell.limit())
}

const FIRST_SEED: u64 = 7;
/// Of a path that loses by chance.
const RUNS: u64 = 4;
const HOUR: Duration = Duration::from_secs(3600);
