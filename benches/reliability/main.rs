//! What a faulty service costs: bulk through `ssmport forward` with every byte checked.
//!
//! `cargo bench --profile dev --bench reliability [-- --seed N] [--mib MIB] [--only ROW]` prints two
//! tables in Markdown: of faults, and of lines with a rate (`--only rate`). The service is `ssmport local --faults` in a process of its own; without the
//! feature `aws` it is that of `-t local`, in the client's. Everything shares this machine's cores.
//!
//! It fails, by its exit code too, if a byte was lost, repeated or out of place, a fault did not
//! come or was not made good, or something took for ever. How long things took is only shown. A
//! benchmark has no tests: those of what it judges by are run with the end-to-end tests.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[cfg_attr(test, expect(dead_code, reason = "its tests are run with the end-to-end tests"))]
mod bytes;
#[cfg_attr(test, expect(dead_code, reason = "its tests are run with the end-to-end tests"))]
mod options;
mod rates;
#[cfg_attr(test, expect(dead_code, reason = "its tests are run with the end-to-end tests"))]
mod silence;
mod transfer;
#[cfg_attr(test, expect(dead_code, reason = "its tests are run with the end-to-end tests"))]
mod verdict;

#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests")]
#[path = "../../tests/e2e/support/mod.rs"]
mod support;

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use options::Options;
use rates::{BETWEEN_KEYS, Line, WORTH, lines};
use silence::Away;
use support::Forward;
use transfer::{Amount, serve, transfer};
use verdict::{HEAD, OneWay, RATES_HEAD, rates_row};

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let rows: Vec<_> = ROWS.into_iter().filter(|row| row.name.contains(&options.only)).collect();
    let lines: Vec<_> = lines().filter(|line| line.name().contains(&options.only)).collect();
    let count = rows.len() + lines.len();
    if count == 0 {
        eprintln!("no row has {:?} in its name", options.only);
        return ExitCode::from(2);
    }
    let bad = show_rows(&rows, &options) + show_lines(&lines, &options);
    if bad > 0 {
        eprintln!("{bad} of {count} rows failed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How many of them failed.
fn show_rows(rows: &[Row], options: &Options) -> usize {
    if rows.is_empty() {
        return 0;
    }
    let Options { seed, mib, .. } = *options;
    println!(
        "Each time {mib} MiB up, then {mib} MiB down, on {STREAMS} connections of one session; \
         seed {seed}\n"
    );
    println!("{HEAD}");
    let bad = rows.iter().filter(|row| !row.holds(seed, mib << 20)).count();
    println!(
        "\nIt moves again when the first byte comes behind a cut, on any connection; or, slowest \
         stream, on the one that waits longest. Where the service is away it counts from when it \
         is back; pauses count.\n"
    );
    bad
}

/// How many of them failed.
fn show_lines(lines: &[Line], options: &Options) -> usize {
    if lines.is_empty() {
        return 0;
    }
    let Options { seed, mib, .. } = *options;
    println!(
        "Each time what passes in {} s, up and then down, on one connection; a key every {} ms on \
         another one of the same session; seed {seed}\n",
        WORTH.as_secs(),
        BETWEEN_KEYS.as_millis()
    );
    println!("{RATES_HEAD}");
    lines.iter().filter(|line| !holds(line, seed, mib << 20)).count()
}

/// Shows what a line with a rate comes to; whether that is as it must be.
fn holds(line: &Line, seed: u64, most: u64) -> bool {
    let name = line.name();
    let tunnel = tunnel(&line.faults(seed), 1);
    let failures = match line.measure(&tunnel.forward, most) {
        Ok(ways) => {
            println!("{}", rates_row(&name, &ways));
            ways.iter().filter_map(OneWay::failure).collect()
        }
        Err(failure) => vec![failure],
    };
    complain(&name, &failures, &tunnel.forward);
    failures.is_empty()
}

fn complain(name: &str, failures: &[String], forward: &Forward) {
    for failure in failures {
        eprintln!("{name}: {failure}");
    }
    if !failures.is_empty() {
        eprintln!("what the client said:\n{}", forward.program.stderr());
    }
}

/// A service and what it does.
struct Row {
    name: &'static str,
    /// But for those of `away`.
    faults: &'static str,
    away: Option<Away>,
    /// Bytes go up and down until so many connections broke, and for so long.
    cuts: usize,
    least: Duration,
    sessions: usize,
}

const PLAIN: Row =
    Row { name: "no fault", faults: "", away: None, cuts: 0, least: Duration::ZERO, sessions: 1 };
const ROWS: [Row; 12] = [
    PLAIN,
    Row {
        name: "1 % lost, 1 % repeated, 1 % overtaken",
        faults: "drop=1%,dup=1%,reorder=1%,",
        ..PLAIN
    },
    Row { name: "20 % lost", faults: "drop=20%,", ..PLAIN },
    Row { name: "cut every 2 s", faults: "cut=2s,", cuts: 15, ..PLAIN },
    Row { name: "cut every 0.2 s", faults: "cut=200ms,", cuts: 300, ..PLAIN },
    // The client is told nothing of it, and has nothing to resume.
    Row {
        name: "agent cut off every 0.2 s",
        faults: "agent-cut=200ms,",
        least: Duration::from_secs(5),
        ..PLAIN
    },
    Row { name: "cut in the handshake", faults: "cut=handshake,", cuts: 1, ..PLAIN },
    Row {
        name: "pauses for 10 s",
        faults: "pause=11s/10s,",
        least: Duration::from_secs(22),
        ..PLAIN
    },
    Row {
        name: "away for 1 s every 4 s",
        away: Some(Away { every: Duration::from_secs(4), lasts: Duration::from_secs(1) }),
        cuts: 8,
        ..PLAIN
    },
    Row { name: "200 ms round trip", faults: "delay=100ms,", ..PLAIN },
    Row {
        name: "all at once",
        faults: "drop=1%,dup=1%,reorder=1%,delay=20ms,cut=handshake,cut=2s,bye=5s,pause=4s/300ms,",
        away: Some(Away { every: Duration::from_secs(6), lasts: Duration::from_millis(500) }),
        cuts: 30,
        ..PLAIN
    },
    Row { name: "200 sessions at once", sessions: 200, ..PLAIN },
];
const STREAMS: usize = 8;

impl Row {
    /// Shows what it comes to; whether that is as it must be.
    fn holds(&self, seed: u64, bytes: u64) -> bool {
        let Self { name, away, cuts, least, sessions, .. } = *self;
        let amount = Amount { bytes, streams: STREAMS.max(sessions), cuts, least };
        let began = Instant::now();
        let tunnel = tunnel(&self.list(seed), sessions);
        let failures = match transfer(&tunnel.forward, amount, began, away) {
            Ok(run) => {
                println!("{}", run.row(name));
                run.failures(cuts)
            }
            Err(failure) => vec![failure],
        };
        complain(name, &failures, &tunnel.forward);
        failures.is_empty()
    }

    fn list(&self, seed: u64) -> String {
        let away = self.away.map(|Away { every, lasts }| {
            format!("restart={}ms/{}ms,", every.as_millis(), lasts.as_millis())
        });
        format!("{}{}seed={seed}", self.faults, away.unwrap_or_default())
    }
}

/// A client and the ports that lead through it, all to the same server.
struct Tunnel {
    forward: Forward,
    #[cfg(feature = "aws")]
    _endpoint: support::Endpoint,
}

fn tunnel(faults: &str, sessions: usize) -> Tunnel {
    let spec = format!("0:{}", serve().port());
    let specs = vec![&*spec; sessions];
    #[cfg(feature = "aws")]
    {
        let endpoint = support::Endpoint::with(&["--faults", faults]);
        let arguments = ["--endpoint-url", &endpoint.url, "-v"];
        let forward = Forward::start(&specs, support::NODE, &arguments);
        Tunnel { forward, _endpoint: endpoint }
    }
    #[cfg(not(feature = "aws"))]
    Tunnel { forward: Forward::faulty(&specs, faults) }
}
