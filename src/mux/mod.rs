//! Many TCP connections over one byte stream: smux, version 1, both roles.
//!
//! ```text
//!   carrier bytes in ──► Parser ──► Stream.queue ──► front / consume ──► local socket
//!                          │
//!                          └──► SYN, FIN ──► poll_event
//!
//!   carrier bytes out ◄── poll_control     SYN, FIN, NOP, always first
//!                     ◄── data_header + bytes the owner read from the local socket
//!                               ▲
//!                               └── next_turn: those that were silent, then round robin
//! ```
//!
//! [`Mux`] is a state machine without I/O and without a clock: its owner feeds it what the
//! carrier brought ([`Mux::handle_bytes`]), then drains [`Mux::poll_event`],
//! [`Mux::poll_control`] and [`Mux::poll_timeout`].
//!
//! ```
//! use std::time::Instant;
//!
//! use bytes::Bytes;
//! use ssmport::mux::{Config, Event, Mux, Role};
//!
//! let (mut client, mut server) = (Mux::new(Config::new(Role::Client)), Mux::new(Config::new(Role::Server)));
//! let now = Instant::now();
//!
//! // A stream, and five bytes on it, in the order in which they were taken.
//! let stream = client.open()?;
//! let mut carrier = client.poll_control().expect("a SYN").to_vec();
//! carrier.extend(client.data_header(stream, 5)?);
//! carrier.extend(b"hello");
//!
//! server.handle_bytes(Bytes::from(carrier), now)?;
//! assert!(matches!(server.poll_event(), Some(Event::Opened(id)) if id == stream));
//! assert_eq!(server.front(stream).map(|bytes| &bytes[..]), Some(&b"hello"[..]));
//! server.consume(stream, 5); // written to the local socket: there is room for more
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order of sending
//!
//! A frame's place in the byte stream is decided when the owner takes it: by `poll_control` for
//! SYN, FIN and NOP, by `data_header` for payload. The owner must write frames in the order it
//! took them. It drains `poll_control` before every data frame; a stream whose SYN still waits
//! gets no data header.
//!
//! # Flow control
//!
//! Version 1 has none within the protocol, so nothing tells the peer to hold back a single
//! stream. All receive queues share one budget; when [`Mux::has_room`] turns false the owner
//! stops reading the carrier, and the carrier's own flow control reaches the peer. Nothing
//! received is ever dropped, unless the owner asks for it with [`Mux::reset`].
//!
//! # Half-close
//!
//! In TCP one direction may end while the other goes on. The real agent closes the whole stream
//! when it sees a FIN (measured), so a FIN sent at the local end of file loses the reply.
//! [`Mux::finish`] therefore holds the FIN back until the peer's FIN or a time of silence, which
//! counts from when the peer has had everything and can be heard: the owner tells it
//! ([`Mux::handle_delivered`], [`Mux::handle_reconnected`]). Of an owner that knows better, a
//! program that surely waits ([`Mux::await_answer`]) or has gone ([`Mux::reset`]), it takes that.
//!
//! # Bounds
//!
//! With `M` the receive budget and `S` the stream limit of [`Config`]:
//!
//! - Received payload: [`Mux::buffered`] stays below `M` plus one input, that is the bytes of the
//!   input that spent the budget and [`SLICE_OVERHEAD`] for each frame in it.
//! - Memory behind that payload: a slice of the carrier's buffer is kept until the next input
//!   arrives, then it is copied out, so it pins nothing but the latest input. Copied bytes lie in
//!   chunks that allocate at most twice their length.
//! - Streams: `S`, those included that are over on the wire but not drained by the owner.
//! - Events: four per stream, each at most once.
//! - Control frames: see [`Config::max_streams`].
//! - The parser: eight bytes.

mod config;
mod control;
mod error;
mod header;
mod multiplexer;
mod parser;
mod queue;
mod stream;
mod turns;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;

pub use config::{Config, Role};
pub use error::MuxError;
pub use header::{HEADER_LEN, HeaderError, MAX_FRAME};
pub use multiplexer::{Event, Mux};
pub use queue::SLICE_OVERHEAD;
pub use stream::{FIRST_ANSWER, StreamId};

/// A frame that means nothing and may come any number of times: the keepalive, a NOP.
pub const NOP: [u8; HEADER_LEN] = [1, 3, 0, 0, 0, 0, 0, 0];
