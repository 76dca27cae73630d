//! A console of which a recording is made.

use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::UNIX_EPOCH,
};

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    failure::{Code, Failure},
    times,
};
use crate::{
    client::{
        Console,
        config_file::{ConfigFile, ConfiguredRecording, Origin, RecordedSession},
    },
    net::now,
    term::{Recording, Size, size_of_terminal},
};

/// Those of one terminal: the one that was typed, and the one that a configuration file wants.
pub(super) struct Recorders(Vec<Recorder>);

/// What was typed of recordings.
pub(super) struct TypedRecording {
    /// A file, and whether it has what is typed.
    pub(super) file: Option<(PathBuf, bool)>,
    /// None that the configuration asks for.
    pub(super) is_off: bool,
}

impl Recorders {
    /// Begins those that are wanted of a terminal of this target.
    ///
    /// # Errors
    /// When one of them cannot be had, or is not wanted and must be.
    pub(super) fn begin(typed: TypedRecording, target: &str) -> Result<Self, Failure> {
        let TypedRecording { file, is_off } = typed;
        let mut all = Self(Vec::new());
        let configured = ConfigFile::load()?.recording();
        // One's own file stands for what is not typed.
        let is_wanted =
            |recording: &ConfiguredRecording| recording.is_demanded || (file.is_none() && !is_off);
        if let Some(recording) = configured.filter(is_wanted) {
            if is_off {
                return Err(demanded(&recording));
            }
            let begun = Recorder::of_configuration(&recording, target)?;
            all.0.push(begun);
        }
        if let Some((path, has_input)) = file {
            match Recorder::create(path, target, has_input) {
                Ok(recorder) => all.0.push(recorder),
                Err(failure) => {
                    all.discard();
                    return Err(failure);
                }
            }
        }
        Ok(all)
    }

    /// The same console, with what goes through it recorded.
    pub(super) fn tap(&self, console: Console) -> Console {
        self.0.iter().fold(console, |console, recorder| recorder.tap(console))
    }

    /// Ends them; fails if one of them is not whole.
    pub(super) fn end(&self) -> Result<(), Failure> {
        self.0.iter().map(Recorder::end).fold(Ok(()), Result::and)
    }

    /// Removes files in which nothing is, as there was no session.
    pub(super) fn discard(&self) {
        self.0.iter().for_each(Recorder::discard);
    }
}

fn demanded(recording: &ConfiguredRecording) -> Failure {
    let Origin { file, line } = &recording.origin;
    Failure::new(Code::Usage, "this cannot go without a recording")
        .because(format!("{}, line {line}, demands one of every terminal", file.display()))
        .next("leave --no-record out")
}

/// A recording that several streams write to.
#[derive(Clone)]
struct Recorder {
    path: PathBuf,
    recording: Arc<Mutex<Recording>>,
    has_input: bool,
    /// Nothing more is shown once it cannot be recorded.
    is_demanded: bool,
}

impl Recorder {
    /// Begins one that a configuration file wants.
    fn of_configuration(recording: &ConfiguredRecording, target: &str) -> Result<Self, Failure> {
        let time = times::utc(times::now()).replace(['-', ':'], "");
        let session = RecordedSession { target, time: &time, pid: std::process::id() };
        let path = recording.file(session);
        let Origin { file, line } = &recording.origin;
        let origin = format!("{}, line {line}, wants it recorded there", file.display());
        if let Some(folder) = path.parent() {
            create_folder(folder).map_err(|error| {
                let what = format!("cannot make the folder {}", folder.display());
                Failure::local(what).because(error).next(origin.clone())
            })?;
        }
        let recorder = Self::create(path, target, false).map_err(|failure| failure.next(origin))?;
        Ok(Self { is_demanded: recording.is_demanded, ..recorder })
    }

    /// Begins one; what is typed is in it if it is to have the input.
    fn create(path: PathBuf, title: &str, has_input: bool) -> Result<Self, Failure> {
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
        let recording = Arc::new(Mutex::new(recording));
        Ok(Self { path, recording, has_input, is_demanded: false })
    }

    /// The same console, with what goes through it recorded.
    fn tap(&self, console: Console) -> Console {
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
    fn end(&self) -> Result<(), Failure> {
        self.recording().end(now()).map_err(|error| {
            Failure::local(format!("the recording {} is not whole", self.path.display()))
                .because(error)
        })
    }

    /// Removes a file in which nothing is, as there was no session.
    fn discard(&self) {
        if !self.recording().has_events() {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For its user alone, if it is new.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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
            let mut recording = self.recorder.recording();
            recording.output(&bytes[..len], now());
            if self.recorder.is_demanded && recording.has_failed() {
                let why = "it cannot be recorded any more, as it has to be";
                return Poll::Ready(Err(io::Error::other(why)));
            }
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
