//! A command that runs on many nodes.

use std::{collections::VecDeque, fmt, future::pending, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{command::SelectionCommand, pacing::Pacing, selection::Selected};
use crate::{
    client::{CommandBuilder, Error, node::Node},
    net::now,
};

/// What a command does on many nodes, event by event. Dropping it ends the command everywhere.
pub struct Run {
    nodes: Arc<[Selected]>,
    events: mpsc::Receiver<RunEvent>,
    stop: Arc<watch::Sender<bool>>,
}

/// Ends a [`Run`] while somebody else reads its events.
#[derive(Clone)]
pub struct RunStopper(Arc<watch::Sender<bool>>);

/// What has happened. `node` is the place among [`Run::nodes`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunEvent {
    /// A node's turn has come.
    Started {
        /// Which one.
        node: usize,
    },
    /// The command has written something: some KiB at most.
    Output {
        /// Where.
        node: usize,
        /// To which of its two outputs.
        stream: Stream,
        /// What it was, cut anywhere.
        bytes: Vec<u8>,
    },
    /// It is over on a node; nothing comes from there any more.
    Ended {
        /// On which one.
        node: usize,
        /// How.
        end: NodeEnd,
        /// How long it took, from the node's turn on.
        took: Duration,
    },
}

/// The two outputs of a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// How a command has ended on a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEnd {
    /// With this exit code, and all of its output was read. The agent says -1 of a command that a signal
    /// has ended.
    Exited(i64),
    /// It could not be run, or not to its end.
    Failed(Error),
    /// It was not over in time.
    TimedOut,
    /// It was ended from this side.
    Stopped,
    /// It was never begun, since all was to end before.
    NotStarted,
}

impl NodeEnd {
    /// Whether it failed there by itself: what was ended or left out from this side did not.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Exited(code) => *code != 0,
            Self::Failed(_) | Self::TimedOut => true,
            Self::Stopped | Self::NotStarted => false,
        }
    }
}

impl Run {
    /// The nodes that it runs on.
    pub fn nodes(&self) -> &[Selected] {
        &self.nodes
    }

    /// What happens next; `None` when it is over everywhere, and the service has heard of it.
    pub async fn next(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    /// What ends it while its events are read.
    pub fn stopper(&self) -> RunStopper {
        RunStopper(Arc::clone(&self.stop))
    }
}

impl RunStopper {
    /// Ends the command everywhere. Its events still tell how.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

pub(super) fn start(command: SelectionCommand) -> Run {
    let nodes: Arc<[Selected]> = command.nodes.clone().into();
    let (told, events) = mpsc::channel(EVENTS);
    let stop = Arc::new(watch::Sender::new(false));
    let run = Run { nodes: Arc::clone(&nodes), events, stop: Arc::clone(&stop) };
    let all = All { nodes, told, stop, pacing: Pacing::new(), command };
    TaskTracker::new().spawn(Arc::new(all).run());
    run
}

/// What the tasks of all nodes share.
struct All {
    nodes: Arc<[Selected]>,
    told: mpsc::Sender<RunEvent>,
    stop: Arc<watch::Sender<bool>>,
    pacing: Pacing,
    command: SelectionCommand,
}

impl All {
    async fn run(self: Arc<Self>) {
        let mut waiting: VecDeque<usize> = (0..self.nodes.len()).collect();
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.command.parallel
                && !self.is_stopped()
                && let Some(node) = waiting.pop_front()
            {
                running.spawn(Arc::clone(&self).on(node));
            }
            if running.join_next().await.is_none() {
                break;
            }
        }
        for node in waiting {
            self.ended(node, NodeEnd::NotStarted, Duration::ZERO).await;
        }
    }

