//! The drop-in, see the library's `cli::plugin`.

use std::process::ExitCode;

use ssmport::cli::{
    empty_variables, is_response_variable, overwrite_responses, reaper, response_variables,
};

fn main() -> ExitCode {
    if let Some(ended) = reaper() {
        return ended;
    }
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let variable = arguments.first().filter(|name| is_response_variable(name));
    let handed_over = variable.and_then(|name| std::env::var(name).ok());
    for name in response_variables().into_iter().chain(empty_variables()) {
        // SAFETY: no other thread exists yet. A response holds a session's token, which no child
        // process is to inherit; what is empty means nothing.
        unsafe { std::env::remove_var(name) };
    }
    overwrite_responses();
    ssmport::cli::plugin(&arguments, handed_over)
}
