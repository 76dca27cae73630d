//! ssmport: AWS Session Manager's data channel, from the frame to the local port.
//!
//! What `ssmport` does, a program does with a [`Client`]: connections, local ports, commands and shells of
//! nodes, resumed when a connection is lost, and byte by byte what was sent.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = ssmport::Client::from_env().await?;
//! let node = client.node("web").await?;
//! let mut database = node.connect("db.internal:5432").await?;
//! let tunnel = node.forward("127.0.0.1:0:5432").start().await?;
//! let output = node.command(["df", "-h"]).output().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without AWS, in tests of one's own, the nodes are those of an endpoint in this process:
//!
//! ```
//! use ssmport::{Client, local::{Endpoint, EndpointConfig}};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::in_process(EndpointConfig::default()).await?;
//! let node = Client::local(endpoint)?.node("local").await?;
//! let output = node.command(["echo", "hello"]).output().await?;
//! assert_eq!((output.code, &*output.stdout), (0, &b"hello\n"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! The layers, each of which knows only those below it:
//!
//! ```text
//!   bin -> cli -> client -> streams -> session -> net -> channel -> wire
//!           |        |                    |                mux  (bytes only)
//!           +-> term +-> local            +-> aws -> net (whom TLS trusts)
//!   local -> net (accepting side), channel (agent role), mux (server role), wire
//!   reaper (what a kill would leave behind), known to cli, streams and local
//!   files (read with a bound), known to cli, client, local, aws and net
//!   malformed (what is wrong with a text), known to cli, client, local and aws
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
// What comes from outside is answered with an error, and what a library has to say with a value.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "some of it the programs alone use")
)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests choose where time begins"))]

#[cfg(feature = "aws")]
mod aws;
pub mod channel;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod client;
mod files;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "local")]
pub mod local;
mod malformed;
pub mod mux;
pub mod net;
#[cfg(unix)]
mod reaper;
pub mod session;
#[doc(hidden)]
pub mod streams;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod term;
pub mod wire;

pub use client::Client;
