//! ssmport: AWS Session Manager's data channel, from the frame to the local port.
//!
//! The layers, each of which knows only those below it:
//!
//! ```text
//!   bin -> cli -> streams -> session -> net -> channel -> wire
//!                    |          |                mux  (bytes only)
//!                    +-> term   +-> aws -> net (whom TLS trusts)
//!   local -> net (accepting side), channel (agent role), mux (server role), wire
//!   reaper (what a kill would leave behind), known to cli, streams and local
//!   files (read with a bound), known to cli, local, aws and net
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests choose where time begins"))]

#[cfg(feature = "aws")]
pub mod aws;
pub mod channel;
pub mod cli;
pub mod client;
pub mod files;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod local;
pub mod mux;
pub mod net;
#[cfg(unix)]
pub mod reaper;
pub mod session;
pub mod streams;
pub mod term;
pub mod wire;
