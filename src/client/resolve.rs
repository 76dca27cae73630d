//! From what is known of a target to its id.

use std::net::IpAddr;

use super::{
    Client, Guide,
    error::{Error, Kind, Setting},
    fleet::{self, ListedNode, NotTold, joined},
    guide::chosen,
    near::near,
    target::{Lookup, Target, TaskPath},
};
use crate::{
    aws::{Account, AwsError, Container, Instance, ManagedNode},
    wire::foreign_text::one_line_within,
};

/// A target that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A node, by its id.
    Node(String),
    /// A container of ECS.
    Container(Container),
}

impl Found {
    /// As StartSession knows it.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::Node(id) => id.clone(),
            Self::Container(container) => container.target(),
        }
    }

    /// Whether it is one of ECS, by its id perhaps.
    pub(crate) fn is_container(&self) -> bool {
        match self {
            Self::Node(id) => id.starts_with("ecs:"),
            Self::Container(_) => true,
        }
    }
}

/// Looks a target up. Several are a question to the user, if there is one to ask.
pub(crate) async fn resolve(
    lookup: &Lookup,
    account: &Account,
    client: &Client,
) -> Result<Found, Error> {
    // Those that are not connected will do.
    let (guide, are_ready) = (&**client.guide(), client.readiness().is_given());
    // Their source may ask its user, who may take longer than EC2 is given.
    account.keys().await?;
    let nodes = match lookup {
        Lookup::Container(path) => {
            return container(path, account, guide).await.map(Found::Container);
        }
        Lookup::Any if are_ready => fleet::nodes(account, &[], guide).await?,
        Lookup::Any => fleet::nodes(account, &[("PingStatus", &["Online"])], guide).await?,
        Lookup::Name(name) => named(name, account, client).await?,
        Lookup::Tag(key, value) => tagged(lookup, key, value, account, are_ready).await?,
        Lookup::Address(address) => at_address(lookup, *address, account, guide).await?,
        Lookup::PrivateDns(name) => {
            let is_it = |node: &ListedNode| node.computer_name.as_deref() == Some(name);
            by_ec2(lookup, ("private-dns-name", name), is_it, account, guide).await?
        }
    };
    guide.nodes_seen(account.region(), &named_by(lookup, &nodes));
    let id = one(lookup, nodes, guide, are_ready).await?;
    // It goes into a command line, for ssh to start.
    match id.parse() {
        Ok(Target::Id(_)) => Ok(Found::Node(id)),
        _ => {
            let what = format!("the service calls {lookup} `{id}`, which is no node's id");
            Err(Error::new(Kind::Target, what).next("check which endpoint is asked"))
        }
    }
}

/// The nodes by the name that they were found by, where that is all that is known of theirs.
fn named_by(lookup: &Lookup, nodes: &[ListedNode]) -> Vec<ListedNode> {
    let mut nodes = nodes.to_vec();
    if let Lookup::Name(name) = lookup {
        for node in &mut nodes {
            node.name.get_or_insert_with(|| name.clone());
        }
    }
    nodes
}

/// What SSM says, which knows the tags of instances too; what it has no tag for may still call
/// itself so.
pub(super) async fn named(
    name: &str,
    account: &Account,
    client: &Client,
) -> Result<Vec<ListedNode>, Error> {
    let lookup = Lookup::Name(name.to_owned());
    let are_ready = client.readiness().is_given();
    let missing = match tagged(&lookup, "Name", name, account, are_ready).await {
        Err(failure) if failure.kind == Kind::Target => failure,
        found => return found,
    };
    let calls_itself = |node: &ListedNode| {
        [&node.name, &node.computer_name].into_iter().flatten().any(|known| known == name)
    };
    let nodes = fleet::nodes(account, &[], &**client.guide()).await?;
    let (found, others): (Vec<ListedNode>, Vec<ListedNode>) =
        nodes.into_iter().partition(calls_itself);
    if !found.is_empty() {
        return Ok(found);
    }
    let names = others.iter().flat_map(|node| [&node.name, &node.computer_name]).flatten();
    Err(match (near(name, names.map(String::as_str)), &missing.next) {
        (Some(meant), Some(next)) => {
            let next = format!("did you mean {meant}? {next}");
            missing.next(next)
        }
        _ => missing,
    })
}

