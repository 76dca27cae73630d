//! Temporary credentials in `~/.aws/cli/cache`, where the AWS CLI keeps those of roles.
//!
//! An entry is the answer of STS as JSON. botocore, on which the AWS CLI is built, names it by the
//! request that it answers; what stands there for us is read by the AWS CLI, and the other way
//! round. Nothing here is an error: without the cache a call or a code more is needed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};
use data_encoding::HEXLOWER;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::{
    expiration,
    sts::{AssumedRole, Issued, RoleRequest},
};

/// The folder. Without a home directory there is none, and nothing is ever found.
#[derive(Debug, Default)]
pub(super) struct CredentialCache {
    folder: Option<PathBuf>,
    /// What was said last, since an entry is looked at several times.
    noted: Mutex<String>,
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(String);

/// While it lives, other processes wait for theirs.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "unlocked as it is closed")] File);

impl CredentialCache {
    /// The user's own.
    pub(super) fn of_home() -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let folder = home.map(|home| home.join(".aws").join("cli").join("cache"));
        Self { folder, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), ..Self::default() }
    }

    /// The entry, if it holds for longer than `window` from `now` on.
    pub(super) fn find(&self, key: &Key, window: Duration, now: SystemTime) -> Option<Issued> {
        let path = self.folder.as_ref()?.join(format!("{}.json", key.0));
        match read(&path) {
            Ok(issued) if issued.expiration > now + window => Some(issued),
            Ok(_) => self.note(format!("{}: has expired, or is about to", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => self.note(format!("{}: not used: {error}", path.display())),
        }
    }

    fn note(&self, why: String) -> Option<Issued> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if *noted != why {
            tracing::debug!("{why}");
            *noted = why;
        }
        None
    }

    /// Keeps an entry, for its owner's eyes only. Others see the old one or the new one, whole.
    pub(super) fn keep(&self, key: &Key, issued: &Issued) {
        let Some(folder) = &self.folder else { return };
        let path = folder.join(format!("{}.json", key.0));
        if let Err(error) = write(folder, &path, issued) {
            tracing::debug!("{}: not written: {error}", path.display());
        }
    }

    /// Waits for the turn of this process; `None` where the folder cannot be written to. `on_wait`
    /// is called when others are before us.
    pub(super) async fn lock(&self, key: &Key, on_wait: impl FnOnce()) -> Option<Lock> {
        let folder = self.folder.as_ref()?;
        let path = folder.join(format!("{}.lock", key.0));
        let file = create_folder(folder).and_then(|()| open_lock(&path));
        let file = file.inspect_err(|error| tracing::debug!("{}: {error}", path.display())).ok()?;
        match file.try_lock() {
            Ok(()) => return Some(Lock(file)),
            Err(fs::TryLockError::WouldBlock) => on_wait(),
            Err(fs::TryLockError::Error(error)) => {
                tracing::debug!("{}: not locked: {error}", path.display());
                return None;
            }
        }
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| Lock(file)));
        // Whoever sits at a question that nobody answers does not hold up others for ever.
        tokio::time::timeout(TURN, locked).await.ok()?.ok()?.ok()
    }
}

impl Key {
    /// That of the AWS CLI: the digest of the request, its members sorted, in the way in which
    /// Python writes JSON. The role session's name is among them only if the profile gives one.
    pub(super) fn of_role(role: &RoleRequest, serial: Option<&str>) -> Self {
        let mut members = Vec::new();
        if let Some(duration) = role.duration {
            members.push(format!("\"DurationSeconds\": {}", duration.as_secs()));
        }
        for (name, value) in [
            ("ExternalId", role.external_id.as_deref()),
            ("RoleArn", Some(role.arn.as_str())),
            ("RoleSessionName", role.session_name.as_deref()),
            ("SerialNumber", serial),
        ] {
            if let Some(value) = value {
                members.push(format!("\"{name}\": {}", ascii_json(value)));
            }
        }
        Self(sha1(&format!("{{{}}}", members.join(", "))))
    }

    /// That of a user's session, which the AWS CLI knows nothing of.
    pub(super) fn of_session(access_key_id: &str) -> Self {
        Self(format!("ssmport-{}", sha1(access_key_id)))
    }
}

fn sha1(text: &str) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

/// A JSON string in which all but printable ASCII is escaped, in units of UTF-16.
fn ascii_json(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap_or_default();
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c <= '~' {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            ascii.push_str(&format!("\\u{unit:04x}"));
        }
    }
    ascii
}

/// An entry's content; what else is in it means nothing to us.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    credentials: EntryCredentials,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed_role_user: Option<EntryRole>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryRole {
    assumed_role_id: String,
    arn: String,
}

fn read(path: &Path) -> io::Result<Issued> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    // Whatever else stands there might never come to its end.
    if !fs::metadata(path)?.is_file() {
        return Err(invalid("not a file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_ENTRY).read_to_end(&mut text)?;
    // The error's place is told, not what stands there.
    let entry: Entry = serde_json::from_slice(&text)
        .map_err(|error| invalid(&format!("no entry, at column {}", error.column())))?;
    let EntryCredentials { access_key_id, secret_access_key, session_token, expiration, .. } =
        entry.credentials;
    let expiration =
        expiration::parse(&expiration).ok_or_else(|| invalid("its expiration is no date"))?;
    let assumed_role =
        entry.assumed_role_user.map(|role| AssumedRole { id: role.assumed_role_id, arn: role.arn });
    Ok(Issued { access_key_id, secret_access_key, session_token, expiration, assumed_role })
}

fn write(folder: &Path, path: &Path, issued: &Issued) -> io::Result<()> {
    let entry = Entry {
        credentials: EntryCredentials {
            access_key_id: issued.access_key_id.clone(),
            secret_access_key: issued.secret_access_key.clone(),
            session_token: issued.session_token.clone(),
            expiration: format_time(issued.expiration)?,
            account_id: issued.account_id().map(str::to_owned),
        },
        assumed_role_user: issued
            .assumed_role
            .clone()
            .map(|role| EntryRole { assumed_role_id: role.id, arn: role.arn }),
    };
    create_folder(folder)?;
    // Readable by nobody else from the start.
    let mut file = tempfile::Builder::new().suffix(".tmp").tempfile_in(folder)?;
    file.write_all(&serde_json::to_vec(&entry)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn format_time(time: SystemTime) -> io::Result<String> {
    let time =
        DateTime::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64);
    let text = time.fmt(DateTimeFormat::DateTime).map_err(io::Error::other)?;
    Ok(text.replace('Z', "UTC"))
}

/// Those of the AWS CLI have about two KiB.
const LARGEST_ENTRY: u64 = 64 * 1024;
/// As long as a program may take to give a code.
const TURN: std::time::Duration = std::time::Duration::from_secs(60);

#[cfg(test)]
mod tests;
