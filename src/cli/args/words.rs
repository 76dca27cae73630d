//! What can be typed of what ssmport says of itself.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct HelpArgs {
    /// A command, or one of: topics, targets, exit-codes, environment, proxies.
    #[arg(value_name = "SUBJECT", hide_possible_values = true)]
    pub(crate) subject: Option<String>,
}
