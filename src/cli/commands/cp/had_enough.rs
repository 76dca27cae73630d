//! Output whose reader may have had enough, as `head` has: that is no error to speak of.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

/// Notes that nobody reads any more.
pub(super) struct HadEnough<W> {
    output: W,
    is_so: Arc<AtomicBool>,
}

impl<W> HadEnough<W> {
    /// What to write to, and what tells later that nobody has read all of it.
    pub(super) fn of(output: W) -> (Self, Arc<AtomicBool>) {
        let is_so = Arc::<AtomicBool>::default();
        (Self { output, is_so: Arc::clone(&is_so) }, is_so)
    }

    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.is_so.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for HadEnough<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.output).poll_write(cx, bytes);
        self.note(done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.output).poll_flush(cx);
        self.note(done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.output).poll_shutdown(cx);
        self.note(done)
    }
}
