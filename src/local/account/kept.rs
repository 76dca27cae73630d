//! A file for what was made up, so that it is the same at the next start.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    AccountError,
    checked::{AccessKeyId, MfaSeed, Name, SecretKey},
    error::parse,
    user::{KeptUser, Secret, User},
};
use crate::{files::LONGEST_BY_HAND, local::account::mfa::Seed};

/// The keys and seeds that were made up, by the users' names. Without a file none are kept.
#[derive(Debug, Default)]
pub struct KeptKeys {
    users: BTreeMap<String, KeptUser>,
    file: Option<KeysFile>,
}

/// Locked until it is closed: whoever else makes up keys reads ours.
#[derive(Debug)]
struct KeysFile {
    path: PathBuf,
    file: File,
    text: Zeroizing<String>,
}

impl KeptKeys {
    /// Reads the file, which is made if there is none.
    ///
    /// # Errors
    /// [`AccountError`]: it cannot be read or written, is open to others, or is none of ours.
    pub fn open(path: &Path) -> Result<Self, AccountError> {
        let file = KeysFile::open(path)
            .map_err(|source| AccountError::Keep { path: path.to_owned(), source })?;
        let read: ReadFile = parse(path, &file.text)?;
        let kept = |table: ReadUser| KeptUser {
            access_key_id: table.access_key_id.map(|id| id.0),
            secret_access_key: table.secret_access_key.map(|key| Secret::new(key.0)),
            mfa_seed: table.mfa_seed.map(|seed| seed.0),
        };
        let users = read.users.into_iter().map(|(Name(name), table)| (name, kept(table)));
        Ok(Self { users: users.collect(), file: Some(file) })
    }

    /// What was made up for a user.
    pub(super) fn of(&self, user: &str) -> KeptUser {
        self.users.get(user).cloned().unwrap_or_default()
    }

    /// Keeps what was made up for these users; what there is of others stays.
    ///
    /// # Errors
    /// [`AccountError`]: it cannot be written, or has given two users one key.
    pub fn keep(&mut self, users: &BTreeMap<String, User>) -> Result<(), AccountError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut seen = BTreeMap::new();
        for (name, user) in users {
            if let Some(other) = seen.insert(user.access_key_id.as_str(), name) {
                let (path, user, other) = (file.path.clone(), name.clone(), other.clone());
                return Err(AccountError::SameKey { path, user, other });
            }
            let kept = user.to_keep();
            if !kept.is_empty() {
                self.users.insert(name.clone(), kept);
            }
        }
        let text = Zeroizing::new(written(&self.users));
        file.write(text).map_err(|source| AccountError::Keep { path: file.path.clone(), source })
    }
}

impl KeptUser {
    fn is_empty(&self) -> bool {
        let Self { access_key_id, secret_access_key, mfa_seed } = self;
        access_key_id.is_none() && secret_access_key.is_none() && mfa_seed.is_none()
    }
}

impl KeysFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        check(&file)?;
        file.lock()?;
        let mut text = Zeroizing::new(String::new());
        (&file).take(LONGEST_BY_HAND).read_to_string(&mut text)?;
        Ok(Self { path: path.to_owned(), file, text })
    }

    /// In its place: whoever waits for it has this file open.
    fn write(&mut self, text: Zeroizing<String>) -> io::Result<()> {
        if text == self.text {
            return Ok(());
        }
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        self.text = text;
        Ok(())
    }
}

/// That it is a file, and its user's alone.
fn check(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        let why = "others have access to it; if it is a file of such keys, chmod 600 it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

fn written(users: &BTreeMap<String, KeptUser>) -> String {
    let of = |kept: &KeptUser| WrittenUser {
        access_key_id: kept.access_key_id.clone(),
        secret_access_key: kept.secret_access_key.as_ref().map(|secret| secret.expose().to_owned()),
        mfa_seed: kept.mfa_seed.as_ref().map(Seed::text),
    };
    let users = users.iter().map(|(name, kept)| (name.clone(), of(kept))).collect();
    // Tables of texts can be written.
    let tables = toml::to_string(&WrittenFile { users }).unwrap_or_default();
    format!("{HEAD}{tables}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    #[serde(default)]
    users: BTreeMap<Name, ReadUser>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadUser {
    access_key_id: Option<AccessKeyId>,
    secret_access_key: Option<SecretKey>,
    mfa_seed: Option<MfaSeed>,
}

#[derive(Serialize)]
struct WrittenFile {
    users: BTreeMap<String, WrittenUser>,
}

#[derive(Serialize)]
struct WrittenUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_seed: Option<String>,
}

const HEAD: &str =
    "# Made up by `ssmport local --account`, for its next starts. Good nowhere else.\n\n";

#[cfg(test)]
mod tests;
