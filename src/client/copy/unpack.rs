//! A folder that comes as a tar: put beside its place, and there at last.
//!
//! What is in it may be anybody's. It goes into a new folder, nothing of it out of that: names that lead
//! elsewhere are refused, links are links and nothing is written through them, devices are left out.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tar::{Archive, Entry, EntryType};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{
    landing::{Landing, unwritable},
    merging::Merging,
    passing::Passing,
};
use crate::client::{Error, Kind};

/// A folder that is on its way here. It is removed unless it is [kept](Unpacked::keep).
pub(super) struct Unpacking(JoinHandle<Result<Unpacked, Error>>);

/// A folder that has come.
pub(super) struct Unpacked {
    part: Passing,
    pub(super) files: u64,
    /// What is neither a file, a folder nor a link.
    pub(super) left_out: Vec<String>,
}

impl Unpacking {
    /// Unpacks what is `coming`.
    pub(super) fn start(
        landing: &Landing,
        coming: mpsc::Receiver<Vec<u8>>,
        preserves: bool,
    ) -> Result<Self, Error> {
        let part = part_of(landing);
        let failed = |error: io::Error| unwritable(&part, &error);
        let path = new_folder(&part).map_err(failed)?;
        let part = Passing(path.clone());
        let mask = mask(&path).map_err(failed)?;
        let allowance = Arc::new(AtomicU64::new(BETWEEN_ENTRIES));
        let reader = Coming { queue: coming, piece: Vec::new(), at: 0, allowance };
        Ok(Self(spawn_blocking(move || unpack(reader, part, preserves, mask))))
    }

    /// Waits until all of it is there.
    pub(super) async fn end(self) -> Result<Unpacked, Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::local("the folder cannot be unpacked")))
    }
}

impl Unpacked {
    /// Gives it its name; into a folder that is there its files come one by one. That may take as long as a copy
    /// within this machine. Dropping the future ends it.
    pub(super) async fn keep(self, landing: &Landing) -> Result<(), Error> {
        let path = landing.path.clone();
        let alive = Arc::new(());
        let wanted = Arc::downgrade(&alive);
        let keeping = spawn_blocking(move || {
            if !path.is_dir() {
                return fs::rename(&self.part.0, &path).map_err(|error| unwritable(&path, &error));
            }
            Merging { is_wanted: &|| wanted.strong_count() > 0 }.merge(&self.part.0, &path)
        });
        let kept = keeping.await;
        drop(alive);
        kept.unwrap_or_else(|_| Err(Error::local("the folder cannot be put into its place")))
    }
}

fn unpack(reader: Coming, part: Passing, preserves: bool, mask: u32) -> Result<Unpacked, Error> {
    let mut unpacked = Unpacked { part, files: 0, left_out: Vec::new() };
    let path = unpacked.part.0.clone();
    let allowance = Arc::clone(&reader.allowance);
    let mut archive = Archive::new(reader);
    archive.set_preserve_mtime(preserves);
    if !preserves {
        archive.set_mask(mask);
    }
    // A folder is as it was once all is in it.
    let mut folders = Vec::new();
    let mut root = None;
    for entry in archive.entries().map_err(|error| unwritable(&path, &error))? {
        let mut entry = entry.map_err(|error| damaged(&path, &error))?;
        allowance.store(entry.size().saturating_add(BETWEEN_ENTRIES), Ordering::Relaxed);
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            EntryType::Directory if is_root(&entry) => root = Some(entry),
            EntryType::Directory => folders.push(entry),
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::GNUSparse
            | EntryType::Symlink
            | EntryType::Link => {
                put(&mut entry, &name, &path)?;
                unpacked.files += 1;
            }
            EntryType::XGlobalHeader => {}
            _ => unpacked.left_out.push(name),
        }
    }
    folders.sort_by(|one, other| other.path_bytes().cmp(&one.path_bytes()));
    for mut folder in folders {
        let name = String::from_utf8_lossy(&folder.path_bytes()).into_owned();
        put(&mut folder, &name, &path)?;
        if preserves {
            date(&path, &folder).map_err(|error| unwritable(&path.join(&name), &error))?;
        }
    }
    if let Some(root) = root {
        liken(&path, &root, preserves, mask).map_err(|error| unwritable(&path, &error))?;
    }
    // The padding behind its end, too: nobody would take it else, and that is a failure.
    allowance.store(u64::MAX, Ordering::Relaxed);
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| damaged(&path, &error))?;
    Ok(unpacked)
}

