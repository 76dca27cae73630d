//! `ssmport`, see the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = ssmport::cli::reaper() {
        return ended;
    }
    for name in ssmport::cli::response_variables() {
        // SAFETY: no other thread exists yet. No program that we start is to inherit a token.
        unsafe { std::env::remove_var(name) };
    }
    ssmport::cli::ssmport()
}
