//! Opening, driving and resuming a session.

use std::{fmt::Display, time::Duration};

use futures_util::SinkExt;
use http::Uri;
use tokio::{
    sync::watch,
    time::{timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::{
    ControlPlane, Limits, Refusal, SessionEnd, SessionError, Ticket,
    attempts::{Attempts, pause_between_dials},
    encryption::{WAITING, WithDataKey},
    gap, stream_address,
};
use crate::{
    channel::{Channel, Config, Role},
    net::{
        Application, Authorities, Connector, DialError, Disconnect, DriveError, Driver, Outcome,
        Proxies, WebSocket, break_off_after, dial, epoch_ms, now,
    },
    wire::{Token, control::OpenDataChannel, foreign_text, stream_url},
};

/// A session between its WebSockets.
pub struct Session<'a> {
    id: String,
    client_id: Uuid,
    config: Config,
    control_plane: &'a dyn ControlPlane,
    limits: Limits,
    connection: watch::Sender<ChannelState>,
}

/// Whether a session has a data channel that the agent can be told something by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ChannelState {
    /// None yet.
    #[default]
    None,
    /// One.
    Stands,
    /// It was lost a moment ago.
    Lost,
    /// So it was, and another one could not be had so far; this is why.
    Failing(String),
}

impl ChannelState {
    /// Whether there is one.
    pub fn stands(&self) -> bool {
        *self == Self::Stands
    }
}

impl<'a> Session<'a> {
    /// A session of `client_version` that begins with the ticket's first data channel.
    pub fn new(
        session_id: &str,
        client_version: &str,
        control_plane: &'a dyn ControlPlane,
    ) -> Self {
        let mut config = Config::new(Role::Client, client_version, epoch_ms(), rand::random());
        config.opening_timeout = Some(OPENING_PATIENCE);
        Self {
            id: session_id.to_owned(),
            client_id: random_uuid(),
            config,
            control_plane,
            limits: Limits::default(),
            connection: watch::Sender::default(),
        }
    }

    /// Whether there is a data channel, as it changes.
    pub fn connection(&self) -> watch::Receiver<ChannelState> {
        self.connection.subscribe()
    }

    /// Has that told by `connection`, which another session may have told before.
    pub fn with_connection(self, connection: watch::Sender<ChannelState>) -> Self {
        connection.send_replace(ChannelState::None);
        Self { connection, ..self }
    }

    /// Lets the agent's first message take as long as it likes, for sessions that may begin without
    /// a handshake, with the output of a command.
    pub fn with_patience(mut self) -> Self {
        self.config.opening_timeout = None;
        self
    }

