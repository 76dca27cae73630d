//! Files that somebody else may have written: none keeps us for ever, or takes all the memory.

use std::{
    fs::{self, File, FileType, Metadata},
    io::{Error, ErrorKind, Read, Result},
    path::Path,
};

/// The content of a file of at most `limit` bytes, links followed.
///
/// # Errors
/// It cannot be read, is longer, or is a pipe or a device, which might never come to its end; but a pipe
/// that was opened for us, as a shell does for `<(program)`, ends with its program, and `/dev/null`, by which
/// people say that there is to be no file, is an empty one.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    let kind = about.file_type();
    let has_end = kind.is_file() || is_nothing(&about) || (is_pipe(kind) && is_handed_over(path));
    if !has_end {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let why = format!("it is longer than {limit} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Whether the path is one of this process's descriptors.
fn is_handed_over(path: &Path) -> bool {
    ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder))
}

/// Whether it is `/dev/null`, by whichever name.
#[cfg(unix)]
fn is_nothing(about: &Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    about.file_type().is_char_device()
        && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == about.rdev())
}

#[cfg(not(unix))]
fn is_nothing(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

/// As [`read`], of a text.
///
/// # Errors
/// As [`read`]; or it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// In bytes, for what people write: none has a hundredth of it.
pub const LONGEST_BY_HAND: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it is longer than 4 bytes");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "it is not UTF-8");
        assert_eq!(read(&path, 4).unwrap(), b"\xff");
        let absent = read(&folder.path().join("absent"), 4).unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_not_read() {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
        for place in [&pipe, &path("zero"), folder.path()] {
            assert_eq!(read(place, 4).unwrap_err().to_string(), "it is not a file", "{place:?}");
        }
        assert!(read(&path("loop"), 4).is_err());
        assert_eq!(read(Path::new("/dev/null"), 4).unwrap(), b"");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_that_was_opened_for_us_is_read_to_its_end() {
        use std::{io::Write, os::fd::AsRawFd};

        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"1234").unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        assert_eq!(read(Path::new(&path), 4).unwrap(), b"1234");
    }
}
