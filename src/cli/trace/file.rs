//! A file that stays small enough however long it is written: a full one gives way to a new one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file that is written, beside the one before it at most.
pub(super) struct RotatedFile {
    path: PathBuf,
    /// What each of them begins with.
    head: String,
    file: File,
    written: u64,
    largest: u64,
}

impl RotatedFile {
    /// Begins it anew, for its user's eyes only.
    pub(super) fn create(path: PathBuf, head: String, largest: u64) -> io::Result<Self> {
        let file = begin(&path, &head)?;
        Ok(Self { path, head, file, written: 0, largest })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        // A device, or what a link leads to, is somebody else's.
        let is_file = || fs::symlink_metadata(&self.path).is_ok_and(|there| there.is_file());
        if self.written >= self.largest && is_file() {
            fs::rename(&self.path, earlier(&self.path))?;
            self.file = begin(&self.path, &self.head)?;
            self.written = 0;
        }
        self.written += lines.len() as u64;
        self.file.write_all(lines)
    }
}

fn begin(path: &Path, head: &str) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // One that was there keeps the rights that it had.
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        file.set_permissions(own)?;
    }
    file.write_all(head.as_bytes())?;
    Ok(file)
}

/// Where the one before it is: `FILE.1`.
pub(super) fn earlier(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_one_gives_way_and_two_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        fs::write(&path, "left by another").unwrap();
        let mut file = RotatedFile::create(path.clone(), "head\n".to_owned(), 8).unwrap();
        for line in ["1 2 3\n", "4 5 6\n", "7 8 9\n", "10\n", "11\n", "12\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&earlier(&path)), "head\n7 8 9\n10\n");
        assert_eq!(read(&path), "head\n11\n12\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let mut file = RotatedFile::create(path.clone(), String::new(), 1).unwrap();
        (0..3).for_each(|_| file.write(b"line\n").unwrap());
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert!(!earlier(&path).exists());
    }

    #[cfg(unix)]
    #[test]
    fn it_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        fs::write(&path, "left by another").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let _file = RotatedFile::create(path.clone(), String::new(), 8).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
