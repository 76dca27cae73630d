//! A command on many nodes.
//!
//! ```text
//!   names, tags, patterns ---> selection ---> command: how many at a time, for how long
//!                               (in_account)     |
//!                                                v            one task a node, with its session
//!                              events <------- run ---------> node: output, code
//!                              bounded            \-- pacing: who starts, when AWS wants fewer
//! ```

mod command;
#[cfg(feature = "aws")]
mod in_account;
mod pacing;
mod run;
mod selection;

#[cfg(feature = "cli")]
pub(crate) use command::PARALLEL;
pub use command::SelectionCommand;
pub use run::{NodeEnd, Run, RunEvent, RunStopper, Stream};
pub use selection::{Selected, Selection};
pub(super) use selection::{of_service, select};
