//! The account file: TOML, in which every key must be one that is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    checked::{
        AccessKeyId, AccountId, AgentVersion, BootTime, ClusterName, Containers, HOUR, MfaSeed,
        Name, NodeId, RegionName, RoleDuration, SecretKey, TaskId,
    },
    error::{AccountError, invalid, parse},
    kept::KeptKeys,
    role::{Role, RoleEntry},
    user::{User, UserEntry},
};
use crate::{
    files::{self, LONGEST_BY_HAND},
    local::{
        node::{Node, PingStatus, Power},
        policy::{Policy, PolicyError, TrustPolicy},
        task::Task,
        token::Mint,
    },
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
    #[serde(default)]
    state: Power,
    boot: Option<BootTime>,
    region: Option<RegionName>,
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
        let content = parse(&path, &text)?;
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

    /// Its users, with the keys that were kept where it has none, and made up where there are none.
    ///
    /// # Errors
    /// When a policy cannot be read, or means nothing.
    pub fn users(
        &self,
        kept: &KeptKeys,
        mint: &mut Mint,
    ) -> Result<BTreeMap<String, User>, AccountError> {
        let mut users = BTreeMap::new();
        for (Name(name), table) in &self.content.users {
            let entry = UserEntry {
                access_key_id: table.access_key_id.as_ref().map(|id| id.get_ref().0.clone()),
                secret_access_key: table.secret_access_key.as_ref().map(|key| key.0.clone()),
                mfa_serial: table.mfa_serial.clone(),
                mfa_seed: table.mfa_seed.as_ref().map(|seed| seed.0.clone()),
                tags: table.tags.clone(),
                policies: self.policies(&table.policies)?,
                kept: kept.of(name),
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
            let node = Node {
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
                power: Power::Running,
                boot: entry.boot.as_ref().map_or(BOOT, |boot| boot.0),
                region: entry.region.as_ref().map(|region| region.0.clone()),
            };
            match entry.state {
                Power::Stopped => node.stopped(),
                _ => node,
            }
        };
        self.content.nodes.iter().map(node).collect()
    }
}

/// Of a machine whose own is not given.
const BOOT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
