//! What can be typed of the sessions that an account has records of.

use std::time::Duration;

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use crate::client::{limits::duration, target::Target};

#[derive(Debug, Args)]
#[command(disable_help_subcommand = true, override_usage = USAGE, after_long_help = NOTES)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<SessionsAction>,
    /// Everybody's, and not your own alone.
    #[arg(long)]
    pub(crate) all: bool,
    /// Those that are over; AWS remembers thirty days.
    #[arg(long)]
    pub(crate) past: bool,
    /// Only those that go there.
    ///
    /// Of a node that is not connected any more, the id.
    #[arg(short, long, value_name = "TARGET")]
    pub(crate) target: Option<Target>,
    /// Only those of this session document.
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// Only those started within this long (20m, 8h, 7d).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) since: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsAction {
    /// End sessions.
    Stop(StopArgs),
}

#[derive(Debug, Args)]
#[command(override_usage = STOP_USAGE)]
pub(crate) struct StopArgs {
    /// Ids, as `ssmport sessions` lists them.
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    #[arg(required_unless_present_any = ["mine", "older_than"])]
    #[arg(conflicts_with_all = ["mine", "older_than"])]
    pub(crate) ids: Vec<String>,
    /// All of your own.
    #[arg(long)]
    pub(crate) mine: bool,
    /// Your own that are older than this (8h, 7d).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    /// With --older-than: everybody's.
    #[arg(long, requires = "older_than", conflicts_with = "mine")]
    pub(crate) all: bool,
    /// Ask nothing before others' sessions are ended.
    ///
    /// Without a terminal they are not ended otherwise.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl SessionsArgs {
    /// Whether something is said of the list.
    pub(crate) fn are_about_the_list(&self) -> bool {
        let Self { action: _, all, past, target, document, since } = self;
        *all || *past || target.is_some() || document.is_some() || since.is_some()
    }
}

const USAGE: &str = "\
ssmport sessions [OPTIONS]
       ssmport sessions stop ID...";

const STOP_USAGE: &str = "\
ssmport sessions stop [OPTIONS] ID...
       ssmport sessions stop [OPTIONS] --mine
       ssmport sessions stop [OPTIONS] --older-than TIME [--all]";

const NOTES: &str = "\
Your own are those that were started as whom AWS takes you for now: the same user, or the same role with the \
same session name. It is SSM that is asked (ssm:DescribeSessions, ssm:TerminateSession), and STS for who you \
are, which --all does without.

A session that a command of ssmport has is noticed to be over by that command: a forward starts another one \
with the next connection.";
