//! What goes through a forward, or a shell, counted as it goes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    channel::{Channel, Event},
    net::{Application, ApplicationError, Parting, Socket, Turn},
};

/// The connections of a forward, over all of its sessions; or a shell.
#[derive(Debug, Default)]
pub struct Meter {
    open: AtomicUsize,
    taken: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    /// In microseconds; 0 where it is not known.
    round_trip: AtomicU64,
}

/// What it has counted so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reading {
    /// Connections that are open.
    pub open: usize,
    /// Those that have come.
    pub taken: u64,
    /// Bytes that local programs have sent.
    pub sent: u64,
    /// Bytes that they have received.
    pub received: u64,
    /// Of the session, with what waits on its way.
    pub round_trip: Option<Duration>,
}

impl Meter {
    /// What there is to be read now.
    pub fn read(&self) -> Reading {
        let round_trip = self.round_trip.load(Relaxed);
        Reading {
            open: self.open.load(Relaxed),
            taken: self.taken.load(Relaxed),
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
            round_trip: (round_trip > 0).then(|| Duration::from_micros(round_trip)),
        }
    }

    /// A connection through which all is counted.
    pub fn count(self: &Arc<Self>, socket: Box<dyn Socket>) -> Box<dyn Socket> {
        self.open.fetch_add(1, Relaxed);
        self.taken.fetch_add(1, Relaxed);
        Box::new(Counted { socket, meter: Arc::clone(self) })
    }

    pub(super) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn note(&self, round_trip: Option<Duration>) {
        let micros = round_trip.map_or(0, |round_trip| round_trip.as_micros().max(1));
        self.round_trip.store(micros.try_into().unwrap_or(u64::MAX), Relaxed);
    }
}

struct Counted {
    socket: Box<dyn Socket>,
    meter: Arc<Meter>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        self.meter.add_sent(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.received(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.received(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Counted {
    fn received(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(len)) = written {
            self.meter.add_received(*len);
        }
    }
}

impl Socket for Counted {
    fn reset_on_close(&self) {
        self.socket.reset_on_close();
    }

    fn parting(&self) -> Parting {
        self.socket.parting()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.meter.open.fetch_sub(1, Relaxed);
    }
}

/// An application whose session's round trip is noted.
pub struct Timed<A> {
    application: A,
    meter: Arc<Meter>,
}

impl<A: Application> Timed<A> {
    /// Notes it in `meter`.
    pub fn new(application: A, meter: Arc<Meter>) -> Self {
        Self { application, meter }
    }
}

impl<A: Application> Application for Timed<A> {
    fn can_receive(&self) -> bool {
        self.application.can_receive()
    }

    fn is_drained(&self) -> bool {
        self.application.is_drained()
    }

    fn is_patient(&self) -> bool {
        self.application.is_patient()
    }

    fn has_last_word(&self) -> bool {
        self.application.has_last_word()
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        self.application.handle_event(event, channel, now)
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.application.handle_reconnected(now);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        self.meter.note(channel.path().round_trip);
        self.application.poll(cx, channel, now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.application.poll_timeout()
    }
}

impl<A> Drop for Timed<A> {
    fn drop(&mut self) {
        self.meter.note(None);
    }
}
