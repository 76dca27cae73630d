//! What can be typed.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::{
    endpoints::EndpointArgs,
    limits::{
        ANSWER_WITHIN, DEAD_AFTER, PAYLOAD_SIZE, RESUME_FOR, SEND_ORDER, SendOrder, duration,
        payload_size,
    },
    login::LoginArgs,
    mfa::MfaOptions,
    proxy_command::Form,
    spec::Spec,
    ssh_config::Alias,
    target::{FORMS, Target},
};
use crate::{
    local::{Faults, Quirks},
    wire::Version,
};

/// Shells, commands and ports of nodes that AWS Session Manager reaches.
#[derive(Debug, Parser)]
#[command(name = "ssmport", version, about, max_term_width = 100)]
#[command(after_help = notes())]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of all commands.
#[derive(Clone, Debug, Args)]
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
    #[command(flatten)]
    pub(super) mfa: MfaOptions,
    #[command(flatten)]
    pub(super) endpoints: EndpointArgs,
    /// Replace a connection on which nothing has come for this long (90s, 5m, or seconds) [default:
    /// 60s].
    #[arg(long, global = true, value_name = "TIME", env = DEAD_AFTER, hide_env_values = true)]
    #[arg(value_parser = duration, help_heading = "Connection")]
    pub(super) dead_after: Option<Duration>,
    /// Keep trying to resume a session for this long after its connection is lost [default: 20m].
    #[arg(long, global = true, value_name = "TIME", env = RESUME_FOR, hide_env_values = true)]
    #[arg(value_parser = duration, help_heading = "Connection")]
    pub(super) resume_for: Option<Duration>,
    /// Cut a program off that has sent its whole request and waits, when nothing of the answer has come
    /// for this long; four times that for the first of it [default: 30s].
    #[arg(long, global = true, value_name = "TIME", env = ANSWER_WITHIN, hide_env_values = true)]
    #[arg(value_parser = duration, help_heading = "Connection")]
    pub(super) answer_within: Option<Duration>,

    /// In which order messages leave [default: guarded].
    #[arg(long, global = true, value_name = "ORDER", env = SEND_ORDER, hide_env_values = true)]
    #[arg(help_heading = "Connection")]
    pub(super) send_order: Option<SendOrder>,

    /// Most bytes that one message carries on a fast path [default: 32768].
    #[arg(long, global = true, value_name = "BYTES", env = PAYLOAD_SIZE, hide_env_values = true)]
    #[arg(value_parser = payload_size, help_heading = "Connection")]
    pub(super) payload_size: Option<usize>,
}

