//! What was received and waits for its local reader.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// A bounded queue in front of a writer.
///
/// Payloads are copied into one buffer: a payload kept as it is would keep the whole WebSocket
/// message around it.
pub(super) struct Outbox<W> {
    writer: W,
    waiting: BytesMut,
    /// Something was written that the writer may still hold back.
    needs_flush: bool,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, waiting: BytesMut::new(), needs_flush: false }
    }

    /// What is written to.
    pub(super) fn writer(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Takes a payload, in any case; [`has_room`](Self::has_room) tells when to hold back.
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.waiting.extend_from_slice(payload);
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < LIMIT
    }

    /// Everything has reached the writer's other side.
    pub(super) fn is_drained(&self) -> bool {
        self.waiting.is_empty() && !self.needs_flush
    }

    /// Writes what can be written.
    ///
    /// # Errors
    /// The writer's: nobody reads any more, or there is no room for it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut self.writer).poll_write(cx, &self.waiting)
            else {
                return Ok(());
            };
            let written = written?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.waiting.advance(written);
            self.needs_flush = true;
        }
        if self.needs_flush
            && let Poll::Ready(flushed) = Pin::new(&mut self.writer).poll_flush(cx)
        {
            self.needs_flush = false;
            flushed?;
        }
        Ok(())
    }
}

/// Enough for the writer to be busy while the next messages arrive.
const LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_gets_everything_and_the_queue_tells_that_it_is_full() {
        let (writer, mut reader) = duplex(100);
        let mut outbox = Outbox::new(writer);
        let payload: Vec<u8> = (0..LIMIT).map(|index| index as u8).collect();
        outbox.push(&payload);
        assert!(!outbox.has_room());
        let mut received = Vec::new();
        while !outbox.is_drained() {
            outbox.poll(&mut Context::from_waker(Waker::noop())).unwrap();
            let mut part = [0; 64];
            let len = reader.read(&mut part).await.unwrap();
            received.extend_from_slice(&part[..len]);
        }
        drop(outbox);
        reader.read_to_end(&mut received).await.unwrap();
        assert!(received == payload);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (writer, reader) = duplex(100);
        drop(reader);
        let mut outbox = Outbox::new(writer);
        outbox.push(b"lost");
        let error = outbox.poll(&mut Context::from_waker(Waker::noop())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
