//! A file that comes by several sessions: each sends the chunks whose turn it is.
//!
//! ```text
//!   chunk    0   1   2   3   4   5        session 0 sends 0, 3, ..., session 1 sends 1, 4, ...
//! ```
//!
//! They are taken in their order, so that what is there is always a beginning of the file, and its digest
//! that of what has come. A session that is ahead waits: its queue is bounded.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{
    coding::{CHUNK, Coding, Decoder},
    node_path::NodePath,
    node_script::{NodeScript, Said, Work, nonsense},
    script::Task,
};
use crate::client::{Error, Kind, Node};

/// What is to come, and from where.
#[derive(Clone, Copy)]
pub(super) struct Range<'a> {
    pub(super) node: &'a Node,
    pub(super) from: &'a NodePath,
    pub(super) at: u64,
    pub(super) end: u64,
}

/// What has come of it.
pub(super) enum Woven {
    /// What is behind what came before.
    Piece(Vec<u8>),
    /// A session came to nothing for this reason, and another one is tried.
    Lost(Error),
    /// So many sessions could be had, and no more. What has come is right.
    Fewer(u64),
    /// All of it has come, and this is the first session, if it is still the one.
    Whole(Option<NodeScript>),
}

/// The sessions, and whose turn it is.
pub(super) struct Weave<'a> {
    range: Range<'a>,
    /// Where it began.
    start: u64,
    sessions: u64,
    strands: FuturesUnordered<BoxFuture<'a, Result<Option<NodeScript>, Ended>>>,
    queues: Vec<mpsc::Receiver<Vec<u8>>>,
    losses: mpsc::UnboundedReceiver<Error>,
    kept: Option<NodeScript>,
}

/// A session that sends every chunk whose turn it is.
struct Strand<'a> {
    range: Range<'a>,
    /// Where it is.
    at: u64,
    jump: u64,
    script: Option<(NodeScript, Coding)>,
    pieces: mpsc::Sender<Vec<u8>>,
    /// It is not the first of them.
    is_extra: bool,
}

impl<'a> Weave<'a> {
    /// Has so many sessions send it. `first` is one that sends already what is the first one's of them.
    pub(super) fn new(
        range: Range<'a>,
        sessions: u64,
        mut first: Option<(NodeScript, Coding)>,
    ) -> Self {
        let (tell, losses) = mpsc::unbounded_channel();
        let (strands, mut queues) = (FuturesUnordered::new(), Vec::new());
        for index in 0..sessions {
            let (pieces, queue) = mpsc::channel(QUEUE);
            let at = match index {
                0 => range.at,
                index => (range.at / CHUNK + index) * CHUNK,
            };
            let (jump, is_extra) = ((sessions - 1) * CHUNK, index > 0);
            let strand = Strand { range, at, jump, script: first.take(), pieces, is_extra };
            queues.push(queue);
            strands.push(strand.run(tell.clone()).boxed());
        }
        let start = range.at;
        Self { range, start, sessions, strands, queues, losses, kept: None }
    }

    /// The next of it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(super) async fn next(&mut self) -> Result<Woven, Error> {
        let Self { range, start, sessions, strands, queues, losses, kept } = self;
        loop {
            let is_here = range.at >= range.end;
            if is_here && strands.is_empty() {
                return Ok(Woven::Whole(kept.take()));
            }
            let index = (range.at / CHUNK - *start / CHUNK) % *sessions;
            let queue = queues.get_mut(index as usize).filter(|_| !is_here);
            let piece = async {
                match queue {
                    Some(queue) => match queue.recv().await {
                        Some(piece) => piece,
                        // The session has failed, which its end tells.
                        None => std::future::pending().await,
                    },
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                piece = piece => {
                    range.at += piece.len() as u64;
                    return Ok(Woven::Piece(piece));
                }
                Some(lost) = losses.recv() => return Ok(Woven::Lost(lost)),
                Some(ended) = strands.next() => match ended {
                    Ok(Some(script)) => *kept = Some(script),
                    Ok(None) => {}
                    Err(Ended::Failed(error)) => return Err(error),
                    Err(Ended::NotStarted(error)) => {
                        tracing::info!("no further session: {error}");
                        return Ok(Woven::Fewer((*sessions - 1).max(1)));
                    }
                },
                else => return Err(nonsense()),
            }
        }
    }
}

