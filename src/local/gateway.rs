//! The message gateway: checks who opens a data channel and connects it to the session's agent.
//!
//! A session outlives its WebSockets. Its channel and its agent are kept between two of them, and
//! a new one takes over from one that is still there: its client knows better than we do that
//! the old connection is dead.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::sleep,
};

use super::{
    agent::Agents,
    faults::{FaultyService, Relay},
    http::Gateway,
    service::EmbeddedService,
    session::{DataChannel, SessionState},
    visitor::{LocalWebSocket, Visitor},
};
use crate::{
    channel::Channel,
    net::{Application, Disconnect, Driver, Outcome, epoch_ms, now},
    wire::MessageType,
};

/// Connects data channels to agents, one agent for each session.
pub(super) struct AgentGateway {
    service: Arc<Mutex<EmbeddedService>>,
    faults: FaultyService,
    agents: Agents,
    sessions: Mutex<HashMap<String, Arc<Live>>>,
}

/// A session that is not over.
struct Live {
    /// Number of the newest data channel; whoever drives an older one lets go.
    newest: watch::Sender<u32>,
    agent: tokio::sync::Mutex<Option<Agent>>,
}

struct Agent {
    channel: Channel,
    application: Box<dyn Application + Send>,
}

impl AgentGateway {
    pub(super) fn new(
        service: Arc<Mutex<EmbeddedService>>,
        faults: FaultyService,
        agents: Agents,
    ) -> Self {
        Self { service, faults, agents, sessions: Mutex::default() }
    }

    async fn serve(&self, session_id: String, mut visitor: Visitor) {
        let opened = visitor.opening().await.map_err(|error| error.to_string());
        let opened = opened.and_then(|open| {
            let token = open.token_value.expose();
            let opened = self.service().open_data_channel(&session_id, token, SystemTime::now());
            opened.map_err(|error| error.to_string())
        });
        match opened {
            Ok(data_channel) => match visitor.admit().await {
                Some(socket) => self.attach(data_channel, socket).await,
                None => self.end(&session_id, "its connection broke at the beginning"),
            },
            Err(why) => {
                tracing::warn!(session = session_id, "data channel refused: {why}");
                visitor.refuse(&why).await;
            }
        }
    }

    /// Runs the session's agent on this WebSocket, until that or the session ends.
    async fn attach(&self, mut data_channel: DataChannel, socket: LocalWebSocket) {
        let (id, opening) = (data_channel.session_id.clone(), data_channel.opening);
        let live = self.live(&id);
        let mut newest = live.newest.subscribe();
        live.newest.send_if_modified(|newest| {
            let is_newer = *newest < opening;
            *newest = (*newest).max(opening);
            is_newer
        });
        let superseded = async { newest.wait_for(|newest| *newest > opening).await.is_ok() };

        let serving = async {
            let mut agent = live.agent.lock().await;
            let agent = agent.get_or_insert_with(|| self.new_agent(&data_channel));
            if opening > 1 {
                agent.channel.handle_client_lost(now());
                agent.channel.handle_reconnected(now());
            }
            let start = MessageType::StartPublication;
            agent.channel.announce(start, &id, &data_channel.target, now());
            tracing::info!(session = id, "data channel {opening} open");
            self.drive(agent, &data_channel, socket).await
        };
        // A task that comes late does not wait for the agent behind a newer one, and never gets it.
        let lost = tokio::select! {
            biased;
            _ = superseded => return,
            lost = serving => lost,
        };
        if let Some(why) = lost {
            tracing::info!(session = id, "data channel {opening} lost: {why}");
            self.service().leave_data_channel(&id, opening);
            self.await_resumption(&live, &mut data_channel).await;
        }
    }

    /// Runs the session until it is over, or until this WebSocket is lost.
    async fn drive(
        &self,
        agent: &mut Agent,
        data_channel: &DataChannel,
        socket: LocalWebSocket,
    ) -> Option<Disconnect> {
        let Agent { channel, application } = agent;
        let id = &data_channel.session_id;
        let Some(connection) = self.faults.connection(data_channel, now(), epoch_ms()) else {
            return self.serve_driver(id, Driver::new(socket, channel, application)).await;
        };
        let (relay, mut agent_ends) = Relay::new(socket, connection);
        let serving = async move {
            let mut lost = None;
            while let Some(socket) = agent_ends.recv().await {
                if let Some(why) = lost {
                    tracing::info!(session = id, "the agent's own connection lost: {why}");
                    channel.handle_reconnected(now());
                }
                let driver = Driver::new(socket, channel, application);
                lost = Some(self.serve_driver(id, driver).await?);
            }
            lost
        };
        tokio::join!(serving, relay.run()).0
    }

    /// That the session is over is noted first: its client may be slow to say goodbye.
    async fn serve_driver<S, A>(&self, id: &str, mut driver: Driver<'_, S, A>) -> Option<Disconnect>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        A: Application,
    {
        match driver.drive().await {
            Ok(Outcome::Disconnected(why)) => return Some(why),
            Ok(_) => self.end(id, "ended by the client or its agent"),
            Err(error) => {
                tracing::warn!(session = id, "session failed: {error}");
                self.end(id, &error.to_string());
            }
        }
        driver.close(CLOSE_TIMEOUT).await;
        None
    }

    /// Waits for another data channel to take the session over, or ends it.
    async fn await_resumption(&self, live: &Live, data_channel: &mut DataChannel) {
        let (id, opening) = (&data_channel.session_id, data_channel.opening);
        let mut newest = live.newest.subscribe();
        tokio::select! {
            _ = newest.wait_for(|newest| *newest > opening) => {}
            _ = data_channel.state.wait_for(|state| *state == SessionState::Terminated) => {
                self.end(id, "terminated");
            }
            () = sleep(RESUME_LIMIT) => self.end(id, "not resumed in time"),
        }
    }

    fn new_agent(&self, data_channel: &DataChannel) -> Agent {
        let (channel, application) = self.agents.serve(data_channel);
        Agent { channel, application }
    }

    fn end(&self, session_id: &str, reason: &str) {
        tracing::info!(session = session_id, "session over: {reason}");
        self.service().end_session(session_id, reason, SystemTime::now());
        self.sessions().remove(session_id);
    }

    fn live(&self, session_id: &str) -> Arc<Live> {
        let mut sessions = self.sessions();
        let live = sessions.entry(session_id.to_owned()).or_insert_with(|| {
            Arc::new(Live {
                newest: watch::channel(0).0,
                agent: tokio::sync::Mutex::const_new(None),
            })
        });
        Arc::clone(live)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn service(&self) -> MutexGuard<'_, EmbeddedService> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway for AgentGateway {
    fn accept(
        &self,
        session_id: String,
        visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.serve(session_id, visitor))
    }

    fn is_away(&self) -> bool {
        self.faults.is_away(now())
    }
}

/// For a client that is slow to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a session without a data channel can be resumed. The service's default idle time.
const RESUME_LIMIT: Duration = Duration::from_secs(20 * 60);

#[cfg(test)]
mod tests;