/// Whoever has mistyped `local` has no use for advice about AWS.
pub(crate) fn or_local(target: &Target, error: Error) -> Error {
    let Target::Lookup(Lookup::Name(name)) = target else { return error };
    if name != "localhost" && near(name, ["local"].into_iter()).is_none() {
        return error;
    }
    let meant = "did you mean `local`, the embedded endpoint?".to_owned();
    let next = error.next.as_ref().map_or_else(|| meant.clone(), |next| format!("{next}; {meant}"));
    error.next(next)
}

async fn tagged(
    lookup: &Lookup,
    key: &str,
    value: &str,
    account: &Account,
    are_ready: bool,
) -> Result<Vec<ListedNode>, Error> {
    let filter = format!("tag:{key}");
    let refused = match account.nodes(&[(&*filter, &[value])], |_| ()).await {
        Ok(nodes) if !nodes.is_empty() => return Ok(joined(nodes, &[])),
        Ok(_) => None,
        Err(error @ AwsError::Refused { .. }) => Some(error),
        Err(error) => return Err(error.into()),
    };
    match (fleet::instances(account, &[(&*filter, &[value])]).await, refused) {
        (Ok(instances), Some(_)) => found(lookup, unmanaged(&instances)),
        // One that has been stopped for long.
        (Ok(instances), None) if are_ready => found(lookup, unmanaged(&instances)),
        (Ok(instances), None) => Err(match instances.first() {
            Some(instance) => not_managed(lookup, instance),
            None => unknown(lookup),
        }),
        (Err(_), None) => Err(unknown(lookup)),
        (Err(why), Some(refused)) => Err(not_allowed(lookup, &refused, &why)),
    }
}

async fn at_address(
    lookup: &Lookup,
    address: IpAddr,
    account: &Account,
    guide: &dyn Guide,
) -> Result<Vec<ListedNode>, Error> {
    let text = address.to_string();
    let is_it = |node: &ListedNode| {
        let known = node.address.as_deref().and_then(|known| known.parse().ok());
        known == Some(address)
    };
    let filter = if address.is_ipv6() { "ipv6-address" } else { "private-ip-address" };
    by_ec2(lookup, (filter, &text), is_it, account, guide).await
}

