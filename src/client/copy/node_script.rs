//! A script that runs on the node: what it says, and what it is given.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    sync::{Notify, oneshot, watch},
};

use super::{
    coding::{Coding, Decoded, Decoder},
    refusal::Refusal,
};
use crate::client::{
    CommandEvent, Console, Error, Kind, Node, Setting,
    node::stop_on_drop,
    running::{Finished, Place, Wanted},
};

/// One run of a script. It is ended with its session when this is dropped.
pub(super) struct NodeScript {
    /// What it reads, if it has input of its own.
    pub(super) input: Option<DuplexStream>,
    output: DuplexStream,
    buffer: BytesMut,
    complaints: Arc<Mutex<Vec<u8>>>,
    /// Is dropped once there are no more of them.
    heard: Option<oneshot::Receiver<()>>,
    stuck: Arc<Notify>,
    ended: oneshot::Receiver<Result<Option<Finished>, Error>>,
    _stop: watch::Sender<bool>,
}

/// What a script does most of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// It sends.
    Sending,
    /// It says little: it takes what comes by a port, or calculates.
    Quiet,
    /// It takes what comes by its terminal.
    Typing,
}

/// What a script has said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    Words(Vec<String>),
    /// Data comes next.
    Data(Coding),
    Refusal(Refusal),
}

impl NodeScript {
    /// Starts it; whether it could be started shows with its first word.
    pub(super) fn start(node: &Node, words: Vec<String>, work: Work) -> Self {
        let reason = node.reason().map(str::to_owned);
        let has_input = work == Work::Typing;
        let patience = (work == Work::Sending).then_some(PATIENCE);
        let is_as_it_is = !has_input;
        let wanted = Wanted { words, reason, has_input, is_as_it_is, patience, document: None };
        let (output, written) = duplex(BUFFER);
        let (mut errors, complained) = duplex(BUFFER);
        let (input, typed) = if has_input { duplex(BUFFER) } else { duplex(1) };
        let (stop, stopped) = stop_on_drop();
        let is_stopped = stop.subscribe();
        let (end, ended) = oneshot::channel();
        let (hears, heard) = oneshot::channel();
        let stuck = Arc::new(Notify::new());
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let (service, limits) = (node.service().clone(), node.limits());
        let (is_stuck, notes) = (Arc::clone(&stuck), Arc::clone(&complaints));
        node.spawn(async move {
            let observer = |event: &CommandEvent| {
                if let CommandEvent::Silent(_) = event {
                    is_stuck.notify_one();
                }
            };
            let place = Place {
                service: &service,
                limits,
                stop: &stopped,
                is_stopped: &|| is_stopped.has_changed().is_err(),
                greet: &|_| (),
            };
            let running = async {
                let mut streams = Some((typed, written, complained));
                // Such a command is tried in one way alone. The streams end with it.
                let console = |takes_input: bool| {
                    let (typed, written, complained) =
                        streams.take().unwrap_or_else(|| (duplex(1).0, duplex(1).0, duplex(1).0));
                    Console {
                        input: takes_input.then(|| Box::new(typed) as _),
                        output: Box::new(written),
                        error: Box::new(complained),
                        sizes: Box::pin(stream::empty()),
                        signals: Box::pin(stream::pending()),
                        raw_mode: None,
                    }
                };
                let finished = wanted.run(&place, console, observer).await;
                // Whoever reads to the end is told what it was.
                let _ = end.send(finished);
            };
            let listening = async {
                let _hears: oneshot::Sender<()> = hears;
                let mut piece = Vec::with_capacity(1024);
                while let Ok(1..) = errors.read_buf(&mut piece).await {
                    let mut complaints = notes.lock().unwrap_or_else(PoisonError::into_inner);
                    complaints.append(&mut piece);
                    let surplus = complaints.len().saturating_sub(LAST_COMPLAINTS);
                    complaints.drain(..surplus);
                }
            };
            tokio::join!(running, listening);
        });
        let input = has_input.then_some(input);
        let buffer = BytesMut::new();
        let heard = Some(heard);
        Self { input, output, buffer, complaints, heard, stuck, ended, _stop: stop }
    }

