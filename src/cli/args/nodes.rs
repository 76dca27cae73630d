//! What can be typed of the nodes there are.

use clap::Args;

use crate::client::{node_filter::NodeFilters, target::Target};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Where to; without it the checks end at the account.
    ///
    /// SSMPORT_TARGET and the configuration file may name it, too.
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<Target>,
    /// The target, said as to the AWS CLI.
    #[arg(short = 't', long = "target", value_name = "TARGET", conflicts_with = "target")]
    pub(crate) named: Option<Target>,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only nodes of this name, or with tag:KEY=VALUE[,tag:...].
    ///
    /// Of several tags, those with all of them. In names and values * stands for anything, ? for one
    /// character.
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<NodeFilters>,
    /// Only those that are connected.
    #[arg(long, conflicts_with = "state")]
    pub(crate) online: bool,
    /// Only those in this state: online, lost, inactive, or stopped, running ...
    ///
    /// The first three are what Session Manager says of the agent, the others what EC2 says of the
    /// instance. Several, with commas between, are those in any of them.
    #[arg(long, value_name = "STATE", value_delimiter = ',', ignore_case = true)]
    #[arg(value_parser = STATES, hide_possible_values = true)]
    pub(crate) state: Vec<String>,
    /// Only those of this platform: ubuntu, 'Amazon Linux*'.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) platform: Option<String>,
    /// Those of all regions that the account can use.
    #[arg(long)]
    pub(crate) all_regions: bool,
    /// Those of these profiles, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "profile")]
    #[arg(hide_short_help = true)]
    pub(crate) profiles: Vec<String>,
}

/// In the words of Session Manager, and of EC2.
const STATES: [&str; 10] = [
    "online",
    "lost",
    "connectionlost",
    "inactive",
    "pending",
    "running",
    "stopping",
    "stopped",
    "shutting-down",
    "terminated",
];
