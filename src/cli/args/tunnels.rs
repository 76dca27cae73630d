//! What can be typed of tunnels that are kept up.

use std::ffi::OsString;

use clap::Args;

use crate::cli::commands::up::install::Keeper;

#[derive(Debug, Args)]
#[command(after_long_help = UP_NOTES)]
pub(crate) struct UpArgs {
    /// Tunnels of the configuration file; all of them without a name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Return once they stand, and keep them up in the background.
    #[cfg(unix)]
    #[arg(short, long)]
    pub(crate) background: bool,
    /// Print what has the system keep them up from login on.
    ///
    /// A unit of systemd, an agent of launchd, or a task of Windows, with the options and the settings of the
    /// environment that it was printed with.
    #[arg(long, value_enum, value_name = "SYSTEM", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = Keeper::HERE)]
    #[cfg_attr(unix, arg(conflicts_with = "background"))]
    pub(crate) install: Option<Keeper>,
    /// What --background starts.
    #[cfg(unix)]
    #[arg(long, hide = true, conflicts_with = "background")]
    pub(crate) detached: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "ssmport connect NAME [OPTIONS] [-- COMMAND...]")]
pub(crate) struct ConnectArgs {
    /// A tunnel of the configuration file.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Run this instead of what the file says.
    ///
    /// {host} and {port} in it, and SSMPORT_HOST and SSMPORT_PORT in its environment, are where the tunnel
    /// listens: that of `ssmport up`, if it stands, else one that ends with the program.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only these; all of them without a name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Only these; all of them without a name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Only of these; of all of them without a name.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Go on with what happens from now on.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// So many of the last events.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) lines: usize,
}

const UP_NOTES: &str = "\
Each tunnel is kept up by itself: a lost session is resumed, one that is over gives way to another when the \
next connection comes, and where none can be had, since the node is away or the login has expired, another \
try is made in 1 to 60 seconds, or when a connection comes. A changed configuration file is taken up within \
a second or two; what did not change goes on.

A second `up` joins the first one, and shows what that keeps up. `ssmport status`, `down` and `logs` ask it, \
over a socket in $XDG_RUNTIME_DIR/ssmport, or ~/.cache/ssmport/run.";
