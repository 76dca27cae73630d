//! Sockets: the only folder that has them.
//!
//! ```text
//!   Proxies, Authorities ---> Connector: TCP, CONNECT or SOCKS5, TLS ---> calls of AWS
//!                               |
//!                             dial() ---> WebSocket
//!                               .-------------'
//!      driver: one task, one loop: read, application, timer, write, flush
//!                               |               |
//!                            Channel       Application
//!                                               |
//!                                    Relay: mux streams <-> TCP
//! ```
//!
//! The driver does not know what the bytes mean; an [`Application`] does. [`Relay`] is the part
//! of an application that both ends of a port session share.
#![expect(clippy::disallowed_methods, reason = "this layer owns the clock")]

mod application;
mod authorities;
mod connect;
mod dial;
mod driver;
#[cfg(fuzzing)]
pub mod fuzzing;
mod happy_eyeballs;
mod head;
mod liveness;
mod lookup;
mod open_files;
mod parting;
mod proxy;
mod proxy_error;
mod rationed;
mod ready_list;
mod refusal_text;
mod relay;
mod request_first;
mod socket;
mod socks;
mod tls;
mod tunnel;
mod upgrade;

pub use application::{Application, ApplicationError, Turn};
pub use authorities::Authorities;
pub use connect::{Carrier, Connection, Connector};
pub use dial::{DialError, MAX_MESSAGE, WebSocket, break_off_after, dial, websocket_config};
pub use driver::{Disconnect, DriveError, Driver, FRAMES, Outcome, PATHS, PAYLOADS, SILENCE_LIMIT};
#[cfg(feature = "local")]
pub(crate) use happy_eyeballs::connect;
pub use head::headers_len;
#[cfg(any(feature = "aws", feature = "local"))]
pub(crate) use lookup::lookup;
pub use open_files::{too_many_open_files, with_open_files};
pub use parting::Parting;
pub use proxy::{Proxies, Proxy};
pub use proxy_error::ProxyError;
pub use rationed::Rationed;
pub use ready_list::ReadyList;
pub use relay::{ANSWER_PATIENCE, Notice, Pace, Relay, RelayConfig, StreamEnd, Traffic};
pub use socket::Socket;
pub use tls::TlsError;
pub use upgrade::UpgradeError;

/// The clock that drivers hand to the state machines. Under a paused tokio clock, it is that.
pub fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// Milliseconds since 1970.
pub fn epoch_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
