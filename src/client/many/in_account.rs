//! The nodes of an account that are meant.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::selection::{Selected, filters};
use crate::client::{
    Client, Error, Kind,
    fleet::{self, ListedNode},
    resolve::{self, Found},
    service::Service,
    target::{Lookup, Target},
};

/// Those that each target means: of a name or a tag all that bear it.
pub(super) async fn select(client: &Client, targets: Vec<Target>) -> Result<Vec<Selected>, Error> {
    let mut regions: HashMap<String, Client> = HashMap::new();
    let lookups: Vec<_> = targets
        .into_iter()
        .map(|target| match target {
            Target::InRegion(_, ref region) => {
                let region = region.clone();
                let (target, there) = client.in_region_of(target);
                (target, regions.entry(region).or_insert(there).clone())
            }
            target => (target, client.clone()),
        })
        .collect();
    let found = stream::iter(lookups)
        .map(|(target, client)| async move { of_target(&target, &client).await });
    let found: Vec<Vec<Selected>> = found.buffered(AT_A_TIME).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn of_target(target: &Target, client: &Client) -> Result<Vec<Selected>, Error> {
    let lookup = match target {
        Target::Lookup(lookup) => lookup,
        target => {
            let service = Service::of(target, client).await?;
            return Ok(vec![Selected::new(target.to_string(), service, client)]);
        }
    };
    let account = client.account().await?;
    let guide = &**client.guide();
    let Some(filters) = filters(lookup) else {
        let found = resolve::resolve(lookup, account, client).await?;
        let service = service(found, client)?;
        return Ok(vec![Selected::new(lookup.to_string(), service, client)]);
    };
    // Their source may ask its user, who may take longer than EC2 is given.
    account.keys().await?;
    let mut nodes = fleet::matching(account, &filters, false, guide).await?;
    if nodes.is_empty() {
        nodes = match lookup {
            // It may call itself so, or not be connected yet.
            Lookup::Name(name) if !is_pattern(name) => {
                resolve::named(name, account, client).await?
            }
            lookup => return Err(resolve::unknown(lookup)),
        };
    }
    nodes.iter().map(|node| selected(node, lookup, client)).collect()
}

fn selected(node: &ListedNode, lookup: &Lookup, client: &Client) -> Result<Selected, Error> {
    let called = node.name.as_deref().or(match lookup {
        Lookup::Name(name) if !is_pattern(name) => Some(name),
        _ => node.computer_name.as_deref(),
    });
    let name = called.unwrap_or(&node.id);
    if !matches!(node.id.parse(), Ok(Target::Id(_))) {
        let what = format!("the service calls {name} `{}`, which is no node's id", node.id);
        return Err(Error::new(Kind::Target, what).next("check which endpoint is asked"));
    }
    let service = service(Found::Node(node.id.clone()), client)?;
    let selected = Selected::new(name, service, client);
    Ok(match node.is_online() || client.readiness().is_given() {
        true => selected,
        false => selected.unconnected(resolve::unconnected(node)),
    })
}

fn service(found: Found, client: &Client) -> Result<Service, Error> {
    let control = Arc::new(client.control()?.of_target(found.target()));
    let (guide, readiness) = (Arc::clone(client.guide()), client.readiness());
    Ok(Service::Aws { control, found, guide, readiness })
}

fn is_pattern(name: &str) -> bool {
    name.contains(crate::client::node_filter::WILDCARDS)
}

/// Calls at the same time; SSM allows few of them a second.
const AT_A_TIME: usize = 4;
