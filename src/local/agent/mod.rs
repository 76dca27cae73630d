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
//!   any of these but ports       encryption.rs      waits for a data key first
//!
//!   shared: ending.rs   the last two seconds of every session
//!           utf8.rs     output in whole characters
//!           words.rs    a command line's words
//!           transcript.rs   a shell's log
//!           process.rs  nothing that was started outlives its session; on Windows job.rs
//!           quirks.rs   what the real agent does and nobody would do on purpose
//! ```

mod command;
mod encryption;
mod ending;
mod forward;
mod port;
#[cfg_attr(windows, path = "job.rs")]
mod process;
mod quirks;
mod stream;
mod utf8;
mod words;

#[cfg(unix)]
mod pty;
#[cfg(unix)]
mod shell;
#[cfg(unix)]
mod transcript;

#[cfg(all(unix, fuzzing))]
pub(super) mod fuzzing;

pub use quirks::{Quirks, QuirksError};

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{EndpointConfig, document::Workload, kms::Kms, session::DataChannel};
use crate::{
    channel::{Channel, Config, EarlyData, Habits, Role},
    net::{Application, Pace, epoch_ms, now},
};
use encryption::{EncryptedAgent, Encryption};
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
    encryption: Encryption,
    #[cfg(unix)]
    session_logs: Option<std::path::PathBuf>,
    processes: process::Processes,
}

impl Agents {
    pub(super) fn new(config: &EndpointConfig, kms: Arc<Kms>) -> Self {
        let quirks = config.quirks;
        Self {
            version: config.agent_version.clone(),
            pace: config.pace.or(quirks.pace.then_some(REAL_PACE)),
            deny_loopback: config.deny_loopback,
            quirks,
            encryption: Encryption { kms, requires_challenge: config.requires_challenge },
            #[cfg(unix)]
            session_logs: config.session_logs.clone(),
            processes: process::Processes::default(),
        }
    }

    /// The channel and the application of a session whose first data channel was opened.
    pub(super) fn serve(
        &self,
        data_channel: &DataChannel,
    ) -> (Channel, Box<dyn Application + Send>) {
        let workload = &data_channel.workload;
        let demand = self.encryption.demand(workload);
        let session = match demand {
            Some(_) => encryption::handshake(workload),
            None => workload.handshake(),
        };
        let role = Role::Agent { session };
        let mut config = Config::new(role, &self.version, epoch_ms(), rand::random());
        config.habits = self.habits(workload);
        if config.habits.most_kept.is_some() {
            config.sending.payload_len = REAL_PACE.payload_len;
        }
        config.encryption = demand.clone();

        let ending = Ending::new(data_channel, self.quirks.drain_limit);
        let application: Box<dyn Application + Send> = match demand {
            Some(demand) => {
                let kms = Arc::clone(&self.encryption.kms);
                Box::new(EncryptedAgent::new(self, kms, demand, data_channel, ending))
            }
            None => self.application(workload, ending, now()),
        };
        (Channel::new(config, now()), application)
    }

    /// Does what a session's document says, from `now` on.
    fn application(
        &self,
        workload: &Workload,
        ending: Ending,
        #[cfg_attr(
            not(unix),
            expect(unused_variables, reason = "for shells, of which there are none")
        )]
        now: Instant,
    ) -> Box<dyn Application + Send> {
        match workload {
            Workload::Port(forward) => {
                Box::new(ForwardAgent::new(self.clone(), forward.clone(), ending))
            }
            Workload::Ssh { port } => {
                Box::new(StreamAgent::ssh("localhost".to_owned(), *port, self, ending))
            }
            #[cfg(unix)]
            Workload::Shell { command } => {
                Box::new(shell::ShellAgent::new(command.as_deref(), self, ending, now))
            }
            Workload::Command(command) => {
                Box::new(command::CommandAgent::new(command.clone(), self, ending))
            }
        }
    }

    /// How an agent's channel differs from one by the book.
    fn habits(&self, workload: &Workload) -> Habits {
        let quirks = &self.quirks;
        Habits {
            early_data: if quirks.early_data_loss { early_fate() } else { EarlyData::Taken },
            note_delay: if quirks.late_notes { NOTE_DELAY } else { Duration::ZERO },
            resend_slowly: quirks.slow_resend,
            // What is acknowledged too quickly would fill a window, which the real agent does not have.
            most_kept: (quirks.no_window || quirks.late_notes).then_some(MOST_KEPT),
            drop_undated: quirks.created_date,
            counts_late: quirks.count_after_ack,
            old_client_message: workload
                .keeps_outputs_apart()
                .then(|| (LAST_MERGING_CLIENT.to_owned(), MERGING_CLIENT_MESSAGE.to_owned())),
        }
    }

    /// Kills whatever the agents have started and is still there.
    pub(super) fn kill(&self) {
        self.processes.kill();
    }
}

/// How a session's first data fares that comes at once, as often as measured.
fn early_fate() -> EarlyData {
    match rand::random_range(0..1000) {
        0..17 => EarlyData::Forgotten,
        17..257 => EarlyData::Unacknowledged,
        _ => EarlyData::Taken,
    }
}

/// Whether output may be read and sent.
///
/// While input waits for its program nothing is read from the client, its acknowledgements neither.
/// A program that answers what it reads may be waiting for its output to be taken: then more goes
/// out than the window allows, which is what the real agent does always.
fn can_send(channel: &Channel, input_waits: bool) -> bool {
    let relieved = || channel.can_send_control() && channel.bytes_under_way() < RELIEF;
    channel.can_send() || (input_waits && relieved())
}

/// The earlier of two times.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// More than a client may have under way, so that all of it can be answered.
const RELIEF: usize = 4 << 20;

/// As the real agent sends all but what it reads from a command's pipes.
const REAL_PACE: Pace = Pace { payload_len: 1024, pause: Duration::from_millis(1) };

/// Messages that the real agent keeps for sending again.
const MOST_KEPT: usize = 100_000;

/// What the real agent needs from a message's sending to its note, with room for the way.
const NOTE_DELAY: Duration = Duration::from_millis(1);

const LAST_MERGING_CLIENT: &str = "1.2.295";
/// In the real agent's words, which clients show.
const MERGING_CLIENT_MESSAGE: &str = "Please update session manager plugin version (minimum \
                                      required version 1.2.312.0) for fully support of separate \
                                      StdOut/StdErr output.\r\n";

/// Bytes of output in one payload, unless it is paced. The largest payload that is known to be
/// taken by a live agent behind the real service; the other way it is as good as any.
const PAYLOAD_LEN: usize = 32 * 1024;

/// Payloads sent before the wire has its turn.
const BATCH: usize = 8;
