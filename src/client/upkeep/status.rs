//! How a tunnel is.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::record::{Event, EventKind, Record, now};
use crate::{client::config_file::ConfiguredTunnel, net, streams::Meter};

/// What there is to be told of a tunnel at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) state: State,
    /// Since when, in seconds since 1970.
    pub(crate) since: u64,
    /// Where it listens; nothing while it does not.
    pub(crate) local: Vec<String>,
    /// 0 for a socket, and while it does not listen.
    pub(crate) port: u16,
    pub(crate) destination: String,
    pub(crate) target: String,
    /// Connections that are open.
    pub(crate) connections: usize,
    /// Those that have come.
    pub(crate) taken: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) round_trip_ms: Option<f64>,
    /// Why there is no session.
    pub(crate) why: Option<String>,
    /// Seconds until another is tried.
    pub(crate) again_in: Option<u64>,
    pub(crate) last: Option<Event>,
}

/// Whether there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The first one, or another one, is being started.
    Starting,
    /// There is.
    Up,
    /// It is over; the next connection begins another.
    Idle,
    /// There could be none; another try is made before long.
    Waiting,
    /// Its connection is lost, and could not be had again so far; its connections wait for that.
    Resuming,
}

impl Status {
    /// Whether other machines may connect to it.
    pub(crate) fn is_open(&self) -> bool {
        let mut addresses = self.local.iter().filter_map(|local| local.parse::<SocketAddr>().ok());
        addresses.any(|address| !address.ip().is_loopback())
    }
}

#[cfg(unix)]
impl State {
    /// Whether connections are taken.
    pub(crate) fn stands(self) -> bool {
        matches!(self, Self::Up | Self::Idle)
    }
}

/// The same, as it changes.
pub(super) struct Condition {
    name: String,
    destination: String,
    target: String,
    pub(super) meter: Arc<Meter>,
    changing: Mutex<Changing>,
    state: watch::Sender<State>,
    record: Arc<Record>,
}

struct Changing {
    since: u64,
    local: Vec<String>,
    port: u16,
    why: Option<String>,
    again: Option<Instant>,
    last: Option<Event>,
}

impl Condition {
    pub(super) fn new(wanted: &ConfiguredTunnel, record: Arc<Record>) -> Self {
        let changing = Changing {
            since: now(),
            local: Vec::new(),
            port: 0,
            why: None,
            again: None,
            last: None,
        };
        Self {
            name: wanted.name.clone(),
            destination: wanted.spec.destination(),
            target: wanted.target.to_string(),
            meter: Arc::default(),
            changing: Mutex::new(changing),
            state: watch::Sender::new(State::Starting),
            record,
        }
    }

    /// Where it listens from now on.
    pub(super) fn listens(&self, local: Vec<String>, port: u16) {
        let mut changing = self.changing();
        (changing.local, changing.port) = (local, port);
    }

    pub(super) fn becomes(&self, state: State, what: &str) {
        self.change(state, what, None);
    }

    /// There is no session; another try is made then.
    pub(super) fn waits(&self, why: &str, what: &str, again: Instant) {
        self.change(State::Waiting, what, Some((why.to_owned(), Some(again))));
    }

    /// Its connection is lost, and this is why it could not be had again so far.
    pub(super) fn is_resuming(&self, why: &str) {
        let state = *self.state.borrow();
        match state {
            State::Up => self.change(State::Resuming, why, Some((why.to_owned(), None))),
            State::Resuming => self.changing().why = Some(why.to_owned()),
            // Told too late: its session is over by now.
            State::Starting | State::Idle | State::Waiting => {}
        }
    }

    /// It is there again.
    pub(super) fn is_resumed(&self) {
        if *self.state.borrow() == State::Resuming {
            self.becomes(State::Up, "resumed; nothing is lost");
        }
    }

    fn change(&self, state: State, what: &str, waiting: Option<(String, Option<Instant>)>) {
        let kind = match state {
            State::Starting => EventKind::Starting,
            State::Up => EventKind::Up,
            State::Idle => EventKind::Idle,
            State::Waiting => EventKind::Waiting,
            State::Resuming => EventKind::Resuming,
        };
        {
            let mut changing = self.changing();
            let is_waiting = *self.state.borrow() == State::Waiting;
            changing.since = now();
            (changing.why, changing.again) = match waiting {
                Some((why, again)) => (Some(why), again),
                // What it was is worth knowing until it is over.
                None if is_waiting && state == State::Starting => (changing.why.take(), None),
                None => (None, None),
            };
            // Behind it: whoever waits for the state finds all of it.
            self.state.send_replace(state);
        }
        self.tell(kind, what);
    }

    pub(super) fn tell(&self, kind: EventKind, what: &str) {
        let event = self.record.add(Some(&self.name), kind, what);
        self.changing().last = Some(event);
    }

    /// Becomes another at each change.
    #[cfg(unix)]
    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn status(&self) -> Status {
        let changing = self.changing();
        let reading = self.meter.read();
        let left = |again: Instant| again.saturating_duration_since(net::now()).as_secs_f64();
        Status {
            name: self.name.clone(),
            state: *self.state.borrow(),
            since: changing.since,
            local: changing.local.clone(),
            port: changing.port,
            destination: self.destination.clone(),
            target: self.target.clone(),
            connections: reading.open,
            taken: reading.taken,
            bytes_sent: reading.sent,
            bytes_received: reading.received,
            round_trip_ms: reading.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            why: changing.why.clone(),
            again_in: changing.again.map(|again| left(again).ceil() as u64),
            last: changing.last.clone(),
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
