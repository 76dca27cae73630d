//! The account file: TOML, in which every key must be one that is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    mfa::Seed,
    role::{Role, RoleEntry},
    user::{User, UserEntry},
};
use crate::{
    files::{self, LONGEST_BY_HAND},
    local::{
        node::{Node, PingStatus},
        policy::{Policy, PolicyError, TrustPolicy},
        task::Task,
        token::Mint,
    },
    wire::Version,
};

/// An account file, and what it says.
pub struct AccountFile {
    path: PathBuf,
    text: Zeroizing<String>,
    content: Content,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    id: AccountId,
    #[serde(default)]
    users: BTreeMap<Name, UserTable>,
    #[serde(default)]
    roles: BTreeMap<Name, RoleTable>,
    #[serde(default)]
    nodes: BTreeMap<NodeId, NodeTable>,
    #[serde(default)]
    tasks: Vec<TaskTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    access_key_id: Option<Spanned<AccessKeyId>>,
    secret_access_key: Option<SecretKey>,
    mfa_serial: Option<String>,
    mfa_seed: Option<MfaSeed>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    policies: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    trust: Spanned<String>,
    #[serde(default)]
    policies: Vec<Spanned<String>>,
    max_session_duration: Option<RoleDuration>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeTable {
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskTable {
    cluster: ClusterName,
    service: Option<ClusterName>,
    id: Option<TaskId>,
    containers: Containers,
    execute_command: Option<bool>,
}

impl AccountFile {
    /// Reads a file; those that it names are read with their users and roles.
    ///
    /// # Errors
    /// [`AccountError`], with the line where there is one.
    pub fn load(path: &Path) -> Result<Self, AccountError> {
        let text = files::read_text(path, LONGEST_BY_HAND)
            .map_err(|source| AccountError::Read { path: path.to_owned(), source })?;
        Self::read(path, text)
    }

    pub(super) fn read(path: &Path, text: String) -> Result<Self, AccountError> {
        let (path, text) = (path.to_owned(), Zeroizing::new(text));
        let content: Content = toml::from_str(&text).map_err(|error| {
            let at = error.span().map(|span| span.start);
            // The value that is of the wrong type may be a secret.
            let message = error.message();
            let problem = match message.split_once(", expected ") {
                Some((begin, expected)) if begin.starts_with("invalid type") => {
                    format!("expected {expected}")
                }
                _ => message.to_owned(),
            };
            invalid(&path, &text, at, problem)
        })?;
        let file = Self { path, text, content };
        file.check_keys()?;
        Ok(file)
    }

    /// Two users with one access key could not be told apart.
    fn check_keys(&self) -> Result<(), AccountError> {
        let mut seen = BTreeSet::new();
        for id in self.content.users.values().filter_map(|user| user.access_key_id.as_ref()) {
            if !seen.insert(&id.get_ref().0) {
                return Err(self.invalid(id, "another user has this access key".to_owned()));
            }
        }
        Ok(())
    }

    /// Twelve digits.
    pub fn id(&self) -> &str {
        &self.content.id.0
    }

    /// Its users, with keys made up where it has none.
    ///
    /// # Errors
    /// When a policy cannot be read, or means nothing.
    pub fn users(&self, mint: &mut Mint) -> Result<BTreeMap<String, User>, AccountError> {
        let mut users = BTreeMap::new();
        for (Name(name), table) in &self.content.users {
            let entry = UserEntry {
                access_key_id: table.access_key_id.as_ref().map(|id| id.get_ref().0.clone()),
                secret_access_key: table.secret_access_key.as_ref().map(|key| key.0.clone()),
                mfa_serial: table.mfa_serial.clone(),
                mfa_seed: table.mfa_seed.as_ref().map(|seed| seed.0.clone()),
                tags: table.tags.clone(),
                policies: self.policies(&table.policies)?,
            };
            users.insert(name.clone(), User::new(name, self.id(), entry, mint));
        }
        Ok(users)
    }

    /// Its roles.
    ///
    /// # Errors
    /// When a policy cannot be read, or means nothing.
    pub fn roles(&self, mint: &mut Mint) -> Result<BTreeMap<String, Role>, AccountError> {
        let mut roles = BTreeMap::new();
        for (Name(name), table) in &self.content.roles {
            let longest = table.max_session_duration.as_ref().map_or(HOUR, |duration| duration.0);
            let entry = RoleEntry {
                trust: self.document(&table.trust, TrustPolicy::read)?,
                longest: Duration::from_secs(longest),
                tags: table.tags.clone(),
                policies: self.policies(&table.policies)?,
            };
            roles.insert(name.clone(), Role::new(name, self.id(), entry, mint));
        }
        Ok(roles)
    }

    /// Its tasks of ECS, with ids made up where it has none.
    pub fn tasks(&self, mint: &mut Mint) -> Vec<Task> {
        let tasks = self.content.tasks.iter().map(|table| {
            let id = table.id.as_ref().map_or_else(|| mint.task_id(), |id| id.0.clone());
            let names = table.containers.0.iter().map(|name| name.0.clone());
            let service = table.service.as_ref().map(|name| name.0.clone());
            let takes_commands = table.execute_command.unwrap_or(true);
            Task::new(table.cluster.0.clone(), service, id, names, takes_commands)
        });
        tasks.collect()
    }

    fn policies(&self, names: &[Spanned<String>]) -> Result<Vec<Policy>, AccountError> {
        names.iter().map(|name| self.document(name, Policy::read)).collect()
    }

    /// Reads a document that lies beside the file.
    fn document<T>(
        &self,
        name: &Spanned<String>,
        read: fn(&str, &str) -> Result<T, PolicyError>,
    ) -> Result<T, AccountError> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(name.get_ref());
        let json = files::read_text(&path, LONGEST_BY_HAND)
            .map_err(|error| self.invalid(name, format!("{}: {error}", path.display())))?;
        read(name.get_ref(), &json).map_err(|error| self.invalid(name, error.to_string()))
    }

    fn invalid<T>(&self, place: &Spanned<T>, problem: String) -> AccountError {
        invalid(&self.path, &self.text, Some(place.span().start), problem)
    }

    /// Its nodes; what it does not say of them is as `template` has it.
    pub fn nodes(&self, template: &Node) -> Vec<Node> {
        let or = |given: &Option<String>, ours: &String| given.as_ref().unwrap_or(ours).clone();
        let node = |(NodeId(id), entry): (&NodeId, &NodeTable)| {
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
        self.content.nodes.iter().map(node).collect()
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

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.0 {
            write!(f, ":{line}")?;
        }
        match self.1 {
            Some(key) => write!(f, ": {key}"),
            None => Ok(()),
        }
    }
}

/// An error at a place of the text.
fn invalid(path: &Path, text: &str, at: Option<usize>, problem: String) -> AccountError {
    let line = at.and_then(|at| text.get(..at)).map(|before| before.matches('\n').count() + 1);
    let content = line.and_then(|line| text.lines().nth(line - 1));
    // The value behind it may be a secret.
    let is_end = |c: char| matches!(c, '=' | ':') || c.is_whitespace();
    let key = content.map(str::trim).map(|text| match text.starts_with('[') {
        true => text,
        false => text.split(is_end).next().unwrap_or_default(),
    });
    let key = key.map(str::to_owned);
    AccountError::Invalid { path: path.to_owned(), line, key, problem }
}

/// Texts that are checked as they are read, so that an error knows its line.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:expr, $problem:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        struct $name(String);

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
    /// A cluster's, a service's or a container's.
    ClusterName,
    |text| (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)),
    "a name of ECS has 1 to 255 letters, digits, hyphens and underscores"
);

checked!(
    TaskId,
    |text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()),
    "a task's id has 32 hexadecimal digits"
);

/// At least one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<ClusterName>")]
struct Containers(Vec<ClusterName>);

impl TryFrom<Vec<ClusterName>> for Containers {
    type Error = &'static str;

    fn try_from(names: Vec<ClusterName>) -> Result<Self, Self::Error> {
        if names.is_empty() { Err("a task has at least one container") } else { Ok(Self(names)) }
    }
}

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

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct MfaSeed(Seed);

impl TryFrom<String> for MfaSeed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seed = Seed::read(&text).ok().filter(|seed| !seed.is_empty());
        seed.map(Self).ok_or("a seed is base32: the letters A to Z and the digits 2 to 7")
    }
}

/// In seconds.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u64")]
struct RoleDuration(u64);

impl TryFrom<u64> for RoleDuration {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        let fits = (HOUR..=12 * HOUR).contains(&seconds);
        fits.then_some(Self(seconds)).ok_or("a role's keys are good for 3600 to 43200 seconds")
    }
}

const HOUR: u64 = 3600;

#[cfg(test)]
mod tests;
