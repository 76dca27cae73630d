//! The nodes that the endpoint pretends to have.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

/// A managed node, as DescribeInstanceInformation shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `i-` or `mi-` and 17 (or 8) hexadecimal digits.
    pub id: String,
    /// Computer name and Name tag in one.
    pub name: String,
    /// Its other tags.
    pub tags: BTreeMap<String, String>,
    /// Four numbers with dots, for example `3.3.0.0`.
    pub agent_version: String,
    /// The distribution, for example `Amazon Linux`.
    pub platform_name: String,
    /// The distribution's version, for example `2023`.
    pub platform_version: String,
    /// The address that the node has, in its usual text form.
    pub ip: String,
    /// Its name in the private network, if it has one.
    pub private_dns: Option<String>,
    /// Whether its agent is there.
    pub ping_status: PingStatus,
    /// Whether EC2 knows it too.
    pub ec2: bool,
    /// Whether EC2 has it running. The agent of one that does not is not there.
    pub power: Power,
    /// How long its agent takes to be there once it is started.
    pub boot: Duration,
    /// The region that it is in; none for all of them.
    pub region: Option<String>,
}

/// Whether a machine runs, in EC2's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// It runs.
    #[default]
    Running,
    /// It does not.
    Stopped,
    /// It begins to run.
    #[serde(skip)]
    Pending,
}

impl Power {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Pending => "pending",
        }
    }

    /// The number that goes with it.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::Stopped => 80,
        }
    }
}

/// What the service last heard of a node's agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum PingStatus {
    /// It is there.
    #[default]
    Online,
    /// It was there.
    ConnectionLost,
    /// It has not been there for long.
    Inactive,
}

impl PingStatus {
    /// As AWS writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "Online",
            Self::ConnectionLost => "ConnectionLost",
            Self::Inactive => "Inactive",
        }
    }
}

impl Node {
    /// Whether a text can be the id of a node that Systems Manager knows.
    pub fn is_id(text: &str) -> bool {
        let digits = text.strip_prefix("i-").or_else(|| text.strip_prefix("mi-"));
        digits.is_some_and(|digits| {
            matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
    }

    /// Whether sessions can be started on what is called so: a node, or a container of ECS.
    pub fn is_target(text: &str) -> bool {
        Self::is_id(text) || text.strip_prefix("ecs:").is_some_and(|name| !name.is_empty())
    }

    /// Another node like this one.
    pub fn called(&self, id: String) -> Self {
        Self { ec2: id.starts_with("i-"), id, ..self.clone() }
    }

    /// What AWS calls the node: one of EC2, or a machine of the user's own (`mi-`).
    pub fn resource_type(&self) -> &'static str {
        if self.id.starts_with("mi-") { "ManagedInstance" } else { "EC2Instance" }
    }

    /// Whether sessions can be started on it.
    pub fn is_connected(&self) -> bool {
        self.ping_status == PingStatus::Online
    }

    /// The same machine, stopped.
    #[must_use]
    pub fn stopped(self) -> Self {
        Self { power: Power::Stopped, ping_status: PingStatus::ConnectionLost, ..self }
    }

    /// Whether a caller finds it in `region`.
    pub(super) fn is_in(&self, region: &str) -> bool {
        self.region.as_deref().is_none_or(|own| own == region)
    }

    /// All tags, Name among them.
    pub fn all_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        [("Name", self.name.as_str())].into_iter().chain(others)
    }

    /// The node's values under a filter key of DescribeInstanceInformation; none where AWS knows
    /// the key and the node has nothing for it.
    ///
    /// None means that there is no such key.
    pub(super) fn filter_values(&self, key: &str) -> Option<Vec<&str>> {
        Some(match key {
            "InstanceIds" => vec![&self.id],
            "AgentVersion" => vec![&self.agent_version],
            "PingStatus" => vec![self.ping_status.name()],
            "PlatformTypes" => vec![PLATFORM_TYPE],
            "ResourceType" => vec![self.resource_type()],
            "tag-key" => self.all_tags().map(|(key, _)| key).collect(),
            "ActivationIds" | "IamRole" | "AssociationStatus" => Vec::new(),
            _ => {
                let name = key.strip_prefix("tag:")?;
                self.all_tags().filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
            }
        })
    }
}

/// The kind of system that every node claims to be.
pub(super) const PLATFORM_TYPE: &str = "Linux";
