//! The data channel: one state machine that makes a reliable, ordered stream of messages out of
//! frames that may be lost, repeated or late.
//!
//! ```text
//!   payloads to send                             Events
//!     | send()                                      ^ poll_event()
//!     v                                             |
//!   +----------+   +-----------+   +----------+
//!   | Outgoing |   | Handshake |   | Incoming |---+
//!   | Recovery |   | both roles|   | reorder  |
//!   +----------+   +-----------+   +----------+
//!     | poll_transmit()                  ^ handle_frame()
//!     v                                          |
//!   frames, acknowledgements first     frames
//! ```
//!
//! In an encrypted session, payloads pass a [`Cipher`] on their way into `Outgoing`, so that what is
//! sent again is the same bytes, and behind `Incoming`, in their turn.
//!
//! The channel has no sockets, tasks, locks or clock: time comes in as an argument. After each
//! call of [`send`](Channel::send), `handle_*` or [`poll_transmit`](Channel::poll_transmit), its
//! driver drains `poll_transmit` and `poll_event` and sleeps until `poll_timeout`. When what it drained
//! is written it says so with [`handle_written`](Channel::handle_written), for which an agent waits
//! that [counts late](Habits::counts_late).
//!
//! # Two ends, and a frame that is lost
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use ssmport::{
//!     channel::{Channel, Config, Event, Role},
//!     wire::{Packet, PayloadType},
//! };
//!
//! // Both in one program, and time is what we say it is.
//! let mut now = Instant::now();
//! let (epoch_ms, seed) = (1_764_000_000_000, 7);
//! let agent = Role::Agent { session: None };
//! let mut client = Channel::new(Config::new(Role::Client, "1.2.764.0", epoch_ms, seed), now);
//! let mut agent = Channel::new(Config::new(agent, "3.3.0.0", epoch_ms, seed), now);
//!
//! client.send(PayloadType::Output, Packet::copy_from(b"uname -a\r"), now);
//! let lost = client.poll_transmit(now).expect("a frame");
//! drop(lost);
//! assert!(client.poll_transmit(now).is_none());
//!
//! // Nobody acknowledges it: when its time is over it is sent again.
//! now = client.poll_timeout().expect("a retransmission is due");
//! client.handle_timeout(now)?;
//! let again = client.poll_transmit(now).expect("the same frame");
//! agent.handle_frame(again, now)?;
//! let mut events = std::iter::from_fn(|| agent.poll_event());
//! assert!(events.any(|event| {
//!     matches!(event, Event::Data { payload, .. } if &payload[..] == b"uname -a\r")
//! }));
//!
//! // The acknowledgement goes back, and nothing is left to wait for.
//! let acknowledgement = agent.poll_transmit(now).expect("an acknowledgement");
//! client.handle_frame(acknowledgement, now + Duration::from_millis(20))?;
//! assert_eq!(client.unacknowledged_for(now), Duration::ZERO);
//! # Ok::<(), ssmport::channel::ChannelError>(())
//! ```
//!
//! # Memory
//! A channel holds at most [`Window::bytes`] and one message of what was sent and not yet
//! acknowledged, [`Config::reorder`] of what arrived out of order, and [`MAX_ACKNOWLEDGEMENTS`] entries of 64
//! bytes. Events must be drained after each frame; draining the reorder buffer releases at most
//! its own bound into them.

mod announcement;
mod cipher;
mod config;
mod data_channel;
mod error;
mod event;
mod handshake;
mod incoming;
pub mod link;
mod outgoing;
mod recovery;
mod said;
mod timer;

#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod habit_tests;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

pub use announcement::encode as service_message;
pub use cipher::Cipher;
pub use config::{
    Config, EARLY, EarlyData, EncryptionDemand, Habits, Order, PROOF_LEN, RESEND_INTERVAL, Role,
    Sending, Window,
};
pub use data_channel::{Channel, MAX_ACKNOWLEDGEMENTS, URGENT};
pub use error::{ChannelError, NoDataKey};
pub use event::Event;
pub use handshake::Ready;
pub use recovery::PathView;
