//! What can be typed of what ssmport says of itself.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS_NOTES)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to complete.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_long_help = CONFIG_NOTES)]
pub(crate) struct ConfigArgs {}

#[derive(Debug, Args)]
#[command(override_usage = "ssmport man DIR [OPTIONS]")]
pub(crate) struct ManArgs {
    /// A folder of manuals, such as ~/.local/share/man.
    ///
    /// The pages go into man1 and man7 in it; those of before are overwritten.
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct HelpArgs {
    /// A command, or one of: topics, targets, exit-codes, environment, proxies.
    #[arg(value_name = "SUBJECT", hide_possible_values = true)]
    pub(crate) subject: Option<String>,
}

const COMPLETIONS_NOTES: &str = "\
The script asks ssmport what there is: commands and options, profiles of ~/.aws, regions, aliases of the \
configuration file, and the nodes that ssmport ls, or a target that was looked up, has shown in the last ten \
minutes. It is read at the start of the shell. For all of bash: `source <(ssmport completions bash)` in \
~/.bashrc; zsh: the same in ~/.zshrc, behind compinit; PowerShell: \
`ssmport completions powershell | Out-String | Invoke-Expression` in $PROFILE.";

const CONFIG_NOTES: &str = "\
Options go before variables, variables before the files; of the files, the user's own \
(~/.config/ssmport/config.toml, or SSMPORT_CONFIG) before that of the machine (/etc/ssmport/config.toml, or \
SSMPORT_SYSTEM_CONFIG), key by key.";
