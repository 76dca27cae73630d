//! A local connection and its stream.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    exchange::{Arrival, End},
    link::Shared,
};
use crate::{
    net::{Parting, Socket, now},
    streams::ConnectionEnd,
    wire::foreign_text::one_line,
};

/// Moves bytes both ways until both have ended. Each direction ends by itself.
pub(super) struct Relay {
    shared: Arc<Shared>,
    stream: u32,
    socket: Box<dyn Socket>,
    buffer: Box<[u8]>,
    /// What has come and is to be written.
    chunk: BytesMut,
    needs_flush: bool,
    /// The program sends no more.
    has_finished: bool,
    /// Nor does the destination, and the program has been told.
    is_answered: bool,
    first_end: Option<ConnectionEnd>,
    /// What the program would still send is of no use behind the destination's end.
    ends_with_answer: bool,
    /// The program has finished, and may go: nothing tells of that.
    look: Option<Look>,
    left: Option<Left>,
    traffic: Relayed,
}

/// When to look again whether the program has gone.
struct Look {
    at: Pin<Box<Sleep>>,
    pause: Duration,
}

/// The program has gone.
struct Left {
    /// The destination need not be waited for any longer, unless it takes something.
    until: Pin<Box<Sleep>>,
    /// What it has not taken.
    in_flight: usize,
}

/// What has gone through a connection.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Relayed {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// The destination has reset it, or has not taken all that it was sent.
    pub(super) is_cut: bool,
    /// Why the destination was not reached.
    pub(super) not_reached: Option<String>,
}

impl Relay {
    /// Connects `socket` with a new stream to a destination.
    pub(super) fn open(
        shared: Arc<Shared>,
        socket: Box<dyn Socket>,
        host: &str,
        port: u16,
    ) -> Self {
        let stream = shared.with(|exchange| exchange.open(host, port, now()));
        Self {
            shared,
            stream,
            socket,
            buffer: vec![0; BUFFER].into(),
            chunk: BytesMut::new(),
            needs_flush: false,
            has_finished: false,
            is_answered: false,
            first_end: None,
            ends_with_answer: false,
            look: None,
            left: None,
            traffic: Relayed::default(),
        }
    }

    /// Has the destination's end be that of the connection.
    pub(super) fn ending_with_the_answer(mut self) -> Self {
        self.ends_with_answer = true;
        self
    }

    /// Runs until the connection is over, and what has ended it.
    pub(super) async fn run(mut self) -> (Relayed, ConnectionEnd) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        if self.traffic.is_cut
            || !matches!(end, ConnectionEnd::Program | ConnectionEnd::Destination)
        {
            self.socket.reset_on_close();
        }
        (std::mem::take(&mut self.traffic), end)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        self.shared.quietly(|exchange| exchange.watch(self.stream, cx));
        for _ in 0..ROUNDS {
            if self.shared.quietly(|exchange| exchange.is_over()) {
                return Poll::Ready(ConnectionEnd::SessionOver);
            }
            self.look_for_gone(cx);
            if self.poll_left(cx).is_ready() {
                return Poll::Ready(ConnectionEnd::Program);
            }
            let sent = self.poll_send(cx);
            let received = match self.poll_receive(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => Poll::Pending,
            };
            match sent {
                Poll::Ready(Err(_)) => return Poll::Ready(ConnectionEnd::Broken),
                Poll::Ready(Ok(())) => {}
                Poll::Pending if self.has_finished && self.is_answered => {
                    return Poll::Ready(self.first_end.unwrap_or(ConnectionEnd::Program));
                }
                Poll::Pending if received.is_pending() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        // Others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what the program has written, as far as there is room; ready when something was done.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_finished {
            return Poll::Pending;
        }
        let room = self.shared.quietly(|exchange| exchange.room(self.stream));
        if room == 0 {
            return Poll::Pending;
        }
        let len = room.min(self.buffer.len());
        let mut buffer = ReadBuf::new(&mut self.buffer[..len]);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        let read = buffer.filled();
        if read.is_empty() {
            self.has_finished = true;
            self.first_end.get_or_insert(ConnectionEnd::Program);
            self.shared.with(|exchange| exchange.finish(self.stream));
            self.look = Some(Look { at: Box::pin(sleep(Duration::ZERO)), pause: FIRST_LOOK });
        } else {
            self.traffic.sent += read.len() as u64;
            self.shared.with(|exchange| exchange.send(self.stream, read, now()));
        }
        Poll::Ready(Ok(()))
    }

