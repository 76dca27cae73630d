//! The agent's side of a session: what its document names, done on this machine.
//!
//! ```text
//!   document                     application        what it runs
//!   port forwarding              forward.rs
//!     new client and agent         port.rs          TCP connections, multiplexed
//!     an old one of either         stream.rs        one TCP connection after the other
//!   SSH                          stream.rs          one TCP connection
//!   shell, interactive command   shell.rs           a program on a terminal (pty.rs)
//!   non-interactive command      command.rs         a program with pipes
//!
//!   shared: ending.rs   the last two seconds of every session
//!           utf8.rs     output in whole characters
//!           words.rs    a command line's words
//!           process.rs  nothing that was started outlives its session
//!           quirks.rs   what the real agent does and nobody would do on purpose
//! ```

mod ending;
mod forward;
mod port;
mod quirks;
mod stream;

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod pty;
#[cfg(unix)]
mod shell;
#[cfg(unix)]
mod utf8;
#[cfg(unix)]
mod words;

pub use quirks::{Quirks, QuirksError};

use std::time::Duration;

use super::{EndpointConfig, document::Workload, session::DataChannel};
use crate::net::{Application, Pace, now};
use ending::Ending;
use forward::ForwardAgent;
use stream::StreamAgent;

/// What the agents of one endpoint have in common.
#[derive(Clone, Debug)]
pub(super) struct Agents {
    version: String,
    pace: Option<Pace>,
    deny_loopback: bool,
    quirks: Quirks,
    #[cfg(unix)]
    processes: process::Processes,
}

impl Agents {
    pub(super) fn new(config: &EndpointConfig) -> Self {
        let quirks = config.quirks;
        Self {
            version: config.agent_version.clone(),
            pace: config.pace.or(quirks.pace.then_some(REAL_PACE)),
            deny_loopback: config.deny_loopback,
            quirks,
            #[cfg(unix)]
            processes: process::Processes::default(),
        }
    }

    /// The agent of a session whose first data channel was opened.
    pub(super) fn serve(&self, data_channel: &DataChannel) -> Box<dyn Application + Send> {
        let ending = Ending::new(data_channel, self.quirks.drain_limit);
        match &data_channel.workload {
            Workload::Port(forward) => {
                Box::new(ForwardAgent::new(self.clone(), forward.clone(), ending))
            }
            Workload::Ssh { port } => {
                Box::new(StreamAgent::ssh("localhost".to_owned(), *port, self, ending))
            }
            #[cfg(unix)]
            Workload::Shell { command } => {
                Box::new(shell::ShellAgent::new(command.as_deref(), self, ending, now()))
            }
            #[cfg(unix)]
            Workload::Command(command) => {
                Box::new(command::CommandAgent::new(command.clone(), self, ending))
            }
        }
    }

    /// Kills whatever the agents have started and is still there.
    pub(super) fn kill(&self) {
        #[cfg(unix)]
        self.processes.kill();
    }
}

/// As the real agent sends all but what it reads from a command's pipes.
const REAL_PACE: Pace = Pace { payload_len: 1024, pause: Duration::from_millis(1) };

/// Bytes of output in one payload, unless it is paced. The largest payload that is known to be
/// taken by a live agent behind the real service; the other way it is as good as any.
const PAYLOAD_LEN: usize = 32 * 1024;

/// Payloads sent before the wire has its turn.
const BATCH: usize = 8;
