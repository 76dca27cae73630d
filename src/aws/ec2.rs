//! EC2: what instances are called, and where they are.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    account::Account,
    error::AwsError,
    operation::{Operation, one_line},
    pages::Pages,
    service::Service,
};

/// An instance as EC2 knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `i-...`.
    pub id: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its private IPv4 address.
    pub private_ip: Option<String>,
    /// Its private DNS name.
    pub private_dns: Option<String>,
    /// `running`, `stopped` and so on.
    pub state: String,
}

impl Instance {
    /// The tag `Name`, which is what people call it.
    pub fn name(&self) -> Option<&str> {
        self.tags.iter().find(|(key, _)| key == "Name").map(|(_, name)| name.as_str())
    }
}

impl Account {
    /// `ec2:DescribeInstances`: the instances of which each filter holds, a name of EC2's such as
    /// `tag:Name` with the values of which it may have one. Terminated ones are left out.
    ///
    /// # Errors
    /// Any of a call. Many users are not allowed it.
    pub async fn instances(&self, filters: &[(&str, &[&str])]) -> Result<Vec<Instance>, AwsError> {
        let mut parameters = vec![("MaxResults".to_owned(), PAGE.to_owned())];
        for (number, (name, values)) in (1..).zip(filters) {
            parameters.push((format!("Filter.{number}.Name"), (*name).to_owned()));
            for (place, value) in (1..).zip(*values) {
                let key = format!("Filter.{number}.Value.{place}");
                parameters.push((key, escaped(value)));
            }
        }
        let credentials = self.credentials().await?;
        let mut found = Vec::new();
        let (mut pages, mut next) = (Pages::at_most(MOST_PAGES), None);
        loop {
            let operation = Operation::new(Service::Ec2, "DescribeInstances", "");
            let token = next.map(|token| ("NextToken".to_owned(), token));
            let page = parameters.iter().cloned().chain(token);
            let answer: Answer = self.caller.query(operation, VERSION, page, &credentials).await?;
            found.extend(answer.instances());
            next = pages.behind(answer.next_token);
            if next.is_none() || found.len() >= MOST {
                return Ok(found);
            }
        }
    }
}

impl Account {
    /// `ec2:StartInstances`: has an instance run that is stopped.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn start_instance(&self, id: &str) -> Result<(), AwsError> {
        let operation = Operation::new(Service::Ec2, "StartInstances", id);
        let parameters = [("InstanceId.1".to_owned(), id.to_owned())];
        let credentials = self.credentials().await?;
        let answered = self.caller.query(operation, VERSION, parameters, &credentials);
        answered.await.map(|_: IgnoredAny| ())
    }

    /// `ec2:DescribeRegions`: the names of the regions that the account can use.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn regions(&self) -> Result<Vec<String>, AwsError> {
        let operation = Operation::new(Service::Ec2, "DescribeRegions", "");
        let credentials = self.credentials().await?;
        let answer: Regions = self.caller.query(operation, VERSION, [], &credentials).await?;
        let mut names: Vec<_> =
            answer.region_info.item.iter().map(|region| one_line(&region.region_name)).collect();
        names.sort();
        Ok(names)
    }
}

/// A value in which nothing is a wildcard.
fn escaped(value: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '\\');
    value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    reservation_set: Items<Reservation>,
    next_token: Option<String>,
}

impl Answer {
    fn instances(&self) -> impl Iterator<Item = Instance> {
        let all = self.reservation_set.item.iter().flat_map(|one| &one.instances_set.item);
        all.filter(|one| one.instance_state.name != "terminated").map(Described::instance)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Regions {
    #[serde(default)]
    region_info: Items<Region>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    region_name: String,
}

/// EC2's lists.
#[derive(Deserialize)]
struct Items<T> {
    #[serde(default = "Vec::new")]
    item: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    #[serde(default)]
    instances_set: Items<Described>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    instance_id: String,
    #[serde(default)]
    instance_state: State,
    private_ip_address: Option<String>,
    private_dns_name: Option<String>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl Described {
    fn instance(&self) -> Instance {
        let tags = self.tag_set.item.iter();
        Instance {
            id: self.instance_id.clone(),
            tags: tags.map(|tag| (tag.key.clone(), one_line(&tag.value))).collect(),
            private_ip: self.private_ip_address.clone().filter(|ip| !ip.is_empty()),
            private_dns: self.private_dns_name.clone().filter(|name| !name.is_empty()),
            state: self.instance_state.name.clone(),
        }
    }
}

#[derive(Deserialize, Default)]
struct State {
    name: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

const VERSION: &str = "2016-11-15";
/// The most that EC2 gives at a time.
const PAGE: &str = "1000";
/// Those of a filter may be all but empty.
const MOST_PAGES: usize = 1000;
/// So that a service that never comes to an end does not fill the memory.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_read_with_their_tags_and_addresses() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>8f7724cf</requestId>
  <reservationSet>
    <item><reservationId>r-1</reservationId><ownerId>123456789012</ownerId><groupSet/>
      <instancesSet>
        <item><instanceId>i-0123456789abcdef0</instanceId>
          <instanceState><code>16</code><name>running</name></instanceState>
          <privateDnsName>ip-10-0-0-5.eu-west-1.compute.internal</privateDnsName><dnsName/>
          <privateIpAddress>10.0.0.5</privateIpAddress>
          <tagSet><item><key>Env</key><value>prod</value></item>
            <item><key>Name</key><value>web &amp; more</value></item></tagSet></item>
        <item><instanceId>i-0aaaaaaaaaaaaaaaa</instanceId>
          <instanceState><code>48</code><name>terminated</name></instanceState></item>
      </instancesSet></item>
    <item><instancesSet><item><instanceId>i-0bbbbbbbbbbbbbbbb</instanceId>
      <instanceState><name>stopped</name></instanceState><privateDnsName/></item>
    </instancesSet></item>
  </reservationSet>
  <nextToken>more</nextToken>
</DescribeInstancesResponse>"#;
        let answer: Answer = quick_xml::de::from_str(text).unwrap();
        let found: Vec<Instance> = answer.instances().collect();
        assert_eq!(answer.next_token.as_deref(), Some("more"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].name(), Some("web & more"));
        assert_eq!(found[0].private_ip.as_deref(), Some("10.0.0.5"));
        let bare = Instance {
            id: "i-0bbbbbbbbbbbbbbbb".to_owned(),
            tags: Vec::new(),
            private_ip: None,
            private_dns: None,
            state: "stopped".to_owned(),
        };
        assert_eq!(found[1], bare);
        let none: Answer = quick_xml::de::from_str(
            "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>",
        )
        .unwrap();
        assert_eq!(none.instances().count(), 0);
    }

    #[test]
    fn a_name_with_wildcards_means_itself() {
        assert_eq!(escaped(r"web-*?\"), r"web-\*\?\\");
    }
}
