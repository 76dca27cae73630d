//! The loop that connects a WebSocket, a channel and an application: one task, no queues of its
//! own.
//!
//! Each turn reads a batch of frames, lets the application move bytes between its own sockets
//! and the channel, and writes what the channel has to send, with one flush for the batch.
//! Nothing is read while the application or the channel cannot take more, so that a slow consumer
//! is felt by the sender through TCP; unless [acknowledgements](ahead) are what is waited for.

mod ahead;
mod ending;
mod frames;
mod reading;

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{Sink, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Sleep,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error as WebSocketError, Message, error::ProtocolError},
};

pub use self::frames::{FRAMES, PATHS, PAYLOADS};
use self::{
    ahead::Ahead,
    ending::{ENDING_TIMEOUT, Ending},
    frames::{Direction, Frames},
    reading::Reading,
};
use super::{Application, ApplicationError, Turn, liveness::Liveness, now};
use crate::{
    channel::{Channel, ChannelError, Event},
    wire::control::Flag,
};

/// How driving came to its end.
#[derive(Debug)]
pub enum Outcome {
    /// The application is done, and what it sent has been acknowledged, or had its time.
    Done,
    /// The service closed the session; its reason may be empty.
    Closed {
        /// Why, for the user.
        reason: String,
    },
    /// The service closed the session, and a message before others that have come never did.
    Truncated {
        /// Why it was closed, for the user; may be empty.
        reason: String,
    },
    /// The WebSocket is gone; the session may be resumed on another one.
    Disconnected(Disconnect),
}

/// How a WebSocket went away.
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    /// The other side closed it.
    #[error("the service closed the connection{0}")]
    Closed(String),
    /// It broke.
    #[error("{}", broken(.0))]
    Broken(Box<WebSocketError>),
    /// Nothing has come for too long.
    #[error("nothing came from the service for {} s", .0.as_secs())]
    Idle(Duration),
}

/// For people; what the library calls it is told to those who want to know more.
pub(super) fn broken(error: &WebSocketError) -> &'static str {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error {
        WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | WebSocketError::ConnectionClosed
        | WebSocketError::AlreadyClosed => "the connection was closed without a word",
        WebSocketError::Io(error) => match error.kind() {
            ConnectionReset | ConnectionAborted => "the connection was reset",
            TimedOut => "the network does not answer any more",
            UnexpectedEof => "the connection was cut off",
            _ => "the connection broke",
        },
        WebSocketError::Tls(_) => "the connection broke, in TLS",
        _ => "the service sent something that is no message",
    }
}

/// Why a session cannot go on, whatever the connection.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The peer does not keep to the protocol.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The application gave up.
    #[error("{0}")]
    Application(ApplicationError),
}

/// One WebSocket being driven.
pub struct Driver<'a, S, A> {
    websocket: WebSocketStream<S>,
    channel: &'a mut Channel,
    application: &'a mut A,
    sleep: Pin<Box<Sleep>>,
    liveness: Liveness,
    ending: Ending,
    /// The other side has asked for the session's end.
    is_told_to_end: bool,
    /// Since when nothing is read, as it could not be taken.
    held_since: Option<Instant>,
    /// What was read all the same.
    ahead: Ahead,
    /// The WebSocket is over, and what was received is still being passed on.
    is_gone: bool,
    /// Nothing can be written any more, and until when the reading side may take to find out. What
    /// the other side has sent before may still be read, and may be the end of the session.
    broken: Option<(Disconnect, Instant)>,
    /// For whoever looks on; only of a session that has a name.
    frames: Option<Frames<'a>>,
}

impl<'a, S, A> Driver<'a, S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Application,
{
    /// Drives `channel` and `application` over `websocket`, which counts as dead after
    /// [`SILENCE_LIMIT`] without a word.
    pub fn new(
        websocket: WebSocketStream<S>,
        channel: &'a mut Channel,
        application: &'a mut A,
    ) -> Self {
        Self {
            websocket,
            channel,
            application,
            sleep: Box::pin(tokio::time::sleep(SILENCE_LIMIT)),
            liveness: Liveness::new(SILENCE_LIMIT, now(), SystemTime::now()),
            ending: Ending::No,
            is_told_to_end: false,
            held_since: None,
            ahead: Ahead::default(),
            is_gone: false,
            broken: None,
            frames: None,
        }
    }

    /// Tells of its frames under this name ([`FRAMES`]).
    pub fn with_name(self, session: &'a str) -> Self {
        Self { frames: Some(Frames::of(session)), ..self }
    }