/// By a filter that EC2 has and SSM has not: without EC2, all nodes have to be looked through.
async fn by_ec2(
    lookup: &Lookup,
    (filter, value): (&str, &str),
    is_it: impl Fn(&ListedNode) -> bool,
    account: &Account,
    guide: &dyn Guide,
) -> Result<Vec<ListedNode>, Error> {
    let untold = match fleet::instances(account, &[(filter, &[value])]).await {
        Ok(instances) if !instances.is_empty() => return Ok(unmanaged(&instances)),
        // A machine outside of EC2, which has told SSM its address.
        Ok(_) => None,
        Err(why) => Some(why),
    };
    let counted = guide.counting();
    let nodes = account.nodes(&[], &counted).await;
    drop(counted);
    match (nodes, untold) {
        (Ok(nodes), _) => {
            let nodes = joined(nodes, &[]).into_iter().filter(|node| is_it(node)).collect();
            found(lookup, nodes)
        }
        (Err(error @ AwsError::Refused { .. }), Some(why)) => {
            Err(not_allowed(lookup, &error, &why))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Instances about which SSM was not asked, and will tell when the session is started.
fn unmanaged(instances: &[Instance]) -> Vec<ListedNode> {
    let nodes = instances.iter().map(|instance| ManagedNode {
        id: instance.id.clone(),
        // Nothing else can be asked of those that do not run.
        ping_status: if instance.state == "running" { "Online" } else { &*instance.state }
            .to_owned(),
        address: instance.private_ip.clone(),
        ..ManagedNode::default()
    });
    joined(nodes.collect(), instances)
}

fn found(lookup: &Lookup, nodes: Vec<ListedNode>) -> Result<Vec<ListedNode>, Error> {
    if nodes.is_empty() { Err(unknown(lookup)) } else { Ok(nodes) }
}

/// The id of the only node that is connected, or of the one that the user chooses. Instances that
/// are gone stay in SSM's list for a while.
async fn one(
    lookup: &Lookup,
    nodes: Vec<ListedNode>,
    guide: &dyn Guide,
    are_ready: bool,
) -> Result<String, Error> {
    let (mut online, mut offline): (Vec<ListedNode>, Vec<ListedNode>) =
        nodes.into_iter().partition(ListedNode::is_online);
    if are_ready && (online.is_empty() || *lookup == Lookup::Any) {
        online.append(&mut offline);
    }
    match (online.len(), &offline[..]) {
        (0, [node]) => Err(not_connected(lookup, node)),
        (0, []) => Err(Error::new(Kind::Target, "no node is connected")
            .next("`ssmport ls` lists the nodes, `ssmport doctor` checks the way to them")),
        (0, nodes) => Err(several(lookup, nodes, "and none of them is connected")),
        (1, _) if *lookup != Lookup::Any => Ok(online.remove(0).id),
        _ if guide.can_choose() => {
            let question = match lookup {
                Lookup::Any => "Which node?".to_owned(),
                lookup => format!("Which {lookup}?"),
            };
            Ok(chosen(guide, question, online).await?.id)
        }
        _ => Err(several(lookup, &online, "and there is no terminal to ask on")),
    }
}

fn several(lookup: &Lookup, nodes: &[ListedNode], and: &str) -> Error {
    let shown: Vec<String> = nodes.iter().take(SHOWN).map(|node| node.to_string()).collect();
    let more = nodes.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let what = format!("{} nodes are called {lookup}, {and}", nodes.len());
    Error::new(Kind::Target, what)
        .because(format!("{}{more}", shown.join("\n  ")))
        .next("give one of their ids")
        .with(Setting::All)
}

pub(super) fn unknown(lookup: &Lookup) -> Error {
    Error::new(Kind::Target, format!("there is no node {lookup} in this account and region"))
        .next("check the profile and the region; `ssmport ls` lists the nodes that there are")
}

fn not_managed(lookup: &Lookup, instance: &Instance) -> Error {
    let Instance { id, state, .. } = instance;
    let what = format!("{lookup} is {id}, which SSM does not know");
    let failure = Error::new(Kind::Target, what);
    if state != "running" {
        return failure.because(format!("it is {state}")).next("start it").with(Setting::Start);
    }
    failure
        .because("its agent has never reached SSM")
        .next(format!("`ssmport doctor {id}` says what to check"))
}

fn not_connected(lookup: &Lookup, node: &ListedNode) -> Error {
    let what = format!("{lookup} is {}, which is not connected", node.id);
    Error { what, ..unconnected(node) }
}

/// A node that no session can be had with now.
pub(super) fn unconnected(node: &ListedNode) -> Error {
    let ListedNode { id, ping_status, .. } = node;
    Error::new(Kind::Target, format!("{id} is not connected"))
        .because(format!("SSM says that it is {ping_status}"))
        .next(format!("`ssmport doctor {id}` says what to check"))
        .with(Setting::Wait)
}

fn not_allowed(lookup: &Lookup, ssm: &AwsError, ec2: &NotTold) -> Error {
    let without =
        "give the node's id (i-... or mi-...), or an alias of it in the configuration file";
    let next = match ssm.next_step() {
        Some(step) => format!("{step}. Or {without}"),
        None => without.to_owned(),
    };
    let why = [ssm.to_string(), ec2.to_string()].map(|refusal| briefly(&refusal));
    Error::new(Kind::Refused, format!("{lookup} cannot be looked up"))
        .because(why.join("\n"))
        .next(next)
}

/// A refusal without what its reader knows, or cannot read: who is asking, which action of which resource it
/// was once more, and what is encoded. `DescribeInstances was refused because no ...`
fn briefly(refusal: &str) -> String {
    let plain = refusal.split(" Encoded authorization failure message").next().unwrap_or(refusal);
    let short = plain.split_once(": User: ").and_then(|(what, rest)| {
        let reasons = [" because ", " with an explicit deny"].iter();
        let reason = reasons.filter_map(|words| rest.find(words)).min()?;
        Some(format!("{what}{}", &rest[reason..]))
    });
    one_line_within(LONGEST_REFUSAL, short.as_deref().unwrap_or(plain))
}

/// The container that is meant: of a service's tasks any will do, of several containers none.
async fn container(
    path: &TaskPath,
    account: &Account,
    guide: &dyn Guide,
) -> Result<Container, Error> {
    let TaskPath { cluster, service_or_task, container } = path;
    let tasks = match account.service_tasks(cluster, service_or_task).await {
        Ok(tasks) => tasks,
        Err(AwsError::Rejected { code, .. }) if code == "ServiceNotFoundException" => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let tasks = if tasks.is_empty() { vec![service_or_task.clone()] } else { tasks };
    let containers = match account.containers(cluster, &tasks).await {
        // It was no task's id either.
        Err(AwsError::Rejected { code, .. }) if code == "InvalidParameterException" => Vec::new(),
        containers => containers?,
    };
    if containers.is_empty() {
        let what = format!("{cluster} has no running service or task {service_or_task}");
        return Err(
            Error::new(Kind::Target, what).next("check the names, and that the task is running")
        );
    }
    let mut names: Vec<&str> = containers.iter().map(|one| &*one.name).collect();
    names.sort_unstable();
    names.dedup();
    let name = match (container, &names[..]) {
        (Some(name), _) => name.clone(),
        (None, [only]) => (*only).to_owned(),
        (None, _) if guide.can_choose() => {
            chosen(guide, "Which container?".to_owned(), names).await?.to_owned()
        }
        (None, names) => {
            let what = format!("{service_or_task} has several containers: {}", names.join(", "));
            return Err(Error::new(Kind::Target, what)
                .next(format!("name one: ecs/{cluster}/{service_or_task}/CONTAINER")));
        }
    };
    let chosen = containers.into_iter().find(|one| one.name == name);
    chosen.ok_or_else(|| {
        let what = format!("{service_or_task} has no running container {name}");
        Error::new(Kind::Target, what).next("check the container's name")
    })
}

/// In characters: three lines of a terminal.
const LONGEST_REFUSAL: usize = 230;
/// So that the list fits a screen.
const SHOWN: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_a_few_lines() {
        let of = |reason: &str| {
            format!(
                "DescribeInstances was refused: User: arn:aws:sts::123456789012:assumed-role/a/b is \
                 not authorized to perform: ec2:DescribeInstances{reason}"
            )
        };
        for (refusal, brief) in [
            (
                of(" on resource: * because no policy allows the ec2:DescribeInstances action (X)"),
                "DescribeInstances was refused because no policy allows the ec2:DescribeInstances \
                 action (X)",
            ),
            (
                of(" with an explicit deny in a service control policy"),
                "DescribeInstances was refused with an explicit deny in a service control policy",
            ),
            (
                "You are not authorized. Encoded authorization failure message: abc=".to_owned(),
                "You are not authorized.",
            ),
        ] {
            assert_eq!(briefly(&refusal), brief);
        }
        let endless = of(&"x".repeat(900));
        assert_eq!(briefly(&endless).chars().count(), LONGEST_REFUSAL + "...".len());
    }

    #[test]
    fn who_nearly_types_local_is_told_of_it() {
        let missing = || Error::new(Kind::Usage, "no AWS region").next("set AWS_REGION");
        for (typed, is_told) in
            [("locla", true), ("localhost", true), ("Local", true), ("web", false), ("ip", false)]
        {
            let error = or_local(&typed.parse().unwrap(), missing());
            let next = error.next_step().unwrap();
            assert!(next.starts_with("set AWS_REGION"), "{next}");
            assert_eq!(next.contains("did you mean `local`"), is_told, "{typed}: {next}");
        }
    }
}
