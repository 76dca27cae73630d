//! The sessions of a proxy's destinations: one each, as many as are allowed, and for as long as they are used.

mod cooling;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, futures::Notified},
    time::{sleep_until, timeout},
};

use super::{
    Error, Kind,
    lane::{Lane, Lasting},
    node::Node,
    spec::Spec,
    tunnel::TunnelEvent,
};
use crate::{net::now, session::SessionEnd};
use cooling::Cooling;

/// Sessions of one node, shared by the connections to each destination.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Inner>);

/// How many there may be, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LaneLimits {
    /// Sessions at once.
    pub(crate) sessions: usize,
    /// How long one stays that nobody uses.
    pub(crate) idle: Duration,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { sessions: SESSIONS, idle: IDLE }
    }
}

/// What becomes of the sessions.
#[derive(Debug)]
pub(crate) enum DestinationEvent {
    /// Something happened in the session of a destination.
    Session(TunnelEvent),
    /// It was closed, as nobody has used it for so long.
    Idle(Duration),
    /// It was closed to make room for another destination.
    MadeRoom,
}

/// A session that is in use for as long as this is there.
pub(super) struct Lease {
    lanes: Lanes,
    destination: String,
    number: u64,
    lane: Arc<Lane>,
}

/// Is told of a destination what becomes of its session.
type Observer = Box<dyn Fn(&str, DestinationEvent) + Send + Sync>;

struct Inner {
    node: Node,
    limits: LaneLimits,
    observer: Observer,
    state: Mutex<State>,
    /// Somebody who waits may look again.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Those that can be used.
    lanes: HashMap<String, Entry>,
    /// Sessions that there are, those that are ending included.
    alive: usize,
    /// The last one's number.
    number: u64,
    cooling: Cooling,
    is_over: bool,
}

struct Entry {
    number: u64,
    lane: Arc<Lane>,
    stands: bool,
    users: usize,
    idle_since: Instant,
}

/// What there is for whoever wants a session.
enum Offer {
    Taken(Lease),
    Refused(Error),
    /// Look again when something changes, or then.
    Later(Option<Instant>),
}

