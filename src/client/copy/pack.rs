//! A folder of this machine as a tar, as it is sent.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::Path,
};

use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

use crate::client::Error;

/// What was packed.
pub(super) struct Packed {
    pub(super) files: u64,
    pub(super) left_out: Vec<String>,
}

/// Writes the folder to `queue`. Links stay links; what is neither a file, a folder nor a link is left out.
pub(super) fn pack(
    folder: &Path,
    queue: mpsc::Sender<Vec<u8>>,
    preserves: bool,
) -> Result<Packed, Error> {
    let going = Going { queue, piece: Vec::with_capacity(PIECE) };
    let mut packing = Packing {
        archive: Builder::new(going),
        preserves,
        packed: Packed { files: 0, left_out: Vec::new() },
    };
    packing.folder(folder, Path::new("."))?;
    let done = packing.archive.into_inner().and_then(|mut going| going.flush());
    done.map_err(|error| unreadable(folder, &error))?;
    Ok(packing.packed)
}

struct Packing {
    archive: Builder<Going>,
    preserves: bool,
    packed: Packed,
}

impl Packing {
    fn folder(&mut self, path: &Path, name: &Path) -> Result<(), Error> {
        let failed = |error: io::Error| unreadable(path, &error);
        let metadata = fs::metadata(path).map_err(failed)?;
        let mut header = self.header(&metadata, EntryType::Directory);
        self.archive.append_data(&mut header, name, io::empty()).map_err(failed)?;
        let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(failed)?.collect();
        let mut entries = entries.map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.entry(&entry.path(), &name.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &Path) -> Result<(), Error> {
        let failed = |error: io::Error| unreadable(path, &error);
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return self.folder(path, name);
        }
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(failed)?;
            let mut header = self.header(&metadata, EntryType::Symlink);
            header.set_size(0);
            self.archive.append_link(&mut header, name, target).map_err(failed)?;
        } else if metadata.is_file() {
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            let mut header = self.header(&metadata, EntryType::Regular);
            header.set_size(metadata.len());
            let content = Exactly { file, left: metadata.len() };
            self.archive.append_data(&mut header, name, content).map_err(failed)?;
        } else {
            self.packed.left_out.push(path.display().to_string());
            return Ok(());
        }
        self.packed.files += 1;
        Ok(())
    }

    /// With what is kept of a thing; whose it is here means nothing there.
    fn header(&self, metadata: &Metadata, entry_type: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_metadata(metadata);
        header.set_entry_type(entry_type);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        let mode = header.mode().unwrap_or(0o644);
        let usual = if entry_type == EntryType::Directory { 0o777 } else { 0o666 | (mode & 0o111) };
        header.set_mode(if self.preserves { mode & 0o777 } else { usual });
        header
    }
}

/// So many bytes of a file, whatever becomes of it.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.file).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::other("it has become shorter meanwhile"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// What is sent, as those write it who may have to wait.
struct Going {
    queue: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Write for Going {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..len]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more");
        self.queue.blocking_send(piece).map_err(gone)
    }
}

/// The error of a source here.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::local(format!("cannot read {}", path.display())).because(error)
}

/// In bytes, of what is sent at once.
pub(super) const PIECE: usize = 512 * 1024;
