//! The nodes that the endpoint pretends to have.

/// A managed node, as DescribeInstanceInformation shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `i-` or `mi-` and 17 hexadecimal digits.
    pub id: String,
    /// Computer name and Name tag in one.
    pub name: String,
    /// Four numbers with dots, for example `3.3.0.0`.
    pub agent_version: String,
    /// The distribution, for example `Amazon Linux`.
    pub platform_name: String,
    /// The distribution's version, for example `2023`.
    pub platform_version: String,
    /// The address that the node has, in its usual text form.
    pub ip: String,
}

impl Node {
    /// What AWS calls the node: one of EC2, or a machine of the user's own (`mi-`).
    pub fn resource_type(&self) -> &'static str {
        if self.id.starts_with("mi-") { "ManagedInstance" } else { "EC2Instance" }
    }

    /// The node's value under a filter key of DescribeInstanceInformation. A key that AWS knows
    /// and no node here has anything for gives the empty text, which no filter value can be.
    ///
    /// None means that there is no such key.
    pub(super) fn filter_value(&self, key: &str) -> Option<&str> {
        Some(match key {
            "InstanceIds" => &self.id,
            "AgentVersion" => &self.agent_version,
            "PingStatus" => PING_STATUS,
            "PlatformTypes" => PLATFORM_TYPE,
            "ResourceType" => self.resource_type(),
            "tag:Name" => &self.name,
            "tag-key" => "Name",
            "ActivationIds" | "IamRole" | "AssociationStatus" => "",
            _ if key.starts_with("tag:") => "",
            _ => return None,
        })
    }
}

/// Every node's agent is this very process.
pub(super) const PING_STATUS: &str = "Online";

/// The kind of system that every node claims to be.
pub(super) const PLATFORM_TYPE: &str = "Linux";
