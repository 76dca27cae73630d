//! What has become of tunnels: the last of it is kept, all of it is told to whoever listens.
#![expect(clippy::disallowed_methods, reason = "an event is told with its time")]

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::wire::foreign_text;

/// What happened, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// One more than that of the event before.
    pub(crate) number: u64,
    /// In seconds since 1970.
    pub(crate) time: u64,
    /// The tunnel that it is about; `None` for all of them.
    pub(crate) tunnel: Option<String>,
    pub(crate) kind: EventKind,
    pub(crate) what: String,
}

/// What sort of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// A session is being started.
    Starting,
    /// A session stands.
    Up,
    /// The session is over, and the next connection begins another.
    Idle,
    /// There is none, and another try is made before long.
    Waiting,
    /// The session's connection is lost, and could not be had again so far.
    Resuming,
    /// It is kept up no more.
    Ended,
    /// Something about its connections.
    Warning,
    /// Something about all of it.
    Note,
}

/// The events of a process's tunnels.
pub(super) struct Record {
    kept: Mutex<Kept>,
    told: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    next: u64,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), told: broadcast::Sender::new(UNREAD) }
    }

    pub(super) fn add(&self, tunnel: Option<&str>, kind: EventKind, what: &str) -> Event {
        let mut kept = self.kept();
        let event = Event {
            number: kept.next,
            time: now(),
            tunnel: tunnel.map(str::to_owned),
            kind,
            what: foreign_text::paragraph_within(LONGEST, what),
        };
        kept.next += 1;
        if kept.events.len() == MOST {
            kept.events.pop_front();
        }
        kept.events.push_back(event.clone());
        // In their order; nobody need listen.
        let _ = self.told.send(event.clone());
        event
    }

    /// The last of them, of these tunnels or of all, and those to come.
    pub(super) fn read(&self, last: usize) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept();
        let skipped = kept.events.len().saturating_sub(last);
        (kept.events.iter().skip(skipped).cloned().collect(), self.told.subscribe())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
impl Event {
    /// Whether it is about one of these, or about all; about any, where none is named.
    pub(crate) fn is_of(&self, names: &[String]) -> bool {
        names.is_empty() || self.tunnel.as_ref().is_none_or(|tunnel| names.contains(tunnel))
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Events that are kept: with the longest text 2 MiB.
pub(crate) const MOST: usize = 1000;
/// In characters.
const LONGEST: usize = 1000;
/// Events that wait for a slow listener, who misses the oldest.
const UNREAD: usize = 256;
