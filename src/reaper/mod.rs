//! What a kill would leave behind, and the process that removes it then.
//!
//! Nobody is asked at a SIGKILL: the files of listening sockets stay, and so do the programs that
//! were started, the sessions at the service, and raw mode. So, before the first of them comes to be,
//! the program starts itself once more, as its reaper, and tells it by a pipe what there is. When the
//! pipe ends, the parent is dead, however it died; the reaper removes what is left, and ends.
//!
//! ```text
//!   this process                                    its reaper
//!     SocketFile, programs, keys, ready file, sessions
//!       Entrusted --- `7 socket 2049 1234 /run/s` ---> remnants by number
//!         dropped --- `7 done` ---------------------> forgotten
//!       (killed)  --- the pipe's end ---------------> removed
//! ```
//!
//! Names and numbers may be another's by then: a file is known by device and inode, a process by
//! its number and the time of its start. Between a thing's making and the moment when it can be told
//! so exactly there is time to be killed, too; so it is announced first: a socket by its path,
//! a program by a mark in its environment. A folder's name is random and its own for ever.

mod entrusted;
mod file;
mod folder;
#[cfg(unix)]
mod ignored;
mod leader;
mod line_mode;
mod patience;
mod process;
mod reaping;
mod remnant;
mod session;
mod socket;

pub use entrusted::{Entrusted, enable};
#[cfg(unix)]
pub use ignored::{heed_for_programs, is_ignored};
pub use leader::{Kind, Leader};
pub use line_mode::LineMode;
pub use process::{Mark, session_of};
pub use reaping::{is_reaper, reap};
pub use remnant::Remnant;
#[cfg(feature = "aws")]
pub use session::Session;
pub use socket::{FileId, FolderLock, is_abandoned};
