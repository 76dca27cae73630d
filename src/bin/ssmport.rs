//! `ssmport`, see the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ssmport::cli::ssmport()
}
