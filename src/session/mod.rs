//! A session's life: opened with a ticket, attached to a WebSocket, resumed on others, ended.
//!
//! ```text
//!   StartSession's ticket --> check the address,
//!                             dial, show the token --> drive ----> closed, done
//!                               ^                        |
//!                               |                        | connection lost
//!                          ResumeSession's ticket <------+
//! ```
//!
//! An agent that wants its session encrypted has the control plane asked for a data key.
//!
//! The channel and the application stay as they are while WebSockets come and go, so that the
//! byte stream goes on exactly where it was. In between, and behind the last one, what was received is
//! passed on: it is acknowledged, and nobody will send it again.

mod attach;
mod attempts;
mod control_plane;
mod encryption;
mod end;
mod gap;
mod limits;
mod stream_address;

pub use attach::{ChannelState, Session};
pub use control_plane::{ControlPlane, NoControlPlane, Pending, Refusal};
pub use encryption::{DataKeyRequest, WAITING};
pub use end::{SessionEnd, SessionError};
pub use limits::Limits;
#[cfg(fuzzing)]
pub use stream_address::checked as checked_stream_address;
pub use stream_address::{AddressError, Endpoint, is_of_aws};

pub use crate::wire::Ticket;
