//! What can be typed of sessions: shells, commands, streams and ports.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use crate::client::{limits::duration, spec::Spec, target::Target};

#[derive(Debug, Args)]
#[command(after_long_help = SHELL_HELP)]
pub(crate) struct ShellArgs {
    /// An id, a name, a tag ... (ssmport help targets).
    ///
    /// Without it, SSMPORT_TARGET, the configuration file's, or one that is chosen from a list.
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<Target>,
    /// The target, said as to the AWS CLI.
    #[arg(short = 't', long = "target", value_name = "TARGET", conflicts_with = "target")]
    pub(crate) named: Option<Target>,
    /// Session document to start.
    ///
    /// Without it, the account's default shell.
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = EXEC_HELP)]
pub(crate) struct ExecArgs {
    /// An id, a name, a tag ... (ssmport help targets).
    #[arg(value_name = "TARGET")]
    pub(crate) target: Target,
    /// Run the command on a terminal.
    ///
    /// What is typed here is its input.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Do not read standard input.
    ///
    /// It may be somebody else's: a loop's, for one.
    #[arg(short = 'n', long, conflicts_with = "tty")]
    pub(crate) no_input: bool,
    /// End the command after this long (90s, 5m, seconds).
    ///
    /// The exit code is 124 then.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Session document to start.
    ///
    /// Without it, the one of AWS for such commands.
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The command and its arguments, as they are given here.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = PROXY_HELP)]
pub(crate) struct ProxyArgs {
    /// An id, a name, a tag ... (ssmport help targets).
    #[arg(value_name = "TARGET")]
    pub(crate) target: Target,
    /// Port of the node.
    #[arg(default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(override_usage = "\
ssmport forward SPEC... -t TARGET [OPTIONS] [-- COMMAND...]
       ssmport forward TARGET SPEC... [OPTIONS] [-- COMMAND...]")]
pub(crate) struct ForwardArgs {
    /// [[BIND:]LOCAL:][HOST:]PORT, or PATH:[HOST:]PORT.
    ///
    /// As in `ssh -L`. 5432 is the same port on both sides; 15432:5432 listens on 15432;
    /// 15432:db.internal:5432 goes through the node to another host, db.internal:5432 too, from 5432
    /// here; 0.0.0.0:15432:db:5432 lets others in. 0 or nothing for LOCAL takes a free port. IPv6
    /// addresses stand in brackets. /run/db.sock:5432 listens on a Unix socket.
    ///
    /// A first word that is none of these is the TARGET.
    #[arg(required_unless_present = "as_of_ssh", value_name = "SPEC")]
    pub(crate) words: Vec<String>,
    /// An id, a name, a tag ... (ssmport help targets).
    ///
    /// Without it, SSMPORT_TARGET, the configuration file's, or one that is chosen from a list.
    #[arg(short, long, value_name = "TARGET")]
    pub(crate) target: Option<Target>,
    /// A SPEC in the way of ssh.
    #[arg(short = 'L', value_name = "SPEC")]
    pub(crate) as_of_ssh: Vec<Spec>,
    /// Run this command once the ports lead there, and end with it.
    ///
    /// Its exit code is then that of forward, and SSMPORT_PORT in its environment the local port of the
    /// first SPEC.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Add a line of JSON to this file for each connection.
    ///
    /// Who connected, where to, how many bytes went each way, how long it took, and what ended it
    /// (docs/json.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) habits: SshHabits,
}

/// What fingers that know `ssh` type; nothing of it is needed, or there, here.
#[derive(Debug, Args)]
pub(crate) struct SshHabits {
    /// No command: a forward never runs one.
    #[arg(short = 'N', hide = true)]
    pub(crate) no_command: bool,
    #[arg(short = 'f', hide = true)]
    pub(crate) background: bool,
    #[arg(short = 'D', hide = true, value_name = "PORT")]
    pub(crate) dynamic: Option<String>,
    #[arg(short = 'R', hide = true, value_name = "SPEC")]
    pub(crate) remote: Option<String>,
}

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
