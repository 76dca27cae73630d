//! The endpoint's readers of what clients send, for the fuzz targets.

#[cfg(unix)]
pub use super::agent::fuzzing::{WholeCharacters, words};
pub use super::http::fuzzing::HttpEndpoint;
