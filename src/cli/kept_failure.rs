//! Why a connection failed, for those who were not shown it: ssh with `ControlPersist` gives its
//! ProxyCommand no standard error.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::failure::Failure;
use crate::wire::foreign_text::one_line;

/// Adds a line to the log that the user names, or else to the usual one if what was said on standard
/// error is nowhere.
pub(super) fn keep(failure: &Failure, is_proxy: bool) {
    let named = env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = named.or_else(|| if is_proxy && is_nowhere() { default_path() } else { None });
    let Some(path) = path.filter(|_| !failure.what.is_empty()) else { return };
    if let Err(error) = append(&path, &line(failure)) {
        tracing::warn!("cannot write {}: {error}", path.display());
    }
}

#[expect(clippy::disallowed_methods, reason = "a log has the time of the day")]
fn line(failure: &Failure) -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    let parts = [Some(&failure.what), failure.why.as_ref(), failure.next.as_ref()];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    format!("{time} {}\n", one_line(&parts.join("; ")))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|now| now.len() >= LONGEST) {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        fs::rename(path, old)?;
    }
    open(path)?.write_all(line.as_bytes())
}

/// For the user alone: node names and accounts are in it.
fn open(path: &Path) -> io::Result<File> {
    let mut folders = fs::DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    if let Some(folder) = path.parent() {
        folders.recursive(true).create(folder)?;
    }
    options.append(true).create(true).open(path)
}

/// Whether standard error is the null device.
#[cfg(unix)]
fn is_nowhere() -> bool {
    let device = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    let ours = rustix::fs::fstat(io::stderr()).map(device);
    ours.is_ok() && ours == rustix::fs::stat("/dev/null").map(device)
}

#[cfg(not(unix))]
fn is_nowhere() -> bool {
    false
}

fn default_path() -> Option<PathBuf> {
    let given = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = given.filter(|path| path.is_absolute());
    let folder = folder.or_else(|| Some(env::home_dir()?.join(".local").join("state")));
    folder.map(|folder| folder.join("ssmport").join("failures.log"))
}

const VARIABLE: &str = "SSMPORT_FAILURE_LOG";
/// In bytes; as much again stays in an older file.
const LONGEST: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Code;

    #[test]
    fn a_failure_is_one_line_of_a_file_that_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/failures.log");
        let failure = Failure::new(Code::Target, "a\nb").because("c\x1b").next("d");
        append(&path, &line(&failure)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("Z a b; c ; d\n"), "{text}");

        fs::write(&path, "x".repeat(LONGEST as usize)).unwrap();
        append(&path, "new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        let old = folder.path().join("state/failures.log.old");
        assert_eq!(fs::metadata(old).unwrap().len(), LONGEST);
    }
}
