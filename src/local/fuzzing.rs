//! The endpoint's readers of what clients send, for the fuzz targets.

pub use super::account::fuzzing::account;
#[cfg(unix)]
pub use super::agent::fuzzing::{WholeCharacters, words};
pub use super::http::fuzzing::HttpEndpoint;
pub use super::policy::fuzzing::{Decided, decide, decide_trust};