fn put(entry: &mut Entry<'_, Coming>, name: &str, into: &Path) -> Result<(), Error> {
    match entry.unpack_in(into) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(Kind::Target, "the folder has a name that leads out of it")
            .because(name.to_owned())
            .next("copy what is in it one by one")),
        Err(error) => Err(unwritable(&into.join(name), &innermost(&error))),
    }
}

fn is_root(entry: &Entry<'_, Coming>) -> bool {
    entry.path_bytes().iter().all(|byte| matches!(byte, b'.' | b'/'))
        && !entry.path_bytes().windows(2).any(|two| two == b"..")
}

/// The reason that the system gave, without what was done for what.
fn innermost(error: &io::Error) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut found = io::Error::new(error.kind(), error.to_string());
    while let Some(inner) = source {
        if let Some(code) = inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            found = io::Error::from_raw_os_error(code);
        }
        source = inner.source();
    }
    found
}

fn damaged(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull => unwritable(path, error),
        _ => Error::new(Kind::Lost, "the folder did not come whole").because(innermost(error)),
    }
}

/// What comes, as those read it who wait for it.
struct Coming {
    queue: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    /// So much may come before the next entry: names of any length would be held in memory.
    allowance: Arc<AtomicU64>,
}

impl io::Read for Coming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.queue.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.piece.len() - self.at);
        let Some(left) = self.allowance.load(Ordering::Relaxed).checked_sub(len as u64) else {
            return Err(io::Error::other("a name in it has no end"));
        };
        self.allowance.store(left, Ordering::Relaxed);
        buffer[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// Beside the place; in a folder that is there already, which may be a file system of its own.
fn part_of(landing: &Landing) -> PathBuf {
    let Landing { path, part } = landing;
    match path.is_dir() {
        true => path.join(part.file_name().unwrap_or_default()),
        false => part.clone(),
    }
}

/// Each run has one of its own: another's may be in use.
fn new_folder(part: &Path) -> io::Result<PathBuf> {
    let mut prefix = part.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    Ok(builder.tempdir_in(part.parent().unwrap_or(Path::new(".")))?.keep())
}

/// What the umask takes away, as a folder shows that was just made; nobody else looks into it from now on.
#[cfg(unix)]
fn mask(folder: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(!mode & 0o777)
}

/// Gives a folder within `root` the time that its entry says, and no link's target.
#[cfg(unix)]
fn date(root: &Path, entry: &Entry<'_, Coming>) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    let name = entry.path()?;
    let path = root.join(name.strip_prefix("/").unwrap_or(&name));
    let Ok(tv_sec) = entry.header().mtime()?.try_into() else { return Ok(()) };
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec, tv_nsec: 0 },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(unix)]
fn liken(folder: &Path, entry: &Entry<'_, Coming>, preserves: bool, mask: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let header = entry.header();
    let mode = if preserves { header.mode()? } else { 0o777 & !mask };
    if preserves {
        date(folder, entry)?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn mask(_: &Path) -> io::Result<u32> {
    Ok(0)
}

#[cfg(not(unix))]
fn date(_: &Path, _: &Entry<'_, Coming>) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn liken(_: &Path, _: &Entry<'_, Coming>, _: bool, _: u32) -> io::Result<()> {
    Ok(())
}

/// In bytes: headers, and names that are in none.
const BETWEEN_ENTRIES: u64 = 1 << 20;
