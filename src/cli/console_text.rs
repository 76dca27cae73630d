//! What a console of Windows is given: text. The standard library refuses bytes that are none, and all
//! that stands behind them; here they are shown as other terminals show them.

use std::{borrow::Cow, mem};
#[cfg(windows)]
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

#[cfg(windows)]
use tokio::io::AsyncWrite;

/// A console that takes any bytes.
#[cfg(windows)]
pub(super) struct ConsoleText<C> {
    console: C,
    characters: Characters,
    /// Text that the console has not taken yet.
    waiting: Vec<u8>,
}

#[cfg(windows)]
impl<C: AsyncWrite + Unpin> ConsoleText<C> {
    pub(super) fn new(console: C) -> Self {
        Self { console, characters: Characters::default(), waiting: Vec::new() }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let taken = ready!(Pin::new(&mut self.console).poll_write(cx, &self.waiting))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..taken);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(windows)]
impl<C: AsyncWrite + Unpin> AsyncWrite for ConsoleText<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(cx))?;
        let text = self.characters.pass(bytes);
        self.waiting.extend(text);
        match self.poll_waiting(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What is left goes before what comes next, or with the flush.
            _ => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.console).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.console).poll_shutdown(cx)
    }
}

/// Makes text of bytes that come in pieces.
#[derive(Default, Debug)]
struct Characters {
    /// The beginning of a character whose rest has not come yet.
    cut: Vec<u8>,
}

impl Characters {
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = Cow::Borrowed(bytes);
        if !self.cut.is_empty() {
            let mut begun = mem::take(&mut self.cut);
            begun.extend(bytes);
            all = Cow::Owned(begun);
        }
        let mut text = Vec::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.extend(chunk.valid().as_bytes());
            match chunk.invalid() {
                [] => {}
                last if chunks.peek().is_none() && is_begun(last) => self.cut = last.to_vec(),
                _ => text.extend(REPLACEMENT.as_bytes()),
            }
        }
        text
    }
}

/// Whether more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

const REPLACEMENT: &str = "\u{fffd}";

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn bytes_that_are_no_text_stand_for_themselves_and_end_nothing() {
        let mut characters = Characters::default();
        let shown = characters.pass(b"a\xffb\xc3(\xe2\x82 end");
        assert_eq!(shown, "a\u{fffd}b\u{fffd}(\u{fffd} end".as_bytes());
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut characters = Characters::default();
        let pieces = ["\u{20ac}", "\u{1f600}"].map(str::as_bytes).concat();
        let shown: Vec<u8> = pieces.iter().flat_map(|byte| characters.pass(&[*byte])).collect();
        assert_eq!(shown, pieces);
        // One that never ends.
        assert_eq!(characters.pass(b"\xe2\x82"), b"");
        assert_eq!(characters.pass(b"x"), "\u{fffd}x".as_bytes());
    }

    proptest! {
        #[test]
        fn wherever_it_is_cut_it_is_the_same_text(pieces in vec(vec(any::<u8>(), 0..4), 0..8)) {
            let mut characters = Characters::default();
            let mut shown: Vec<u8> = pieces.iter().flat_map(|piece| characters.pass(piece)).collect();
            if !characters.cut.is_empty() {
                shown.extend(REPLACEMENT.as_bytes());
            }
            let whole = String::from_utf8_lossy(&pieces.concat()).into_owned();
            prop_assert_eq!(String::from_utf8(shown).unwrap(), whole);
        }
    }
}
