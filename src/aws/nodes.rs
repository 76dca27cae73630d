//! The nodes that SSM manages.

use aws_sdk_ssm::types::{ConnectionStatus, InstanceInformation, InstanceInformationStringFilter};

use super::{
    account::Account,
    error::AwsError,
    operation::{Operation, one_line},
    pages::Pages,
    service::Service,
};

/// A node as SSM knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedNode {
    /// `i-...` or `mi-...`.
    pub id: String,
    /// The name that it was registered with; instances of EC2 have theirs in a tag instead.
    pub name: Option<String>,
    /// What the machine calls itself.
    pub computer_name: Option<String>,
    /// For example `Ubuntu 24.04`.
    pub platform: String,
    /// The agent's version.
    pub agent_version: String,
    /// `Online`, `ConnectionLost` or `Inactive`.
    pub ping_status: String,
    /// When the agent was last heard of, in seconds since 1970.
    pub last_ping: Option<i64>,
    /// The address that the agent has told.
    pub address: Option<String>,
}

impl ManagedNode {
    /// Whether a session can be started on it.
    pub fn is_online(&self) -> bool {
        self.ping_status == "Online"
    }
}

impl From<InstanceInformation> for ManagedNode {
    fn from(info: InstanceInformation) -> Self {
        // The agent says most of it, and a terminal will show it.
        let text = |text: Option<String>| text.map(|text| one_line(&text));
        let given = |given: Option<String>| text(given).filter(|text| !text.is_empty());
        let platform = [given(info.platform_name), given(info.platform_version)];
        let platform: Vec<String> = platform.into_iter().flatten().collect();
        Self {
            id: text(info.instance_id).unwrap_or_default(),
            name: given(info.name),
            computer_name: given(info.computer_name),
            platform: platform.join(" "),
            agent_version: text(info.agent_version).unwrap_or_default(),
            ping_status: text(info.ping_status.map(|status| status.to_string()))
                .unwrap_or_default(),
            last_ping: info.last_ping_date_time.map(|time| time.secs()),
            address: given(info.ip_address),
        }
    }
}

impl Account {
    /// `ssm:GetConnectionStatus`: whether a node's agent is there now.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn is_connected(&self, id: &str) -> Result<bool, AwsError> {
        let operation = Operation::new(Service::Ssm, "GetConnectionStatus", id);
        self.need_credentials().await?;
        let told = self.ssm.get_connection_status().target(id).send().await;
        let told = told.map_err(|error| self.failure(operation, &error))?;
        Ok(told.status == Some(ConnectionStatus::Connected))
    }

    /// `ssm:DescribeInstanceInformation`: the nodes of which each filter holds, a key of SSM's
    /// such as `tag:Name` or `InstanceIds` with the values of which it may have one. `progress`
    /// hears how many there are, page by page: a page has 50.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn nodes(
        &self,
        filters: &[(&str, &[&str])],
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<ManagedNode>, AwsError> {
        let operation = Operation::new(Service::Ssm, "DescribeInstanceInformation", "");
        let filters = filters.iter().map(|(key, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            InstanceInformationStringFilter::builder().key(*key).set_values(Some(values)).build()
        });
        let filters: Vec<_> = filters
            .collect::<Result<_, _>>()
            .map_err(|error| AwsError::Configuration { why: format!("{operation}: {error}") })?;
        self.need_credentials().await?;
        let mut found: Vec<ManagedNode> = Vec::new();
        let (mut pages, mut next) = (Pages::at_most(MOST / PAGE as usize), None);
        loop {
            let call = self
                .ssm
                .describe_instance_information()
                .set_filters(Some(filters.clone()).filter(|filters| !filters.is_empty()))
                .max_results(PAGE)
                .set_next_token(next);
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => return Err(self.failure(operation, &error)),
            };
            let nodes = page.instance_information_list.unwrap_or_default();
            found.extend(nodes.into_iter().map(ManagedNode::from));
            progress(found.len());
            next = pages.behind(page.next_token);
            if next.is_none() || found.len() >= MOST {
                return Ok(found);
            }
        }
    }
}

/// The most that SSM gives at a time.
const PAGE: i32 = 50;
/// So that a service that never comes to an end does not fill the memory.
const MOST: usize = 100_000;
