//! `ssmport completions SHELL`.

use std::io::Write;

use clap::CommandFactory;

use super::{
    args::{Cli, CompletionsArgs},
    failure::Failure,
};

pub(super) fn print(arguments: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "ssmport", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| Failure::local("cannot write the completion script").because(error))
}
