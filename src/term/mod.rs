//! The user's terminal: raw mode, its size, and the escapes that are typed at it.
//!
//! ```text
//!   keyboard -> RawMode -> Escapes -> bytes for the session
//!                             |
//!                             +-----> commands for us: ~.  ~?  ~-  ~#  ~^Z
//!                             +-----> CommandLine: what is typed behind ~C
//!   window   -> sizes() ------------> the session's terminal size
//!   screen   <- watch() <------------ the session's output: what is to be undone at its end
//!   file    <-> Recording, Reader     the session's output with its times, to be played again
//!   device  <-> ask_secret()          a question before the session, whatever stdin is
//! ```
//!
//! Nothing here knows of sessions. Bytes go through as they are: nothing is decoded on the way.

mod command_line;
#[cfg(windows)]
mod console_modes;
mod escapes;
mod prompt;
mod raw_mode;
mod recording;
mod screen;
mod size;
#[cfg(unix)]
mod suspension;

pub use command_line::{CommandLine, Typed};
#[cfg(windows)]
pub use console_modes::KeptModes;
pub use escapes::{Command, Escapes};
pub use prompt::ask_secret;
pub use raw_mode::{RawMode, is_raw, restore, restore_on_panic};
pub use recording::{Event as Recorded, PlainText, ReadError, Reader, Recording};
pub use screen::{can_be_redrawn, hold_back, may_be_shown, watch};
pub use size::{Size, size_of_stdout, size_of_terminal, sizes};
#[cfg(unix)]
pub use suspension::{stop, suspend};
