//! What a shell completes a line of `ssmport` with.
//!
//! ```text
//!   ssmport completions SHELL ---> script ---> COMPLETE=SHELL ssmport -- WORDS...
//!                                                |
//!              shell (words in, answers out) --- line: quotes
//!                                                |
//!              values: what there is to choose from
//!                |        |        |       |
//!             profiles  regions  aliases  seen_nodes, which ls and lookups have kept
//! ```
//!
//! Nobody is waited for and nobody asked: files are read, and that is all.

mod line;
mod regions;
#[cfg(feature = "aws")]
pub(super) mod seen_nodes;
mod shell;
mod values;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use clap_complete::{
    Shell,
    engine::{CompletionCandidate, complete},
};

use super::help;
use shell::Question;
pub(super) use shell::script;

/// Answers a shell that completes a line, if this process was started for that.
pub fn completion() -> Option<ExitCode> {
    let shell = env::var(VARIABLE).ok()?;
    // Somebody else may have a variable of this name for something else.
    let shell = Shell::from_str(&shell, false).ok()?;
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != "--" {
        return None;
    }
    let answers = Question::new(shell, arguments.collect()).map(|question| answers(&question));
    let Some(answers) = answers else { return Some(ExitCode::FAILURE) };
    // A shell that has gone away needs no answer.
    let written = io::stdout().write_all(answers.as_bytes());
    Some(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answers(question: &Question) -> String {
    let candidates = candidates(question.words.clone());
    let lines = candidates.iter().filter_map(|candidate| question.answer(candidate));
    lines.map(|line| line + "\n").collect()
}

fn candidates(words: Vec<OsString>) -> Vec<CompletionCandidate> {
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let mut command = values::with_values(help::command(), before);
    let (is_empty, index) = (last.is_empty(), before.len());
    let folder = env::current_dir().ok();
    let mut found = complete(&mut command, words, index, folder.as_deref()).unwrap_or_default();
    let is_option =
        |one: &CompletionCandidate| one.get_value().as_encoded_bytes().starts_with(b"-");
    // Options are for those who ask for them by a hyphen, unless there is nothing else.
    if is_empty && found.iter().any(|one| !is_option(one)) {
        found.retain(|one| !is_option(one));
    }
    found
}

const VARIABLE: &str = "COMPLETE";

#[cfg(test)]
mod tests;
