//! The environment variable in which callers of the drop-in hand over a session, token included.

use std::{env, ffi::OsString};

/// Whether a variable of this name may hold a response of StartSession.
pub fn is_response_variable(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The variables of the environment that may hold one. A program that starts others takes them out
/// first: the token is not theirs.
pub fn response_variables() -> Vec<OsString> {
    let names = env::vars_os().map(|(name, _)| name);
    names.filter(|name| is_response_variable(&name.to_string_lossy())).collect()
}

/// The AWS CLI's name for it; other callers put something behind.
const PREFIX: &str = "AWS_SSM_START_SESSION_RESPONSE";
