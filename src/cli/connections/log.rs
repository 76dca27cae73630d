//! `--log FILE`: a line of JSON for each connection that is over.
//!
//! A thread of its own writes, so that a disk that is slow holds up no connection. The file is opened anew
//! each time: one that somebody has moved or removed meanwhile is made again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::cli::{counted::counted, failure::Failure, output::Output};

/// Where lines go in. Clones are the same log.
#[derive(Clone)]
pub(in crate::cli) struct ConnectionLog {
    entries: SyncSender<Entry>,
    missed: Arc<AtomicUsize>,
}

enum Entry {
    Line(String),
    /// Tell when all before it have been written.
    Mark(oneshot::Sender<()>),
}

/// Whoever writes them.
struct Writer {
    path: PathBuf,
    output: Output,
    /// Lines that are not in the file, since it was told that there are such.
    missed: Arc<AtomicUsize>,
    is_told: bool,
    /// The last thing in the file may be half a line.
    is_torn: bool,
}

impl ConnectionLog {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::cli) fn open(path: &Path, output: Output) -> Result<Self, Failure> {
        let failed = |error| {
            let failure = Failure::local(format!("cannot write {}", path.display()));
            failure.because(error).next("give another file to --log")
        };
        open(path).map_err(failed)?;
        let (entries, queue) = sync_channel(QUEUE);
        let missed = Arc::<AtomicUsize>::default();
        let writer = Writer {
            path: path.to_owned(),
            output,
            missed: Arc::clone(&missed),
            is_told: false,
            is_torn: false,
        };
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || writer.run(&queue)).map_err(failed)?;
        Ok(Self { entries, missed })
    }

    /// Takes a line without its end. One for which there is no room is counted among those that are missed.
    pub(super) fn add(&self, line: String) {
        if self.entries.try_send(Entry::Line(line)).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for a moment until everything has been written.
    pub(super) async fn finish(&self) {
        let (written, is_written) = oneshot::channel();
        if self.entries.try_send(Entry::Mark(written)).is_ok() {
            let _ = timeout(LAST_LINES, is_written).await;
        }
    }
}

impl Writer {
    fn run(mut self, queue: &Receiver<Entry>) {
        while let Ok(first) = queue.recv() {
            let (mut lines, mut count, mut marks) = (String::new(), 0, Vec::new());
            for entry in std::iter::once(first).chain(queue.try_iter().take(QUEUE)) {
                match entry {
                    Entry::Line(line) => {
                        lines.push_str(&line);
                        lines.push('\n');
                        count += 1;
                    }
                    Entry::Mark(mark) => marks.push(mark),
                }
            }
            if count > 0 {
                self.write(&lines, count);
            }
            // Whoever waits may have had enough.
            for mark in marks {
                let _ = mark.send(());
            }
        }
    }

    fn write(&mut self, lines: &str, count: usize) {
        match self.append(lines) {
            Ok(()) => {
                self.is_told = false;
                let missed = self.missed.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    let (missed, path) = (counted(missed, "line"), self.path.display());
                    self.output
                        .lasting()
                        .warn(&format!("{path} can be written again; {missed} are missing"));
                }
            }
            Err(error) => {
                self.missed.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_told, true) {
                    self.output.lasting().warn(&format!(
                        "cannot write {}: {error}; connections go on, and are not logged",
                        self.path.display()
                    ));
                }
            }
        }
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        let mut file = open(&self.path)?;
        let end = if self.is_torn { "\n" } else { "" };
        let mut rest = end.as_bytes().iter().chain(lines.as_bytes()).copied().collect::<Vec<_>>();
        while !rest.is_empty() {
            match file.write(&rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    drop(rest.drain(..written));
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// For the user alone: who connects to what is in it. A pipe that nobody reads is an error, and waits for nobody.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.append(true).create(true).open(path)
}

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// What a program that ends waits for them.
const LAST_LINES: Duration = Duration::from_secs(1);

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn writer(path: &Path) -> Writer {
        Writer {
            path: path.to_owned(),
            output: Output::without_options(true),
            missed: Arc::default(),
            is_told: false,
            is_torn: false,
        }
    }

    #[test]
    fn lines_are_added_for_the_user_alone_and_a_file_that_is_gone_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut writer = writer(&path);
        writer.append("one\n").unwrap();
        writer.append("two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(&path, folder.path().join("log.1")).unwrap();
        writer.append("three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_full_disk_does_not_take_is_counted_and_torn_lines_get_an_end() {
        let mut full = writer(Path::new("/dev/full"));
        full.write("one\ntwo\n", 2);
        full.write("three\n", 1);
        assert_eq!((full.missed.load(Ordering::Relaxed), full.is_told), (3, true));

        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder.path().join("log"));
        writer.append("half a l").unwrap();
        writer.is_torn = true;
        writer.append("whole\n").unwrap();
        assert_eq!(fs::read_to_string(&writer.path).unwrap(), "half a l\nwhole\n");
        assert!(!writer.is_torn);
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(open(&path).is_err());
    }
}
