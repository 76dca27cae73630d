//! The nodes of an account that are meant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::selection::{Selected, filters};
use crate::client::{
    Client, Error, Kind,
    fleet::{self, ListedNode},
    node_filter::WILDCARDS,
    resolve::{self, Found},
    service::SessionSource,
    target::{Lookup, Target, Whose},
};

/// Those that each target means: of a name or a tag all that bear it.
pub(super) async fn select(client: &Client, targets: Vec<Target>) -> Result<Vec<Selected>, Error> {
    let mut places: BTreeMap<(Option<String>, Whose), Place> = BTreeMap::new();
    let mut lookups = Vec::new();
    for target in targets {
        let (_, region, whose) = target.clone().apart();
        let at = (region, whose);
        let (target, client) = client.in_account_of(target);
        let place = places.entry(at.clone()).or_insert_with(|| Place::new(client));
        place.names.extend(name(&target).map(str::to_owned));
        lookups.push((target, at));
    }
    for place in places.values_mut() {
        place.look_up_names().await?;
    }
    let places = &places;
    let found = stream::iter(lookups).map(|(target, at)| async move {
        match places.get(&at) {
            Some(place) => place.of_target(&target).await,
            None => Ok(Vec::new()),
        }
    });
    let found: Vec<Vec<Selected>> = found.buffered(AT_A_TIME).try_collect().await?;
    Ok(found.into_iter().flatten().chain(places.values().flat_map(Place::others)).collect())
}

/// An account and a region, and what has been asked for there.
struct Place {
    client: Client,
    /// Those that are meant, without patterns.
    names: BTreeSet<String>,
    /// The nodes of each of them, where they were looked up together.
    named: BTreeMap<String, Vec<Selected>>,
    /// Nodes that have one of the names in a tag that only SSM knows.
    others: Vec<Selected>,
}

impl Place {
    fn new(client: Client) -> Self {
        Self { client, names: BTreeSet::new(), named: BTreeMap::new(), others: Vec::new() }
    }

    /// Many names at a time: a call for each would take minutes, of a file with hundreds of them.
    async fn look_up_names(&mut self) -> Result<(), Error> {
        if self.names.len() <= FEW {
            return Ok(());
        }
        let account = self.client.account().await?;
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        for names in names.chunks(VALUES) {
            let nodes = fleet::named(account, names, &**self.client.guide()).await?;
            for node in nodes {
                let called = node.name.as_deref().or(node.computer_name.as_deref());
                let called = called.filter(|called| self.names.contains(*called));
                match called.map(str::to_owned) {
                    Some(called) => {
                        let selected = self.selected(&node, Some(&called))?;
                        self.named.entry(called).or_default().push(selected);
                    }
                    None => {
                        let selected = self.selected(&node, None)?;
                        self.others.push(selected);
                    }
                }
            }
        }
        Ok(())
    }

    fn others(&self) -> impl Iterator<Item = Selected> {
        self.others.iter().cloned()
    }

    async fn of_target(&self, target: &Target) -> Result<Vec<Selected>, Error> {
        let client = &self.client;
        if let Some(known) = name(target).and_then(|name| self.named.get(name)) {
            return Ok(known.clone());
        }
        let Target::Lookup(lookup) = target else {
            let service = SessionSource::of(target, client).await?;
            return Ok(vec![Selected::new(target.to_string(), service, client)]);
        };
        let account = client.account().await?;
        let Some(filters) = filters(lookup) else {
            let found = resolve::resolve(lookup, account, client).await?;
            return Ok(vec![Selected::new(lookup.to_string(), self.service(found)?, client)]);
        };
        // Their source may ask its user, who may take longer than EC2 is given.
        account.keys().await?;
        let mut nodes = fleet::matching(account, &filters, false, &**client.guide()).await?;
        let called = name(target);
        if nodes.is_empty() {
            nodes = match called {
                // It may call itself so, or not be connected yet.
                Some(name) => resolve::named(name, account, client).await?,
                None => return Err(resolve::unknown(lookup)),
            };
        }
        nodes.iter().map(|node| self.selected(node, called)).collect()
    }

    /// A node, which is `called` so where its own name is not known.
    fn selected(&self, node: &ListedNode, called: Option<&str>) -> Result<Selected, Error> {
        let client = &self.client;
        let name = node.name.as_deref().or(called).or(node.computer_name.as_deref());
        let name = name.unwrap_or(&node.id);
        if !matches!(node.id.parse(), Ok(Target::Id(_))) {
            let what = format!("the service calls {name} `{}`, which is no node's id", node.id);
            return Err(Error::new(Kind::Target, what).next("check which endpoint is asked"));
        }
        let service = self.service(Found::Node(node.id.clone()))?;
        let selected = Selected::new(name, service, client);
        Ok(match node.is_online() || client.readiness().is_given() {
            true => selected,
            false => selected.unconnected(resolve::unconnected(node)),
        })
    }

    fn service(&self, found: Found) -> Result<SessionSource, Error> {
        let client = &self.client;
        let control = Arc::new(client.control()?.of_target(found.target()));
        let (guide, readiness) = (Arc::clone(client.guide()), client.readiness());
        Ok(SessionSource::Aws { control, found, guide, readiness })
    }
}

/// The name that a target is, if it is one and no pattern.
fn name(target: &Target) -> Option<&str> {
    match target {
        Target::Lookup(Lookup::Name(name)) if !name.contains(WILDCARDS) => Some(name),
        _ => None,
    }
}

/// Calls at the same time; SSM allows few of them a second.
const AT_A_TIME: usize = 4;
/// Names that are looked up one by one.
const FEW: usize = 4;
/// Of a filter; SSM takes a hundred.
const VALUES: usize = 100;