    /// The next that it says.
    ///
    /// # Errors
    /// When it has ended, however that came.
    pub(super) async fn said(&mut self) -> Result<Said, Error> {
        let line = self.line().await?;
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Ok(match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["data", "base64"] => Said::Data(Coding::Base64),
            ["data", _] => Said::Data(Coding::Raw),
            ["no", ..] => {
                let complaint = self.last_complaint().await;
                Said::Refusal(Refusal::new(&words[1..], complaint))
            }
            _ => Said::Words(words),
        })
    }

    async fn line(&mut self) -> Result<String, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line[..end]).trim_end().to_owned());
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(nonsense());
            }
            self.fill().await?;
        }
    }

    /// Adds some of its data to `out`; whether that was the last of it.
    ///
    /// # Errors
    /// When it has ended before.
    pub(super) async fn data(
        &mut self,
        decoder: &mut Decoder,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        loop {
            let before = out.len();
            let decoded = decoder.read(&self.buffer, out);
            let Decoded { used, is_end } = decoded.map_err(|_| nonsense())?;
            self.buffer.advance(used);
            if is_end {
                // The mark is a line of its own.
                self.line().await?;
                return Ok(true);
            }
            if out.len() > before {
                return Ok(false);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        self.buffer.reserve(PIECE);
        let read = tokio::select! {
            read = self.output.read_buf(&mut self.buffer) => read,
            () = self.stuck.notified() => {
                let stuck = Error::new(Kind::Lost, "the copy's command on the node is stuck");
                return Err(stuck.because("its output was not read any more after an interruption"));
            }
        };
        match read {
            Ok(0) => Err(self.end().await),
            Ok(_) => Ok(()),
            // A stream within this process does not fail.
            Err(error) => Err(Error::local("cannot read what comes").because(error)),
        }
    }

    /// Why it has ended although more was to come.
    async fn end(&mut self) -> Error {
        let gone = || Error::new(Kind::Lost, "the copy was ended from this side");
        let finished = match (&mut self.ended).await {
            Err(_) | Ok(Ok(None)) => return gone(),
            Ok(Err(error)) => return error,
            Ok(Ok(Some(finished))) => finished,
        };
        if finished.lacks_tools() {
            return Error::new(Kind::Target, "the node lacks what an upload needs")
                .because("it takes python3 or perl there, or stty, dd, od, tr and base64")
                .next("install one of them");
        }
        let complaint = self.last_complaint().await;
        match finished.ended.end {
            Err(error) => error,
            Ok(_) if matches!(finished.ended.exit_code, Some(126 | 127)) => {
                let error = Error::new(Kind::Target, "the node cannot run what a copy needs");
                let error = error.next("a POSIX shell has to be there: sh");
                complaint.into_iter().fold(error, Error::because)
            }
            Ok(end) => {
                let lost = Error::new(Kind::Lost, "the session ended in the middle of the copy");
                let why = complaint.unwrap_or_else(|| end.to_string());
                lost.because(why).next("start it again").with(Setting::Log)
            }
        }
    }

    /// The last that its tools have complained of. It comes by a way of its own, and may be later than
    /// what the script says behind it, which is near its end then.
    pub(super) async fn last_complaint(&mut self) -> Option<String> {
        let Self { output, heard, .. } = self;
        let rest = async {
            let mut rest = [0; 1024];
            while let Ok(1..) = output.read(&mut rest).await {}
            if let Some(heard) = heard.take() {
                // Nothing is sent.
                let _ = heard.await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, rest).await;
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&complaints);
        let says_why = |line: &&str| !line.is_empty() && !line.ends_with(WITHOUT_REASON);
        text.lines().map(str::trim).rfind(says_why).map(str::to_owned)
    }
}

impl Said {
    /// Words that begin with `first`, without it.
    ///
    /// # Errors
    /// The refusal; or it is something else.
    pub(super) fn words(self, first: &str) -> Result<Vec<String>, Unexpected> {
        match self {
            Self::Words(mut words) if words.first().is_some_and(|word| word == first) => {
                words.remove(0);
                Ok(words)
            }
            Self::Refusal(refusal) => Err(Unexpected::Refusal(refusal)),
            _ => Err(Unexpected::Nonsense),
        }
    }
}

/// What a script has said in the place of what it was to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unexpected {
    Refusal(Refusal),
    Nonsense,
}

/// Something that no script says.
pub(super) fn nonsense() -> Error {
    let what = "the copy's command on the node has said what makes no sense";
    Error::new(Kind::Lost, what).next("start it again").with(Setting::Log)
}

/// An I/O error of a stream to the node.
pub(super) fn cut(error: &io::Error) -> Error {
    Error::new(Kind::Lost, "the node takes no more of the copy").because(error)
}

const BUFFER: usize = 256 * 1024;
const PIECE: usize = 64 * 1024;
/// A path has up to 4096 bytes, and two digits each.
const LONGEST_LINE: usize = 16 * 1024;
/// What tar says at last when it has said why.
const WITHOUT_REASON: &str = "due to previous errors";
/// A file is begun again where it was.
const PATIENCE: Duration = Duration::from_secs(5);
const LAST_COMPLAINTS: usize = 2048;
const LAST_WORDS: Duration = Duration::from_secs(5);