/// How a strand came to an end before its own.
enum Ended {
    Failed(Error),
    /// It was one session too many.
    NotStarted(Error),
}

impl Strand<'_> {
    /// Sends what is its own, by one session after the other if need be.
    async fn run(
        mut self,
        losses: mpsc::UnboundedSender<Error>,
    ) -> Result<Option<NodeScript>, Ended> {
        let is_first = self.script.is_some();
        let (mut fruitless, mut has_begun) = (0, false);
        loop {
            let before = self.at;
            let error = match self.once().await {
                Ok(script) => {
                    return Ok(script.filter(|_| is_first && fruitless == 0 && !has_begun));
                }
                Err(error) => error,
            };
            let is_stuck = self.at == before;
            fruitless = if is_stuck { fruitless + 1 } else { 0 };
            if self.is_extra && is_stuck && !has_begun {
                return Err(Ended::NotStarted(error));
            }
            if error.kind() != Kind::Lost || fruitless >= ATTEMPTS {
                return Err(Ended::Failed(error));
            }
            has_begun = true;
            tracing::info!("at {} of {}: {error}", self.at, self.range.from);
            if is_stuck {
                // Whoever hears of it is there as long as this.
                let _ = losses.send(error);
            }
            tokio::time::sleep(PAUSE * fruitless).await;
        }
    }

    async fn once(&mut self) -> Result<Option<NodeScript>, Error> {
        let Range { node, from, end, .. } = self.range;
        if self.at >= end && self.script.is_none() {
            return Ok(None);
        }
        let (mut script, coding) = match self.script.take() {
            Some(begun) => begun,
            None => {
                let task = Task::Part { from, at: self.at, jump: self.jump, end };
                let mut script = NodeScript::start(node, task.words(), Work::Sending);
                match script.said().await? {
                    Said::Data(coding) => (script, coding),
                    Said::Refusal(refusal) => return Err(refusal.of(from, &node.id())),
                    Said::Words(_) => return Err(nonsense()),
                }
            }
        };
        let (mut decoder, mut bytes) = (Decoder::new(coding), Vec::new());
        loop {
            let is_end = script.data(&mut decoder, &mut bytes).await?;
            self.hand_on(std::mem::take(&mut bytes)).await?;
            if is_end {
                break;
            }
        }
        match self.at >= end {
            true => Ok(Some(script)),
            false => Err(super::part_file::changed(from, Kind::Target)),
        }
    }

    /// Hands on what has come, no piece beyond its chunk.
    async fn hand_on(&mut self, mut bytes: Vec<u8>) -> Result<(), Error> {
        while !bytes.is_empty() {
            let of_chunk = CHUNK - self.at % CHUNK;
            let of_file = self.range.end.saturating_sub(self.at);
            if of_file == 0 {
                return Err(nonsense());
            }
            let len = of_chunk.min(of_file).min(bytes.len() as u64);
            let rest = bytes.split_off(len as usize);
            let gone = |_| Error::new(Kind::Lost, "the copy was ended from this side");
            self.pieces.send(std::mem::replace(&mut bytes, rest)).await.map_err(gone)?;
            self.at += len;
            if self.at.is_multiple_of(CHUNK) {
                self.at += self.jump;
            }
        }
        Ok(())
    }
}

/// Pieces of up to 64 KiB that a session may be ahead by: two chunks.
const QUEUE: usize = 32;
/// How often a session is started anew of which nothing comes.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
