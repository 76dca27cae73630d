//! Bytes and frames of the data channel.
//!
//! ```text
//!   Packet        payload with room for headers in front of it
//!     | Header::encode: header written in place, digest taken
//!     v
//!   Bytes         one binary WebSocket message
//!     | Frame::decode: a view, nothing copied
//!     v
//!   Frame         header fields, digest, payload as a slice of the message
//! ```
//!
//! A frame is a 120-byte big-endian header and a payload. What a payload means depends on the
//! frame's [`MessageType`] and [`PayloadType`]: user data, or one of the JSON documents in
//! [`acknowledgement`], [`handshake`], [`encryption`] and [`control`].
//!
//! What in them is written for people goes through [`foreign_text`] before anybody sees it.
//!
//! Nothing here knows of sockets, clocks or tasks.
//!
//! # A frame, there and back
//!
//! ```
//! use ssmport::wire::{Flags, Frame, Header, MessageType, Packet, PayloadType};
//! use uuid::Uuid;
//!
//! let header = Header {
//!     message_type: MessageType::InputStreamData,
//!     created_ms: 1_764_000_000_000, // 0 would make an agent drop the frame
//!     sequence_number: 0,
//!     flags: Flags(0),
//!     message_id: Uuid::from_u128(1), // random in earnest
//!     payload_type: PayloadType::Output,
//! };
//! let message = header.encode(Packet::copy_from(b"uname -a\r"));
//! assert_eq!(message.len(), 120 + 9);
//!
//! // Nothing is copied: the payload is a slice of the message.
//! let frame = Frame::decode(message)?;
//! assert_eq!((frame.header, &*frame.payload), (header, &b"uname -a\r"[..]));
//! assert!(frame.digest_matches());
//! # Ok::<(), ssmport::wire::FrameError>(())
//! ```

pub mod acknowledgement;
pub mod control;
pub mod encryption;
pub mod foreign_text;
pub mod handshake;
pub mod stream_url;

mod base64;
mod exit_code;
mod frame;
mod header;
mod kind;
pub(crate) mod lenient;
mod message_id;
mod packet;
mod terminal_size;
mod ticket;
mod version;

pub use acknowledgement::Acknowledgement;
pub use base64::Base64;
pub use exit_code::ExitCode;
pub use frame::{Frame, FrameError};
pub use header::{HEADER_LEN, Header};
pub use kind::{Flags, MessageType, PayloadType};
pub use message_id::MessageIds;
pub use packet::{HEADROOM, Packet, PacketPool, SPARE_CHUNKS, Slot, TAILROOM};
pub use terminal_size::TerminalSize;
pub use ticket::{Ticket, Token};
pub use version::Version;
