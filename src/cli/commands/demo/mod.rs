//! `ssmport demo`: every kind of stream through the embedded endpoint, with figures and verdicts.

mod next;
mod peers;
mod sessions;
mod steps;

use std::{io, time::Duration};

use crate::cli::{
    args::DemoArgs,
    failure::{Code, Failure},
    local,
    output::{ERROR, GOOD, Output},
    report::{self, Event, State},
};
use crate::client::{Client, Node, service};
use crate::local::EndpointConfig;
use steps::{Bench, Step};

/// What a step came to.
pub(super) struct Measured {
    /// Payload moved, both ways together.
    bytes: u64,
    took: Duration,
    /// More that was measured, in words.
    note: String,
}

pub(crate) async fn run(arguments: DemoArgs, output: &Output) -> Result<(), Failure> {
    let config = EndpointConfig { pace: local::pace(arguments.pace), ..EndpointConfig::default() };
    let old = EndpointConfig { agent_version: OLD_AGENT.to_owned(), ..config.clone() };
    let encrypted = EndpointConfig {
        kms_key: Some("demo".to_owned()),
        requires_challenge: true,
        ..config.clone()
    };
    let (node, old) = (node_of(config).await?, node_of(old).await?);
    let bench = Bench::new(node, &old, node_of(encrypted).await?, arguments.size << 20).await?;

    let show = |line: &str| {
        if !output.is_json() {
            println_quietly(line);
        }
    };
    show(&format!("{:<41}{:>24}  verdict", "step", "figures"));
    let mut failed = 0;
    for step in Step::served() {
        let done = tokio::time::timeout(STEP_TIMEOUT, bench.run(step)).await;
        let done = done.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, TOO_LATE)));
        failed += usize::from(done.is_err());
        show(&row(step.name(), &done));
        let why = done.as_ref().err().map(ToString::to_string);
        output.report(&event(step.name(), done.as_ref().ok(), why.as_deref()));
    }
    bench.end().await;
    #[cfg(windows)]
    output.note("Shells, and commands on a terminal, the embedded agent has on Unix alone: no step tries them here.");
    if failed == 0 {
        next::tell(output);
        return Ok(());
    }
    let what = format!("{failed} of {} steps failed", Step::served().count());
    Err(Failure::new(Code::Check, what).next("run it with -v to see more, and report it"))
}

/// The node of an endpoint of its own.
async fn node_of(config: EndpointConfig) -> Result<Node, Failure> {
    Ok(Client::local(service::embedded(config).await?)?.node("local").await?)
}

/// A line that fits 80 columns, unless something has failed.
fn row(name: &str, done: &io::Result<Measured>) -> String {
    match done {
        Ok(measured) => format!("{name:<41}{:>24}  {GOOD}ok{GOOD:#}", measured.figures()),
        Err(why) => format!("{name:<41}{:>24}  {ERROR}failed{ERROR:#}: {why}", ""),
    }
}

impl Measured {
    fn figures(&self) -> String {
        if !self.note.is_empty() {
            return self.note.clone();
        }
        let megabytes = self.bytes as f64 / 1e6;
        let rate = megabytes / self.took.as_secs_f64();
        format!("{megabytes:.1} MB, {rate:.1} MB/s")
    }
}

fn event<'a>(step: &'a str, measured: Option<&'a Measured>, why: Option<&'a str>) -> Event<'a> {
    let seconds = measured.map(|measured| measured.took.as_secs_f64());
    let bytes = measured.map(|measured| measured.bytes);
    Event::Step(report::Step {
        step,
        state: if measured.is_some() { State::Ok } else { State::Failure },
        bytes,
        seconds,
        mb_per_s: bytes.zip(seconds).map(|(bytes, seconds)| bytes as f64 / 1e6 / seconds),
        note: measured.map(|measured| &*measured.note).filter(|note| !note.is_empty()),
        why,
    })
}

/// A line of the table; a reader that has gone away needs none.
fn println_quietly(line: &str) {
    use std::io::Write;
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// The last agents without a multiplexer were of 2020.
const OLD_AGENT: &str = "2.3.1644.0";
const TOO_LATE: &str = "it did not end in time";
const STEP_TIMEOUT: Duration = Duration::from_secs(600);
