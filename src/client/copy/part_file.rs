//! A file that is on its way here: it is only ever longer, and all of it is right.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use super::landing::{Landing, unwritable};
use crate::client::{Error, Kind};

/// What is there of a file, and its digest so far.
pub(super) struct PartFile {
    file: File,
    part: PathBuf,
    pub(super) len: u64,
    digest: Sha256,
    /// What a new file's is, by the umask.
    mode: u32,
}

/// What a file on the node is like, beside its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Likeness {
    pub(super) mode: Option<u32>,
    pub(super) modified: Option<SystemTime>,
}

impl PartFile {
    /// Opens what is there from before, or a new one. Another copy to the same place is not disturbed.
    pub(super) fn open(landing: &Landing) -> Result<Self, Error> {
        let part = landing.part.clone();
        let failed = |error: io::Error| unwritable(&part, &error);
        let (mut file, mode) = loop {
            let (file, mode) = match reopen(&part) {
                Some(file) => (file, usual_mode(&part).map_err(failed)?),
                None => {
                    remove(&part);
                    let file = options().create_new(true).open(&part).map_err(failed)?;
                    let mode = mode_of(&file).map_err(failed)?;
                    (file, mode)
                }
            };
            if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
                let what = format!("another copy to {} is under way", landing.path.display());
                return Err(Error::local(what).next("wait for it, or end it"));
            }
            // Another copy may have given it its name before it was locked.
            if is_at(&file, &part).map_err(failed)? {
                break (file, mode);
            }
        };
        restrict(&file, 0o600).map_err(failed)?;
        let (mut digest, mut len) = (Sha256::new(), 0);
        let mut buffer = vec![0; READ_LEN];
        file.rewind().map_err(failed)?;
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => {
                    digest.update(&buffer[..read]);
                    len += read as u64;
                }
            }
        }
        Ok(Self { file, part, len, digest, mode })
    }

    /// SHA-256 of what is there, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.digest.clone().finalize())
    }

    /// Forgets what is there.
    pub(super) fn begin_again(&mut self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|error| unwritable(&self.part, &error))?;
        (self.len, self.digest) = (0, Sha256::new());
        Ok(())
    }

    /// A file takes what is written into memory, at once.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = self.file.write_all(bytes) {
            let failure = unwritable(&self.part, &error);
            if error.kind() == io::ErrorKind::StorageFull {
                // Whoever makes room is helped most by this.
                remove(&self.part);
            }
            return Err(failure);
        }
        self.digest.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives it its name.
    pub(super) fn keep(self, landing: &Landing, likeness: Option<Likeness>) -> Result<(), Error> {
        let Self { file, part, mode, .. } = self;
        let failed = |error: io::Error| unwritable(&landing.path, &error);
        let mode = match likeness {
            Some(likeness) => likeness.mode.unwrap_or(mode),
            None => present_mode(&landing.path).unwrap_or(mode),
        };
        restrict(&file, mode).map_err(failed)?;
        if let Some(modified) = likeness.and_then(|likeness| likeness.modified) {
            file.set_modified(modified).map_err(failed)?;
        }
        // A name is for what a loss of power leaves whole.
        file.sync_all().map_err(failed)?;
        fs::rename(&part, &landing.path).map_err(failed)
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) {
        remove(&self.part);
    }
}

impl Likeness {
    /// Of what a script says: octal digits, and seconds since 1970; `-` where it does not know.
    pub(super) fn of(mode: &str, seconds: &str) -> Self {
        let after = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Self {
            mode: u32::from_str_radix(mode, 8).ok().map(|mode| mode & 0o777),
            modified: seconds.parse().ok().and_then(after),
        }
    }
}

/// What is there of an earlier run: a file of one's own, and no link to elsewhere.
fn reopen(part: &Path) -> Option<File> {
    let file = options().open(part).ok()?;
    let metadata = file.metadata().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_own || metadata.nlink() != 1 {
            return None;
        }
    }
    metadata.is_file().then_some(file)
}

/// Whether the file still has this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is open keeps its name there.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

fn remove(part: &Path) {
    // Where it cannot be, making a new one says why.
    let _ = fs::remove_file(part);
}

/// What a new file beside it would have.
fn usual_mode(part: &Path) -> io::Result<u32> {
    let folder = part.parent().unwrap_or(Path::new("."));
    // One without a name is gone after a kill, too.
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        if let Ok(probe) = openat(CWD, folder, flags, Mode::from_raw_mode(0o666)) {
            return mode_of(&File::from(probe));
        }
    }
    #[cfg(unix)]
    let probe = {
        use std::os::unix::fs::PermissionsExt;
        let everybodys = fs::Permissions::from_mode(0o666);
        tempfile::Builder::new().permissions(everybodys).tempfile_in(folder)?
    };
    #[cfg(not(unix))]
    let probe = tempfile::NamedTempFile::new_in(folder)?;
    mode_of(probe.as_file())
}

/// What the file that is replaced has.
#[cfg(unix)]
fn present_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(unix)]
fn mode_of(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o777)
}

#[cfg(unix)]
fn restrict(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn present_mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(not(unix))]
fn mode_of(_: &File) -> io::Result<u32> {
    Ok(0o644)
}

#[cfg(not(unix))]
fn restrict(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// A file that is not what it was.
pub(super) fn changed(path: impl std::fmt::Display, kind: Kind) -> Error {
    Error::new(kind, format!("{path} has changed while it was copied"))
        .because("what came is neither what it was nor what it is")
        .next("start it again when nobody writes to it")
}

const READ_LEN: usize = 256 * 1024;
