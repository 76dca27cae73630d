//! A command without a terminal of the user's: both outputs apart, its exit code, and its input.
//!
//! ```text
//!   Way::Plain      the command alone, in a session of commands, which takes no input
//!   Way::AsOne      the same, all of it shown as the reference plugin does
//!   Way::Whole      behind whole_output.sh: what the agent would not leave as it is goes as base64
//!   Way::WithInput  behind with_input.sh, on a terminal of the node's: both ways in letters
//! ```
//!
//! The agent passes on text. Of other bytes it never sends up to three at the end, and of a U+FFFD
//! only the first byte; and a session of commands has no input at all. A script on the node makes
//! up for that, with tools that most have; it puts [marks](marks::Marks) among what it sends.

mod decoder;
mod letters;
mod marks;
mod mended;
mod silence;
mod text;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{BufMut, BytesMut};
use tokio_util::io::poll_read_buf;
use uuid::Uuid;

use super::{Stop, outbox::Outbox, shell::Console};
use crate::{
    channel::{Channel, Event},
    net::{Application, ApplicationError, Turn},
    wire::{ExitCode, Packet, PacketPool, PayloadType, TerminalSize, control::Flag},
};
use decoder::Decoder;
use silence::Silence;

/// How a command is started on the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// As it is.
    Plain,
    /// By somebody else, who wants to see all that comes on standard output, the exit code too.
    AsOne,
    /// So that its output arrives whole, with marks of this name.
    Whole(Uuid),
    /// The same, on a terminal, and with input.
    WithInput(Uuid),
}

impl Way {
    /// What the node is to run for the words of a command.
    pub fn words(self, command: &[String]) -> Vec<String> {
        let (script, name) = match self {
            Self::Plain | Self::AsOne => return command.to_vec(),
            Self::Whole(name) => (WHOLE_OUTPUT, name),
            Self::WithInput(name) => (WITH_INPUT, name),
        };
        let script = script.replace("MARK", &marks::mark_name(name));
        let shell = ["sh", "-c", script.trim_end(), "sh"].map(str::to_owned);
        shell.into_iter().chain(command.iter().cloned()).collect()
    }
}

/// What a command tells its observer.
#[derive(Debug)]
pub enum CommandEvent {
    /// The command runs, or has been tried.
    Begun,
    /// The node lacks the tools for what was asked.
    LacksTools,
    /// The command has ended.
    Exited {
        /// With this code.
        code: ExitCode,
        /// Every byte of its output is known to have come.
        is_whole: bool,
        /// Its last line has no end.
        is_line_open: bool,
    },
    /// It had not started, and this is the agent's reason. Comes behind the exit code.
    NotStarted(String),
    /// Nothing has come for so long, since the connection was replaced or the service asked for a
    /// pause while the command was writing. It may be stuck for good.
    Silent(Duration),
    /// What was received could not be written.
    OutputFailed(io::Error),
    /// The input could not be read.
    InputFailed(io::Error),
}

/// The application of commands.
pub struct Command<F> {
    console: Console,
    output: Outbox<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>,
    error: Outbox<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>,
    decoder: Decoder,
    /// What the agent says in the place of a script that it could not start is for the observer.
    early_error: Vec<u8>,
    last_shown: Option<u8>,
    pool: PacketPool,
    /// Input with its length in front, as far as it has not been sent.
    chunk: BytesMut,
    size: Option<TerminalSize>,
    silence: Silence,
    stop: Stop,
    observer: F,
    has_told_exit: bool,
    is_over: bool,
}

