//! As much of the EC2 API as whoever looks for a node asks for: the instances among the nodes.

mod power;

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    ApiError, Call,
    query::{Form, show_members},
    resource::Resource,
};
use crate::local::{
    REGION,
    node::{Node, Power},
    service::EmbeddedService,
};

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    action: &str,
    form: &Form,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Option<Result<String, ApiError>> {
    Some(match action {
        "DescribeInstances" => describe_instances(form, call, service),
        "DescribeRegions" => describe_regions(call, service),
        "StartInstances" | "StopInstances" | "RebootInstances" => {
            power::perform(action, form, call, service)
        }
        _ => return None,
    })
}

fn describe_instances(
    form: &Form,
    call: &Call<'_>,
    service: &EmbeddedService,
) -> Result<String, ApiError> {
    call.authorize("ec2:DescribeInstances", &Resource::of("*".to_owned()))?;
    let filters = filters(form)?;
    let ids: Vec<&str> = form.numbered("InstanceId.".to_owned()).collect();
    let region = call.place().0;
    let is_known = |node: &&Node| node.ec2 && node.is_in(region);
    let instances: Vec<&Node> = service.nodes().filter(is_known).collect();
    if let Some(id) = ids.iter().find(|id| !instances.iter().any(|node| node.id == **id)) {
        return Err(ApiError::NoSuchInstance { id: id.chars().take(64).collect() });
    }
    let limit = limit(form)?;
    let after = form.get("NextToken").unwrap_or_default();
    let found = instances
        .into_iter()
        .filter(|node| ids.is_empty() || ids.contains(&&*node.id))
        .filter(|node| filters.iter().all(|filter| filter.holds(node)))
        .filter(|node| *node.id > *after);
    let mut page: Vec<&Node> = found.take(limit.saturating_add(1)).collect();
    let next_token = (page.len() > limit).then(|| {
        page.truncate(limit);
        page.last().map(|node| node.id.clone()).unwrap_or_default()
    });
    let (_, account) = call.place();
    let reservations = page.into_iter().map(|node| Reservation {
        reservation_id: node.id.replacen("i-", "r-", 1),
        owner_id: account.to_owned(),
        instances_set: Items { item: vec![Instance::of(node)] },
    });
    let reservation_set = Items { item: reservations.collect() };
    show_members(&Described { reservation_set, next_token })
}

/// Those that nodes are in, that of the caller, and the one that ARNs name.
fn describe_regions(call: &Call<'_>, service: &EmbeddedService) -> Result<String, ApiError> {
    call.authorize("ec2:DescribeRegions", &Resource::of("*".to_owned()))?;
    let of_nodes = service.nodes().filter_map(|node| node.region.as_deref());
    let names: BTreeSet<&str> = of_nodes.chain([REGION, call.place().0]).collect();
    let region = |region_name| Region { region_name, opt_in_status: "opt-in-not-required" };
    show_members(&Regions { region_info: Items { item: names.into_iter().map(region).collect() } })
}

/// One of `Filter.N`: a name, and the values of which one must match.
struct Filter<'a> {
    name: &'a str,
    values: Vec<&'a str>,
}

impl Filter<'_> {
    fn holds(&self, node: &Node) -> bool {
        let actual: Vec<&str> = match self.name {
            "instance-id" => vec![&node.id],
            "private-ip-address" => vec![&node.ip],
            "private-dns-name" => node.private_dns.as_deref().into_iter().collect(),
            "instance-state-name" => vec![node.power.name()],
            "tag-key" => node.all_tags().map(|(key, _)| key).collect(),
            name => {
                let key = name.strip_prefix("tag:").unwrap_or_default();
                node.all_tags().filter(|(one, _)| *one == key).map(|(_, value)| value).collect()
            }
        };
        let wanted = &self.values;
        actual.iter().any(|text| wanted.iter().any(|pattern| matches(pattern, text)))
    }
}

