//! The session that carries a program's connections to one destination.

use std::time::Duration;

use tokio::{sync::watch, time::sleep};

use super::{
    Error, Kind,
    node::Node,
    spec::Spec,
    spread::LaneCount,
    tunnel::{self, ForwardedPort, TunnelEvent},
};
use crate::{
    net::Socket,
    session::SessionEnd,
    streams::{Connection, Connector, ForwardEvent, Listener, Listeners, Peer, Refusals, Within},
};

/// A session, or one after the other, for as long as somebody has the lane.
pub(super) struct Lane {
    connector: Connector,
    state: watch::Receiver<State>,
    end: watch::Sender<bool>,
}

#[derive(Clone, Debug)]
enum State {
    Starting,
    /// Sessions have stood, and are replaced when they end.
    Stands,
    /// The first could not be had.
    Over(Error),
}

/// How long a lane lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lasting {
    /// As long as somebody has it: a session that ends is replaced.
    Replaced,
    /// As long as its first session.
    Once,
}

impl Lane {
    /// Starts a session of `node` for connections to the destination of `spec`. `observer` is told what
    /// becomes of it, `over` how it has ended and whether it has ever stood.
    pub(super) fn start(
        node: &Node,
        spec: &Spec,
        lasting: Lasting,
        mut observer: impl FnMut(TunnelEvent) + Send + 'static,
        over: impl FnOnce(&Result<SessionEnd, Error>, bool) + Send + 'static,
    ) -> Self {
        let (within, connector, vacancy) = Within::new();
        let (state, shown) = watch::channel(State::Starting);
        let (end, mut is_to_end) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let mut port = ForwardedPort {
            service: node.service().clone(),
            request: tunnel::request(spec, 0, node.reason().map(str::to_owned)),
            listeners: Listeners::new(vec![Listener::Within(within)]),
            limits: node.limits(),
            lanes: LaneCount::ONE,
            stop: stopped,
            connection: watch::Sender::default(),
        };
        let refusals = connector.refusals();
        let observer = {
            let state = state.clone();
            move |event| {
                let is_ready = matches!(event, TunnelEvent::Ready(_));
                if let TunnelEvent::Forward(ForwardEvent::DestinationRefused) = event {
                    refusals.note();
                }
                observer(event);
                // Whoever waits for it is to find that told.
                if is_ready {
                    state.send_replace(State::Stands);
                }
            }
        };
        let running = async move {
            let asked = async move { is_to_end.wait_for(|end| *end).await.is_ok() };
            let keeper = async {
                tokio::select! {
                    () = vacancy.left(LAST_BYTES) => {
                        // The agent hands on what has come before it hears that the session is over.
                        sleep(LINGER).await;
                    }
                    // Nobody asks when the lane is dropped.
                    true = asked => {}
                }
                stop.send_replace(true);
            };
            let forwarding = async {
                let (ended, has_stood) = match lasting {
                    Lasting::Replaced => (port.run(observer).await, true),
                    Lasting::Once => port.once(observer).await,
                };
                // Whoever hears of it, and wants another, is to find that noted.
                over(&ended, has_stood);
                state.send_replace(State::Over(match &ended {
                    Ok(end) => Error::new(Kind::Lost, "the session ended as it began").because(end),
                    Err(error) => error.clone(),
                }));
                if let Err(error) = ended {
                    tracing::debug!("{error}");
                }
            };
            tokio::join!(keeper, forwarding);
        };
        node.spawn(running);
        Self { connector, state: shown, end }
    }

    /// Ends it, whoever has connections in it: they are cut off.
    pub(super) fn end(&self) {
        self.end.send_replace(true);
    }

    /// Whether another one has to be started.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Over(_))
    }

    /// Waits until a session stands.
    pub(super) async fn stands(&self) -> Result<(), Error> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match state.map(|state| state.clone()) {
            Ok(State::Over(error)) => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(gone()),
        }
    }

    /// A connection, once a session stands.
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        self.stands().await?;
        self.connector.connect().await.map_err(|_| gone())
    }

    /// Hands over a connection that somebody else has made.
    pub(super) async fn hand_over(&self, socket: Box<dyn Socket>, peer: Peer) {
        self.connector.hand_over(socket, peer).await;
    }

    /// The destination's refusals.
    pub(super) fn refusals(&self) -> Refusals {
        self.connector.refusals()
    }
}

fn gone() -> Error {
    Error::new(Kind::Lost, "the session is over").next("connect again")
}

/// How long a destination may take with what was sent before the last connection was closed.
const LAST_BYTES: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_millis(300);
