//! Where nodes are looked for: profiles and regions.

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, stream};

use crate::{
    cli::{
        args::{Global, LsArgs},
        output::Output,
    },
    client::{Client, Error, ListedNode, fleet, node_filter::NodeFilter},
};

/// An account's region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) profile: String,
    /// Empty where it is not known.
    pub(super) region: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.region {
            "" => f.write_str(&self.profile),
            region => write!(f, "{}, {region}", self.profile),
        }
    }
}

/// A node, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: Arc<Place>,
    pub(super) node: ListedNode,
}

/// A place of which there is no telling, and why.
pub(super) type NotTold = (Arc<Place>, Error);

/// Every place that is meant, and who asks there; and the profiles, of several, that lead nowhere.
pub(super) async fn all(
    arguments: &LsArgs,
    global: &Global,
    output: &Output,
) -> Result<(Vec<(Arc<Place>, Client)>, Vec<NotTold>), Error> {
    let mut options = vec![global.clone()];
    if !arguments.profiles.is_empty() {
        let of_profile =
            |profile: &String| Global { profile: Some(profile.clone()), ..global.clone() };
        options = arguments.profiles.iter().map(of_profile).collect();
    }
    let (mut places, mut failed) = (Vec::new(), Vec::new());
    // One after the other: each may ask for a code.
    for options in options {
        match of_profile(&options, arguments.all_regions, output).await {
            Ok(of_profile) => places.extend(of_profile),
            Err(error) if arguments.profiles.len() > 1 => {
                let profile = options.profile.unwrap_or_default();
                let region = options.region.unwrap_or_default();
                failed.push((Arc::new(Place { profile, region }), error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((places, failed))
}

/// The places of one profile.
async fn of_profile(
    options: &Global,
    all_regions: bool,
    output: &Output,
) -> Result<Vec<(Arc<Place>, Client)>, Error> {
    let client = options.client(output);
    let account = client.account().await?;
    let place = |region: &str| {
        let (profile, region) = (account.profile().to_owned(), region.to_owned());
        Arc::new(Place { profile, region })
    };
    if !all_regions {
        return Ok(vec![(place(account.region()), client.clone())]);
    }
    account.keys().await?;
    let there = |region: String| {
        let options = Global { region: Some(region.clone()), ..options.clone() };
        (place(&region), options.client(output))
    };
    Ok(account.regions().await?.into_iter().map(there).collect())
}

/// What there is in all of them, in their order; of those that do not tell why.
pub(super) async fn nodes(
    places: &[(Arc<Place>, Client)],
    wanted: &[NodeFilter],
    are_online: bool,
) -> (Vec<Found>, Vec<NotTold>) {
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
