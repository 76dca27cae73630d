//! A console of which a recording is made.

use std::{
    fs, io,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::UNIX_EPOCH,
};

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{failure::Failure, times};
use crate::{
    client::Console,
    net::now,
    term::{Recording, Size, size_of_terminal},
};

/// A recording that several streams write to.
#[derive(Clone)]
pub(super) struct Recorder {
    path: PathBuf,
    recording: Arc<Mutex<Recording>>,
    has_input: bool,
}

impl Recorder {
    /// Begins one; what is typed is in it if it is to have the input.
    pub(super) fn create(path: PathBuf, title: &str, has_input: bool) -> Result<Self, Failure> {
        let size = size_of_terminal().unwrap_or(USUAL);
        let timestamp = times::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let recording = Recording::create(&path, title, size, timestamp, now());
        let recording = recording.map_err(|error| {
            let failure = Failure::local(format!("cannot record into {}", path.display()));
            let is_there = error.kind() == io::ErrorKind::AlreadyExists;
            let failure = failure.because(error);
            failure.next(match is_there {
                true => "give another name, or remove the file",
                false => "give another file with --record, in a folder that is there",
            })
        })?;
        Ok(Self { path, recording: Arc::new(Mutex::new(recording)), has_input })
    }

    /// The same console, with what goes through it recorded.
    pub(super) fn tap(&self, console: Console) -> Console {
        let Console { input, output, error, sizes, signals, raw_mode } = console;
        let typed = |input| Box::new(Tapped { stream: input, recorder: self.clone() }) as _;
        let resized = self.clone();
        let sizes = sizes.inspect(move |size| {
            let fits = |number: u32| u16::try_from(number).ok().filter(|number| *number > 0);
            if let (Some(cols), Some(rows)) = (fits(size.cols), fits(size.rows)) {
                resized.recording().resize(Size { cols, rows }, now());
            }
        });
        Console {
            input: match self.has_input {
                true => input.map(typed),
                false => input,
            },
            output: Box::new(Tapped { stream: output, recorder: self.clone() }),
            error: Box::new(Tapped { stream: error, recorder: self.clone() }),
            sizes: Box::pin(sizes),
            signals,
            raw_mode,
        }
    }

    /// Ends the recording; fails if it is not whole.
    pub(super) fn end(&self) -> Result<(), Failure> {
        self.recording().end(now()).map_err(|error| {
            Failure::local(format!("the recording {} is not whole", self.path.display()))
                .because(error)
        })
    }

    /// Removes a file in which nothing is, as there was no session.
    pub(super) fn discard(&self) {
        if !self.recording().has_events() {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of the console's.
struct Tapped<S> {
    stream: S,
    recorder: Recorder,
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = written {
            self.recorder.recording().output(&bytes[..len], now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let typed = &buffer.filled()[before..];
        if !typed.is_empty() {
            self.recorder.recording().input(typed, now());
        }
        read
    }
}

/// Where there is no terminal.
const USUAL: Size = Size { cols: 80, rows: 24 };
