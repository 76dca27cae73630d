//! A command's output, handed on as it comes.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use super::Stop;
use crate::{
    channel::{Channel, Event},
    net::{Application, ApplicationError, Turn},
    wire::{PayloadType, control::Flag},
};

/// The application of a command whose output is for this program itself. Whoever is told takes it all: it has
/// a bound of its own with the command.
pub struct Tap<F> {
    told: F,
    stop: Stop,
    is_over: bool,
}

/// What comes of the command.
#[derive(Debug)]
pub enum TapEvent<'a> {
    /// Bytes of its standard output.
    Output(&'a [u8]),
    /// Bytes of its standard error.
    Error(&'a [u8]),
    /// It has ended.
    Exited,
    /// Output is not wanted for now.
    Paused,
    /// What came before may have been the last: there was a pause, or no connection for a time.
    Interrupted,
    /// No more has come for now.
    Turn,
}

impl<F: FnMut(TapEvent<'_>) -> Result<(), ApplicationError>> Tap<F> {
    /// Tells what comes until `stop` resolves, the command ends, or what came is refused.
    pub fn new(stop: Stop, told: F) -> Self {
        Self { told, stop, is_over: false }
    }
}

impl<F: FnMut(TapEvent<'_>) -> Result<(), ApplicationError>> Application for Tap<F> {
    fn can_receive(&self) -> bool {
        true
    }

    fn is_drained(&self) -> bool {
        true
    }

    fn handle_event(
        &mut self,
        event: Event,
        _: &mut Channel,
        _: Instant,
    ) -> Result<(), ApplicationError> {
        if self.is_over {
            return Ok(());
        }
        match event {
            Event::Data { payload_type, payload } => match payload_type {
                PayloadType::Output => (self.told)(TapEvent::Output(&payload)),
                PayloadType::StdErr => (self.told)(TapEvent::Error(&payload)),
                PayloadType::ExitCode => (self.told)(TapEvent::Exited),
                _ => Ok(()),
            },
            Event::Paused => (self.told)(TapEvent::Paused),
            Event::Resumed => (self.told)(TapEvent::Interrupted),
            _ => Ok(()),
        }
    }

    fn handle_reconnected(&mut self, _: Instant) {
        // What is refused is output alone.
        let _ = (self.told)(TapEvent::Interrupted);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if self.is_over {
            return Ok(Turn::Done);
        }
        (self.told)(TapEvent::Turn)?;
        if let Poll::Ready(()) = self.stop.as_mut().poll(cx) {
            channel.send_flag(Flag::TerminateSession, now);
            self.is_over = true;
            return Ok(Turn::Done);
        }
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
