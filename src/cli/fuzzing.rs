//! The readers of arguments, for the fuzz target `arguments`.

use std::time::Duration;

use super::plugin;
use crate::{
    client::{limits, spec::Spec, target::Target},
    malformed::Malformed,
};

/// Reads SPEC; gives its local port and its destination.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn spec(text: &str) -> Result<(u16, String), String> {
    let spec: Spec = text.parse().map_err(|why: Malformed| why.to_string())?;
    Ok((spec.local_port, spec.destination()))
}

/// An ssh_config with `block` in it, in the place of an older one.
///
/// # Errors
/// What is wrong with the file, for the user.
pub fn installed(before: &str, block: &str) -> Result<String, String> {
    super::ssh_config::installed(before, block).map_err(String::from)
}

/// Reads TARGET; gives it as it is shown.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn target(text: &str) -> Result<String, String> {
    let target: Target = text.parse().map_err(|why: Malformed| why.to_string())?;
    Ok(target.to_string())
}

/// Reads a time that the user sets.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn duration(text: &str) -> Result<Duration, String> {
    limits::duration(text).map_err(|why| why.to_string())
}

/// Reads a trace, and says and draws all that there is to be said of it; gives how many lines that is.
///
/// # Errors
/// It is no trace.
pub fn trace(bytes: &[u8]) -> std::io::Result<usize> {
    super::commands::decode::said_of(bytes)
}

/// Reads the drop-in's arguments: the response, and PROFILE, REQUEST and ENDPOINT.
///
/// # Errors
/// What is wrong with them, for the caller.
pub fn invocation(response: &str, rest: &[String]) -> Result<(), String> {
    plugin::read(response, rest).map_err(|why| why.to_string())
}
