//! One tunnel that is kept up: its port stays, its sessions come and go.

use std::{
    future::pending,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, sleep_until},
};

use super::{
    record::EventKind,
    status::{Condition, State},
};
use crate::{
    client::{
        Client, LaneEvent,
        bind::{bind, listening},
        config_file::ConfiguredTunnel,
        error::{Error, Kind},
        service::SessionSource,
        tunnel::{self, ForwardedPort, TunnelEvent, stopped},
        turbo,
    },
    net::{Rationed, now},
    session::{ChannelState, SessionEnd},
    streams::{ForwardEvent, Listener, Listeners},
};

/// What keeps a tunnel up until it is stopped.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) wanted: ConfiguredTunnel,
    pub(super) condition: Arc<Condition>,
    pub(super) stop: watch::Receiver<bool>,
    /// The session is to give way to another one.
    pub(super) restart: Arc<Notify>,
}

/// How one try came to its end.
enum Ended {
    Stopped,
    Restarted,
    Failed { error: Error, has_stood: bool },
}

impl Keeper {
    /// Keeps it up.
    pub(super) async fn run(mut self) {
        let mut listeners = None;
        let mut pause = SHORTEST;
        loop {
            let began = now();
            let (error, has_stood) = match self.attempt(&mut listeners).await {
                Ended::Stopped => break,
                Ended::Restarted => {
                    pause = SHORTEST;
                    continue;
                }
                Ended::Failed { error, has_stood } => (error, has_stood),
            };
            // Its program is to see that there is nothing, rather than wait for it.
            if let Some(listeners) = &mut listeners {
                Listeners::turn_away(listeners);
            }
            if has_stood {
                pause = SHORTEST;
            }
            let again = now() + spread(pause);
            self.told_waiting(&error, again);
            if !self.wait(&mut listeners, again, began + SHORTEST).await {
                break;
            }
            pause = (2 * pause).min(LONGEST);
        }
    }

    fn told_waiting(&self, error: &Error, again: Instant) {
        let details = [&error.why, &error.next].into_iter().flatten();
        let details: String = details.map(|detail| format!(" ({detail})")).collect();
        let seconds = again.saturating_duration_since(now()).as_secs_f64().ceil();
        let why = format!("{}{details}", error.what);
        self.condition.waits(&why, &format!("another try in {seconds} s: {why}"), again);
    }

    /// Waits for the next try, which a connection brings about, though not before `earliest`; `false` when
    /// it is over.
    async fn wait(
        &self,
        listeners: &mut Option<Listeners>,
        again: Instant,
        earliest: Instant,
    ) -> bool {
        let Self { stop, restart, .. } = self;
        let connection = async {
            sleep_until(earliest.into()).await;
            let Some(listeners) = listeners else { return pending().await };
            while listeners.connection().await.is_err() {
                sleep(SHORTEST).await;
            }
        };
        tokio::select! {
            () = stopped(stop.clone()) => false,
            () = restart.notified() => true,
            () = sleep_until(again.into()) => true,
            () = connection => true,
        }
    }

    /// One try: a port, a node, and sessions for as long as they can be had.
    async fn attempt(&mut self, listeners: &mut Option<Listeners>) -> Ended {
        let failed = |error| Ended::Failed { error, has_stood: false };
        if listeners.is_none() {
            match self.listen().await {
                Ok(bound) => *listeners = Some(bound),
                Err(error) => return failed(error),
            }
        }
        let what = format!("starting a session to {}", self.wanted.target);
        self.condition.becomes(State::Starting, &what);
        let service = {
            // Deep within AWS's SDK.
            let service = SessionSource::of(&self.wanted.target, &self.client).boxed();
            tokio::select! {
                service = service => service,
                () = stopped(self.stop.clone()) => return Ended::Stopped,
                () = self.restart.notified() => return Ended::Restarted,
            }
        };
        match service {
            Ok(service) => self.forward(service, listeners).await,
            Err(error) => failed(error),
        }
    }

    async fn listen(&self) -> Result<Listeners, Error> {
        let spec = &self.wanted.spec;
        let bound = bind(spec).await.map_err(|error| match error.next {
            // What is typed for a forward is nothing that the file takes.
            Some(_) => error
                .next(format!("give {} another `local`, or 0 for a free port", self.wanted.name)),
            None => error,
        })?;
        let local = bound.iter().map(ToString::to_string).collect();
        let port = bound.iter().find_map(Listener::tcp_address);
        self.condition.listens(local, port.as_ref().map_or(0, SocketAddr::port));
        for address in bound.iter().filter_map(Listener::tcp_address) {
            if !address.ip().is_loopback() {
                let what = format!("{address} can be reached from other machines");
                self.condition.tell(EventKind::Warning, &what);
            }
        }
        Ok(Listeners::new(bound).with_meter(Arc::clone(&self.condition.meter)))
    }

