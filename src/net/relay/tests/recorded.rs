//! A socket whose reset can be seen, and whose program goes when it is told to.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::net::{Parting, Socket};

/// What there is to know of a socket from outside.
#[derive(Clone)]
pub(super) struct Recorded(Arc<Mutex<(bool, Parting)>>);

/// A socket that notes that it was to be reset.
pub(super) struct RecordedSocket(DuplexStream, Recorded);

impl Recorded {
    pub(super) fn new(socket: DuplexStream) -> (RecordedSocket, Self) {
        let record = Self(Arc::new(Mutex::new((false, Parting::Unknown))));
        (RecordedSocket(socket, record.clone()), record)
    }

    /// Whether it was to be reset.
    pub(super) fn is_reset(&self) -> bool {
        self.0.lock().unwrap().0
    }

    /// What its program has done.
    pub(super) fn set_parting(&self, parting: Parting) {
        self.0.lock().unwrap().1 = parting;
    }
}

impl Socket for RecordedSocket {
    fn reset_on_close(&self) {
        self.1.0.lock().unwrap().0 = true;
    }

    fn parting(&self) -> Parting {
        self.1.0.lock().unwrap().1
    }
}

impl AsyncRead for RecordedSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for RecordedSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