impl Global {
    /// A target without its region, and these options with it.
    pub(super) fn in_region_of(&self, target: Target) -> (Target, Self) {
        let mut options = self.clone();
        match target {
            Target::InRegion(target, region) => {
                options.region = Some(region);
                (*target, options)
            }
            target => (target, options),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open a shell on a node.
    Shell(ShellArgs),
    /// Run a command on a node; its output and its exit code are ours.
    Exec(ExecArgs),
    /// Forward local ports to a node, or through it to another host.
    Forward(ForwardArgs),
    /// Connect standard input and output to a port of a node, as `ssh` wants of its ProxyCommand.
    Proxy(ProxyArgs),
    /// Run the system's ssh, through Session Manager.
    Ssh(SshArgs),
    /// Print the block of ssh_config by which ssh, scp, sftp, rsync and git reach nodes, or install it.
    SshConfig(SshConfigArgs),
    /// List the nodes that can be reached.
    #[cfg(feature = "aws")]
    Ls(LsArgs),
    /// Begin an MFA or SSO session once, for every later call.
    Login(LoginArgs),
    /// Check each link of the chain, and say what to do about the broken ones.
    #[cfg(feature = "aws")]
    Doctor(DoctorArgs),
    /// Run the embedded endpoint, to try and test without AWS.
    Local(Box<LocalArgs>),
    /// Send every kind of stream through the embedded endpoint and show how it went.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
#[command(after_help = SHELL_HELP)]
pub(super) struct ShellArgs {
    /// Where to: an id, a name, a tag, an address, a container; see `ssmport help`. Without it, the
    /// configuration file's or one that is chosen from a list.
    #[arg(env = "SSMPORT_TARGET", value_name = "TARGET")]
    pub(super) target: Option<Target>,
    /// Session document to start instead of the account's default shell.
    #[arg(long, value_name = "NAME")]
    pub(super) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = EXEC_HELP)]
pub(super) struct ExecArgs {
    /// Where to: an id, a name, a tag, an address, a container; see `ssmport help`.
    #[arg(value_name = "TARGET")]
    pub(super) target: Target,
    /// Run the command on a terminal, with what is typed here as its input.
    #[arg(short, long)]
    pub(super) tty: bool,
    /// Do not read standard input, which may be somebody else's: a loop's, for one.
    #[arg(short = 'n', long, conflicts_with = "tty")]
    pub(super) no_input: bool,
    /// End the command when it is not over after this long (90s, 5m, or seconds), with exit code 124.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// Session document to start instead of the one of AWS for such commands.
    #[arg(long, value_name = "NAME")]
    pub(super) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// The command and its arguments, which arrive as they are given here.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = PROXY_HELP)]
pub(super) struct ProxyArgs {
    /// Where to: an id, a name, a tag, an address, a container; see `ssmport help`.
    #[arg(value_name = "TARGET")]
    pub(super) target: Target,
    /// Port of the node.
    #[arg(default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: u16,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ForwardArgs {
    /// What to forward: [[BIND:]LOCAL:][HOST:]PORT, or PATH:[HOST:]PORT, as in `ssh -L`.
    ///
    /// 5432 is the same port on both sides; 15432:5432 listens on 15432; 15432:db.internal:5432
    /// goes through the node to another host; 0.0.0.0:15432:db:5432 lets others in. 0 or nothing
    /// for LOCAL takes a free port. IPv6 addresses stand in brackets. /run/db.sock:5432 listens on a
    /// Unix socket.
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<Spec>,
    /// Where to: an id, a name, a tag, an address, a container; see `ssmport help`. Without it, the
    /// configuration file's or one that is chosen from a list.
    #[arg(short, long, env = "SSMPORT_TARGET", value_name = "TARGET")]
    pub(super) target: Option<Target>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "ssmport ssh [OPTIONS] [OPTIONS OF SSH] [USER@]TARGET [ARGUMENTS OF SSH]..."
)]
#[command(after_help = SSH_NOTES)]
pub(super) struct SshArgs {
    /// Make a key for this login, and have EC2 Instance Connect put it on the node for one minute.
    #[arg(long)]
    pub(super) push_key: bool,
    /// The node, and whatever ssh is to be given before and behind it.
    #[arg(required = true, value_name = "[USER@]TARGET", num_args = 1..)]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) words: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = SSH_CONFIG_NOTES)]
pub(super) struct SshConfigArgs {
    /// Put the block into ~/.ssh/config, in the place of an older one.
    #[arg(long)]
    pub(super) install: bool,
    /// Another name for a target, such as web=i-0123456789abcdef0; may be repeated.
    #[arg(long = "alias", value_name = "NAME=TARGET")]
    pub(super) aliases: Vec<Alias>,
    /// Install into this file.
    #[arg(long, value_name = "PATH", requires = "install")]
    pub(super) file: Option<PathBuf>,
    /// Whose rules of quoting the block follows.
    #[arg(long, value_enum, default_value_t = Form::HERE)]
    pub(super) form: Form,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Where to; without it the checks end at the account.
    #[arg(env = "SSMPORT_TARGET", value_name = "TARGET")]
    pub(super) target: Option<Target>,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Only those of this name, or with this tag; of several tags, those with all of them. In names and
    /// values * stands for anything, ? for one character.
    #[arg(value_name = "NAME or tag:KEY=VALUE[,tag:...]")]
    pub(super) filters: Vec<super::node_filter::NodeFilters>,
    /// Only those that are connected.
    #[arg(long)]
    pub(super) online: bool,
}

#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// Id of a node to offer; may be given several times [default: i-0123456789abcdef0].
    #[arg(long = "node", value_name = "ID")]
    pub(super) nodes: Vec<String>,
    /// Pretend the account that this file describes: users, MFA devices, roles, policies, nodes.
    #[arg(long, value_name = "FILE", long_help = ACCOUNT_HELP)]
    pub(super) account: Option<PathBuf>,
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
    /// Host name by which a proxy or a mapped port reaches the endpoint; may be given several times.
    ///
    /// On a loopback address only names of this machine and addresses are answered to, so that no web
    /// page gets in by a name of its own.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(super) allow_hosts: Vec<String>,
    /// Folder into which EC2 Instance Connect's keys go, a file for each user, for sshd's
    /// `AuthorizedKeysFile DIR/%u`.
    #[arg(long, value_name = "DIR")]
    pub(super) pushed_keys: Option<PathBuf>,
    /// Encrypt shells and commands with this key, an id or an ARN, which the endpoint's own KMS has.
    #[arg(long, value_name = "KEY")]
    pub(super) kms_key: Option<String>,
    /// Send a random challenge, and refuse clients that do not put it into the encryption context.
    #[arg(long, requires = "kms_key")]
    pub(super) kms_challenge: bool,
    /// Folder for the logs of shells, SESSION.log each, as the service stores them.
    #[arg(long, value_name = "DIR")]
    pub(super) session_logs: Option<PathBuf>,
    /// What the service does wrong, to test clients; --help lists it.
    #[arg(long, value_name = "LIST", value_parser = Faults::parse, long_help = faults_help())]
    pub(super) faults: Option<Faults>,
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

/// The variable that makes the endpoint of `-t local` a faulty one.
pub(super) const LOCAL_FAULTS: &str = "SSMPORT_LOCAL_FAULTS";

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

fn notes() -> String {
    format!("{FORMS}\n\n{EXIT_CODES}")
}

const ACCOUNT_HELP: &str = "\
Pretend the account that this file describes. Callers are known by their signatures then, and do what \
their policies allow; without it no credentials are checked. TOML, of which everything may be left out; \
the policies that it names lie beside it:
  id = \"123456789012\"
  [users.alice]                # access keys are made up unless given, and shown
  mfa_seed = \"JBSWY3DPEHPK3PXP\"
  policies = [\"policy.json\"]
  [roles.operator]
  trust = \"trust.json\"
  policies = [\"policy.json\"]
  [nodes.i-0123456789abcdef0]
  name = \"web\"
  tags = { Env = \"prod\" }
More keys: users access_key_id, secret_access_key, mfa_serial, tags; roles max_session_duration, tags; \
nodes ip, private_dns, platform_name, platform_version, agent_version, ping_status, ec2. A task of ECS is \
[[tasks]] with cluster, service, id, containers = [\"app\"], execute_command.";

const SHELL_HELP: &str = "\
At the beginning of a line, ~. ends the session, ~- turns these sequences off, ~? shows them. Without \
a terminal, standard input is typed at the shell, and its end ends the shell.";

const EXEC_HELP: &str = "\
Exit code: the command's own; 127 when there is no such program, 255 when a signal ended it, 130 when that \
was your Ctrl-C, 124 after --timeout. With -t it is printed by the node's shell and read from the output, \
which needs a POSIX shell there.

Standard input goes to the command, unless it is a terminal or empty, or with -n. Input and output are \
binary safe: Session Manager carries UTF-8 text, so the node's sh, dd and base64 see to all else. On \
a node without them, output that is no text is an error. With --document the command runs as it is.

The command is not a line of shell: for that, run `ssmport exec TARGET -- sh -c 'LINE'`.";

const PROXY_HELP: &str = "\
Ends when the server hangs up, or when standard output is closed. The protocol cannot tell the server \
that the input is over: after the end of standard input the answer is waited for as --answer-within says, \
and what is cut off then is an error (exit code 6).";

const EXIT_CODES: &str = "\
Exit codes: the command's own for `exec`, ssh's for `ssh`; else 0 done; 1 a check failed; 2 wrong \
usage; 3 AWS refused, or no credentials; 4 target not found or not connected; 5 local port or file; \
6 the session was lost and could not be had again; 124 after --timeout of `exec`; 128 and the signal's number when a signal ended it (130 for Ctrl-C).

Proxies: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY (http, https, socks5) and NO_PROXY are obeyed by calls and \
data channels.";

const SSH_NOTES: &str = "\
Everything behind TARGET goes to ssh as it is. The exit code is ssh's. -q and -v before TARGET are \
ssmport's own; behind it they are ssh's.";

const SSH_CONFIG_NOTES: &str = "\
Options about AWS and the connection (--profile, --region, endpoints, --mfa-serial, --dead-after, \
--resume-for, --answer-within) are written into the block, and so are the aliases of the configuration \
file. A block of the same --profile that is there already is replaced as a whole: give all other aliases \
each time. Blocks of several profiles stand side by side; node ids go to the first one.";

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
    fn what_is_meant_for_ssh_is_left_alone() {
        for (line, verbose, words) in [
            ("-v ssh i-1 -v", 1, "i-1 -v"),
            ("ssh --region r -p 22 -v i-1 --region", 0, "-p 22 -v i-1 --region"),
            ("ssh -4v i-1 -- ls -q", 0, "-4v i-1 -- ls -q"),
            ("ssh root@i-1 --help", 0, "root@i-1 --help"),
            ("ssh -vq -N i-1", 1, "-N i-1"),
        ] {
            let words_of_line = ["ssmport"].into_iter().chain(line.split(' '));
            let cli = Cli::try_parse_from(words_of_line).unwrap();
            let Command::Ssh(SshArgs { words: found, .. }) = cli.command else { panic!("{line}") };
            assert_eq!(found.join(" ".as_ref()), words, "{line}");
            assert_eq!(cli.global.verbose, verbose, "{line}");
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
