//! Keys that EC2 Instance Connect has put onto the nodes, as files that an SSH server reads.
//!
//! Each user's file is one of `authorized_keys`: the server itself lets the keys expire.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A folder with a file for each user, for sshd's `AuthorizedKeysFile FOLDER/%u`.
#[derive(Debug, Clone)]
pub struct PushedKeys {
    folder: PathBuf,
}

impl PushedKeys {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Lets `user` in with a key for the next minute. Both have been checked: they are a name of a
    /// file and one line.
    ///
    /// # Errors
    /// When the user's file cannot be read or replaced.
    pub fn push(&self, user: &str, key: &str, now: SystemTime) -> io::Result<()> {
        let path = self.folder.join(user);
        let before = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let present = stamp(now);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        for line in before.lines().filter(|line| expiry(line).is_some_and(|end| *end > *present)) {
            writeln!(file, "{line}")?;
        }
        writeln!(file, "{OPTION}{}\" {key}", stamp(now + LIFETIME))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // They are public, and the server reads them as the user who logs in.
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&path)?;
        Ok(())
    }
}

/// When the key of a line expires.
fn expiry(line: &str) -> Option<&str> {
    line.strip_prefix(OPTION)?.split('"').next()
}

/// YYYYMMDDHHMMSSZ, as sshd(8) has it; in UTC, and in the order of time.
fn stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string();
    text.chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect()
}

const OPTION: &str = "expiry-time=\"";
/// EC2 Instance Connect's own.
const LIFETIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_added_for_a_minute_and_expired_ones_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let keys = PushedKeys::new(folder.path().to_owned());
        // 2026-11-21 18:30:05 UTC.
        let now = UNIX_EPOCH + Duration::from_secs(1_795_285_805);
        let read = || fs::read_to_string(folder.path().join("jane")).unwrap();
        keys.push("jane", "ssh-ed25519 AAAA one", now).unwrap();
        let first = "expiry-time=\"20261121183105Z\" ssh-ed25519 AAAA one\n";
        assert_eq!(read(), first);
        keys.push("jane", "ssh-ed25519 BBBB two", now + Duration::from_secs(30)).unwrap();
        let second = "expiry-time=\"20261121183135Z\" ssh-ed25519 BBBB two\n";
        assert_eq!(read(), format!("{first}{second}"));
        keys.push("jane", "ssh-ed25519 CCCC three", now + Duration::from_secs(70)).unwrap();
        let third = "expiry-time=\"20261121183215Z\" ssh-ed25519 CCCC three\n";
        assert_eq!(read(), format!("{second}{third}"));
    }
}