    async fn on(self: Arc<Self>, node: usize) {
        let began = now();
        self.tell(RunEvent::Started { node }).await;
        let end = match self.nodes[node].node() {
            Ok(there) => self.run_on(node, &self.reasoned(there)).await,
            Err(error) => NodeEnd::Failed(error.clone()),
        };
        if self.command.fails_fast && end.is_failure() {
            self.stop.send_replace(true);
        }
        self.ended(node, end, now().saturating_duration_since(began)).await;
    }

    /// Again and again while the service says that too many sessions are started at a time.
    async fn run_on(&self, node: usize, there: &Node) -> NodeEnd {
        let give_up_at = now() + THROTTLED_FOR;
        loop {
            let asked = tokio::select! {
                asked = self.pacing.turn() => asked,
                () = self.stopped() => return NodeEnd::NotStarted,
            };
            match self.once(node, there).await {
                NodeEnd::Failed(error) if error.is_throttled() && now() < give_up_at => {
                    tracing::debug!("{}: {error}", there.id());
                    self.pacing.throttled(asked);
                }
                end => {
                    self.pacing.started();
                    return end;
                }
            }
        }
    }

    async fn once(&self, node: usize, there: &Node) -> NodeEnd {
        let end = tokio::select! {
            // What has come to its end counts, and not that it was to end as well.
            biased;
            end = self.carry(node, self.builder(there)) => end,
            () = self.stopped() => NodeEnd::Stopped,
            () = time_limit(self.command.timeout) => NodeEnd::TimedOut,
        };
        // A session that is still there ends now.
        there.end().await;
        end
    }

    fn builder(&self, there: &Node) -> CommandBuilder {
        let command = there.command(self.command.words.iter().cloned());
        match &self.command.document {
            Some(document) => command.document(document),
            None => command,
        }
    }

    fn reasoned(&self, node: &Node) -> Node {
        match &self.command.reason {
            Some(reason) => node.with_reason(reason),
            None => node.clone(),
        }
    }

    /// Passes on what a command writes, no faster than it is read.
    async fn carry(&self, node: usize, command: CommandBuilder) -> NodeEnd {
        let mut running = command.start();
        let (mut stdout, mut stderr) = (vec![0; CHUNK], vec![0; CHUNK]);
        let (mut out_is_open, mut err_is_open) = (true, true);
        while out_is_open || err_is_open {
            // A stream fails as it ends.
            let (stream, bytes) = tokio::select! {
                bytes = part(&mut running.stdout, &mut stdout), if out_is_open => {
                    out_is_open = bytes.is_some();
                    (Stream::Stdout, bytes)
                }
                bytes = part(&mut running.stderr, &mut stderr), if err_is_open => {
                    err_is_open = bytes.is_some();
                    (Stream::Stderr, bytes)
                }
            };
            if let Some(bytes) = bytes {
                self.tell(RunEvent::Output { node, stream, bytes }).await;
            }
        }
        match running.wait().await {
            Ok(code) => NodeEnd::Exited(code),
            Err(error) => NodeEnd::Failed(error),
        }
    }

    async fn ended(&self, node: usize, end: NodeEnd, took: Duration) {
        self.tell(RunEvent::Ended { node, end, took }).await;
    }

    /// Whoever reads no more events has ended it all.
    async fn tell(&self, event: RunEvent) {
        let _ = self.told.send(event).await;
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn stopped(&self) {
        // Its sender is in here.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// What is there to be read; `None` at the end.
async fn part(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Option<Vec<u8>> {
    match stream.read(buffer).await {
        Ok(len @ 1..) => Some(buffer[..len].to_vec()),
        _ => None,
    }
}

async fn time_limit(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for RunStopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStopper").finish_non_exhaustive()
    }
}

/// Events that wait to be read: with [`CHUNK`] half a MiB, beside the buffers of those that run.
const EVENTS: usize = 32;
/// The most that one event has of a command's output, in bytes.
const CHUNK: usize = 16 * 1024;
/// How long a node waits for its turn where the service wants fewer sessions at a time.
const THROTTLED_FOR: Duration = Duration::from_secs(15 * 60);