impl<F: FnMut(CommandEvent)> Command<F> {
    /// It writes all the time: a silence of that length behind an interruption is told.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { silence: Silence::after(patience), ..self }
    }

    /// Connects `console` with a command that was started in this way, until it ends or `stop`
    /// resolves. Its input is read in the way that has one.
    pub fn new(mut console: Console, way: Way, stop: Stop, observer: F) -> Self {
        let output = std::mem::replace(&mut console.output, Box::new(tokio::io::sink()));
        let error = std::mem::replace(&mut console.error, Box::new(tokio::io::sink()));
        if !matches!(way, Way::WithInput(_)) {
            console.input = None;
        }
        Self {
            console,
            output: Outbox::new(output),
            error: Outbox::new(error),
            decoder: Decoder::new(way),
            early_error: Vec::new(),
            last_shown: None,
            pool: PacketPool::new(POOL_LEN),
            chunk: BytesMut::new(),
            size: None,
            silence: Silence::default(),
            stop,
            observer,
            has_told_exit: false,
            is_over: false,
        }
    }

    fn receive(&mut self, payload_type: PayloadType, payload: &[u8], now: Instant) {
        self.silence.handle_data(now);
        let had_begun = self.decoder.has_begun;
        let (mut output, mut error) = (Vec::new(), Vec::new());
        self.decoder.read(payload_type, payload, &mut output, &mut error);
        if self.decoder.has_begun {
            if !had_begun {
                (self.observer)(CommandEvent::Begun);
                error.splice(..0, self.early_error.drain(..));
            }
        } else if self.early_error.len() < EARLY_ERROR {
            self.early_error.append(&mut error);
        }
        self.last_shown = error.last().or(output.last()).copied().or(self.last_shown);
        self.output.push(&output);
        self.error.push(&error);
        if self.decoder.lacks_tools {
            (self.observer)(CommandEvent::LacksTools);
        }
        if self.has_told_exit && payload_type == PayloadType::StdErr {
            let reason = String::from_utf8_lossy(payload).into_owned();
            (self.observer)(CommandEvent::NotStarted(reason));
        }
        if let Some(exit) = self.decoder.exit
            && !std::mem::replace(&mut self.has_told_exit, true)
        {
            let is_line_open = self.last_shown.is_some_and(|byte| byte != b'\n');
            let (code, is_whole) = (exit.code, exit.is_whole);
            (self.observer)(CommandEvent::Exited { code, is_whole, is_line_open });
        }
    }

    fn end(&mut self, channel: &mut Channel, now: Instant) -> Turn {
        channel.send_flag(Flag::TerminateSession, now);
        self.is_over = true;
        Turn::Done
    }

    fn send_control(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) {
        while let Poll::Ready(Some(size)) = self.console.sizes.as_mut().poll_next(cx) {
            self.size = Some(size);
        }
        if channel.can_send_control()
            && let Some(size) = self.size.take()
        {
            let payload = Packet::copy_from(size.to_json().as_bytes());
            channel.send(PayloadType::Size, payload, now);
        }
        while channel.can_send_control()
            && let Poll::Ready(Some(byte)) = self.console.signals.as_mut().poll_next(cx)
        {
            channel.send(PayloadType::Output, Packet::copy_from(&[byte]), now);
        }
    }

    /// Sends what there is of the input: how much, and then that. Nothing means its end.
    fn send_input(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) {
        while channel.can_send() && (!self.chunk.is_empty() || self.read_chunk(cx)) {
            let len = self.chunk.len().min(channel.payload_len());
            let packet = self.pool.packet(&self.chunk.split_to(len));
            channel.send(PayloadType::Output, packet, now);
        }
    }

    /// Whether there is a chunk to be sent.
    fn read_chunk(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(input) = &mut self.console.input else { return false };
        if !self.decoder.has_begun {
            return false;
        }
        self.chunk.reserve(COUNT_LEN + CHUNK_LEN);
        self.chunk.put_bytes(b'0', COUNT_LEN);
        let mut len = 0;
        if !self.decoder.is_past_input {
            match poll_read_buf(Pin::new(input), cx, &mut (&mut self.chunk).limit(CHUNK_LEN)) {
                Poll::Pending => {
                    self.chunk.clear();
                    return false;
                }
                Poll::Ready(Ok(read)) => len = read,
                Poll::Ready(Err(error)) => (self.observer)(CommandEvent::InputFailed(error)),
            }
        }
        if len == 0 {
            self.console.input = None;
        }
        self.chunk[..COUNT_LEN].copy_from_slice(format!("{len:0COUNT_LEN$}").as_bytes());
        true
    }
}

impl<F: FnMut(CommandEvent)> Application for Command<F> {
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

    /// Why a command could not be started comes behind its exit code.
    fn has_last_word(&self) -> bool {
        let has_spoken = self.last_shown.is_some() || !self.early_error.is_empty();
        let has_spoken = has_spoken || self.decoder.has_script();
        self.decoder.exit.is_some_and(|exit| exit.code != CANNOT_START || has_spoken)
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
            Event::Paused => self.silence.handle_pause(now),
            Event::Resumed => self.silence.handle_resumption(now),
            Event::Closed { .. } => {
                self.console.input = None;
                self.chunk.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.silence.handle_reconnected(now);
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
            (self.observer)(CommandEvent::OutputFailed(error));
            return Ok(self.end(channel, now));
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Ok(self.end(channel, now));
        }
        if let Some(silent) = self.silence.poll(now) {
            (self.observer)(CommandEvent::Silent(silent));
        }
        channel.guard(&[]);
        self.send_control(cx, channel, now);
        self.send_input(cx, channel, now);
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.silence.poll_timeout()
    }
}

const WHOLE_OUTPUT: &str = include_str!("command/whole_output.sh");
const WITH_INPUT: &str = include_str!("command/with_input.sh");
/// The digits in front of each chunk of input.
const COUNT_LEN: usize = 6;
/// Each costs the node some processes. What there is goes at once.
const CHUNK_LEN: usize = 64 * 1024;
const POOL_LEN: usize = 128 * 1024;
const CANNOT_START: ExitCode = ExitCode(1);
/// Longer than the agent's reasons.
const EARLY_ERROR: usize = 16 * 1024;

#[cfg(test)]
mod tests;
