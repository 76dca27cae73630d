//! What can be typed.

use std::net::SocketAddr;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::{spec::Spec, target::Target};
use crate::{local::Quirks, wire::Version};

/// Ports of nodes that AWS Session Manager reaches, on your machine.
#[derive(Debug, Parser)]
#[command(name = "ssmport", version, about, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more; twice for the details. SSMPORT_LOG takes a filter instead.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,
    /// Report as JSON, one object a line, on stdout.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Profile of ~/.aws to use.
    #[arg(long, global = true, value_name = "NAME", help_heading = "AWS")]
    pub(super) profile: Option<String>,
    /// AWS region.
    #[arg(long, global = true, value_name = "REGION", help_heading = "AWS")]
    pub(super) region: Option<String>,
    /// Address of the SSM service, such as that of `ssmport local`.
    #[arg(long, global = true, value_name = "URL", help_heading = "AWS")]
    pub(super) endpoint_url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Forward local ports to a node, or through it to another host.
    Forward(ForwardArgs),
    /// Run the embedded endpoint, to try and test without AWS.
    Local(LocalArgs),
    /// Send every kind of stream through the embedded endpoint and show how it went.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(super) struct ForwardArgs {
    /// What to forward: [[BIND:]LOCAL:][HOST:]PORT, as in `ssh -L`.
    ///
    /// 5432 is the same port on both sides; 15432:5432 listens on 15432; 15432:db.internal:5432
    /// goes through the node to another host; 0.0.0.0:15432:db:5432 lets others in. 0 or nothing
    /// for LOCAL takes a free port. IPv6 addresses stand in brackets.
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<Spec>,
    /// The node: i-..., mi-..., ecs:CLUSTER_TASK_RUNTIME, or `local` for the embedded endpoint.
    #[arg(short, long, env = "SSMPORT_TARGET", value_name = "TARGET")]
    pub(super) target: Target,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// Ids of the nodes to offer.
    #[arg(long = "node", value_name = "ID", default_value = crate::local::NODE_ID)]
    pub(super) nodes: Vec<String>,
    /// How fast the agent sends.
    #[arg(long, value_name = "PACE", default_value = "none")]
    pub(super) pace: PaceArg,
    /// Version that the agent claims, and behaves like.
    #[arg(long, value_name = "VERSION", value_parser = agent_version)]
    pub(super) agent_version: Option<String>,
    /// Which habits of the real agent to have; --help lists them.
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = Quirks::parse)]
    #[arg(allow_hyphen_values = true, long_help = quirks_help())]
    pub(super) quirks: Quirks,
    /// Refuse this machine as the host of a port session, as agents from 3.3.4851 on do.
    #[arg(long)]
    pub(super) deny_loopback: bool,
}

fn agent_version(text: &str) -> Result<String, String> {
    let version = Version::parse(text).ok_or("not four numbers with dots, such as 3.3.3050.0")?;
    Ok(version.to_string())
}

fn quirks_help() -> String {
    let mut help = "Which habits of the real agent to have: `real` for all, `none`, or `default`, \
                    and any +NAME or -NAME behind it, with commas between:"
        .to_owned();
    for (name, about) in Quirks::explained() {
        help.push_str(&format!("\n  {name:<17} {about}"));
    }
    help
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum PaceArg {
    /// As fast as the connection takes it.
    None,
    /// As the real agent: 1024 bytes, then a pause of 1 ms.
    Real,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// MiB to send each way in the bulk steps.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=16384))]
    pub(super) size: u64,
    /// How fast the agent sends.
    #[arg(long, value_name = "PACE", default_value = "none")]
    pub(super) pace: PaceArg,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    pub(super) shell: clap_complete::Shell,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a check failed; 2 wrong usage; 3 AWS refused, or no credentials; 4 target not \
found or not connected; 5 local port or file; 6 the session was lost and could not be had again; \
128 and the signal's number when a signal ended it (130 for Ctrl-C).";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn forward_takes_specs_and_a_target_in_any_order() {
        for line in [
            "ssmport forward 5432 -t local",
            "ssmport forward -t local 5432",
            "ssmport --region eu-west-1 forward 15432:5432 --target i-0123456789abcdef0 -v",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(
                matches!(cli.command, Command::Forward(ForwardArgs { specs, .. }) if specs.len() == 1)
            );
        }
    }

    #[test]
    fn quirks_are_a_list_that_may_begin_with_a_minus() {
        for (list, quirks) in [
            ("real", Quirks::real()),
            ("-created-date", Quirks { created_date: false, ..Quirks::default() }),
        ] {
            let cli = Cli::try_parse_from(["ssmport", "local", "--quirks", list]).unwrap();
            assert!(matches!(cli.command, Command::Local(local) if local.quirks == quirks));
        }
        assert!(Cli::try_parse_from(["ssmport", "local", "--quirks", "unreal"]).is_err());
        assert!(Cli::try_parse_from(["ssmport", "local", "--agent-version", "3"]).is_err());
    }

    #[test]
    fn the_help_explains_every_quirk() {
        let help = quirks_help();
        for (name, about) in Quirks::explained() {
            assert!(help.contains(name) && help.contains(about), "{name}");
        }
    }
}
