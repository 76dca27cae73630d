//! What is kept of connections that are over: their sums, and a line each in a file.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::ConnectionLog;
use crate::{
    cli::{
        amounts,
        counted::counted,
        output::Output,
        report::{self, Event},
        times,
    },
    net::now,
};

/// The sums, and the log if one is kept; of a whole command.
#[derive(Clone)]
pub(in crate::cli) struct Records {
    sums: Arc<Mutex<Sums>>,
    log: Option<ConnectionLog>,
    began: Instant,
}

/// A connection that is over.
pub(in crate::cli) struct Ended<'a> {
    /// Where it came in.
    pub(in crate::cli) port: u16,
    pub(in crate::cli) destination: Option<&'a str>,
    pub(in crate::cli) target: &'a str,
    pub(in crate::cli) from: String,
    pub(in crate::cli) sent: u64,
    pub(in crate::cli) received: u64,
    pub(in crate::cli) lasted: Duration,
    pub(in crate::cli) end: &'static str,
}

#[derive(Default)]
struct Sums {
    connections: usize,
    sent: u64,
    received: u64,
}

impl Records {
    pub(in crate::cli) fn new(log: Option<ConnectionLog>) -> Self {
        Self { sums: Arc::default(), log, began: now() }
    }

    pub(in crate::cli) fn add(&self, ended: &Ended<'_>) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.connections += 1;
        sums.sent = sums.sent.saturating_add(ended.sent);
        sums.received = sums.received.saturating_add(ended.received);
        drop(sums);
        let Some(log) = &self.log else { return };
        let Ended { port, destination, target, from, sent, received, lasted, end } = ended;
        let opened = times::now().checked_sub(*lasted).unwrap_or(std::time::UNIX_EPOCH);
        log.add(Output::json(&Event::Connection(report::Connection {
            time: times::utc(opened),
            port: *port,
            destination: *destination,
            target,
            from,
            sent: *sent,
            received: *received,
            seconds: (lasted.as_secs_f64() * 1000.0).round() / 1000.0,
            end,
        })));
    }

    /// `In all 2 connections, 1.2 kB sent and 34 MB received in 3m 2s`, of one alone without `In all`; nothing if
    /// there was none.
    pub(in crate::cli) fn sums(&self) -> Option<String> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { connections, sent, received } = *sums;
        let time = Duration::from_secs((now() - self.began).as_secs().max(1));
        (connections > 0).then(|| {
            format!(
                "{}{}, {} sent and {} received in {}",
                if connections == 1 { "" } else { "In all " },
                counted(connections, "connection"),
                amounts::bytes(sent),
                amounts::bytes(received),
                humantime::format_duration(time)
            )
        })
    }

    /// Waits for a moment until all lines are in the file.
    pub(in crate::cli) async fn finish(&self) {
        if let Some(log) = &self.log {
            log.finish().await;
        }
    }
}
