//! Both programs, see the library's `cli`: `ssmport`, and under its name the drop-in.

use std::{env, process::ExitCode};

use ssmport::cli::{
    completion, drop_in_arguments, empty_variables, is_response_variable, overwrite_responses,
    reaper, response_variables,
};

pub fn main() -> ExitCode {
    let drop_in = drop_in_arguments(env::args_os());
    if drop_in.is_none()
        && let Some(ended) = completion()
    {
        return ended;
    }
    if let Some(ended) = reaper() {
        return ended;
    }
    let variable = drop_in.iter().flatten().next().filter(|name| is_response_variable(name));
    let handed_over = variable.and_then(|name| env::var(name).ok());
    for name in response_variables().into_iter().chain(empty_variables()) {
        // SAFETY: no other thread exists yet. A response holds a session's token, which no program
        // that we start is to inherit; what is empty means nothing.
        unsafe { env::remove_var(name) };
    }
    overwrite_responses();
    match drop_in {
        Some(arguments) => ssmport::cli::plugin(&arguments, handed_over),
        None => ssmport::cli::ssmport(),
    }
}
