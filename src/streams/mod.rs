//! What a session carries, on the client's side.
//!
//! ```text
//!   handshake, or first output
//!        |
//!     Chosen ----> Forward   many connections of local ports, multiplexed
//!             +--> Basic     one connection at a time, for old agents
//!             +--> Pipe      standard input and output: ssh's ProxyCommand
//!             +--> Shell     a terminal
//!             +--> Command   a command's outputs, its exit code and its input
//!             +--> Tap       a command's output for this program itself
//! ```
//!
//! Each is an [`Application`](crate::net::Application): polled by the session's one task, it reads
//! its local side only while the channel has room, and the channel is read only while it has room.

mod answered;
mod basic;
mod chosen;
mod command;
mod delegate;
mod exit_marker;
mod forward;
mod forward_event;
mod listener;
mod listeners;
mod meter;
mod outbox;
mod pipe;
mod port;
mod proxy_request;
mod shell;
#[cfg(unix)]
mod socket_file;
mod tap;
mod within;

#[cfg(test)]
mod harness;

use std::pin::Pin;

pub use answered::Answered;
pub use basic::Basic;
pub use chosen::Chosen;
pub(crate) use delegate::delegate;

pub use command::{Command, CommandEvent, Way};
pub use exit_marker::ExitMarker;
pub use forward::Forward;
pub use forward_event::{Closed, ConnectionEnd, ForwardEvent};
pub use listener::{Listener, Peer};
pub use listeners::{Accepted, Closer, Listeners, Place};
pub use meter::{Meter, Reading, Timed};
pub use pipe::{Pipe, PipeEvent};
pub use port::PortKind;
pub use proxy_request::{
    Destination, LONGEST, Manner, Misplaced, ProxyFailure, ProxyReader, ProxyRequest, Rest, Step,
    Wanted, page,
};
pub use shell::{Console, Shell, ShellEvent};
#[cfg(unix)]
pub use socket_file::SocketFile;
pub use tap::{Tap, TapEvent};
pub use within::{Connection, Connector, Refusals, Within};

/// Resolves when a stream is to end.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;
