//! Folders that hold what nobody else may have.

use std::{fs, io, path::Path};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, fstat, open, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::patience::within_a_second;

/// Removes a folder of this user's, and the files in it. Folders in it stay, and it with them.
pub(super) fn remove(path: &Path) {
    // A program that was started to write into it may outlive its parent by a moment.
    within_a_second(|| empty(path).is_err() || fs::remove_dir(path).is_ok());
}

/// Removes the files of the folder itself, whatever its name should lead to meanwhile.
fn empty(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(path, flags, Mode::empty())?;
    if fstat(&folder)?.st_uid != geteuid().as_raw() {
        return Err(Errno::PERM.into());
    }
    for entry in Dir::read_from(&folder)? {
        // Folders, itself among them, are refused.
        let _ = unlinkat(&folder, entry?.file_name(), AtFlags::empty());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::{super::remnant::Remnant, *};

    #[test]
    fn a_folder_and_its_files_are_removed_and_what_they_lead_to_stays() {
        let outer = TempDir::new().unwrap();
        let (ours, others) = (outer.path().join("ours"), outer.path().join("others"));
        fs::create_dir(&ours).unwrap();
        fs::write(ours.join("key"), "secret").unwrap();
        fs::write(&others, "precious").unwrap();
        symlink(&others, ours.join("link")).unwrap();
        Remnant::Folder(ours.clone()).remove();
        assert!(!ours.exists());
        assert!(others.exists());
        // Announced, and never made.
        Remnant::Folder(ours).remove();
    }

    #[test]
    fn a_link_to_a_folder_and_a_folder_in_it_stay() {
        let outer = TempDir::new().unwrap();
        let (folder, link) = (outer.path().join("folder"), outer.path().join("link"));
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("file"), "precious").unwrap();
        symlink(&folder, &link).unwrap();
        Remnant::Folder(link.clone()).remove();
        assert!(folder.join("file").exists() && link.is_symlink());
        Remnant::Folder(folder.clone()).remove();
        assert!(folder.join("inner").exists() && !folder.join("file").exists());
    }
}
