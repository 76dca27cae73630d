//! Where nodes are looked for: profiles and regions.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::{
    cli::{
        args::{Global, LsArgs},
        failure::Failure,
        output::Output,
    },
    client::{Client, Error, ListedNode, fleet, node_filter::NodeFilter},
};

/// An account's region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) profile: String,
    pub(super) region: String,
}

/// A node, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: Arc<Place>,
    pub(super) node: ListedNode,
}

/// Every place that is meant, and who asks there.
pub(super) async fn all(
    arguments: &LsArgs,
    global: &Global,
    output: &Output,
) -> Result<Vec<(Arc<Place>, Client)>, Failure> {
    let mut options = vec![global.clone()];
    if !arguments.profiles.is_empty() {
        let of_profile =
            |profile: &String| Global { profile: Some(profile.clone()), ..global.clone() };
        options = arguments.profiles.iter().map(of_profile).collect();
    }
    let mut places = Vec::new();
    for options in options {
        let client = options.client(output);
        let account = client.account().await?;
        let place = |region: &str| {
            let (profile, region) = (account.profile().to_owned(), region.to_owned());
            Arc::new(Place { profile, region })
        };
        if !arguments.all_regions {
            places.push((place(account.region()), client.clone()));
            continue;
        }
        // One after the other: each may ask for a code.
        account.keys().await?;
        for region in account.regions().await? {
            let there = Global { region: Some(region.clone()), ..options.clone() };
            places.push((place(&region), there.client(output)));
        }
    }
    Ok(places)
}

/// What there is in all of them, in their order; of those that do not tell why.
pub(super) async fn nodes(
    places: &[(Arc<Place>, Client)],
    wanted: &[NodeFilter],
    are_online: bool,
) -> (Vec<Found>, Vec<(Arc<Place>, Error)>) {
    let listed = stream::iter(places).map(|(place, client)| async move {
        let nodes = async {
            let account = client.account().await?;
            fleet::matching(account, wanted, are_online, &**client.guide()).await
        };
        (place, nodes.await)
    });
    let mut listed = listed.buffered(AT_A_TIME);
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    while let Some((place, nodes)) = listed.next().await {
        match nodes {
            Ok(nodes) => {
                found
                    .extend(nodes.into_iter().map(|node| Found { place: Arc::clone(place), node }));
            }
            Err(error) => failed.push((Arc::clone(place), error)),
        }
    }
    (found, failed)
}

const AT_A_TIME: usize = 8;