impl Lanes {
    pub(super) fn new(
        node: Node,
        limits: LaneLimits,
        observer: impl Fn(&str, DestinationEvent) + Send + Sync + 'static,
    ) -> Self {
        let observer = Box::new(observer);
        let (state, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { node, limits, observer, state, changed }))
    }

    /// The session for the destination of `spec`, when it stands. Waits for a while where there are as many
    /// as there may be, or the service wants fewer requests.
    ///
    /// # Errors
    /// There is none to be had; what the service said to others a moment ago holds for this one.
    pub(super) async fn lease(&self, spec: &Spec) -> Result<Lease, Error> {
        let until = now() + PATIENCE;
        loop {
            let lease = self.reserve(spec, until).await?;
            let stands = timeout(SESSION_TAKES, lease.lane.stands()).await;
            match stands.unwrap_or_else(|_| Err(too_slow())) {
                Ok(()) => return Ok(lease),
                // Throttled, or it has a moment: then it is asked again.
                Err(error) if error.kind() == Kind::Lost && now() < until => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A session that may still have to begin.
    async fn reserve(&self, spec: &Spec, until: Instant) -> Result<Lease, Error> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // From now on no change is missed.
            Notified::enable(changed.as_mut());
            let again = match self.offer(spec) {
                Offer::Taken(lease) => return Ok(lease),
                Offer::Refused(error) => return Err(error),
                Offer::Later(again) => again,
            };
            if now() >= until {
                return Err(self.full());
            }
            let again = again.map_or(until, |again| again.min(until));
            tokio::select! {
                () = changed => {}
                () = sleep_until(again.into()) => {}
            }
        }
    }

    fn offer(&self, spec: &Spec) -> Offer {
        let destination = spec.destination();
        let mut state = self.state();
        if state.is_over {
            return Offer::Refused(Error::new(Kind::Interrupted, "the proxy is ending"));
        }
        if let Some(entry) = state.lanes.get_mut(&destination)
            && !entry.lane.is_over()
        {
            entry.users += 1;
            let (number, lane) = (entry.number, Arc::clone(&entry.lane));
            return Offer::Taken(Lease { lanes: self.clone(), destination, number, lane });
        }
        match state.cooling.verdict(&destination, now()) {
            cooling::Verdict::Go => {}
            cooling::Verdict::Wait(until) => return Offer::Later(Some(until)),
            cooling::Verdict::Refuse(error) => return Offer::Refused(error),
        }
        if state.lanes.values().filter(|entry| !entry.stands).count() >= STARTING {
            return Offer::Later(None);
        }
        if state.alive >= self.0.limits.sessions {
            let made_room = state.make_room(self.0.limits.sessions);
            drop(state);
            if let Some(destination) = made_room {
                (self.0.observer)(&destination, DestinationEvent::MadeRoom);
            }
            return Offer::Later(None);
        }
        Offer::Taken(self.start(spec, &mut state))
    }

    fn start(&self, spec: &Spec, state: &mut State) -> Lease {
        state.number += 1;
        state.alive += 1;
        let (number, destination) = (state.number, spec.destination());
        let observer = {
            let (lanes, destination) = (self.clone(), destination.clone());
            move |event| {
                if matches!(event, TunnelEvent::Ready(_)) {
                    lanes.stands(&destination, number);
                }
                (lanes.0.observer)(&destination, DestinationEvent::Session(event));
            }
        };
        let over = {
            let (lanes, destination) = (self.clone(), destination.clone());
            move |ended: &Result<SessionEnd, Error>, has_stood| {
                lanes.over(&destination, number, ended, has_stood);
            }
        };
        let lane = Arc::new(Lane::start(&self.0.node, spec, Lasting::Once, observer, over));
        let entry =
            Entry { number, lane: Arc::clone(&lane), stands: false, users: 1, idle_since: now() };
        state.lanes.insert(destination.clone(), entry);
        Lease { lanes: self.clone(), destination, number, lane }
    }

    fn stands(&self, destination: &str, number: u64) {
        let mut state = self.state();
        if let Some(entry) = state.entry(destination, number) {
            entry.stands = true;
        }
        state.cooling.end();
        drop(state);
        self.0.changed.notify_waiters();
    }

    fn over(
        &self,
        destination: &str,
        number: u64,
        ended: &Result<SessionEnd, Error>,
        has_stood: bool,
    ) {
        let mut state = self.state();
        state.alive -= 1;
        if state.entry(destination, number).is_some() {
            state.lanes.remove(destination);
        }
        if !has_stood && !matches!(ended, Ok(SessionEnd::Done)) {
            state.cooling.begin(destination, ended, now());
        }
        drop(state);
        self.0.changed.notify_waiters();
        if has_stood {
            let event = match ended {
                Ok(SessionEnd::Done) => return,
                Ok(end) => TunnelEvent::Ended(end.clone()),
                Err(error) => TunnelEvent::Lost(error.clone()),
            };
            (self.0.observer)(destination, DestinationEvent::Session(event));
        }
    }

    /// Closes what nobody uses, for ever.
    pub(super) async fn keep(&self) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            Notified::enable(changed.as_mut());
            let (closed, next) = self.state().close_idle(self.0.limits.idle, now());
            for (destination, after) in closed {
                (self.0.observer)(&destination, DestinationEvent::Idle(after));
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(next.into()) => {}
            }
        }
    }

    /// Ends all of them; there are no others from now on.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.lanes.drain().for_each(|(_, entry)| entry.lane.end());
        drop(state);
        self.0.changed.notify_waiters();
    }

    fn full(&self) -> Error {
        let most = self.0.limits.sessions;
        Error::new(
            Kind::Lost,
            format!("all {most} sessions are in use, or no other can be had now"),
        )
        .because(format!("nothing has changed within {} s", PATIENCE.as_secs()))
        .next("--sessions allows more")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_slow() -> Error {
    Error::new(Kind::Target, "the session takes too long to begin").next("try again in a moment")
}

impl State {
    fn entry(&mut self, destination: &str, number: u64) -> Option<&mut Entry> {
        self.lanes.get_mut(destination).filter(|entry| entry.number == number)
    }

    /// Ends the session that has not been used for the longest time, if none is ending already.
    fn make_room(&mut self, most: usize) -> Option<String> {
        if self.lanes.len() < most {
            return None;
        }
        let unused = self.lanes.iter().filter(|(_, entry)| entry.users == 0);
        let (destination, _) = unused.min_by_key(|(_, entry)| entry.idle_since)?;
        let destination = destination.clone();
        if let Some(entry) = self.lanes.remove(&destination) {
            entry.lane.end();
        }
        Some(destination)
    }

    /// The destinations whose sessions end now, with the time that they were idle, and when to look again.
    fn close_idle(&mut self, idle: Duration, now: Instant) -> (Vec<(String, Duration)>, Instant) {
        let due =
            self.lanes.extract_if(|_, entry| entry.idle_until(idle).is_some_and(|at| at <= now));
        let closed = due.map(|(destination, entry)| {
            entry.lane.end();
            (destination, entry.patience(idle))
        });
        let closed = closed.collect();
        let next = self.lanes.values().filter_map(|entry| entry.idle_until(idle)).min();
        (closed, next.unwrap_or(now + LOOKS_AGAIN))
    }
}

impl Entry {
    /// When it is to be closed, if nobody uses it.
    fn idle_until(&self, idle: Duration) -> Option<Instant> {
        (self.users == 0).then(|| self.idle_since + self.patience(idle))
    }

    /// How long it may be idle. Nobody comes back to a destination that is not there.
    fn patience(&self, idle: Duration) -> Duration {
        match self.lane.refusals().has_spoken() {
            true => idle,
            false => idle.min(SILENT),
        }
    }
}

impl Lease {
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.lanes.state();
        if let Some(entry) = state.entry(&self.destination, self.number) {
            entry.users -= 1;
            entry.idle_since = now();
        }
        drop(state);
        self.lanes.0.changed.notify_waiters();
    }
}

/// As many destinations as people look at in a while.
pub(crate) const SESSIONS: usize = 16;
pub(crate) const IDLE: Duration = Duration::from_secs(5 * 60);
/// How long a session stays whose destination has never said anything.
const SILENT: Duration = Duration::from_secs(30);
/// How long a connection waits for a session. Programs have less patience than that.
const PATIENCE: Duration = Duration::from_secs(20);
/// A node may take longer; whoever comes later finds its session.
const SESSION_TAKES: Duration = Duration::from_secs(90);
/// Sessions that are started at a time: the service counts requests.
const STARTING: usize = 4;
const LOOKS_AGAIN: Duration = Duration::from_secs(3600);

#[cfg(all(test, feature = "local"))]
mod tests;
