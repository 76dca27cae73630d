//! What can be typed of `ssh` and its configuration.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::readiness::ReadinessArgs;
use crate::{
    cli::{commands::ssh_config::Alias, proxy_command::Form},
    client::limits::duration,
};

#[derive(Debug, Args)]
#[command(override_usage = "ssmport ssh [OPTIONS] [SSH OPTIONS] [USER@]TARGET [SSH ARGUMENTS]...")]
#[command(after_long_help = SSH_NOTES)]
pub(crate) struct SshArgs {
    /// Have EC2 Instance Connect put a new key on the node.
    ///
    /// It is made for this login, and is there for one minute.
    #[arg(long)]
    pub(crate) push_key: bool,
    #[command(flatten)]
    pub(crate) readiness: ReadinessArgs,
    /// The node, and what ssh is to be given before and behind it.
    #[arg(required = true, value_name = "[USER@]TARGET", num_args = 1..)]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_long_help = SSH_CONFIG_NOTES)]
pub(crate) struct SshConfigArgs {
    /// Put the block into ~/.ssh/config.
    ///
    /// An older one there is replaced.
    #[arg(long)]
    pub(crate) install: bool,
    /// Another name for a target; repeatable.
    #[arg(long = "alias", value_name = "NAME=TARGET")]
    pub(crate) aliases: Vec<Alias>,
    /// Install into this file.
    #[arg(long, value_name = "PATH", requires = "install")]
    pub(crate) file: Option<PathBuf>,
    /// Have each connection wait for a node that is not connected yet [default: 5m].
    ///
    /// As the option of `ssmport ssh`. ssh itself may give up before, where ConnectTimeout is set.
    #[arg(long, value_name = "TIME", value_parser = duration, hide_short_help = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    pub(crate) wait: Option<Duration>,
    /// Whose rules of quoting the block follows.
    #[arg(long, value_enum, default_value_t = Form::HERE)]
    pub(crate) form: Form,
}

const SSH_NOTES: &str = "\
Everything behind TARGET goes to ssh as it is. The exit code is ssh's. -q and -v before TARGET are \
ssmport's own; behind it they are ssh's.";

const SSH_CONFIG_NOTES: &str = "\
Options about AWS and the connection (--profile, --region, endpoints, --mfa-serial, --dead-after, \
--resume-for, --answer-within) and --wait are written into the block, and so are the aliases of the configuration \
file. A block of the same --profile that is there already is replaced as a whole: give all other aliases \
each time. Blocks of several profiles stand side by side; node ids go to the first one.";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{
        super::{Cli, Command},
        *,
    };

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
}
