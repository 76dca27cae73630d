//! Ordinary files, known by device and inode: another of the same name is somebody else's.

use std::{fs, path::Path};

use super::socket::FileId;

/// Removes the file at `path` if it is the one that is meant.
pub(super) fn remove(path: &Path, file: FileId) {
    let is_meant = |there: fs::Metadata| there.is_file() && FileId::of(&there) == file;
    if fs::symlink_metadata(path).is_ok_and(is_meant) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::{super::remnant::Remnant, *};

    #[test]
    fn a_file_is_removed_if_it_is_the_same() {
        let folder = TempDir::new().unwrap();
        let (path, link) = (folder.path().join("f"), folder.path().join("l"));
        fs::write(&path, "ours").unwrap();
        symlink(&path, &link).unwrap();
        let file = FileId::of(&fs::metadata(&path).unwrap());
        let another = FileId { inode: file.inode + 1, ..file };
        for (file, path) in [(another, path.clone()), (file, link)] {
            Remnant::File { file, path }.remove();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        Remnant::File { file, path: path.clone() }.remove();
        assert!(!path.exists());
    }
}
