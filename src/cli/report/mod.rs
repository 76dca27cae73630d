//! What `--json` prints: objects, one a line, each with the name of its event and the schema's version.
//!
//! `docs/json.md` has the table, `docs/json.schema.json` the same for programs; a test compares all three. An
//! event has all of its fields always, `null` where there is nothing. What is the same thing has the same name
//! in every event; times are UTC as of RFC 3339.

#[cfg(feature = "aws")]
mod account;
mod copy;
mod endpoint;
mod many;
#[cfg(feature = "aws")]
mod sessions;
mod tunnel;

use serde::Serialize;

#[cfg(feature = "aws")]
pub(super) use account::{Check, Login, Node};
pub(super) use copy::{CopyProgress, CopySummary, Copying, FileCopied};
pub(super) use endpoint::{Serving, Step};
pub(super) use many::{NodeEnded, NodeOutput, NodeStarted, NodeState, Summary};
#[cfg(feature = "aws")]
pub(super) use sessions::{Session, Stopped, StoppedState};
#[cfg(unix)]
pub(super) use tunnel::Entry;
pub(super) use tunnel::{Connection, Ended, Forwarding, Lane, LaneState, Lost, Proxying, Tunnel};

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    schema: u32,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// What is told, by the name that it has in the line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// Of `forward`: a port can be connected to.
    #[serde(rename = "ready")]
    Forwarding(Forwarding<'a>),
    /// Of `forward`: a session is over, the port stays.
    Lost(Lost<'a>),
    /// Of `forward`: something has become of a further session.
    Lane(Lane<'a>),
    /// Of `exec --on`: a node's turn has come.
    #[serde(rename = "started")]
    NodeStarted(NodeStarted<'a>),
    /// Of `exec --on`: a line that a command has written.
    #[serde(rename = "output")]
    NodeOutput(NodeOutput<'a>),
    /// Of `exec --on`: it is over on a node.
    #[serde(rename = "ended")]
    NodeEnded(NodeEnded<'a>),
    /// Of `exec --on`: it is over everywhere.
    Summary(Summary),
    /// Of `cp`: what a source is.
    Copying(Copying<'a>),
    /// Of `cp`: how far it has come.
    #[serde(rename = "progress")]
    CopyProgress(CopyProgress<'a>),
    /// Of `cp`: a source is copied.
    #[serde(rename = "copied")]
    FileCopied(FileCopied<'a>),
    /// Of `cp`: all of them are.
    #[serde(rename = "done")]
    CopySummary(CopySummary),
    /// Of `up` and `status`: how a tunnel is.
    Tunnel(Tunnel<'a>),
    /// Of `up` and `down`: a tunnel is kept up no more.
    Ended(Ended<'a>),
    /// Of `logs`.
    #[cfg(unix)]
    Entry(Entry<'a>),
    /// Of `socks`: the proxy can be connected to.
    #[serde(rename = "ready")]
    Proxying(Proxying<'a>),
    /// Of `forward` and `socks`, in the file of `--log`: a connection is over.
    Connection(Connection<'a>),
    /// Of `local`: the endpoint can be called.
    #[serde(rename = "ready")]
    Serving(Serving<'a>),
    /// Of `ls`.
    #[cfg(feature = "aws")]
    Node(Node<'a>),
    /// Of `sessions`.
    #[cfg(feature = "aws")]
    Session(Session<'a>),
    /// Of `sessions stop`.
    #[cfg(feature = "aws")]
    Stopped(Stopped<'a>),
    /// Of `login`.
    #[cfg(feature = "aws")]
    Login(Login<'a>),
    /// Of `doctor`.
    #[cfg(feature = "aws")]
    Check(Check<'a>),
    /// Of `config`.
    Setting(Setting<'a>),
    /// Of `ssh-config`.
    SshConfig(SshConfig<'a>),
    /// Of `demo`.
    Step(Step<'a>),
    /// Something went wrong while the command goes on.
    Warning(Warning<'a>),
    /// The command has failed; nothing comes behind it.
    Error(Error<'a>),
}

/// The block of ssh_config, printed or installed.
#[derive(Debug, Serialize)]
pub(super) struct SshConfig<'a> {
    pub(super) block: &'a str,
    /// The file that it is installed in.
    pub(super) file: Option<String>,
    /// Whether the file is another than before.
    pub(super) changed: bool,
    /// How the file was before.
    pub(super) backup: Option<String>,
}

/// A setting that counts.
#[derive(Debug, Serialize)]
pub(super) struct Setting<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) source: Source,
    /// Of the option or the variable.
    pub(super) name: Option<&'a str>,
    pub(super) file: Option<String>,
    pub(super) line: Option<usize>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    #[cfg(feature = "aws")]
    Option,
    Environment,
    /// The profile in `~/.aws`.
    #[cfg(feature = "aws")]
    Aws,
    File,
}

#[derive(Debug, Serialize)]
pub(super) struct Warning<'a> {
    pub(super) time: String,
    /// The forwarded port that it is about.
    pub(super) port: Option<u16>,
    pub(super) what: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Error<'a> {
    pub(super) exit_code: u8,
    pub(super) what: &'a str,
    pub(super) why: Option<&'a str>,
    /// What to do about it.
    pub(super) next: Option<&'a str>,
}

/// How a check or a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    /// It holds, and may not in some case or before long.
    #[cfg(feature = "aws")]
    Warning,
    Failure,
    /// It was not looked at.
    #[cfg(feature = "aws")]
    Skipped,
}

impl<'a> Line<'a> {
    pub(super) fn of(event: &'a Event<'a>) -> Self {
        Self { schema: SCHEMA, event }
    }
}

/// The next one may take fields away.
const SCHEMA: u32 = 1;
