//! `ssmport completions SHELL`.

use crate::cli::{args::CompletionsArgs, completion, failure::Failure, output::Output};

pub(crate) fn print(arguments: &CompletionsArgs, output: &Output) -> Result<(), Failure> {
    let script = completion::script(arguments.shell);
    let unknown = || Failure::local(format!("there is no script for {}", arguments.shell));
    output.line(script.ok_or_else(unknown)?.trim_end());
    output.written()
}