    /// Finds out when a program that has finished goes altogether.
    fn look_for_gone(&mut self, cx: &mut Context<'_>) {
        while let Some(look) = &mut self.look
            && look.at.as_mut().poll(cx).is_ready()
        {
            match self.socket.parting() {
                Parting::Closed => {
                    let until = Box::pin(sleep(LAST_BYTES));
                    self.left = Some(Left { until, in_flight: usize::MAX });
                    self.look = None;
                }
                Parting::HalfClosed => {
                    look.at.as_mut().reset((now() + look.pause).into());
                    look.pause = (2 * look.pause).min(LAST_LOOK);
                }
                Parting::Unknown => self.look = None,
            }
        }
    }

    /// Ready when the program has gone and the destination has taken nothing for long.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = &mut self.left else { return Poll::Pending };
        let in_flight = self.shared.quietly(|exchange| exchange.in_flight(self.stream));
        if in_flight < left.in_flight {
            left.in_flight = in_flight;
            left.until.as_mut().reset((now() + LAST_BYTES).into());
        }
        ready!(left.until.as_mut().poll(cx));
        if in_flight > 0 {
            tracing::warn!(
                "the destination does not take the last {in_flight} bytes of a program that has gone"
            );
            self.traffic.is_cut = true;
        }
        Poll::Ready(())
    }

    /// Writes what has come; ready when something was done.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionEnd>> {
        if self.is_answered {
            return match self.shared.quietly(|exchange| exchange.take(self.stream)) {
                Arrival::End(End::Gone(why)) => Poll::Ready(Err(self.cut(&why))),
                _ => Poll::Pending,
            };
        }
        if self.chunk.is_empty() {
            match self.shared.quietly(|exchange| exchange.take(self.stream)) {
                Arrival::Bytes(bytes) => self.chunk = bytes,
                Arrival::Nothing => {
                    if self.needs_flush {
                        self.needs_flush = false;
                        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(cx));
                        return Poll::Ready(flushed.map_err(|_| ConnectionEnd::Broken));
                    }
                    return Poll::Pending;
                }
                Arrival::End(End::Finished) => {
                    // Whoever has gone needs no word.
                    if self.left.is_none()
                        && ready!(Pin::new(&mut self.socket).poll_shutdown(cx)).is_err()
                    {
                        return Poll::Ready(Err(ConnectionEnd::Broken));
                    }
                    self.is_answered = true;
                    let first = *self.first_end.get_or_insert(ConnectionEnd::Destination);
                    if self.ends_with_answer {
                        return Poll::Ready(Err(first));
                    }
                    return Poll::Ready(Ok(()));
                }
                Arrival::End(End::Gone(why)) => {
                    return Poll::Ready(Err(self.cut(&why)));
                }
                Arrival::End(End::NotReached(why)) => {
                    self.traffic.not_reached = Some(one_line(&why));
                    return Poll::Ready(Err(ConnectionEnd::NotReached));
                }
                Arrival::End(End::Over) => return Poll::Ready(Err(ConnectionEnd::SessionOver)),
            }
        }
        let len = match &self.left {
            Some(_) => self.chunk.len(),
            None => match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.chunk)) {
                Ok(len @ 1..) => len,
                _ => return Poll::Ready(Err(ConnectionEnd::Broken)),
            },
        };
        self.needs_flush = self.left.is_none();
        self.traffic.received += len as u64;
        self.chunk.advance(len);
        self.shared.with(|exchange| exchange.consumed(self.stream, len));
        Poll::Ready(Ok(()))
    }

    /// The destination has reset the connection.
    fn cut(&mut self, why: &str) -> ConnectionEnd {
        tracing::debug!("the destination: {why}");
        self.traffic.is_cut = true;
        ConnectionEnd::Destination
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let is_cut = !(self.has_finished && self.is_answered);
        self.shared.with(|exchange| exchange.close(self.stream, is_cut));
    }
}

/// Of what a program has written, at a time.
const BUFFER: usize = 64 << 10;
const ROUNDS: usize = 16;
/// How long the destination of a program that has gone may take nothing of what it was sent.
const LAST_BYTES: Duration = Duration::from_secs(10);
/// A socket that is being closed has its owner for a moment longer.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
