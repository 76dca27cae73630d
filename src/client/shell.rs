//! A shell on a node, as two streams and a size.

use std::fmt;

use futures_util::{StreamExt, stream};
use tokio::{
    io::{DuplexStream, duplex, sink, split},
    sync::{oneshot, watch},
};

use super::{
    Error, Kind, SessionEnd,
    node::{Node, stop_on_drop},
    opening::{Begun, Opening},
    service::Request,
};
use crate::{
    streams::{self, Console},
    wire::TerminalSize,
};

/// A shell that is to be opened.
#[derive(Debug)]
pub struct ShellBuilder {
    node: Node,
    request: Request,
    size: TerminalSize,
}

/// A terminal of the node's: what is written is typed there, and what is read is shown. The session ends
/// when it is dropped.
pub struct Shell {
    stream: DuplexStream,
    size: watch::Sender<TerminalSize>,
    _stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl ShellBuilder {
    pub(super) fn new(node: Node) -> Self {
        let reason = node.reason().map(str::to_owned);
        let request = Request { reason, ..Request::default() };
        Self { node, request, size: TerminalSize { cols: 80, rows: 24 } }
    }

    /// In a terminal of so many columns and rows; 80 and 24 without it.
    #[must_use]
    pub fn size(self, cols: u16, rows: u16) -> Self {
        Self { size: TerminalSize { cols: cols.into(), rows: rows.into() }, ..self }
    }

    /// By a session document of one's own, in the place of the account's.
    #[must_use]
    pub fn document(mut self, name: impl Into<String>) -> Self {
        self.request.document = Some(name.into().into());
        self
    }

    /// Starts the session; ready when it stands.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start(self) -> Result<Shell, Error> {
        let Self { node, request, size } = self;
        let (ours, theirs) = duplex(BUFFER);
        let (input, output) = split(theirs);
        let (size, sizes) = watch::channel(size);
        let (stop, stopped) = stop_on_drop();
        let (ready, is_ready) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let console = Console {
            input: Some(Box::new(input)),
            output: Box::new(output),
            error: Box::new(sink()),
            sizes: Box::pin(stream_of(sizes)),
            signals: Box::pin(stream::empty()),
            raw_mode: None,
        };
        let (service, limits) = (node.service().clone(), node.limits());
        node.spawn(async move {
            let (service, request, stop) = (&service, &request, &stopped);
            let opening = Opening { service, request, limits, stop, greet: &|_| () };
            let console = move |_: &Begun<'_>| {
                // Its builder may have been given up.
                let _ = ready.send(());
                Ok(console)
            };
            let over = opening.shell(None, console).await;
            let _ = end.send(over.and_then(|ended| match ended {
                None => Ok(()),
                Some(ended) => match ended.end? {
                    SessionEnd::Closed { reason } if !reason.is_empty() => {
                        Err(Error::new(Kind::Lost, "the session has ended").because(reason))
                    }
                    _ => Ok(()),
                },
            }));
        });
        let shell = Shell { stream: ours, size, _stop: stop, ended };
        match is_ready.await {
            Ok(()) => Ok(shell),
            Err(_) => Err(shell
                .wait()
                .await
                .err()
                .unwrap_or_else(|| Error::new(Kind::Lost, "the session ended as it began"))),
        }
    }
}

impl Shell {
    /// Gives the terminal another size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.size.send_replace(TerminalSize { cols: cols.into(), rows: rows.into() });
    }

    /// Waits until the shell has ended; what it shows until then has to be read, or it stops.
    ///
    /// # Errors
    /// When the session was lost, or the service has ended it for a reason.
    pub async fn wait(self) -> Result<(), Error> {
        let Self { stream: _stream, size: _size, _stop, ended } = self;
        ended.await.unwrap_or(Ok(()))
    }
}

/// The size as it is, and as it becomes.
fn stream_of(
    sizes: watch::Receiver<TerminalSize>,
) -> impl futures_util::Stream<Item = TerminalSize> {
    let first = *sizes.borrow();
    let later = stream::unfold(sizes, |mut sizes| async move {
        sizes.changed().await.ok()?;
        let size = *sizes.borrow_and_update();
        Some((size, sizes))
    });
    stream::iter([first]).chain(later)
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

streams::delegate!(Shell, stream, read);

const BUFFER: usize = 64 * 1024;
