//! The drop-in, see the library's `cli::plugin`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let variable = arguments.first().filter(|name| name.starts_with(RESPONSE_VARIABLE));
    let handed_over = variable.and_then(|name| {
        let response = std::env::var(name).ok();
        // SAFETY: no other thread exists yet. The variable holds the session's token, which no
        // child process is to inherit.
        unsafe { std::env::remove_var(name) };
        response
    });
    ssmport::cli::plugin(&arguments, handed_over)
}

/// What the name of the variable begins with that callers hand the response over in.
const RESPONSE_VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
