//! `ssmport completions SHELL`.

use std::io::{ErrorKind, Write};

use crate::cli::{args::CompletionsArgs, failure::Failure, help};

pub(crate) fn print(arguments: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut help::command(), "ssmport", &mut script);
    match std::io::stdout().write_all(&script) {
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written
            .map_err(|error| Failure::local("cannot write the completion script").because(error)),
    }
}