    /// Another limit of silence.
    pub fn with_silence_limit(mut self, limit: Duration) -> Self {
        self.liveness = Liveness::new(limit, now(), SystemTime::now());
        self
    }

    /// What earlier connections of the session have told: whether pings are answered, so that
    /// silence means something from the beginning.
    pub fn with_pings_answered(mut self, are_answered: bool) -> Self {
        if are_answered {
            self.liveness.handle_pong();
        }
        self
    }

    /// Runs until the application, the service or the connection ends, and says goodbye unless
    /// the connection is gone.
    ///
    /// # Errors
    /// When the session cannot go on on any connection.
    pub async fn run(&mut self) -> Result<Outcome, DriveError> {
        let outcome = self.drive().await;
        if !matches!(outcome, Ok(Outcome::Disconnected(_))) {
            self.close(CLOSE_TIMEOUT).await;
        }
        outcome
    }

    /// As [`run`](Self::run), without the goodbye.
    ///
    /// # Errors
    /// When the session cannot go on on any connection.
    pub async fn drive(&mut self) -> Result<Outcome, DriveError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Says goodbye, and takes what still comes until the other side has done the same, or for as
    /// long as `limit`: a socket that is closed with something unread is reset, and a reset
    /// overtakes the last frames that were sent.
    pub async fn close(&mut self, limit: Duration) {
        let goodbye = async {
            self.websocket.close(None).await?;
            while self.websocket.next().await.transpose()?.is_some() {}
            Ok::<_, WebSocketError>(())
        };
        let _ = tokio::time::timeout(limit, goodbye).await;
    }

