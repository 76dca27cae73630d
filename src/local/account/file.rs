//! The account file: TOML, in which every key must be one that is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;
use toml::Spanned;

use super::user::{Keys, User};
use crate::{
    local::{
        node::{Node, PingStatus},
        token::Mint,
    },
    wire::Version,
};

/// What the file says, checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFile {
    #[serde(default)]
    pub id: AccountId,
    #[serde(default)]
    users: BTreeMap<Name, UserEntry>,
    #[serde(default)]
    nodes: BTreeMap<NodeId, NodeEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    access_key_id: Option<Spanned<AccessKeyId>>,
    secret_access_key: Option<SecretKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeEntry {
    name: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    ip: Option<String>,
    private_dns: Option<String>,
    platform_name: Option<String>,
    platform_version: Option<String>,
    agent_version: Option<AgentVersion>,
    #[serde(default)]
    ping_status: PingStatus,
    ec2: Option<bool>,
}

impl AccountFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AccountError`], with the line where there is one.
    pub fn load(path: &Path) -> Result<Self, AccountError> {
        let text = fs::read_to_string(path)
            .map_err(|source| AccountError::Read { path: path.to_owned(), source })?;
        let source = Source { path, text: &text };
        let file: Self = source.parse()?;
        file.check_keys(&source)?;
        Ok(file)
    }

    /// Two users with one access key could not be told apart.
    fn check_keys(&self, source: &Source<'_>) -> Result<(), AccountError> {
        let mut seen = BTreeSet::new();
        for id in self.users.values().filter_map(|user| user.access_key_id.as_ref()) {
            if !seen.insert(&id.get_ref().0) {
                let problem = "another user has this access key".to_owned();
                return Err(source.error(Some(id.span().start), problem));
            }
        }
        Ok(())
    }

    /// Its users, with keys made up where it has none.
    pub fn users(&self, mint: &mut Mint) -> BTreeMap<String, User> {
        let users = self.users.iter().map(|(Name(name), entry)| {
            let given = Keys {
                access_key_id: entry.access_key_id.as_ref().map(|id| id.get_ref().0.clone()),
                secret_access_key: entry.secret_access_key.as_ref().map(|key| key.0.clone()),
            };
            (name.clone(), User::new(name, &self.id.0, given, mint))
        });
        users.collect()
    }

    /// Its nodes; what it does not say of them is as `template` has it.
    pub fn nodes(&self, template: &Node) -> Vec<Node> {
        let or = |given: &Option<String>, ours: &String| given.as_ref().unwrap_or(ours).clone();
        let node = |(NodeId(id), entry): (&NodeId, &NodeEntry)| {
            let mut tags = entry.tags.clone();
            // As on a machine, the tag and the name may differ; here they are one.
            let tag = tags.remove("Name");
            let version = entry.agent_version.as_ref().map(|version| version.0.clone());
            Node {
                id: id.clone(),
                name: entry.name.clone().or(tag).unwrap_or_else(|| id.clone()),
                tags,
                agent_version: or(&version, &template.agent_version),
                platform_name: or(&entry.platform_name, &template.platform_name),
                platform_version: or(&entry.platform_version, &template.platform_version),
                ip: or(&entry.ip, &template.ip),
                private_dns: entry.private_dns.clone(),
                ping_status: entry.ping_status,
                ec2: entry.ec2.unwrap_or_else(|| id.starts_with("i-")),
            }
        };
        self.nodes.iter().map(node).collect()
    }
}

/// Why an account file cannot be used.
#[derive(Debug, Error)]
pub enum AccountError {
    /// It, or a file that it names, cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not the TOML that is expected.
    #[error("{}{}: {problem}", path.display(), Place(*line, key.as_deref()))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: Option<usize>,
        /// What stands at the line's beginning: a key, or a table's name.
        key: Option<String>,
        /// What is wrong; never a secret of the file.
        problem: String,
    },
    /// The system has no random bytes for the keys.
    #[error("{0}")]
    NoRandom(io::Error),
}

/// Behind the file's name.
struct Place<'a>(Option<usize>, Option<&'a str>);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.0 {
            write!(f, ":{line}")?;
        }
        match self.1 {
            Some(key) => write!(f, ": {key}"),
            None => Ok(()),
        }
    }
}

/// A file's text, for the lines in errors.
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, AccountError> {
        toml::from_str(self.text).map_err(|error| {
            self.error(error.span().map(|span| span.start), error.message().to_owned())
        })
    }

    /// An error at a place of the text.
    pub fn error(&self, at: Option<usize>, problem: String) -> AccountError {
        let before = at.and_then(|at| self.text.get(..at));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let text = line.and_then(|line| self.text.lines().nth(line - 1));
        // The value behind it may be a secret.
        let key = text.and_then(|text| text.split('=').next()).map(|key| key.trim().to_owned());
        AccountError::Invalid { path: self.path.to_owned(), line, key, problem }
    }
}

/// Texts that are checked as they are read, so that an error knows its line.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:expr, $problem:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub String);

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err($problem) }
            }
        }
    };
}

checked!(
    /// Twelve digits.
    AccountId,
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()),
    "an account's id has twelve digits"
);

impl Default for AccountId {
    fn default() -> Self {
        Self("000000000000".to_owned())
    }
}

checked!(
    /// A user's or a role's.
    Name,
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)),
    "a name has 1 to 64 letters, digits and _+=,.@-"
);

checked!(
    /// Public.
    AccessKeyId,
    |text| (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
    "an access key's id has 16 to 128 letters and digits"
);

checked!(
    NodeId,
    |text| {
        let digits = text.strip_prefix("i-").or_else(|| text.strip_prefix("mi-"));
        digits.is_some_and(|digits| {
            matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
    },
    "a node's id is i- or mi- and 17 (or 8) hexadecimal digits"
);

checked!(
    AgentVersion,
    |text| Version::parse(text).is_some(),
    "a version has four numbers, such as 3.3.3050.0"
);

/// Nobody but its user sees it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct SecretKey(String);

impl TryFrom<String> for SecretKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("a secret must not be empty") } else { Ok(Self(text)) }
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests;
