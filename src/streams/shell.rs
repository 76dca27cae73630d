//! A shell or a command: terminal or pipes on this side, a pseudo-terminal or pipes on the node.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{BufMut, BytesMut, buf::Limit};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::{ExitMarker, Meter, Stop, exit_marker::GO_AHEAD, outbox::Outbox};
use crate::{
    channel::{Channel, Event},
    net::{Application, ApplicationError, Turn},
    wire::{ExitCode, Packet, PacketPool, PayloadType, TerminalSize, control::Flag},
};

/// The local side of a shell.
pub struct Console {
    /// What is typed; `None` for a session that takes no input.
    pub input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Where output goes.
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where a command's standard error goes, if it comes apart from its output.
    pub error: Box<dyn AsyncWrite + Send + Unpin>,
    /// The terminal's size, and every later one.
    pub sizes: Pin<Box<dyn Stream<Item = TerminalSize> + Send>>,
    /// Bytes that go ahead of the input: control characters that came as signals.
    pub signals: Pin<Box<dyn Stream<Item = u8> + Send>>,
    /// Lives as long as the console, and restores the terminal when it is dropped.
    pub raw_mode: Option<Box<dyn Send>>,
}

/// What a shell tells its observer.
#[derive(Debug)]
pub enum ShellEvent {
    /// The command has ended with this code.
    Exited(ExitCode),
    /// What was received could not be written.
    OutputFailed(io::Error),
    /// The input could not be read.
    InputFailed(io::Error),
}

/// The application of shell and command sessions.
///
/// Little is kept under way toward the node: a program there that does not read holds up
/// everything behind it, Ctrl-C included.
pub struct Shell<F> {
    console: Console,
    output: Outbox<Box<dyn AsyncWrite + Send + Unpin>>,
    error: Outbox<Box<dyn AsyncWrite + Send + Unpin>>,
    marker: Option<ExitMarker>,
    pool: PacketPool,
    stop: Stop,
    observer: F,
    meter: Option<Arc<Meter>>,
    /// The latest size, until it is sent.
    size: Option<TerminalSize>,
    /// The command waits for the terminal to have its size.
    holds_command: bool,
    has_sent_size: bool,
    /// The node has said something: what it runs is there.
    has_begun: bool,
    end_of_input: EndOfInput,
    has_exited: bool,
    is_over: bool,
}

/// How the node is told that there is no more input: a terminal knows no end of file, but the
/// character that means it. A program that reads raw keys swallows it, so it is said again while
/// the session goes on in silence, less and less often.
#[derive(Clone, Copy, Debug)]
enum EndOfInput {
    /// There is more; whether the last byte ended a line.
    Open { at_line_start: bool },
    /// To be said at this time, and after the pause again.
    Said { again: Instant, pause: Duration },
    /// There never was any input, or nobody is left to take it.
    Without,
}

impl<F: FnMut(ShellEvent)> Shell<F> {
    /// Connects `console` with the session until that ends or `stop` resolves. With a `marker`,
    /// the output is searched for it.
    pub fn new(mut console: Console, marker: Option<ExitMarker>, stop: Stop, observer: F) -> Self {
        let output = std::mem::replace(&mut console.output, Box::new(tokio::io::sink()));
        let error = std::mem::replace(&mut console.error, Box::new(tokio::io::sink()));
        let end_of_input = match console.input {
            Some(_) => EndOfInput::Open { at_line_start: true },
            None => EndOfInput::Without,
        };
        Self {
            console,
            output: Outbox::new(output),
            error: Outbox::new(error),
            holds_command: marker.is_some(),
            marker,
            pool: PacketPool::new(CHUNK_LEN),
            stop,
            observer,
            meter: None,
            size: None,
            has_sent_size: false,
            has_begun: false,
            end_of_input,
            has_exited: false,
            is_over: false,
        }
    }

    /// Counts in `meter` what is typed and shown.
    #[must_use]
    pub fn with_meter(self, meter: Arc<Meter>) -> Self {
        Self { meter: Some(meter), ..self }
    }

    fn receive(&mut self, payload_type: PayloadType, payload: &[u8], now: Instant) {
        if let Some(meter) = &self.meter {
            meter.add_received(payload.len());
        }
        match payload_type {
            PayloadType::Output => match &mut self.marker {
                None => self.output.push(payload),
                Some(marker) => {
                    self.has_begun = true;
                    let mut shown = Vec::with_capacity(payload.len());
                    let exited = marker.filter(payload, &mut shown);
                    self.output.push(&shown);
                    if let Some(code) = exited {
                        self.has_exited = true;
                        (self.observer)(ShellEvent::Exited(code));
                    }
                }
            },
            PayloadType::StdErr | PayloadType::Error => self.error.push(payload),
            PayloadType::ExitCode => {
                if let Some(code) = ExitCode::read(payload) {
                    self.has_exited = true;
                    (self.observer)(ShellEvent::Exited(code));
                }
            }
            _ => {}
        }
        if let EndOfInput::Said { again, pause } = &mut self.end_of_input {
            *again = now + *pause;
        }
    }

    fn end(&mut self, channel: &mut Channel, now: Instant) -> Turn {
        channel.send_flag(Flag::TerminateSession, now);
        self.end_of_input = EndOfInput::Without;
        self.is_over = true;
        Turn::Done
    }

