//! What can be typed of the embedded endpoint.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::{
    cli::listen,
    client::service::LOCAL_FAULTS,
    local::{Faults, Quirks},
    malformed::Malformed,
    wire::Version,
};

#[derive(Debug, Args)]
pub(crate) struct LocalArgs {
    /// Where to listen, or a port alone; 0 is a free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    #[arg(value_parser = listen::address)]
    pub(crate) listen: SocketAddr,
    /// Id of a node to offer; repeatable.
    ///
    /// Without it, i-0123456789abcdef0.
    #[arg(long = "node", value_name = "ID")]
    pub(crate) nodes: Vec<String>,
    /// File with the ids of nodes to offer, one a line.
    ///
    /// Behind an id there may be the node's name. `#` begins a comment.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) nodes_from: Option<PathBuf>,
    /// File that is there while the endpoint is ready.
    ///
    /// It has the JSON object that --json prints: url, port, region, nodes, pid, and the users with their
    /// access keys. It is there once it is whole, and its user alone can read it. One that is there
    /// already is removed first.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Pretend the account that this file describes.
    #[arg(long, value_name = "FILE", long_help = ACCOUNT_HELP)]
    pub(crate) account: Option<PathBuf>,
    /// Keep the account's made-up access keys and MFA seeds in this file, for the next start.
    ///
    /// It is made where there is none, for its user's eyes only (mode 0600); one that others have access
    /// to is an error. Keep it out of version control. What the account file gives is not written there.
    #[arg(long, value_name = "FILE", requires = "account", hide_short_help = true)]
    pub(crate) keys: Option<PathBuf>,
    /// How fast the agent sends.
    #[arg(long, value_name = "PACE", default_value = "none")]
    pub(crate) pace: PaceArg,
    /// Version that the agent claims, and behaves like.
    #[arg(long, value_name = "VERSION", value_parser = agent_version, hide_short_help = true)]
    pub(crate) agent_version: Option<String>,
    /// Which habits of the real agent to have.
    #[arg(long, value_name = "LIST", default_value = "default", value_parser = Quirks::parse)]
    #[arg(allow_hyphen_values = true, long_help = quirks_help())]
    pub(crate) quirks: Quirks,
    /// Refuse this machine as the host of a port session, as agents from 3.3.4851 on do.
    #[arg(long, hide_short_help = true)]
    pub(crate) deny_loopback: bool,
    /// Host name by which a proxy or a mapped port reaches the endpoint; may be given several times.
    ///
    /// On a loopback address only names of this machine and addresses are answered to, so that no web
    /// page gets in by a name of its own.
    #[arg(long = "allow-host", value_name = "NAME", hide_short_help = true)]
    pub(crate) allow_hosts: Vec<String>,
    /// Folder into which EC2 Instance Connect's keys go, a file for each user, for sshd's
    /// `AuthorizedKeysFile DIR/%u`.
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) pushed_keys: Option<PathBuf>,
    /// Encrypt shells and commands with this key, an id or an ARN, which the endpoint's own KMS has.
    #[arg(long, value_name = "KEY", hide_short_help = true)]
    pub(crate) kms_key: Option<String>,
    /// Send a random challenge, and refuse clients that do not put it into the encryption context.
    #[arg(long, requires = "kms_key", hide_short_help = true)]
    pub(crate) kms_challenge: bool,
    /// Folder for the logs of shells, SESSION.log each, as the service stores them.
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) session_logs: Option<PathBuf>,
    /// What the service does wrong, to test clients.
    #[arg(long, value_name = "LIST", value_parser = Faults::parse, long_help = faults_help())]
    pub(crate) faults: Option<Faults>,
}

fn agent_version(text: &str) -> Result<String, Malformed> {
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

fn faults_help() -> String {
    let mut help =
        "What the service does wrong, to test clients; any of these, with commas between:"
            .to_owned();
    for (form, about) in Faults::explained() {
        help.push_str(&format!("\n  {form:<17} {about}"));
    }
    help.push_str(&format!(
        "\n{LOCAL_FAULTS} takes the same list where `local` is the target of another command."
    ));
    help
}

/// The variables that give the one access key that is taken.
pub(crate) const LOCAL_ACCESS_KEY_ID: &str = "SSMPORT_LOCAL_ACCESS_KEY_ID";
pub(crate) const LOCAL_SECRET_ACCESS_KEY: &str = "SSMPORT_LOCAL_SECRET_ACCESS_KEY";

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum PaceArg {
    /// As fast as the connection takes it.
    None,
    /// As the real agent: 1024 bytes, then a pause of 1 ms.
    Real,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// MiB to send each way in the bulk steps.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=16384))]
    pub(crate) size: u64,
    /// How fast the agent sends.
    #[arg(long, value_name = "PACE", default_value = "none")]
    pub(crate) pace: PaceArg,
}

const ACCOUNT_HELP: &str = "\
Pretend the account that this file describes. Callers are known by their signatures then, and do what \
their policies allow. Without it no credentials are checked; but where SSMPORT_LOCAL_ACCESS_KEY_ID and \
SSMPORT_LOCAL_SECRET_ACCESS_KEY are set, that key alone is taken, and may do everything. TOML, of which \
everything may be left out; the policies that it names lie beside it:
  id = \"123456789012\"
  [users.alice]                # access keys are made up unless given
  mfa_seed = \"JBSWY3DPEHPK3PXP\"
  policies = [\"policy.json\"]
  [roles.operator]
  trust = \"trust.json\"
  policies = [\"policy.json\"]
  [nodes.i-0123456789abcdef0]
  name = \"web\"
  tags = { Env = \"prod\" }
More keys: users access_key_id, secret_access_key, mfa_serial, tags; roles max_session_duration, tags; \
nodes ip, private_dns, platform_name, platform_version, agent_version, ping_status, ec2, state (running or \
stopped), boot (how long it takes from StartInstances on), region. A task of ECS is \
[[tasks]] with cluster, service, id, containers = [\"app\"], execute_command.";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{
        super::{Cli, Command},
        *,
    };

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
    fn the_help_explains_every_fault() {
        let help = faults_help();
        for (form, about) in Faults::explained() {
            assert!(help.contains(form) && help.contains(about), "{form}");
        }
        let faulty = ["ssmport", "local", "--faults", "drop=1%,seed=7"];
        let Command::Local(local) = Cli::try_parse_from(faulty).unwrap().command else { panic!() };
        assert_eq!(local.faults.unwrap().seed(), 7);
        assert!(Cli::try_parse_from(["ssmport", "local", "--faults", "lose=1%"]).is_err());
    }

    #[test]
    fn the_help_explains_every_quirk() {
        let help = quirks_help();
        for (name, about) in Quirks::explained() {
            assert!(help.contains(name) && help.contains(about), "{name}");
        }
    }
}
