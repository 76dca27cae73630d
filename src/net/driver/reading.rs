//! Reading: while the application can take it, and sometimes [ahead](super::ahead).

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::{Application, Disconnect, DriveError, Driver};

/// What reading came to.
pub(super) enum Reading {
    /// There may be more.
    More,
    /// Nothing there; the socket wakes the task.
    Idle,
    /// The application or the channel takes no more.
    Held,
    /// There will never be more.
    Gone(Disconnect),
}

impl<S, A> Driver<'_, S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Application,
{
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<Reading, DriveError> {
        for _ in 0..READ_BATCH {
            if self.is_gone {
                return Ok(Reading::Idle);
            }
            let is_held = !self.can_receive();
            if is_held {
                self.liveness.heard(now);
                let since = *self.held_since.get_or_insert(now);
                // A moment is nothing: it would take the round trips away, by which the sender goes.
                if now.saturating_duration_since(since) >= MOMENT && self.ahead.is_empty() {
                    self.channel.handle_unread(now);
                }
                if !self.may_read_ahead(now) {
                    return Ok(Reading::Held);
                }
            } else {
                self.held_since = None;
                if let Some(message) = self.ahead.next() {
                    self.receive(message, now)?;
                    continue;
                }
                if let Some(disconnect) = self.ahead.take_end() {
                    return Ok(Reading::Gone(disconnect));
                }
            }
            let Poll::Ready(next) = Pin::new(&mut self.websocket).poll_next(cx) else {
                return Ok(if is_held { Reading::Held } else { Reading::Idle });
            };
            self.liveness.heard(now);
            let disconnect = match next {
                Some(Ok(Message::Binary(message))) => {
                    let at_once = if is_held { self.ahead.take(message) } else { Some(message) };
                    if let Some(message) = at_once {
                        self.receive(message, now)?;
                    }
                    continue;
                }
                Some(Ok(Message::Pong(_))) => {
                    self.liveness.handle_pong();
                    continue;
                }
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| format!(" ({} {})", frame.code, frame.reason));
                    Disconnect::Closed(why.unwrap_or_default())
                }
                // tungstenite answers pings; text has no meaning after the opening.
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    tracing::info!("reading: {error}");
                    Disconnect::Broken(error.into())
                }
                None => Disconnect::Closed(String::new()),
            };
            if !is_held {
                return Ok(Reading::Gone(disconnect));
            }
            self.ahead.end(disconnect);
            return Ok(Reading::Held);
        }
        Ok(Reading::More)
    }

    /// Whether to read what the application cannot take now. Once that has begun it goes on until the application
    /// has taken everything: round trips are measured by it.
    fn may_read_ahead(&self, now: Instant) -> bool {
        let begins = || self.ahead_due(now).is_some_and(|due| now >= due);
        self.channel.can_receive() && self.ahead.has_room() && (!self.ahead.is_empty() || begins())
    }

    /// When that begins.
    pub(super) fn ahead_due(&self, now: Instant) -> Option<Instant> {
        let since = self.held_since.filter(|_| self.ahead.is_empty())?;
        self.channel.misses_acknowledgements(now).then_some(since + IN_VAIN)
    }
}

/// So long nothing is read now and then without anybody's being stuck.
const MOMENT: Duration = Duration::from_millis(20);
/// So long nobody takes anything who is merely busy.
const IN_VAIN: Duration = Duration::from_secs(1);
/// Frames that are read before the application and the write side have their turn.
pub(super) const READ_BATCH: usize = 64;
