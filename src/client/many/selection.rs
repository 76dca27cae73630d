//! Which nodes a command is to run on.

use std::{collections::HashSet, sync::Arc};

use crate::client::{
    Client, Error, Kind, Realm, SessionService, config_file::ConfigFile,
    many::command::SelectionCommand, node::Node, service::SessionSource, target::Target,
};
#[cfg(any(feature = "aws", feature = "local"))]
use crate::client::{
    node_filter::{NodeFilter, NodeFilters},
    target::Lookup,
};

/// Nodes that were meant, each of them once; see [`Client::select`].
#[derive(Clone, Debug)]
pub struct Selection {
    nodes: Vec<Selected>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Selected {
    name: String,
    id: String,
    node: Result<Node, Error>,
}

impl Selected {
    /// What it is called, or its id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As StartSession knows it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The node, or why there can be no session with it now: it is not connected.
    ///
    /// # Errors
    /// See there.
    pub fn node(&self) -> Result<&Node, &Error> {
        self.node.as_ref()
    }

    pub(super) fn new(name: impl Into<String>, service: SessionSource, client: &Client) -> Self {
        let node = Node::new(client.clone(), service);
        Self { name: name.into(), id: node.id(), node: Ok(node) }
    }

    #[cfg(feature = "aws")]
    pub(super) fn unconnected(self, why: Error) -> Self {
        Self { node: Err(why), ..self }
    }
}

impl Selection {
    /// The nodes, in the order in which they were meant; those of one name in the order of their names.
    pub fn nodes(&self) -> &[Selected] {
        &self.nodes
    }

    /// Without those that no session can be had with now; gives these.
    pub fn take_unconnected(&mut self) -> Vec<Selected> {
        let (connected, others) =
            std::mem::take(&mut self.nodes).into_iter().partition(|node| node.node.is_ok());
        self.nodes = connected;
        others
    }

    /// Runs a command on all of them, of which each word arrives as it is.
    pub fn command<I, S>(&self, words: I) -> SelectionCommand
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let words = words.into_iter().map(Into::into).collect();
        SelectionCommand::new(self.nodes.clone(), words)
    }

    /// Each node once, and no two of one name.
    fn of(mut nodes: Vec<Selected>) -> Self {
        let mut seen = HashSet::new();
        nodes.retain(|node| seen.insert(node.id.clone()));
        let mut names = HashSet::new();
        let twice: HashSet<String> = nodes
            .iter()
            .filter(|node| !names.insert(&*node.name))
            .map(|node| node.name.clone())
            .collect();
        for node in nodes.iter_mut().filter(|node| twice.contains(&node.name)) {
            node.name = format!("{}/{}", node.name, node.id);
        }
        Self { nodes }
    }
}

/// Those that each target means, of which a service of somebody else's knows best what it is.
pub(in crate::client) async fn select(
    client: &Client,
    targets: Vec<Target>,
) -> Result<Selection, Error> {
    let found = match &client.0.realm {
        #[cfg(feature = "aws")]
        Realm::Account { .. } => {
            super::in_account::select(client, without_aliases(client, targets)?).await?
        }
        #[cfg(not(feature = "aws"))]
        Realm::Account {} => {
            let mut found = Vec::new();
            for target in without_aliases(client, targets)? {
                let service = SessionSource::of(&target, client).await?;
                found.push(Selected::new(target.to_string(), service, client));
            }
            found
        }
        #[cfg(feature = "local")]
        Realm::Endpoint(endpoint) => {
            let mut found = Vec::new();
            for target in targets {
                found.extend(of_endpoint(endpoint, &target, client)?);
            }
            found
        }
        Realm::Service(service) => {
            let names = targets.iter().map(ToString::to_string);
            return Ok(of_service(service, names, client));
        }
    };
    Ok(Selection::of(found))
}

fn without_aliases(client: &Client, targets: Vec<Target>) -> Result<Vec<Target>, Error> {
    let meant = |target| ConfigFile::load_target(Some(target), &*client.0.guide);
    targets.into_iter().map(meant).collect()
}

/// Targets are what the service calls them.
pub(in crate::client) fn of_service(
    service: &Arc<dyn SessionService>,
    targets: impl Iterator<Item = String>,
    client: &Client,
) -> Selection {
    let selected = |target: String| {
        let service = SessionSource::Other { service: Arc::clone(service), target: target.clone() };
        Selected::new(target, service, client)
    };
    Selection::of(targets.map(selected).collect())
}

/// The filters that a name or tags are, patterns among them; of what is one node at most there are none.
#[cfg(any(feature = "aws", feature = "local"))]
pub(super) fn filters(lookup: &Lookup) -> Option<Vec<NodeFilter>> {
    match lookup {
        Lookup::Name(name) => Some(vec![NodeFilter::name(name)]),
        Lookup::Tag(key, value) => {
            let several = format!("tag:{key}={value}").parse::<NodeFilters>();
            Some(several.map_or_else(|_| vec![NodeFilter::tag(key, value)], |several| several.0))
        }
        _ => None,
    }
}

#[cfg(feature = "local")]
fn of_endpoint(
    endpoint: &Arc<crate::local::Endpoint>,
    target: &Target,
    client: &Client,
) -> Result<Vec<Selected>, Error> {
    let wanted = match target {
        Target::Lookup(lookup) => filters(lookup),
        _ => None,
    };
    let nodes = endpoint.nodes();
    let selected = |name: &str, id: &str| {
        let (node, readiness) = (id.to_owned(), client.readiness());
        let service = SessionSource::Local { endpoint: endpoint.clone(), node, readiness };
        Selected::new(name, service, client)
    };
    let found: Vec<_> = match wanted {
        Some(filters) => nodes
            .iter()
            .filter(|node| {
                let names = || [&*node.name, &*node.id].into_iter();
                let holds = |filter: &NodeFilter| filter.holds(names(), node.all_tags());
                filters.iter().all(holds)
            })
            .map(|node| selected(&node.name, &node.id))
            .collect(),
        None => {
            let id = endpoint.find_node(&target.to_string());
            id.iter().map(|id| selected(id, id)).collect()
        }
    };
    match found.is_empty() {
        true => Err(Error::new(Kind::Target, format!("the endpoint has no node {target}"))
            .next("name one of those that it has")),
        false => Ok(found),
    }
}
