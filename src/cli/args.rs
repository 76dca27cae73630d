//! What can be typed.

mod cp;
mod decode;
mod embedded;
mod endpoints;
mod limits;
mod login;
mod many;
#[cfg(feature = "aws")]
mod nodes;
mod play;
mod readiness;
#[cfg(feature = "aws")]
mod recorded;
mod sessions;
mod socks;
mod ssh;
mod tunnels;
mod words;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};

#[cfg(unix)]
pub(super) use self::tunnels::{DownArgs, LogsArgs, StatusArgs};
pub(super) use self::{
    cp::{CopyEnd, CopyWay, CpArgs},
    decode::{DecodeArgs, Way},
    embedded::{DemoArgs, LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, LocalArgs, PaceArg},
    endpoints::EndpointArgs,
    limits::SendOrder,
    login::LoginArgs,
    many::{On, target_or_pattern},
    play::PlayArgs,
    readiness::ReadinessArgs,
    sessions::{ExecArgs, ForwardArgs, ProxyArgs, ShellArgs, SshHabits},
    socks::SocksArgs,
    ssh::{SshArgs, SshConfigArgs},
    tunnels::{ConnectArgs, UpArgs},
    words::{CompletionsArgs, ConfigArgs, HelpArgs, ManArgs},
};
#[cfg(feature = "aws")]
pub(super) use self::{
    nodes::{DoctorArgs, LsArgs},
    recorded::{SessionsAction, SessionsArgs, StopArgs},
};
use super::{help::WIDEST, mfa::MfaOptions, trace};
use crate::client::{
    limits::{
        ANSWER_WITHIN, DEAD_AFTER, PAYLOAD_SIZE, RESUME_FOR, SEND_ORDER, duration, payload_size,
    },
    target::Whose,
};

/// Shells, commands and ports of nodes that AWS Session Manager reaches.
#[derive(Debug, Parser)]
#[command(name = "ssmport", version, long_version = BUILD, max_term_width = WIDEST, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of all commands; [`help`](super::help) keeps them out of `-h`.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// Say nothing but errors.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more; twice for the details. SSMPORT_LOG takes a filter instead.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,
    /// Report as JSON, one object a line, on stdout; errors as well.
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
    /// Write each frame of the sessions into this file, without its payload, for `ssmport decode`.
    ///
    /// A JSON object a line. When it has 64 MiB it becomes FILE.1, and a new one begins. %p in its name
    /// stands for the process's number.
    #[arg(long, global = true, value_name = "FILE", env = trace::VARIABLE, hide_env_values = true)]
    #[arg(help_heading = "Connection")]
    pub(super) trace: Option<PathBuf>,
    /// Write the payloads too, in hexadecimal: all that is typed and shown, passwords included.
    #[arg(long, global = true, requires = "trace", help_heading = "Connection")]
    pub(super) trace_payloads: bool,
    /// What the configuration files say where nobody else does.
    #[arg(skip)]
    pub(super) defaults: Whose,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open a shell on a node.
    Shell(ShellArgs),
    /// Run a command on a node: output and exit code.
    Exec(ExecArgs),
    /// Copy files and folders to a node and from it.
    Cp(CpArgs),
    /// Forward local ports to a node, or through it.
    Forward(ForwardArgs),
    /// A SOCKS and HTTP proxy for all that a node reaches.
    Socks(SocksArgs),
    /// Show a recorded shell again.
    Play(PlayArgs),
    /// One stream on stdin and stdout: a ProxyCommand.
    Proxy(ProxyArgs),
    /// Run the system's ssh through Session Manager.
    Ssh(SshArgs),
    /// Have ssh, scp, sftp, rsync and git reach nodes.
    ///
    /// Prints the block of ssh_config by which they do, or installs it.
    SshConfig(SshConfigArgs),
    /// Keep the tunnels of the configuration file up.
    Up(UpArgs),
    /// Run the program that goes with a configured tunnel.
    Connect(ConnectArgs),
    /// Show how the tunnels are that are kept up.
    #[cfg(unix)]
    Status(StatusArgs),
    /// End tunnels that are kept up.
    #[cfg(unix)]
    Down(DownArgs),
    /// Show what has become of the tunnels that are kept up.
    #[cfg(unix)]
    Logs(LogsArgs),
    /// List the nodes that can be reached.
    #[cfg(feature = "aws")]
    Ls(LsArgs),
    /// List sessions, and end them.
    #[cfg(feature = "aws")]
    Sessions(SessionsArgs),
    /// Begin an MFA or SSO session for all later calls.
    Login(LoginArgs),
    /// Check each link of the chain, and say what to do.
    #[cfg(feature = "aws")]
    Doctor(DoctorArgs),
    /// Show which settings count, and where from.
    Config(ConfigArgs),
    /// Run the embedded endpoint, to try and test without AWS.
    Local(Box<LocalArgs>),
    /// Send every kind of stream through the embedded endpoint.
    Demo(DemoArgs),
    /// Print, or draw, what --trace has written.
    Decode(DecodeArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the manual pages.
    Man(ManArgs),
    /// Explain a command or a topic.
    Help(HelpArgs),
}

impl Command {
    /// Whether it asks AWS for something, and is to be told first if the configuration cannot be used.
    pub(super) fn heeds_defaults(&self) -> bool {
        match self {
            Self::Local(_)
            | Self::Demo(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Help(_)
            | Self::Play(_)
            | Self::Decode(_)
            | Self::Config(_) => false,
            #[cfg(unix)]
            Self::Status(_) | Self::Down(_) | Self::Logs(_) => false,
            // It looks by itself, and says what it finds.
            #[cfg(feature = "aws")]
            Self::Doctor(_) => false,
            _ => true,
        }
    }

    /// Whether it has sessions, whose frames can be traced. Those of `ssh` are in a program of its own.
    pub(super) fn has_sessions(&self) -> bool {
        matches!(
            self,
            Self::Shell(_)
                | Self::Exec(_)
                | Self::Cp(_)
                | Self::Forward(_)
                | Self::Socks(_)
                | Self::Proxy(_)
                | Self::Up(_)
                | Self::Connect(_)
                | Self::Demo(_)
        )
    }

    /// Whether standard output is for what is asked for, and for no report.
    pub(super) fn has_stdout(&self) -> bool {
        match self {
            // With many nodes it is for them, or for a report.
            Self::Exec(exec) => exec.many.on.is_empty(),
            // Unless that is where the copy goes.
            Self::Cp(cp) => cp.has_stdout(),
            Self::Shell(_)
            | Self::Play(_)
            | Self::Proxy(_)
            | Self::Ssh(_)
            | Self::Decode(_)
            | Self::Connect(_)
            | Self::Completions(_)
            | Self::Help(_) => true,
            #[cfg(feature = "aws")]
            Self::Ls(_) | Self::Sessions(_) | Self::Doctor(_) => false,
            // It is that of the command behind it.
            Self::Forward(forward) => !forward.command.is_empty() || forward.open.is_some(),
            #[cfg(unix)]
            Self::Status(_) | Self::Down(_) | Self::Logs(_) => false,
            Self::Up(_)
            | Self::Socks(_)
            | Self::SshConfig(_)
            | Self::Login(_)
            | Self::Config(_)
            | Self::Local(_)
            | Self::Demo(_)
            | Self::Man(_) => false,
        }
    }
}

/// The version with what it was built from, and for what.
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SSMPORT_BUILD"), ")");

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }
}