fn filters(form: &Form) -> Result<Vec<Filter<'_>>, ApiError> {
    let mut filters = Vec::new();
    for number in 1..=MOST_FILTERS {
        let Some(name) = form.get(&format!("Filter.{number}.Name")) else { break };
        let is_known = KNOWN_FILTERS.contains(&name) || name.starts_with("tag:");
        if !is_known {
            let name = name.chars().take(64).collect();
            return Err(ApiError::UnknownFilter { name });
        }
        let values = form.numbered(format!("Filter.{number}.Value.")).collect();
        filters.push(Filter { name, values });
    }
    Ok(filters)
}

fn limit(form: &Form) -> Result<usize, ApiError> {
    let Some(text) = form.get("MaxResults") else { return Ok(MOST) };
    match text.parse() {
        Ok(limit @ 5..=MOST) => Ok(limit),
        _ => Err(ApiError::constraint("maxResults", "Member must have value from 5 to 1000")),
    }
}

/// `*` stands for any characters, `?` for one; behind a backslash they mean themselves.
fn matches(pattern: &str, text: &str) -> bool {
    let units: Vec<(char, bool)> = units(pattern);
    let text: Vec<char> = text.chars().collect();
    // Where to go on when what follows the last `*` does not fit.
    let (mut unit, mut at, mut last) = (0, 0, None);
    while at < text.len() {
        match units.get(unit) {
            Some(('*', true)) => {
                last = Some((unit, at));
                unit += 1;
            }
            Some((c, special)) if (*special && *c == '?') || *c == text[at] => {
                unit += 1;
                at += 1;
            }
            _ => {
                let Some((star, from)) = last else { return false };
                last = Some((star, from + 1));
                unit = star + 1;
                at = from + 1;
            }
        }
    }
    units[unit..].iter().all(|unit| *unit == ('*', true))
}

/// The characters of a pattern, and whether each is a wildcard.
fn units(pattern: &str) -> Vec<(char, bool)> {
    let mut units = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        units.push(match c {
            '\\' => (characters.next().unwrap_or('\\'), false),
            c => (c, matches!(c, '*' | '?')),
        });
    }
    units
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    reservation_set: Items<Reservation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A list, as EC2 writes it.
#[derive(Serialize)]
struct Items<T> {
    item: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reservation<'a> {
    reservation_id: String,
    owner_id: String,
    instances_set: Items<Instance<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    instance_id: &'a str,
    instance_state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_dns_name: Option<&'a str>,
    private_ip_address: &'a str,
    tag_set: Items<Tag<'a>>,
}

#[derive(Serialize)]
struct State {
    code: u8,
    name: &'static str,
}

impl State {
    fn of(power: Power) -> Self {
        Self { code: power.code(), name: power.name() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Regions<'a> {
    region_info: Items<Region<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region<'a> {
    region_name: &'a str,
    opt_in_status: &'static str,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Instance<'a> {
    fn of(node: &'a Node) -> Self {
        Self {
            instance_id: &node.id,
            instance_state: State::of(node.power),
            private_dns_name: node.private_dns.as_deref(),
            private_ip_address: &node.ip,
            tag_set: Items {
                item: node.all_tags().map(|(key, value)| Tag { key, value }).collect(),
            },
        }
    }
}

/// Of the API.
pub const VERSION: &str = "2016-11-15";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "ec2";

/// Of the answers.
pub const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The filters that are evaluated here, beside `tag:KEY`.
const KNOWN_FILTERS: [&str; 5] =
    ["instance-id", "private-ip-address", "private-dns-name", "instance-state-name", "tag-key"];
const MOST_FILTERS: usize = 50;
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_others_unless_they_are_escaped() {
        for (pattern, text, does) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web*", "web-1", true),
            ("*-1", "web-1-1", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*", "", true),
            ("?", "", false),
            (r"web\*", "web*", true),
            (r"web\*", "web-1", false),
            (r"a\\b", r"a\b", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
        ] {
            assert_eq!(matches(pattern, text), does, "{pattern} {text}");
        }
    }
}
