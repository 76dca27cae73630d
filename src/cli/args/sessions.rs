//! What can be typed of sessions: shells, commands, streams and ports.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::{many::ManyArgs, readiness::ReadinessArgs};
use crate::client::{LaneCount, limits::duration, spec::Spec, target::Target};

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
    /// Record what is shown into this new file, for `ssmport play`, or asciinema.
    ///
    /// With its times and the sizes of the terminal; each line is on the disk as it is shown. The file
    /// is for your eyes only (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Record what is typed, too: passwords as well.
    #[arg(long, requires = "record", hide_short_help = true)]
    pub(crate) record_input: bool,
    /// Do without the recording that the configuration file asks for.
    ///
    /// What the machine's file demands is recorded all the same: that is an error.
    #[arg(long, conflicts_with = "record", hide_short_help = true)]
    pub(crate) no_record: bool,
    /// Session document to start.
    ///
    /// Without it, the account's default shell.
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = EXEC_HELP, override_usage = EXEC_USAGE)]
pub(crate) struct ExecArgs {
    /// An id, a name, a tag ... (ssmport help targets).
    // With `on` it is the command's first word.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
    /// Run the command on a terminal.
    ///
    /// What is typed here is its input.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// As docker and kubectl want it said; standard input is passed on without it.
    #[arg(short, long, hide = true, conflicts_with = "no_input")]
    pub(crate) interactive: bool,
    /// With -t: do without the recording that the configuration file asks for.
    #[arg(long, requires = "tty", hide_short_help = true)]
    pub(crate) no_record: bool,
    /// Do not read standard input.
    ///
    /// It may be somebody else's: a loop's, for one.
    #[arg(short = 'n', long, conflicts_with = "tty")]
    pub(crate) no_input: bool,
    /// End the command after this long (90s, 5m, seconds).
    ///
    /// The exit code is 124 then. With --on, of each node by itself.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Session document to start.
    ///
    /// Without it, the one of AWS for such commands.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) document: Option<String>,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
    /// The command and its arguments, as they are given.
    #[arg(required_unless_present = "on", trailing_var_arg = true, value_name = "COMMAND")]
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
    /// Have what comes from the node come by a command's output, fifteen times as fast.
    ///
    /// What that takes, and where it is logged: ssmport forward --help, docs/forward.md.
    #[arg(long)]
    pub(crate) turbo: bool,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
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
    /// A SPEC in the way of ssh; those count before others.
    #[arg(short = 'L', value_name = "SPEC", hide_short_help = true)]
    pub(crate) as_of_ssh: Vec<Spec>,
    /// Run this command once the ports lead there, and end with it.
    ///
    /// Its exit code is then that of forward. {host} and {port} in its words, SSMPORT_HOST and SSMPORT_PORT
    /// in its environment are where the first SPEC listens; {port2} and SSMPORT_PORT2 are the second's.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// Run the program that goes with the first SPEC, as a command behind --.
    ///
    /// Of port 3389 that is a client of Remote Desktop, of 1433 sqlcmd, if there is one. NAME is rdp, sqlcmd,
    /// or a tunnel of the configuration file, whose `open` is run.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    #[arg(conflicts_with = "command", conflicts_with = "background", hide_short_help = true)]
    pub(crate) open: Option<Option<String>>,
    /// Go to the background once the ports lead there.
    ///
    /// As ssh -f: until then it asks and tells as ever, and fails with its exit code; then it ends with 0,
    /// and the process that goes on says nothing. `kill` ends it.
    #[arg(short = 'f', long, conflicts_with = "command")]
    pub(crate) background: bool,
    /// File that is there while the ports lead there.
    ///
    /// It has the JSON objects that --json prints, a line for each SPEC. It is there once it is whole, and
    /// its user alone can read it. One that is there already is removed first.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) ready_file: Option<PathBuf>,
    /// File with the number of the process, there as long as --ready-file.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) pid_file: Option<PathBuf>,
    /// Where the process that has started this one waits.
    #[arg(long, value_name = "SOCKET", hide = true, requires = "background")]
    pub(crate) detach_to: Option<PathBuf>,
    /// Spread connections over up to so many sessions.
    ///
    /// The agent sends 0.7 MB/s a session. With a number, a connection that comes while all sessions have
    /// one gets a session of its own, up to that number (at most 32); with `auto` only while as much comes
    /// as sessions can carry, up to 4. A single connection gets no faster. A session that is not used for
    /// a minute is closed; where none can be had, the connections share those there are.
    #[arg(long, value_name = "NUMBER", default_value_t)]
    pub(crate) lanes: LaneCount,
    /// A reason to be recorded with the session.
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub(crate) reason: Option<String>,
    /// Add a line of JSON to this file for each connection.
    ///
    /// Who connected, where to, how many bytes went each way, how long it took, and what ended it
    /// (docs/json.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Have what comes from the node come by a command's output, fifteen times as fast.
    ///
    /// A program that is sent along, in python3 or perl, runs on the node for as long as connections are
    /// open. It takes the permission to start AWS-StartNonInteractiveCommand; the program is in the
    /// account's log (CloudTrail), and with logging of sessions to S3 or CloudWatch all that comes is
    /// written there too. Without what it takes the forward goes on in the plain way, with a line
    /// (docs/forward.md).
    #[arg(long, hide_short_help = true)]
    pub(crate) turbo: bool,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
    #[command(flatten)]
    pub(crate) habits: SshHabits,
}

