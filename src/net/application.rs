//! What a driver drives beside the channel.

use std::{task::Context, time::Instant};

use thiserror::Error;

use crate::channel::{Channel, Event};

/// What a session carries, seen from the driver.
pub trait Application {
    /// Whether more payload can be taken. While `false`, the WebSocket is not read.
    fn can_receive(&self) -> bool;

    /// Whether everything that was received has been passed on.
    fn is_drained(&self) -> bool;

    /// Whether what is left to be passed on when the service closes the session has all the time
    /// that it takes: it goes to a reader who may pause, and whom the user can end.
    fn is_patient(&self) -> bool {
        false
    }

    /// Whether the session's last message has come, as far as the application can tell: behind it
    /// nothing is waited for.
    fn has_last_word(&self) -> bool {
        false
    }

    /// Takes one event of the channel.
    ///
    /// # Errors
    /// When the session cannot go on.
    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError>;

    /// The connection was replaced, or there is none yet: the time without one is not held against
    /// the other side.
    fn handle_reconnected(&mut self, now: Instant) {
        let _ = now;
    }

    /// Moves a bounded amount of bytes between the application's own sockets and the channel,
    /// and has `cx` woken when more can be moved.
    ///
    /// # Errors
    /// When the session cannot go on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError>;

    /// When [`poll`](Self::poll) is to be called even if nothing wakes it. A deadline that has
    /// come is dealt with by `poll`, and then gone.
    fn poll_timeout(&self) -> Option<Instant>;
}

impl<A: Application + ?Sized> Application for Box<A> {
    fn can_receive(&self) -> bool {
        (**self).can_receive()
    }

    fn is_drained(&self) -> bool {
        (**self).is_drained()
    }

    fn is_patient(&self) -> bool {
        (**self).is_patient()
    }

    fn has_last_word(&self) -> bool {
        (**self).has_last_word()
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        (**self).handle_event(event, channel, now)
    }

    fn handle_reconnected(&mut self, now: Instant) {
        (**self).handle_reconnected(now);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        (**self).poll(cx, channel, now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }
}

/// Why a session cannot go on, in words for its user.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct ApplicationError(String);

impl From<String> for ApplicationError {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<&str> for ApplicationError {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

/// What an application's turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing more can be moved until something wakes the task.
    Idle,
    /// More can be moved at once.
    More,
    /// The application wants the session to end.
    Done,
}
