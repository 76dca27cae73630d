//! One byte stream between the session and standard input and output: what `ssh` runs as its
//! ProxyCommand.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{BytesMut, buf::Limit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::{Stop, outbox::Outbox};
use crate::{
    channel::{Channel, Event},
    mux::FIRST_ANSWER,
    net::{ANSWER_PATIENCE, Application, ApplicationError, Turn},
    wire::{PacketPool, PayloadType, control::Flag},
};

/// The application of a session that is a single stream.
///
/// The protocol has no half-close: what ends the agent's side is the destination's end of file,
/// and what ends ours is the end of the session. So after the end of the input the session goes
/// on until the destination is done too, or the output has no reader any more, or the answer has not
/// come in time. Then it is cut off, and that is told.
///
/// A reader that goes while the input is open, an `ssh` that was killed for one, takes nothing from
/// what is still being sent; once that is silent, nobody is left whom the session could serve.
pub struct Pipe<R, W, F> {
    input: Option<R>,
    output: Outbox<W>,
    pool: PacketPool,
    stop: Stop,
    /// Resolves when nobody reads the output any more.
    reader_gone: Stop,
    /// It has: when the session is of no use any more, unless there is more to be sent.
    useless_at: Option<Instant>,
    observer: F,
    /// The input has ended: when the silence of the destination has lasted long enough.
    quiet_until: Option<Instant>,
    /// How long that silence may be in the midst of an answer.
    patience: Duration,
    has_answered: bool,
    /// Something has come since the input ended.
    has_begun: bool,
    is_over: bool,
}

/// What a pipe tells its observer.
#[derive(Debug)]
pub enum PipeEvent {
    /// The first bytes have come.
    Answered,
    /// What was received could not be written.
    OutputFailed(io::Error),
    /// The input could not be read.
    InputFailed(io::Error),
    /// The input has ended, and then nothing has come for so long that the rest of the answer, if there
    /// was to be one, is cut off.
    Unanswered(Duration),
}

impl<R, W, F> Pipe<R, W, F>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    F: FnMut(PipeEvent),
{
    /// Carries `input` to the session and the session to `output`, until the session ends or
    /// `stop` resolves. `reader_gone` resolves when nobody reads the output any more; with nothing
    /// more to be sent either, that is the end.
    pub fn new(input: R, output: W, stop: Stop, reader_gone: Stop, observer: F) -> Self {
        Self {
            input: Some(input),
            output: Outbox::new(output),
            pool: PacketPool::new(CHUNK_LEN),
            stop,
            reader_gone,
            useless_at: None,
            observer,
            quiet_until: None,
            patience: ANSWER_PATIENCE,
            has_answered: false,
            has_begun: false,
            is_over: false,
        }
    }

    /// After the end of the input, waits so long for more of the answer while nothing comes; four times
    /// that for the first of it.
    pub fn with_answer_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn patience(&self) -> Duration {
        let times = if self.has_begun { 1 } else { FIRST_ANSWER };
        self.patience.saturating_mul(times)
    }

    /// The destination's silence counts from now.
    fn begin_silence(&mut self, now: Instant) {
        let until = now.checked_add(self.patience());
        self.quiet_until = self.quiet_until.and(until);
    }

    fn end(&mut self, channel: &mut Channel, now: Instant) -> Turn {
        channel.send_flag(Flag::TerminateSession, now);
        self.is_over = true;
        self.quiet_until = None;
        self.useless_at = None;
        Turn::Done
    }

    /// Whether the end of the input, or that of the reader, has been followed by all that is to be
    /// waited for.
    fn is_finished(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.useless_at.is_none() && self.reader_gone.as_mut().poll(cx).is_ready() {
            self.useless_at = Some(now + LINGER);
        }
        let Some(quiet_until) = self.quiet_until else {
            let is_useless = self.useless_at.is_some_and(|at| now >= at);
            if is_useless {
                (self.observer)(PipeEvent::OutputFailed(io::ErrorKind::BrokenPipe.into()));
            }
            return is_useless;
        };
        if self.useless_at.is_some() {
            return true;
        }
        let (is_late, patience) = (now >= quiet_until, self.patience());
        if is_late {
            (self.observer)(PipeEvent::Unanswered(patience));
        }
        is_late
    }

    fn read(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) -> Turn {
        for _ in 0..BATCH {
            let Some(input) = &mut self.input else { return Turn::Idle };
            if !channel.can_send() {
                return Turn::Idle;
            }
            let payload_len = channel.payload_len();
            let mut slot = self.pool.slot(payload_len);
            let read =
                poll_read_buf::<_, Limit<&mut BytesMut>>(Pin::new(input), cx, &mut slot.space());
            match read {
                Poll::Pending => {
                    channel.seal();
                    return Turn::Idle;
                }
                Poll::Ready(Ok(len)) if len == payload_len => {
                    channel.send_part(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(Ok(len)) if len > 0 => {
                    channel.send(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(ended) => {
                    if let Err(error) = ended {
                        (self.observer)(PipeEvent::InputFailed(error));
                    }
                    channel.seal();
                    self.input = None;
                    self.quiet_until = now.checked_add(self.patience());
                }
            }
        }
        Turn::More
    }
}

impl<R, W, F> Application for Pipe<R, W, F>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    F: FnMut(PipeEvent),
{
    /// A session that is to end is not held up by a reader that is gone or stuck.
    fn can_receive(&self) -> bool {
        self.is_over || self.output.has_room()
    }

    fn is_drained(&self) -> bool {
        self.output.is_drained()
    }

    fn is_patient(&self) -> bool {
        true
    }

    fn handle_event(
        &mut self,
        event: Event,
        _: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Data { .. } if self.is_over => {}
            Event::Data { payload_type: PayloadType::Output, payload } => {
                self.output.push(&payload);
                if !std::mem::replace(&mut self.has_answered, true) {
                    (self.observer)(PipeEvent::Answered);
                }
                self.has_begun = self.quiet_until.is_some();
                self.begin_silence(now);
            }
            Event::Closed { .. } => {
                self.input = None;
                self.quiet_until = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.begin_silence(now);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        let written = self.output.poll(cx);
        if self.is_over {
            return Ok(Turn::Done);
        }
        if let Err(error) = written {
            (self.observer)(PipeEvent::OutputFailed(error));
            return Ok(self.end(channel, now));
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Ok(self.end(channel, now));
        }
        channel.guard(&[]);
        let turn = self.read(cx, channel, now);
        // The destination's silence counts from when it has had everything, and can be heard.
        if !(channel.is_drained() && self.output.is_drained()) {
            self.begin_silence(now);
        }
        if !channel.is_drained() {
            self.useless_at = self.useless_at.map(|_| now + LINGER);
        }
        if self.is_finished(cx, now) {
            return Ok(self.end(channel, now));
        }
        Ok(turn)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.quiet_until, self.useless_at].into_iter().flatten().min()
    }
}

const CHUNK_LEN: usize = 256 * 1024;
/// Reads before the wire has its turn.
const BATCH: usize = 8;
/// How long input that was sent whole is silent when nobody reads the output any more.
const LINGER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
