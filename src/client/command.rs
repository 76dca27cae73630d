//! A command on a node, as a program runs one.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    sync::{oneshot, watch},
};

use super::{
    Error, Kind, SessionEnd,
    node::{Node, stop_on_drop},
    running::{Finished, Place, Wanted},
};
use crate::streams::Console;

/// A command that is to be run.
#[derive(Debug)]
pub struct CommandBuilder {
    node: Node,
    wanted: Wanted,
    stdin: Vec<u8>,
}

/// What a command has written, and how it has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// What came on its standard output, byte by byte.
    pub stdout: Vec<u8>,
    /// What came on its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code. The agent says -1 of a command that a signal has ended.
    pub code: i64,
}

/// A command that runs. It is ended with its session when this is dropped.
pub struct RunningCommand {
    /// What it reads, if it was to have input; shutting it down is the end of the input.
    pub stdin: Option<DuplexStream>,
    /// What it writes to its standard output. It has to be read, or the command waits.
    pub stdout: DuplexStream,
    /// What it writes to its standard error; the same holds.
    pub stderr: DuplexStream,
    ended: oneshot::Receiver<Result<i64, Error>>,
    _stop: watch::Sender<bool>,
}

impl CommandBuilder {
    pub(super) fn new(node: Node, words: Vec<String>) -> Self {
        let reason = node.reason().map(str::to_owned);
        let wanted = Wanted { words, reason, ..Wanted::default() };
        Self { node, wanted, stdin: Vec::new() }
    }

    /// By a session document of one's own, which gets the command as it is.
    #[must_use]
    pub fn document(mut self, name: impl Into<String>) -> Self {
        self.wanted.document = Some(name.into());
        self
    }

    /// With these bytes as its input, for [`output`](Self::output).
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self.wanted.has_input = true;
        self
    }

    /// With input that is written while it runs, to what [`start`](Self::start) gives.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.wanted.has_input = true;
        self
    }

    /// Runs it to its end. Dropping the future ends it.
    ///
    /// # Errors
    /// When it could not be run, or its output may not be whole; its exit code is no error.
    pub async fn output(mut self) -> Result<Output, Error> {
        let input = std::mem::take(&mut self.stdin);
        let mut running = self.start();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let stdin = running.stdin.take();
        let writing = async {
            if let Some(mut stdin) = stdin {
                // A command need not read all that it is given.
                let _ = stdin.write_all(&input).await;
                let _ = stdin.shutdown().await;
            }
        };
        let reading = async {
            // Its own end is the only one.
            let _ = tokio::join!(
                running.stdout.read_to_end(&mut stdout),
                running.stderr.read_to_end(&mut stderr)
            );
        };
        tokio::join!(writing, reading);
        let code = running.wait().await?;
        Ok(Output { stdout, stderr, code })
    }

    /// Starts it; its streams are there at once, and [`wait`](RunningCommand::wait) tells what becomes of
    /// it.
    pub fn start(self) -> RunningCommand {
        let Self { node, wanted, .. } = self;
        let (stdin, input) = match wanted.has_input {
            true => duplex(BUFFER),
            false => duplex(1),
        };
        let (stdout, output) = duplex(BUFFER);
        let (stderr, error) = duplex(BUFFER);
        let (stop, stopped) = stop_on_drop();
        let is_stopped = stop.subscribe();
        let (end, ended) = oneshot::channel();
        let (service, limits) = (node.service().clone(), node.limits());
        let has_input = wanted.has_input;
        node.spawn(async move {
            let (output, error) = (Shared::new(output), Shared::new(error));
            let mut input = Some(input);
            let console = |takes_input: bool| Console {
                input: input.take().filter(|_| takes_input).map(|input| Box::new(input) as _),
                output: Box::new(output.clone()),
                error: Box::new(error.clone()),
                sizes: Box::pin(stream::empty()),
                signals: Box::pin(stream::pending()),
                raw_mode: None,
            };
            let place = Place {
                service: &service,
                limits,
                stop: &stopped,
                is_stopped: &|| is_stopped.has_changed().is_err(),
                greet: &|_| (),
            };
            let finished = wanted.run(&place, console, |_| ()).await;
            // Whoever reads to the end is told what it was.
            let _ = end.send(finished.and_then(code_of));
        });
        let stdin = has_input.then_some(stdin);
        RunningCommand { stdin, stdout, stderr, ended, _stop: stop }
    }
}

fn code_of(finished: Option<Finished>) -> Result<i64, Error> {
    let ended = || Error::new(Kind::Lost, "the command was ended from this side");
    let finished = finished.ok_or_else(ended)?;
    finished.check()?;
    let whole = finished.ended.is_complete;
    let (end, code) = (finished.ended.end?, finished.ended.exit_code);
    match (code.filter(|_| whole), end) {
        (Some(code), _) => Ok(code),
        (None, SessionEnd::Done) => Err(ended()),
        (None, end) => {
            let lost = Error::new(Kind::Lost, "the session has ended without an exit code");
            Err(lost.because(end))
        }
    }
}

impl RunningCommand {
    /// Waits for its exit code. What it writes until then has to be read.
    ///
    /// # Errors
    /// When it could not be run, or its session was lost, or its output may not be whole.
    pub async fn wait(self) -> Result<i64, Error> {
        let Self { stdin: _stdin, stdout: _stdout, stderr: _stderr, ended, _stop } = self;
        let gone = || Error::new(Kind::Lost, "the command was ended from this side");
        ended.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl fmt::Debug for RunningCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCommand").finish_non_exhaustive()
    }
}

/// One stream for all the ways that are tried, one after the other.
#[derive(Clone)]
struct Shared(Arc<Mutex<DuplexStream>>);

impl Shared {
    fn new(stream: DuplexStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut DuplexStream>, &mut Context<'_>) -> T,
    ) -> T {
        poll(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)), cx)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}

const BUFFER: usize = 64 * 1024;