    /// Whether pings are answered, on this connection or on one before.
    pub fn answers_pings(&self) -> bool {
        self.liveness.answers_pings()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, DriveError>> {
        loop {
            let now = now();
            if self.liveness.wants_wall_clock(now) {
                self.liveness.compare(now, SystemTime::now());
            }
            // What nobody will acknowledge any more cannot be late.
            if !self.is_closed() {
                self.channel.handle_timeout(now)?;
                self.pass_events(now)?;
            }
            let reading = self.poll_read(cx, now)?;
            self.poll_last_words(matches!(reading, Reading::Held), now)?;
            let turn = self.poll_application(cx, now)?;
            self.poll_write(cx, now);
            self.tell_of_silence(now);
            if let Some(frames) = &mut self.frames {
                let channel = &*self.channel;
                frames.tell_path(|| (channel.path(), channel.bytes_under_way()), now);
            }

            if let Some(outcome) = self.ended(now) {
                return Poll::Ready(Ok(outcome));
            }
            let (read_more, gone) = match reading {
                Reading::More => (true, None),
                // That nothing was there when it was looked at, before the writing, says little.
                Reading::Idle => {
                    (false, self.broken.take_if(|(_, until)| now >= *until).map(|b| b.0))
                }
                // What acknowledgements hold back stays so, as nothing can be written.
                Reading::Held if !self.channel.can_receive() && self.broken.is_some() => {
                    (false, self.broken.take().map(|broken| broken.0))
                }
                // Nothing wakes the task when the application has made room: look again.
                Reading::Held => (self.can_receive(), None),
                Reading::Gone(disconnect) => (false, Some(disconnect)),
            };
            if let Some(disconnect) = gone.or_else(|| self.silence(now))
                && let Some(outcome) = self.after(disconnect)
            {
                return Poll::Ready(Ok(outcome));
            }
            if !(read_more || turn == Turn::More || self.poll_sleep(cx, now)) {
                return Poll::Pending;
            }
        }
    }

    fn can_receive(&self) -> bool {
        self.application.can_receive() && self.channel.can_receive()
    }

    fn receive(&mut self, message: Bytes, now: Instant) -> Result<(), DriveError> {
        if let Some(frames) = &self.frames {
            frames.tell(Direction::In, &message);
        }
        self.channel.handle_frame(message, now)?;
        self.pass_events(now)
    }

    fn pass_events(&mut self, now: Instant) -> Result<(), DriveError> {
        while let Some(event) = self.channel.poll_event() {
            // An agent that says so has not ended its session for a client.
            self.is_told_to_end |=
                event == Event::Flag(Flag::TerminateSession) && self.channel.is_agent();
            match (event, &self.ending) {
                // The application hears of it when it has everything.
                (Event::Closed { reason }, Ending::No) => {
                    self.ending = Ending::Closing(now, reason);
                }
                // The service says it twice when TerminateSession was called.
                (Event::Closed { .. }, Ending::Closing(..) | Ending::Closed(..)) => {}
                (event, _) => {
                    if let (Event::Closed { .. }, Ending::Done(_)) = (&event, &self.ending) {
                        // It is the end that the application asked for.
                        self.ending = Ending::Done(now);
                    }
                    self.tell(event, now)?;
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: Event, now: Instant) -> Result<(), DriveError> {
        let told = self.application.handle_event(event, self.channel, now);
        told.map_err(DriveError::Application)
    }

    fn poll_application(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Turn, DriveError> {
        let turn = self.application.poll(cx, self.channel, now);
        let turn = turn.map_err(DriveError::Application)?;
        match &mut self.ending {
            Ending::No if turn == Turn::Done => {
                self.ending = Ending::Done(now + ENDING_TIMEOUT);
            }
            // It has lost its patience.
            Ending::Closing(_, reason) if turn == Turn::Done => {
                self.ending = Ending::Closed(Some(now), std::mem::take(reason));
            }
            Ending::Closed(limit, _) if turn == Turn::Done => {
                limit.get_or_insert(now);
            }
            _ => {}
        }
        Ok(turn)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) {
        // Also when nothing can be written: its time has come and gone.
        self.liveness.wants_ping(now);
        if !self.is_gone
            && self.broken.is_none()
            && let Err(error) = self.write_batch(cx, now)
        {
            tracing::info!("writing: {error}");
            self.broken = Some((Disconnect::Broken(error.into()), now + LAST_READING));
        }
    }

    fn write_batch(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), WebSocketError> {
        while let Poll::Ready(ready) = Pin::new(&mut self.websocket).poll_ready(cx) {
            ready?;
            let message = if self.liveness.wants_ping(now) {
                self.liveness.handle_ping_sent(now);
                Message::Ping(Bytes::from_static(PING))
            } else if let Some(frame) = self.channel.poll_transmit(now) {
                if let Some(frames) = &self.frames {
                    frames.tell(Direction::Out, &frame);
                }
                Message::Binary(frame)
            } else {
                break;
            };
            Pin::new(&mut self.websocket).start_send(message)?;
        }
        // Also when nothing was added: an earlier flush may have been cut short.
        match Pin::new(&mut self.websocket).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| self.channel.handle_written(now)),
            Poll::Pending => Ok(()),
        }
    }

    fn tell_of_silence(&mut self, now: Instant) {
        // A client's silence is its own affair.
        if self.is_gone || self.channel.is_agent() {
            return;
        }
        let owes_for = self.channel.unacknowledged_for(now);
        if let Some(silent) = self.liveness.wants_word(now, owes_for) {
            let silent = silent.as_secs();
            tracing::warn!("nothing has come from the service for {silent} s; waiting for it");
        }
    }

    fn silence(&self, now: Instant) -> Option<Disconnect> {
        let owes_for = self.channel.unacknowledged_for(now);
        let silence = self.liveness.silence(now, owes_for).filter(|_| !self.is_gone);
        silence.map(Disconnect::Idle)
    }

    /// Sleeps until the next deadline; `true` when that has come.
    fn poll_sleep(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let ending = self.ending_timeout();
        // Of a WebSocket that is over nothing is due any more.
        let wire = (!self.is_gone).then(|| {
            let channel = self.channel.poll_timeout().filter(|_| !self.is_closed());
            // One that has passed waits for the application, which holds back the reading.
            let last_reading = self.broken.as_ref().map(|(_, until)| *until);
            let last_reading = last_reading.filter(|until| *until > now);
            let ahead = self.ahead_due(now).filter(|due| *due > now);
            [Some(self.liveness.poll_timeout()), channel, last_reading, ahead]
        });
        let deadlines = wire.into_iter().flatten().chain([self.application.poll_timeout(), ending]);
        let Some(next) = deadlines.flatten().min() else { return false };
        if next <= now {
            return true;
        }
        // Deadlines mostly move away; waking too early costs less than setting the timer anew.
        let next = tokio::time::Instant::from_std(next);
        if self.sleep.is_elapsed() || next < self.sleep.deadline() {
            self.sleep.as_mut().reset(next);
        }
        self.sleep.as_mut().poll(cx).is_ready()
    }
}

/// The reference client's payload.
const PING: &[u8] = b"keepalive";
/// How long a connection may be silent unless its driver is told otherwise.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// A connection that cannot be written to is soon at its end for reading, too.
const LAST_READING: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
