//! How large the terminal is.

#[cfg(unix)]
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{Stream, stream};

/// Characters in a line, and lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Characters in a line.
    pub cols: u16,
    /// Lines.
    pub rows: u16,
}

/// The size of the terminal on standard output; `None` when there is none there.
#[cfg(unix)]
pub fn size_of_stdout() -> Option<Size> {
    size_of(std::io::stdout())
}

/// The size of the terminal on standard output, or on another of the standard streams, as in a
/// pipeline, or of the one that the process belongs to; `None` when there is none.
#[cfg(unix)]
pub fn size_of_terminal() -> Option<Size> {
    size_of_stdout()
        .or_else(|| size_of(std::io::stderr()))
        .or_else(|| size_of(std::io::stdin()))
        .or_else(|| size_of(std::fs::File::open("/dev/tty").ok()?))
}

#[cfg(unix)]
fn size_of(stream: impl std::os::fd::AsFd) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    // A terminal that was never told its size says 0.
    let is_known = size.ws_col > 0 && size.ws_row > 0;
    is_known.then_some(Size { cols: size.ws_col, rows: size.ws_row })
}

/// The size of the console; `None` when standard output is none.
#[cfg(not(unix))]
pub fn size_of_stdout() -> Option<Size> {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() { size_of_terminal() } else { None }
}

/// The size of the console, whatever standard output is; `None` when there is none.
#[cfg(not(unix))]
pub fn size_of_terminal() -> Option<Size> {
    let (cols, rows) = crossterm::terminal::size().ok()?;
    Some(Size { cols, rows })
}

/// The size now, and then at every change.
///
/// # Errors
/// When the system does not tell of changes.
pub fn sizes() -> std::io::Result<impl Stream<Item = Option<Size>> + Send> {
    let changes = Changes::watch()?;
    let first = size_of_terminal();
    let later = stream::unfold((changes, first), |(mut changes, before)| async move {
        loop {
            changes.next().await?;
            let size = size_of_terminal();
            #[cfg(unix)]
            if let Some(size) = size
                && IS_STALE.swap(false, Ordering::Relaxed)
            {
                // Programs draw again when the size is another one; soon it is the true one.
                let other = Some(Size { rows: size.rows.saturating_sub(1).max(1), ..size });
                changes.after(REDRAWN_WITHIN);
                return Some((other, (changes, other)));
            }
            if size != before {
                return Some((size, (changes, size)));
            }
        }
    });
    Ok(futures_util::StreamExt::chain(stream::iter([first]), later))
}

/// Has a program that draws the whole screen draw it again, at the next change.
#[cfg(unix)]
pub(super) fn have_it_redrawn() {
    IS_STALE.store(true, Ordering::Relaxed);
}

/// Of the process, whose terminal it is.
#[cfg(unix)]
static IS_STALE: AtomicBool = AtomicBool::new(false);
#[cfg(unix)]
const REDRAWN_WITHIN: Duration = Duration::from_millis(100);

/// Tells that the size may have changed.
#[cfg(unix)]
struct Changes {
    signal: tokio::signal::unix::Signal,
    /// A change that comes by itself.
    after: Option<Duration>,
}

#[cfg(unix)]
impl Changes {
    fn watch() -> std::io::Result<Self> {
        let kind = tokio::signal::unix::SignalKind::window_change();
        Ok(Self { signal: tokio::signal::unix::signal(kind)?, after: None })
    }

    fn after(&mut self, time: Duration) {
        self.after = Some(time);
    }

    async fn next(&mut self) -> Option<()> {
        if let Some(time) = self.after.take() {
            tokio::time::sleep(time).await;
            return Some(());
        }
        self.signal.recv().await
    }
}

/// A console has no signal for it: it is looked at twice a second, as the reference plugin does.
#[cfg(not(unix))]
struct Changes(tokio::time::Interval);

#[cfg(not(unix))]
impl Changes {
    fn watch() -> std::io::Result<Self> {
        Ok(Self(tokio::time::interval(std::time::Duration::from_millis(500))))
    }

    async fn next(&mut self) -> Option<()> {
        self.0.tick().await;
        Some(())
    }
}
