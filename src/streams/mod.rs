//! What a session carries, on the client's side. Today: forwarded ports.

mod forward;

pub use forward::{Forward, ForwardEvent, OpenListeners, Stop};
