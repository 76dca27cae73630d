//! The readers of arguments, for the fuzz target `arguments`.

use std::time::Duration;

use super::plugin;
pub use super::ssh_config::installed;
use crate::client::{limits, spec::Spec, target::Target};

/// Reads SPEC; gives its local port and its destination.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn spec(text: &str) -> Result<(u16, String), String> {
    text.parse::<Spec>().map(|spec| (spec.local_port, spec.destination()))
}

/// Reads TARGET; gives it as it is shown.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn target(text: &str) -> Result<String, String> {
    text.parse::<Target>().map(|target| target.to_string())
}

/// Reads a time that the user sets.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn duration(text: &str) -> Result<Duration, String> {
    limits::duration(text)
}

/// Reads the drop-in's arguments: the response, and PROFILE, REQUEST and ENDPOINT.
///
/// # Errors
/// What is wrong with them, for the caller.
pub fn invocation(response: &str, rest: &[String]) -> Result<(), String> {
    plugin::read(response, rest)
}
