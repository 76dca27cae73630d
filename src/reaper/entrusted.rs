//! The parent's side: what is entrusted to the reaper, and how it is told.

use std::{
    collections::BTreeMap,
    env,
    io::{self, ErrorKind, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::fs::{OFlags, fcntl_setfl};

use super::{
    process::Mark,
    reaping::{self, MOST_REMNANTS},
    remnant::{Entry, Remnant},
};

/// Something that is removed if this process dies first. Dropping this says that it is gone.
#[derive(Debug)]
pub struct Entrusted {
    id: u64,
}

impl Entrusted {
    /// Entrusts something that is about to be, or is there.
    ///
    /// Without a reaper - it was never [enabled](enable), or does not start - nothing happens but a
    /// line in the log.
    pub fn new(remnant: Remnant) -> Self {
        let mut estate = estate();
        estate.last_id += 1;
        let id = estate.last_id;
        estate.put(id, remnant);
        Self { id }
    }

    /// What was announced has come to be, or is known better.
    pub fn becomes(&self, remnant: Remnant) {
        estate().put(self.id, remnant);
    }
}

impl Drop for Entrusted {
    fn drop(&mut self) {
        estate().remove(self.id);
    }
}

/// Lets this process have a reaper. Only for programs that ask
/// [`is_reaper`](super::is_reaper) before anything else: the reaper is the same executable.
pub fn enable() {
    match env::current_exe().or_else(|error| as_called().ok_or(error)) {
        Ok(executable) => estate().executable = Some(executable),
        Err(error) => tracing::debug!("no reaper, as this program's file is not known: {error}"),
    }
}

/// This program's file by the name that it was called by, where the system does not tell: on a Linux
/// without `/proc`.
fn as_called() -> Option<PathBuf> {
    let name = PathBuf::from(env::args_os().next()?);
    let is_path = name.as_os_str().as_bytes().contains(&b'/');
    let file = if is_path {
        name
    } else {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())?
    };
    std::path::absolute(file).ok().filter(|file| file.is_file())
}

/// Of the whole process: it is as a whole that it is killed, and one reaper is enough.
static ESTATE: Mutex<Estate> = Mutex::new(Estate {
    executable: None,
    starts: 0,
    reaper: None,
    last_id: 0,
    entries: BTreeMap::new(),
});

fn estate() -> MutexGuard<'static, Estate> {
    ESTATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that is entrusted.
struct Estate {
    executable: Option<PathBuf>,
    starts: u32,
    /// What the newest reaper is told by; none when it is known to be gone.
    reaper: Option<ChildStdin>,
    last_id: u64,
    /// Kept for another reaper, should somebody kill this one.
    entries: BTreeMap<u64, Remnant>,
}

impl Estate {
    fn put(&mut self, id: u64, remnant: Remnant) {
        if self.executable.is_none() {
            return;
        }
        if self.entries.len() >= MOST_REMNANTS && !self.entries.contains_key(&id) {
            tracing::debug!("{remnant:?} is one too many for the reaper");
            return;
        }
        let entry = Entry::Put(id, remnant.clone()).to_record();
        self.entries.insert(id, remnant);
        let told = match &mut self.reaper {
            Some(reaper) => tell(reaper, &entry),
            None => Err(ErrorKind::NotConnected.into()),
        };
        match told {
            Ok(()) => {}
            // It reads all the time; stopped by somebody it must not stop us.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                tracing::debug!("the reaper does not read");
            }
            Err(_) => self.start(),
        }
    }

    fn remove(&mut self, id: u64) {
        if self.entries.remove(&id).is_some()
            && let Some(reaper) = &mut self.reaper
        {
            // A reaper that is gone, or stopped, removes nothing that is not there.
            let _ = tell(reaper, &Entry::Done(id).to_record());
        }
    }

    /// A reaper has ended, while its parent lives. What it knew is entrusted to another.
    fn lose(&mut self, number: u32) {
        if self.starts == number {
            self.reaper = None;
            if !self.entries.is_empty() {
                self.start();
            }
        }
    }

    /// Starts a reaper and tells it everything.
    fn start(&mut self) {
        self.reaper = None;
        let Some(executable) = &self.executable else { return };
        if self.starts == MOST_STARTS {
            return;
        }
        self.starts += 1;
        let started = start(Command::new(executable)).and_then(|child| {
            let mut reaper = watch(child, self.starts)?;
            for (id, remnant) in &self.entries {
                tell(&mut reaper, &Entry::Put(*id, remnant.clone()).to_record())?;
            }
            Ok(reaper)
        });
        match started {
            Ok(reaper) => self.reaper = Some(reaper),
            Err(error) => tracing::debug!("no reaper: {}: {error}", executable.display()),
        }
    }
}

fn start(mut reaper: Command) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;

    reaper.args(reaping::arguments()).current_dir("/");
    // It is not one of those that it may have to find by their mark.
    reaper.env_remove(Mark::VARIABLE);
    // Not in our group, which a terminal's Ctrl-C goes to.
    reaper.process_group(0);
    reaper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let reaper = reaper.spawn()?;
    if let Some(pipe) = &reaper.stdin {
        fcntl_setfl(pipe, OFlags::NONBLOCK)?;
    }
    Ok(reaper)
}

/// Notices the end of the reaper that was started as this one, which only somebody else brings
/// about. Gives what it is told by.
fn watch(mut reaper: Child, number: u32) -> io::Result<ChildStdin> {
    let pipe = reaper.stdin.take().ok_or(ErrorKind::NotConnected)?;
    thread::Builder::new().name("reaper's watch".to_owned()).spawn(move || {
        // It is collected, too.
        if reaper.wait().is_ok() {
            estate().lose(number);
        }
    })?;
    Ok(pipe)
}

/// Records are short enough for a pipe to take them whole, or not at all.
fn tell(reaper: &mut ChildStdin, record: &[u8]) -> io::Result<()> {
    reaper.write_all(record)
}

/// One that dies at once would do so for ever.
const MOST_STARTS: u32 = 10;
