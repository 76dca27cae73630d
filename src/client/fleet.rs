//! The nodes of an account, by what SSM and EC2 know of them.

use std::{collections::HashMap, fmt, time::Duration};

use serde::Serialize;
use tokio::{join, time::timeout};

use super::{Guide, error::Error, node_filter::NodeFilter};
use crate::aws::{Account, AwsError, Instance, ManagedNode};

/// A node as it is listed and chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListedNode {
    /// What it is called: its tag Name, or what it calls itself.
    pub name: Option<String>,
    /// As sessions know it.
    pub id: String,
    /// Its operating system.
    pub platform: String,
    /// The version of its agent.
    pub agent_version: String,
    /// What Session Manager says of its connection: `Online`, `ConnectionLost`, `Inactive`.
    pub ping_status: String,
    /// When it was last heard of, in seconds since 1970.
    pub last_ping: Option<i64>,
    /// Its private address.
    pub address: Option<String>,
    /// The name that the machine has itself.
    pub computer_name: Option<String>,
    /// Whether EC2 has it running, in its words: `running`, `stopped` and so on.
    pub instance_state: Option<String>,
    /// As far as EC2 tells them.
    #[serde(skip)]
    pub tags: Vec<(String, String)>,
}

impl ListedNode {
    fn new(node: ManagedNode, instance: Option<&Instance>) -> Self {
        let name = instance.and_then(Instance::name).map(str::to_owned);
        Self {
            name: name.or(node.name),
            id: node.id,
            platform: node.platform,
            agent_version: node.agent_version,
            ping_status: node.ping_status,
            last_ping: node.last_ping,
            address: node.address,
            computer_name: node.computer_name,
            instance_state: instance.map(|instance| instance.state.clone()),
            tags: instance.map(|instance| instance.tags.clone()).unwrap_or_default(),
        }
    }

    /// Whether a session can be started on it.
    pub fn is_online(&self) -> bool {
        self.ping_status == "Online"
    }
}

impl fmt::Display for ListedNode {
    /// In one line, to be chosen from: parts with two blanks between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().or(self.computer_name.as_deref()).unwrap_or("-");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let address = self.address.as_deref().unwrap_or("-");
        write!(f, "{name:<20}  {:<19}  {address:<15}  {}", self.id, self.platform)?;
        if self.is_online() { Ok(()) } else { write!(f, "  {}", self.ping_status) }
    }
}

/// The nodes of which each filter of SSM's holds, in the order of their names. Those of EC2 have
/// theirs from there; where EC2 does not tell they stay nameless, which `guide` is told.
pub(crate) async fn nodes(
    account: &Account,
    filters: &[(&str, &[&str])],
    guide: &dyn Guide,
) -> Result<Vec<ListedNode>, Error> {
    // Their source may ask its user, who may take longer than EC2 is given.
    account.keys().await?;
    let counted = guide.counting();
    let (nodes, instances) = join!(account.nodes(filters, &counted), instances(account, &[]));
    drop(counted);
    let nodes = nodes?;
    let instances = instances.unwrap_or_else(|why| {
        guide.note(&format!("Names of instances are not shown: {why}"));
        Vec::new()
    });
    let nodes = joined(nodes, &instances);
    guide.nodes_seen(account.region(), &nodes);
    Ok(nodes)
}

/// The nodes of which all filters hold, patterns among them; those alone that are connected, if that is
/// wanted.
pub(crate) async fn matching(
    account: &Account,
    wanted: &[NodeFilter],
    are_online: bool,
    guide: &dyn Guide,
) -> Result<Vec<ListedNode>, Error> {
    let of_ssm: Vec<_> = wanted.iter().filter_map(NodeFilter::of_ssm).collect();
    let of_ssm: Vec<_> = of_ssm.iter().map(|(key, value)| (&**key, [*value])).collect();
    let mut filters: Vec<(&str, &[&str])> =
        of_ssm.iter().map(|(key, values)| (*key, &values[..])).collect();
    // Tags and other filters do not go together.
    if are_online && filters.is_empty() {
        filters.push(("PingStatus", &["Online"]));
    }
    let mut nodes = nodes(account, &filters, guide).await?;
    // The rest are patterns.
    nodes.retain(|node| {
        let holds = |filter: &NodeFilter| filter.of_ssm().is_some() || filter.matches(node);
        (!are_online || node.is_online()) && wanted.iter().all(holds)
    });
    Ok(nodes)
}

/// The nodes with one of these in the tag Name, as far as SSM tells.
pub(crate) async fn named(
    account: &Account,
    names: &[&str],
    guide: &dyn Guide,
) -> Result<Vec<ListedNode>, Error> {
    account.keys().await?;
    let filter = [("tag:Name", names)];
    let (nodes, known) = join!(account.nodes(&filter, |_| ()), instances(account, &filter));
    let nodes = joined(nodes?, &known.unwrap_or_default());
    guide.nodes_seen(account.region(), &nodes);
    Ok(nodes)
}

/// What EC2 tells of instances, soon: in a private network it may be out of reach, and can be done
/// without.
pub(crate) async fn instances(
    account: &Account,
    filters: &[(&str, &[&str])],
) -> Result<Vec<Instance>, NotTold> {
    match timeout(EC2_PATIENCE, account.instances(filters)).await {
        Ok(told) => Ok(told?),
        Err(_) => Err(NotTold::Silent),
    }
}

/// Why nothing is known of instances.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTold {
    #[error(transparent)]
    Refused(#[from] AwsError),
    #[error("EC2 does not answer within {} s", EC2_PATIENCE.as_secs())]
    Silent,
}

/// Nodes with what EC2 knows of them.
pub(crate) fn joined(nodes: Vec<ManagedNode>, instances: &[Instance]) -> Vec<ListedNode> {
    let known: HashMap<&str, &Instance> =
        instances.iter().map(|instance| (&*instance.id, instance)).collect();
    let mut nodes: Vec<ListedNode> = nodes
        .into_iter()
        .map(|node| {
            let instance = known.get(&*node.id).copied();
            ListedNode::new(node, instance)
        })
        .collect();
    nodes.sort_by(|a, b| {
        (a.name.is_none(), &a.name, &a.id).cmp(&(b.name.is_none(), &b.name, &b.id))
    });
    nodes
}

/// Longer than several pages take.
const EC2_PATIENCE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_ec2_or_the_registration_and_order_the_list() {
        let node = |id: &str, name: Option<&str>| ManagedNode {
            id: id.to_owned(),
            name: name.map(str::to_owned),
            ..ManagedNode::default()
        };
        let instance = Instance {
            id: "i-02".to_owned(),
            tags: vec![("Name".to_owned(), "web".to_owned())],
            private_ip: None,
            private_dns: None,
            state: "running".to_owned(),
        };
        let nodes = vec![node("i-01", None), node("i-02", None), node("mi-03", Some("backup"))];
        let nodes = joined(nodes, &[instance]);
        let shown: Vec<_> = nodes.iter().map(|node| (node.name.as_deref(), &*node.id)).collect();
        assert_eq!(shown, [(Some("backup"), "mi-03"), (Some("web"), "i-02"), (None, "i-01")]);
    }
}