/// What fingers that know `ssh` type; nothing of it is needed, or there, here.
#[derive(Debug, Default, Args)]
pub(crate) struct SshHabits {
    /// No command: a forward never runs one.
    #[arg(short = 'N', hide = true)]
    pub(crate) no_command: bool,
    #[arg(short = 'D', hide = true, value_name = "PORT")]
    pub(crate) dynamic: Option<String>,
    #[arg(short = 'R', hide = true, value_name = "SPEC")]
    pub(crate) remote: Option<String>,
}

const SHELL_HELP: &str = "\
At the beginning of a line, ~. ends the session, ~# shows what it carries, ~C opens a command line on which \
-L SPEC adds a forward and -KL PORT takes one away, ~^Z suspends ssmport, ~- turns these sequences off, ~? \
shows them. Without a terminal, standard input is typed at the shell, and its end ends the shell.";

const EXEC_USAGE: &str = "\
ssmport exec [OPTIONS] TARGET [--] COMMAND...
       ssmport exec [OPTIONS] --on TARGETS [--on TARGETS]... -- COMMAND...";

const EXEC_HELP: &str = "\
Exit code: the command's own; 127 when there is no such program, 255 when a signal ended it, 130 when that \
was your Ctrl-C, 124 after --timeout. With -t it is printed by the node's shell and read from the output, \
which needs a POSIX shell there; after a signal it is 128 and its number then.

Standard input goes to the command, unless it is a terminal or empty, or with -n. Input and output are \
binary safe: Session Manager carries UTF-8 text, so the node's sh, dd and base64 see to all else. On \
a node without them, output that is no text is an error. With --document the command runs as it is.

The command is not a line of shell: for that, run `ssmport exec TARGET -- sh -c 'LINE'`.

With --on it runs on every node that is meant, its output behind the node's name, and takes no input. The \
exit code is the highest of all nodes', each as exec has it of that node alone; 130 after Ctrl-C, which ends \
it everywhere. What was ended or not begun after --fail-fast does not count. Standard output and standard \
error stay apart. With --json what happens is an object a line on standard output.";

const PROXY_HELP: &str = "\
Ends when the server hangs up, or when standard output is closed. The protocol cannot tell the server \
that the input is over: after the end of standard input the answer is waited for as --answer-within says, \
and what is cut off then is an error (exit code 6).";
