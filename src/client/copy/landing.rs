//! Where a download comes to on this machine.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::client::Error;

/// A place, and what is there until the download is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Landing {
    pub(super) path: PathBuf,
    /// Beside it.
    pub(super) part: PathBuf,
}

impl Landing {
    /// As cp(1) has it: in a folder that is there the source keeps its `name`. One without a name is
    /// what goes into the folder.
    pub(super) fn of(to: &Path, name: Option<&OsStr>, is_in_folder: bool) -> Result<Self, Error> {
        let is_folder = is_in_folder || ends_with_separator(to);
        let mut path = match (to.is_dir(), name) {
            (true, Some(name)) => to.join(name),
            (true, None) => to.to_owned(),
            (false, _) if is_folder => {
                return Err(Error::local(format!("there is no folder {}", to.display()))
                    .next("make it first, or name one that is there"));
            }
            (false, _) => to.to_owned(),
        };
        // What a link leads to is written, and the link stays.
        if path.is_symlink() && path.is_file() {
            path = fs::canonicalize(&path).map_err(|error| unwritable(&path, &error))?;
        }
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            return Err(Error::local(format!("the folder {} is not there", parent.display()))
                .next("make it first"));
        }
        // `.` and `/` have none.
        let name = path.file_name().unwrap_or_default();
        let part = parent.join(part_name(name));
        Ok(Self { path, part })
    }

    /// Fails where a file cannot come.
    pub(super) fn check_for_file(&self) -> Result<(), Error> {
        let Self { path, .. } = self;
        match fs::symlink_metadata(path) {
            Err(_) => Ok(()),
            Ok(there) if there.is_file() => Ok(()),
            Ok(there) if there.is_dir() => {
                let what = format!("{} is a folder, and the source is a file", path.display());
                Err(Error::local(what).next("name a file in it"))
            }
            Ok(_) => {
                let what = format!("{} is neither a file nor a folder", path.display());
                Err(Error::local(what).next("to write to it, use - and a redirection"))
            }
        }
    }

    /// Fails where a folder cannot come.
    pub(super) fn check_for_folder(&self) -> Result<(), Error> {
        if self.path.is_dir() || fs::symlink_metadata(&self.path).is_err() {
            return Ok(());
        }
        let what = format!("{} is a file, and the source is a folder", self.path.display());
        Err(Error::local(what).next("name a folder, or a path where nothing is"))
    }
}

/// What of a name is in that of its part, as far as a file system takes it.
fn part_name(name: &OsStr) -> std::ffi::OsString {
    let mut part = std::ffi::OsString::from(".");
    match name.to_str() {
        Some(name) => part.push(&name[..name.floor_char_boundary(NAME_LEN)]),
        None if name.len() <= NAME_LEN => part.push(name),
        None => part.push(&*name.to_string_lossy().chars().take(NAME_LEN / 4).collect::<String>()),
    }
    part.push(".ssmport-part");
    part
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|byte| std::path::is_separator(char::from(*byte)))
}

/// The error of a file or folder here.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Error {
    let next = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        _ => "name another place, or see to its permissions",
    };
    Error::local(format!("cannot write {}", path.display())).because(error).next(next)
}

/// In bytes; names have 255 at most.
const NAME_LEN: usize = 200;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn places_are_those_of_cp() {
        let folder = TempDir::new().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir(at("there")).unwrap();
        fs::write(at("file"), "").unwrap();
        let name = Some(OsStr::new("name"));
        for (to, name, is_in_folder, place) in [
            ("there", name, false, Ok("there/name")),
            ("there/", name, true, Ok("there/name")),
            ("there", None, false, Ok("there")),
            ("new", name, false, Ok("new")),
            ("file", name, false, Ok("file")),
            ("new/", name, false, Err("there is no folder")),
            ("new", name, true, Err("there is no folder")),
            ("new/new", name, false, Err("is not there")),
        ] {
            let landing = Landing::of(&at(to), name, is_in_folder);
            match (landing, place) {
                (Ok(landing), Ok(place)) => assert_eq!(landing.path, at(place), "{to}"),
                (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
                (landing, _) => panic!("{to}: {landing:?}"),
            }
        }
        assert_eq!(Landing::of(&at("new"), name, false).unwrap().part, at(".new.ssmport-part"));
    }

    #[test]
    fn a_part_has_a_name_that_file_systems_take() {
        assert_eq!(part_name(OsStr::new(&"\u{e9}".repeat(127))).len(), 1 + NAME_LEN + 13);
        assert_eq!(part_name(OsStr::new("a")), ".a.ssmport-part");
    }
}
