//! `--trace FILE`: every frame of the program's sessions, a JSON object a line, for `ssmport decode`.
//!
//! Whoever drives a session must not wait for a disk: lines go into a buffer that a thread writes. When that
//! is full, lines are left out, and the file says how many.

mod file;
mod line;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    filter::filter_fn,
    layer::{Context, Filter, Layer},
};

use self::file::RotatedFile;
use super::{
    args::Global,
    failure::{Code, Failure},
};
use crate::{
    net::{FRAMES, PATHS, PAYLOADS, now},
    wire::foreign_text::one_line,
};

/// Takes frames from the log.
pub(super) struct Trace {
    begun: Instant,
    has_payloads: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// So many were left out behind these.
    left_out: u64,
    is_over: bool,
}

/// The thread that writes, until the program ends.
struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Trace {
    /// What the options of `ssmport` ask for.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn of_options(global: &Global) -> Result<Option<Self>, Failure> {
        let Some(path) = &global.trace else { return Ok(None) };
        if is_stream(path) {
            return Err(Failure::new(Code::Usage, "cannot write the trace to standard output")
                .because(NO_STREAM)
                .next(format!("give a file with --trace, or by {VARIABLE}")));
        }
        let trace = Self::begin(path, global.trace_payloads);
        trace.map(Some).map_err(|why| {
            Failure::local(format!("cannot write the trace {}", path.display()))
                .because(why)
                .next("give another file with --trace")
        })
    }

    /// What the environment asks the drop-in for. It must not fail its caller because of that, and says so.
    pub(super) fn of_environment() -> Option<Self> {
        let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        let path = Path::new(&path);
        let begun = Self::begin(path, false).inspect_err(|error| {
            let why = format!("warning: cannot write the trace {}: {error}", path.display());
            let _ = writeln!(anstream::stderr(), "{}", one_line(&why));
        });
        begun.ok()
    }

    fn begin(path: &Path, has_payloads: bool) -> io::Result<Self> {
        if is_stream(path) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, NO_STREAM));
        }
        let path = with_process(path);
        let head = line::head(has_payloads);
        let file = RotatedFile::create(path, head, LARGEST)?;
        let shared = Arc::<Shared>::default();
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("trace".to_owned()).spawn(move || shared.write(file))?
        };
        let writer = Writer { shared: Arc::clone(&shared), thread: Mutex::new(Some(thread)) };
        // The first one of a process is the only one.
        let _ = WRITER.set(writer);
        Ok(Self { begun: now(), has_payloads, shared })
    }

    /// The events that it takes.
    pub(super) fn filter<S>(&self) -> impl Filter<S> + use<S> {
        let has_payloads = self.has_payloads;
        filter_fn(move |metadata| match metadata.target() {
            FRAMES => !has_payloads,
            PAYLOADS => has_payloads,
            PATHS => true,
            SESSIONS => *metadata.level() <= Level::INFO,
            _ => false,
        })
    }
}

impl<S: Subscriber> Layer<S> for Trace {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let time = now().saturating_duration_since(self.begun);
        self.shared.push(line::of(event, time).as_bytes());
    }
}

impl Shared {
    fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() + line.len() > MOST_WAITING {
            waiting.left_out += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Writes what comes until it is over, or nothing can be written any more.
    fn write(&self, mut file: RotatedFile) {
        let mut lines = Vec::new();
        loop {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_over;
            let waiting = self.changed.wait_while(waiting, is_idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let is_over = waiting.is_over;
            lines.clear();
            std::mem::swap(&mut lines, &mut waiting.lines);
            let left_out = std::mem::take(&mut waiting.left_out);
            drop(waiting);
            if left_out > 0 {
                lines.extend_from_slice(line::left_out(left_out).as_bytes());
            }
            if let Err(error) = file.write(&lines) {
                let path = file.path().display();
                tracing::warn!("the trace {path} ends here: {error}");
                return;
            }
            if is_over {
                return;
            }
        }
    }
}

/// Writes what is left, at the program's end.
pub(super) fn finish() {
    let Some(Writer { shared, thread }) = WRITER.get() else { return };
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
    shared.changed.notify_one();
    let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

/// Whether it is what other commands have for standard output.
fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// `%p` stands for the process's number: a ProxyCommand's programs have the same words.
fn with_process(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%p", &std::process::id().to_string()).into(),
        None => path.to_owned(),
    }
}

static WRITER: OnceLock<Writer> = OnceLock::new();
const NO_STREAM: &str = "a trace is a file, and - is none";
/// Its path, for programs that are started by others.
pub(super) const VARIABLE: &str = "SSMPORT_TRACE";
/// Where sessions tell that they have lost a connection, and have another.
const SESSIONS: &str = "ssmport::session::attach";
/// In bytes: some 20,000 frames.
const MOST_WAITING: usize = 4 << 20;
/// In bytes, of one file; there are two at the most.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let shared = Shared::default();
        let line = vec![b'x'; MOST_WAITING];
        shared.push(&line);
        shared.push(b"too much");
        shared.push(b"and more");
        shared.waiting.lock().unwrap().is_over = true;
        shared.write(RotatedFile::create(path.clone(), String::new(), LARGEST).unwrap());
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written[..MOST_WAITING], line);
        assert_eq!(&written[MOST_WAITING..], b"{\"left_out\":2}\n");
    }

    #[test]
    fn standard_output_is_no_place_for_it() {
        let why = Trace::begin(Path::new("-"), false).map(|_| ()).unwrap_err();
        assert_eq!(why.to_string(), NO_STREAM);
        assert!(!is_stream(Path::new("./-")) && !Path::new("-").exists());
    }

    #[test]
    fn each_process_can_have_a_file_of_its_own() {
        let name = format!("/tmp/{}.trace", std::process::id());
        assert_eq!(with_process(Path::new("/tmp/%p.trace")), Path::new(&name));
    }
}
