//! The commands, a file each: what was typed, what it means, running it, and telling what happens.

pub(super) mod completions;
pub(super) mod config;
pub(super) mod connect;
pub(super) mod cp;
pub(super) mod decode;
pub(super) mod demo;
#[cfg(feature = "aws")]
pub(super) mod doctor;
pub(super) mod exec;
pub(super) mod forward;
pub(super) mod local;
pub(super) mod login;
#[cfg(feature = "aws")]
pub(super) mod ls;
pub(super) mod man;
pub(super) mod play;
pub(super) mod proxy;
mod ready_file;
#[cfg(feature = "aws")]
pub(super) mod sessions;
pub(super) mod shell;
pub(super) mod socks;
pub(super) mod ssh;
pub(super) mod ssh_config;
pub(super) mod up;