    /// Waits as long as `limits` say, and sends as they say.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.config.sending = limits.sending;
        Self { limits, ..self }
    }

    /// Opens the data channel and runs `application` until the session ends, resuming it on new
    /// connections as long as the service allows. What was received is passed on first, however
    /// the session ends.
    ///
    /// # Errors
    /// When the data channel cannot be opened, or is lost for good.
    pub async fn run(
        self,
        ticket: Ticket,
        application: &mut impl Application,
    ) -> Result<SessionEnd, SessionError> {
        let mut channel = Channel::new(self.config.clone(), now());
        let mut application = WithDataKey::new(application, self.control_plane, &self.id);
        let end = self.drive(ticket, &mut channel, &mut application).await;
        // On a connection that stands to the end, the driver has seen to it.
        if !matches!(end, Ok(SessionEnd::Done | SessionEnd::Closed { .. })) {
            gap::drain(&mut application, &mut channel).await;
        }
        end
    }

    async fn drive<A: Application>(
        &self,
        ticket: Ticket,
        channel: &mut Channel,
        application: &mut WithDataKey<'_, '_, A>,
    ) -> Result<SessionEnd, SessionError> {
        let stream_url = ticket.stream_url.clone();
        let can_resume = !stream_url::is_presigned(&stream_url);
        let mut websocket = self.open_first(ticket, can_resume).await?;
        let mut attempts = Attempts::within(self.limits.resumption);
        let (mut silent, mut answers_pings) = (0, false);
        loop {
            self.connection.send_replace(ChannelState::Stands);
            let (opened, done_before) = (now(), channel.messages_done());
            let mut driver = Driver::new(websocket, channel, application)
                .with_name(&self.id)
                .with_silence_limit(self.limits.silence)
                .with_pings_answered(answers_pings);
            let outcome = driver.run().await;
            answers_pings = driver.answers_pings();
            drop(driver);
            if let Some(refusal) = application.take_refusal() {
                self.terminate().await;
                return Err(SessionError::NotEncrypted { session_id: self.id.clone(), refusal });
            }
            let lost = match outcome {
                Ok(Outcome::Done) => {
                    // A node that is held up has not heard that the session is to end.
                    if !channel.is_drained() && !channel.is_closed() {
                        self.terminate().await;
                    }
                    return Ok(SessionEnd::Done);
                }
                Ok(Outcome::Closed { reason }) => return Ok(SessionEnd::Closed { reason }),
                Ok(Outcome::Truncated { reason }) => {
                    return Err(SessionError::Truncated { session_id: self.id.clone(), reason });
                }
                Ok(Outcome::Disconnected(lost)) => lost,
                Err(source) => return Err(self.failed(source).await),
            };
            self.connection.send_replace(ChannelState::Lost);
            let was_heard = channel.frames_received() > 0;
            if !can_resume {
                let why = "a presigned stream URL can be used only once".to_owned();
                return Err(self.lost(was_heard, lost, why));
            }
            // A service that is being deployed does this some times; one that has its reasons does it
            // every time.
            if !was_heard && now() < opened + SHORT {
                silent += 1;
                if silent >= MAX_SILENT {
                    let why = format!("as it did {silent} times in a row");
                    return Err(self.lost(was_heard, lost, why));
                }
                attempts.hold_back();
            }
            // A connection that broke before it was of any use is no better than none. That the
            // service greeted us on it is of no use yet.
            if channel.messages_done() > done_before || now() >= opened + OF_USE {
                attempts = Attempts::within(self.limits.resumption);
            }
            let lost_at = now();
            // The service does this every hour: it is nothing to speak of while it heals.
            tracing::info!(session = self.id, "{lost}; resuming");
            let resumed = tokio::select! {
                resumed = self.resume(&stream_url, &lost, &mut attempts) => resumed,
                ended = gap::go_on(application, channel) => match ended {
                    Ok(()) => {
                        self.terminate().await;
                        return Ok(SessionEnd::Done);
                    }
                    Err(why) => return Err(self.failed(DriveError::Application(why)).await),
                },
            };
            websocket = match resumed {
                Ok(websocket) => websocket,
                Err(NotResumed::Over) if was_heard => return Ok(SessionEnd::TimedOut),
                Err(NotResumed::Over) => {
                    let why = "it says that the session is over".to_owned();
                    return Err(self.lost(was_heard, lost, why));
                }
                Err(NotResumed::Because(why) | NotResumed::ForNow(why)) => {
                    return Err(self.lost(was_heard, lost, why));
                }
                Err(NotResumed::Failed(error)) => return Err(error),
            };
            channel.handle_reconnected(now());
            application.handle_reconnected(now());
            if std::mem::take(&mut attempts.have_failed) {
                let after = Duration::from_secs((now() - lost_at).as_secs().max(1));
                let after = humantime::format_duration(after);
                tracing::warn!(session = self.id, "resumed after {after}; nothing is lost");
            } else {
                tracing::info!(session = self.id, "resumed");
            }
        }
    }

    /// Before anything is sent there, or signed for it.
    fn address(&self, stream_url: &str) -> Result<Uri, SessionError> {
        let checked = match self.control_plane.gateway() {
            Some(gateway) => stream_address::led_to(gateway, stream_url),
            None => stream_address::checked(stream_url, &self.control_plane.endpoints()),
        };
        checked.map_err(|source| SessionError::Address { session_id: self.id.clone(), source })
    }

    /// The first data channel. Whatever may have been the moment's fault is tried again with the same
    /// token, which needs no permission of anybody; a gateway that still refuses it for now is asked
    /// with another one.
    async fn open_first(
        &self,
        ticket: Ticket,
        can_resume: bool,
    ) -> Result<WebSocket, SessionError> {
        let url = self.address(&ticket.stream_url)?;
        let limit = FIRST_CHANNEL_TIMEOUT.min(self.limits.resumption);
        let until = now() + limit;
        let mut attempt = 1;
        let refused = loop {
            let refused = match self.open(&url, ticket.token.clone()).await {
                Ok(websocket) => return Ok(websocket),
                Err(refused) => refused,
            };
            if attempt >= FIRST_ATTEMPTS || !refused.may_pass() || now() >= until {
                break refused;
            }
            tracing::info!(session = self.id, "{refused}; trying again");
            pause_between_dials().await;
            attempt += 1;
        };
        if !can_resume || !refused.is_temporary() {
            return Err(refused.into());
        }
        let mut attempts = Attempts::within(limit).after_refusal();
        match self.resume(&ticket.stream_url, &refused, &mut attempts).await {
            Ok(websocket) => Ok(websocket),
            Err(NotResumed::Failed(error)) => Err(error),
            Err(_) => Err(refused.into()),
        }
    }

    async fn open(&self, url: &Uri, token: Token) -> Result<WebSocket, DialError> {
        let headers = self.control_plane.sign(url).await;
        let proxies = Proxies::of_environment();
        let proxy_has_tls = proxies.way_to(url)?.is_some_and(|proxy| proxy.has_tls());
        let authorities = match url.scheme_str() == Some("wss") || proxy_has_tls {
            true => self.control_plane.authorities().await?,
            false => Authorities::default(),
        };
        let connector = Connector::new(authorities, proxies);
        let mut websocket = dial(url, headers, &connector).await?;
        break_off_after(&websocket, self.limits.silence);
        let version = &self.config.version;
        let open = OpenDataChannel::new(random_uuid(), token, self.client_id, version);
        let text = serde_json::to_string(&open).unwrap_or_default();
        let host = url.host().unwrap_or_default().to_owned();
        let sent = websocket.send(Message::text(text)).await;
        sent.map_err(|error| DialError::Upgrade { host, source: error.into() })?;
        Ok(websocket)
    }

    /// A new data channel, at `stream_url` unless the new ticket names another one.
    ///
    /// Tries until the service says that the session is over, or time is up.
    async fn resume(
        &self,
        stream_url: &str,
        lost: &impl Display,
        attempts: &mut Attempts,
    ) -> Result<WebSocket, NotResumed> {
        let mut why = "no new connection lasted".to_owned();
        let (word_at, mut is_told) = (now() + WORD_AFTER, false);
        while attempts.may_go_on() {
            attempts.pause().await;
            let attempt = self.attempt(stream_url);
            tokio::pin!(attempt);
            let answer_by = word_at.max(now() + ANSWER_TAKES);
            let tried = match timeout_at(answer_by.into(), &mut attempt).await {
                Ok(tried) => tried,
                Err(_) => {
                    attempts.have_failed = true;
                    let why = format!("{lost}; waiting for the service's answer");
                    self.connection.send_replace(ChannelState::Failing(why));
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(
                            target: WAITING,
                            session = self.id,
                            "{lost}; waiting for the service's answer, {}",
                            attempts.left()
                        );
                    }
                    attempt.await
                }
            };
            why = match tried {
                Ok(websocket) => return Ok(websocket),
                Err(NotResumed::ForNow(why)) => why,
                Err(final_word) => return Err(final_word),
            };
            let failing = format!("{lost}; resuming fails so far: {why}");
            self.connection.send_replace(ChannelState::Failing(failing));
            let is_first = !std::mem::replace(&mut attempts.have_failed, true);
            if now() >= word_at && !std::mem::replace(&mut is_told, true) {
                tracing::warn!(
                    target: WAITING,
                    session = self.id,
                    "{lost}; resuming fails again and again: {why}; trying {}",
                    attempts.left()
                );
            } else if is_first {
                let left = attempts.left();
                tracing::warn!(
                    session = self.id,
                    "{lost}; resuming fails so far: {why}; trying {left}"
                );
            } else {
                tracing::debug!(session = self.id, "not resumed yet: {why}");
            }
        }
        Err(NotResumed::Because(why))
    }

    /// Asks once whether the session may be resumed, and opens its data channel.
    async fn attempt(&self, stream_url: &str) -> Result<WebSocket, NotResumed> {
        let mut ticket = match self.control_plane.resume(&self.id).await {
            Ok(None) => return Err(NotResumed::Over),
            Ok(Some(ticket)) => ticket,
            Err(Refusal { message, is_temporary: false }) => {
                return Err(NotResumed::Because(message));
            }
            Err(Refusal { message, .. }) => return Err(NotResumed::ForNow(message)),
        };
        if ticket.session_id != self.id {
            let other = foreign_text::one_line(&ticket.session_id);
            let why = format!("the service answered with another session, {other}");
            return Err(NotResumed::Because(why));
        }
        if ticket.stream_url.is_empty() {
            stream_url.clone_into(&mut ticket.stream_url);
        }
        let url = self.address(&ticket.stream_url).map_err(NotResumed::Failed)?;
        let opened = self.open(&url, ticket.token).await;
        opened.map_err(|error| NotResumed::ForNow(error.to_string()))
    }

    /// There is no other connection, because of `why`.
    fn lost(&self, was_heard: bool, lost: Disconnect, why: String) -> SessionError {
        let session_id = self.id.clone();
        match was_heard {
            true => SessionError::Lost { session_id, lost, why },
            false => SessionError::Refused { session_id, lost, why },
        }
    }

    async fn failed(&self, source: DriveError) -> SessionError {
        self.terminate().await;
        SessionError::Failed { session_id: self.id.clone(), source }
    }

    async fn terminate(&self) {
        match timeout(TERMINATE_TIMEOUT, self.control_plane.terminate(&self.id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(session = self.id, "not terminated: {error}"),
            Err(_) => tracing::debug!(session = self.id, "not terminated: no answer"),
        }
    }
}

/// Why there is no other connection.
enum NotResumed {
    /// The service says that the session is over.
    Over,
    /// It cannot be had, or not in time.
    Because(String),
    /// It may be had a little later.
    ForNow(String),
    /// Its address leads nowhere that a token may be sent to.
    Failed(SessionError),
}

fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}

/// The service may be gone, and the user waits.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the first data channel may be refused for now. A session that has just been started has
/// its user in front of it.
const FIRST_CHANNEL_TIMEOUT: Duration = Duration::from_secs(20);
/// As many as the reference client's.
const FIRST_ATTEMPTS: u32 = 5;
/// Connections in a row from which nothing came, of a session that was never heard of.
const MAX_SILENT: u32 = 5;
/// So long a person looks at a tunnel that hangs.
const WORD_AFTER: Duration = Duration::from_secs(10);
/// Whoever does not refuse within this time does not answer.
const ANSWER_TAKES: Duration = Duration::from_secs(1);
/// A connection that has lasted for so long was of use.
const OF_USE: Duration = Duration::from_secs(10);
/// How long a node may take to begin its handshake, when the session begins with one: the first session
/// after a boot, or on a small Windows instance, takes minutes.
const OPENING_PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Less than any time after which the service closes connections that it has taken.
const SHORT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
