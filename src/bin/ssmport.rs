//! `ssmport`, see the library's `cli`.

use std::process::ExitCode;

use ssmport::cli::{completion, empty_variables, overwrite_responses, reaper, response_variables};

fn main() -> ExitCode {
    if let Some(ended) = completion() {
        return ended;
    }
    if let Some(ended) = reaper() {
        return ended;
    }
    for name in response_variables().into_iter().chain(empty_variables()) {
        // SAFETY: no other thread exists yet. No program that we start is to inherit a token; what is
        // empty means nothing.
        unsafe { std::env::remove_var(name) };
    }
    overwrite_responses();
    ssmport::cli::ssmport()
}
