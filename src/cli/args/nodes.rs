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
    #[arg(long)]
    pub(crate) online: bool,
}