    /// Size and signals: they do not wait behind input.
    fn send_control(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) {
        while let Poll::Ready(Some(size)) = self.console.sizes.as_mut().poll_next(cx) {
            self.size = Some(size);
        }
        if channel.can_send_control()
            && let Some(size) = self.size.take()
        {
            let payload = Packet::copy_from(size.to_json().as_bytes());
            channel.send(PayloadType::Size, payload, now);
            self.has_sent_size = true;
        }
        // Sessions with a handshake take input before the terminal is set not to echo it.
        let may_go = self.has_sent_size && self.has_begun && channel.can_send_control();
        if may_go && std::mem::take(&mut self.holds_command) {
            channel.send(PayloadType::Output, Packet::copy_from(GO_AHEAD), now);
        }
        while channel.can_send_control()
            && let Poll::Ready(Some(byte)) = self.console.signals.as_mut().poll_next(cx)
        {
            channel.send(PayloadType::Output, Packet::copy_from(&[byte]), now);
        }
    }

    fn send_input(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) {
        while let EndOfInput::Open { at_line_start } = self.end_of_input
            && !self.holds_command
            && has_room(channel)
            && let Some(input) = &mut self.console.input
        {
            let mut slot = self.pool.slot(channel.payload_len().min(PAYLOAD_LEN));
            let read =
                poll_read_buf::<_, Limit<&mut BytesMut>>(Pin::new(input), cx, &mut slot.space());
            match read {
                Poll::Pending => return,
                Poll::Ready(Ok(len)) if len > 0 => {
                    let mut packet = slot.finish();
                    let last = packet.payload().last().copied();
                    // As the reference client does it: the key that ends a line is a carriage
                    // return.
                    if packet.payload() == b"\n" {
                        packet = Packet::copy_from(b"\r");
                    }
                    self.end_of_input =
                        EndOfInput::Open { at_line_start: matches!(last, Some(b'\n' | b'\r')) };
                    if let Some(meter) = &self.meter {
                        meter.add_sent(len);
                    }
                    channel.send(PayloadType::Output, packet, now);
                }
                Poll::Ready(ended) => {
                    if let Err(error) = ended {
                        (self.observer)(ShellEvent::InputFailed(error));
                    }
                    self.say_end_of_input(channel, !at_line_start, FIRST_PAUSE, now);
                }
            }
        }
        if let EndOfInput::Said { again, pause } = self.end_of_input
            && now >= again
        {
            if has_room(channel) {
                self.say_end_of_input(channel, false, pause * 2, now);
            } else {
                self.end_of_input = EndOfInput::Said { again: now + pause, pause };
            }
        }
    }

    /// In the middle of a line the character only sends what there is of it; the second one ends
    /// the input.
    fn say_end_of_input(
        &mut self,
        channel: &mut Channel,
        in_line: bool,
        pause: Duration,
        now: Instant,
    ) {
        let mut slot = self.pool.slot(2);
        slot.space().put_bytes(END_OF_TRANSMISSION, 1 + usize::from(in_line));
        channel.send(PayloadType::Output, slot.finish(), now);
        self.end_of_input = EndOfInput::Said { again: now + pause, pause };
    }
}

impl<F: FnMut(ShellEvent)> Application for Shell<F> {
    /// A session that is to end is not held up by a reader that is gone or stuck.
    fn can_receive(&self) -> bool {
        self.is_over || (self.output.has_room() && self.error.has_room())
    }

    fn is_drained(&self) -> bool {
        self.output.is_drained() && self.error.is_drained()
    }

    fn is_patient(&self) -> bool {
        true
    }

    fn has_last_word(&self) -> bool {
        self.has_exited
    }

    fn handle_event(
        &mut self,
        event: Event,
        _: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Data { .. } if self.is_over => {}
            Event::Data { payload_type, payload } => self.receive(payload_type, &payload, now),
            Event::Closed { .. } => {
                self.end_of_input = EndOfInput::Without;
                if let Some(marker) = &mut self.marker {
                    self.output.push(&marker.rest());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        if let EndOfInput::Said { again, pause } = &mut self.end_of_input {
            *again = now + *pause;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        let written = self.output.poll(cx).and_then(|()| self.error.poll(cx));
        if self.is_over {
            return Ok(Turn::Done);
        }
        if let Err(error) = written {
            (self.observer)(ShellEvent::OutputFailed(error));
            return Ok(self.end(channel, now));
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Ok(self.end(channel, now));
        }
        if let Some(meter) = &self.meter {
            meter.note(channel.path().round_trip);
        }
        channel.guard(&[]);
        self.send_control(cx, channel, now);
        self.send_input(cx, channel, now);
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.end_of_input {
            EndOfInput::Said { again, .. } => Some(again),
            EndOfInput::Open { .. } | EndOfInput::Without => None,
        }
    }
}

fn has_room(channel: &Channel) -> bool {
    channel.can_send() && channel.bytes_under_way() < UNDER_WAY
}

/// Ctrl-D, at which a terminal tells its reader of the end of file.
const END_OF_TRANSMISSION: u8 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Bytes on the way to the node: a large paste still moves at megabytes a second.
const UNDER_WAY: usize = 16 * 1024;
const PAYLOAD_LEN: usize = 4 * 1024;
const CHUNK_LEN: usize = 32 * 1024;

#[cfg(test)]
mod tests;