    async fn forward(
        &mut self,
        service: SessionSource,
        listeners: &mut Option<Listeners>,
    ) -> Ended {
        let Some(lent) = listeners.take() else { return Ended::Stopped };
        let closer = lent.closer();
        let port = self.condition.status().port;
        let (end, stop) = watch::channel(false);
        let mut forwarded = ForwardedPort {
            request: tunnel::request(&self.wanted.spec, port, None),
            service,
            listeners: lent,
            limits: self.client.limits(),
            lanes: self.wanted.lanes,
            stop,
            connection: watch::Sender::default(),
        };
        let mut connection = forwarded.connection.subscribe();
        let mut teller = Teller::new(&self.condition);
        let not_replaced = Mutex::new(None);
        let mut has_stood = false;
        let observer = |event| match event {
            TunnelEvent::NotReplaced(error) => {
                *not_replaced.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                // The node that is meant may be another one by now.
                end.send_replace(true);
            }
            event => {
                has_stood |= matches!(event, TunnelEvent::Ready(_));
                teller.told(event);
            }
        };
        let (mut is_stopped, mut is_restarted) = (false, false);
        let ended = {
            let Self { client, wanted, .. } = &*self;
            let ConfiguredTunnel { turbo, spec, .. } = wanted;
            let mut run = pin!(turbo::forward(*turbo, &mut forwarded, client, spec, observer));
            loop {
                tokio::select! {
                    ended = &mut run => break ended,
                    Ok(()) = connection.changed() => {
                        let connection = connection.borrow_and_update().clone();
                        match connection {
                            ChannelState::Stands => self.condition.is_resumed(),
                            ChannelState::Failing(why) => self.condition.is_resuming(&why),
                            // That heals within a moment, as a rule.
                            ChannelState::None | ChannelState::Lost => {}
                        }
                    }
                    () = stopped(self.stop.clone()), if !is_stopped => {
                        is_stopped = true;
                        // The port first: who ends a tunnel wants it, and the service may be away.
                        closer.close();
                        end.send_replace(true);
                    }
                    () = self.restart.notified(), if !is_stopped && !is_restarted => {
                        is_restarted = true;
                        end.send_replace(true);
                    }
                }
            }
        };
        if is_stopped {
            return Ended::Stopped;
        }
        *listeners = Some(forwarded.listeners);
        if is_restarted {
            return Ended::Restarted;
        }
        let not_replaced = not_replaced.into_inner().unwrap_or_else(PoisonError::into_inner);
        let error = match (not_replaced, ended) {
            (Some(error), _) | (None, Err(error)) => error,
            (None, Ok(SessionEnd::Done)) => Error::new(Kind::Lost, "the session was ended"),
            (None, Ok(end)) => Error::new(Kind::Lost, "the session ended as it began").because(end),
        };
        Ended::Failed { error, has_stood }
    }
}

/// What is told of a tunnel's sessions and connections.
struct Teller<'a> {
    condition: &'a Condition,
    /// By what they are about.
    rationed: [Rationed; 5],
    cut_off: usize,
}

impl<'a> Teller<'a> {
    fn new(condition: &'a Condition) -> Self {
        Self { condition, rationed: Default::default(), cut_off: 0 }
    }

    fn told(&mut self, event: TunnelEvent) {
        match event {
            TunnelEvent::Ready(_) => {
                let status = self.condition.status();
                let local = listening(&status.local);
                let what =
                    format!("forwarding {local} to {} on {}", status.destination, status.target);
                self.condition.becomes(State::Up, &what);
            }
            TunnelEvent::Ended(end) => self.lost(&format!("the session has ended: {end}")),
            TunnelEvent::Lost(error) => self.lost(&error.what),
            TunnelEvent::NotReplaced(_) => {}
            TunnelEvent::Lane { event, .. } => {
                let kind = match event {
                    LaneEvent::Lost { .. } | LaneEvent::NotStarted { .. } => EventKind::Warning,
                    _ => EventKind::Note,
                };
                self.condition.tell(kind, &event.to_string());
            }
            TunnelEvent::NoTurbo(error) => {
                let what = format!("without turbo: {error}");
                self.condition.tell(EventKind::Warning, &what);
            }
            TunnelEvent::Forward(event) => self.of_connection(&event),
        }
    }

    fn lost(&mut self, what: &str) {
        let cut_off = match std::mem::take(&mut self.cut_off) {
            0 => String::new(),
            connections => format!("{}; ", ForwardEvent::CutOff { connections }),
        };
        let what = format!("{what}; {cut_off}the next connection starts another one");
        self.condition.becomes(State::Idle, &what);
    }

    fn of_connection(&mut self, event: &ForwardEvent) {
        let kind = match event {
            ForwardEvent::NotReached { .. } => 0,
            ForwardEvent::NotAccepted(_) => 1,
            ForwardEvent::Unanswered(_) => 2,
            ForwardEvent::Full { .. } => 3,
            ForwardEvent::Slow(_) => 4,
            ForwardEvent::Stalled { .. } => {
                return self.condition.tell(EventKind::Warning, &event.to_string());
            }
            ForwardEvent::CutOff { connections } => {
                self.cut_off = *connections;
                return;
            }
            // What comes and goes is counted.
            _ => return,
        };
        let Some(times) = self.rationed[kind].tell(now()) else { return };
        let what = match event {
            ForwardEvent::NotReached { why, .. } => {
                let destination = self.condition.status().destination;
                let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                format!("the node cannot connect to {destination}{times}{why}")
            }
            event => format!("{event}{times}"),
        };
        self.condition.tell(EventKind::Warning, &what);
    }
}

/// So that tunnels that have failed together are not all tried at once.
fn spread(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..=1.0)).max(SHORTEST)
}

/// Between two tries, the first ones; and the least between any two.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
