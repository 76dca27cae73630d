//! The application that a session turns out to need.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use super::Stop;
use crate::{
    channel::{Channel, Event, Ready},
    net::{Application, ApplicationError, Turn},
    wire::{control::Flag, handshake::SessionType},
};

/// An application that is chosen when the agent has said what the session carries.
///
/// Until then nothing is taken from anywhere: neither standard input nor a port's connections.
pub struct Chosen<'a> {
    choose: Option<Choose<'a>>,
    application: Option<Box<dyn Application + Send + 'a>>,
    stop: Stop,
    is_over: bool,
    failure: Option<String>,
    /// What came with the handshake, for questions after the session.
    peer: Option<Ready>,
}

/// Makes the application for a session; an error's text is for the user.
pub type Choose<'a> = Box<
    dyn FnOnce(&Ready) -> Result<Box<dyn Application + Send + 'a>, ApplicationError> + Send + 'a,
>;

impl<'a> Chosen<'a> {
    /// Waits for the session to stand; ends it when `stop` resolves before then. The application
    /// watches for its own end.
    pub fn new(stop: Stop, choose: Choose<'a>) -> Self {
        Self {
            choose: Some(choose),
            application: None,
            stop,
            is_over: false,
            failure: None,
            peer: None,
        }
    }

    /// Why there was nothing to choose, once the session has ended.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What the agent said of the session; `None` when it did not come so far.
    pub fn peer(&self) -> Option<&Ready> {
        self.peer.as_ref()
    }

    fn end(&mut self, channel: &mut Channel, now: Instant) {
        channel.send_flag(Flag::TerminateSession, now);
        self.is_over = true;
    }
}

impl Application for Chosen<'_> {
    fn can_receive(&self) -> bool {
        self.application.as_ref().is_none_or(|application| application.can_receive())
    }

    fn is_drained(&self) -> bool {
        self.application.as_ref().is_none_or(|application| application.is_drained())
    }

    fn is_patient(&self) -> bool {
        self.application.as_ref().is_some_and(|application| application.is_patient())
    }

    fn has_last_word(&self) -> bool {
        self.application.as_ref().is_some_and(|application| application.has_last_word())
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        // Nothing is to be opened for an end that was asked for already.
        if self.is_over {
            return Ok(());
        }
        if let Event::Ready(ready) = &event
            && let Some(choose) = self.choose.take()
        {
            self.peer = Some(ready.clone());
            let chosen = match &ready.session_type {
                SessionType::Unknown(name) => Err(unknown_session_type(name).into()),
                _ => choose(ready),
            };
            match chosen {
                Ok(application) => self.application = Some(application),
                Err(why) => {
                    self.failure = Some(why.to_string());
                    // The agent is told, or the session would go on without us.
                    self.end(channel, now);
                }
            }
            return Ok(());
        }
        match &mut self.application {
            Some(application) => application.handle_event(event, channel, now),
            None => Ok(()),
        }
    }

    fn handle_reconnected(&mut self, now: Instant) {
        if let Some(application) = &mut self.application {
            application.handle_reconnected(now);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if let Some(application) = &mut self.application {
            return application.poll(cx, channel, now);
        }
        if !self.is_over && matches!(self.stop.as_mut().poll(cx), Poll::Ready(())) {
            self.end(channel, now);
        }
        Ok(if self.is_over { Turn::Done } else { Turn::Idle })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.application.as_ref().and_then(|application| application.poll_timeout())
    }
}

/// The agent has been told in the handshake.
fn unknown_session_type(name: &str) -> String {
    format!("the session is of type '{name}', which is not known here; a newer ssmport may know it")
}

#[cfg(test)]
mod tests;
