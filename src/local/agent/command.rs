//! The agent's side of a non-interactive command: a program without a terminal and without input,
//! whose output comes from pipes, or from a file once it has ended.

#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;
use std::{
    fs::File,
    io,
    pin::Pin,
    process::{ExitStatus, Stdio},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, ReadBuf},
    process::Command,
};

use super::{
    Agents, BATCH, Ending, PAYLOAD_LEN, earlier,
    process::{Processes, Program, Signal, Started},
    utf8::Runes,
    words,
};
use crate::{
    channel::{Channel, Event},
    local::document::{NonInteractiveCommand, Prefixes},
    net::{Application, ApplicationError, Pace, Turn, with_open_files},
    wire::{ExitCode, Packet, PayloadType, control::Flag},
};

/// Runs one command for one session.
pub(super) struct CommandAgent {
    command: NonInteractiveCommand,
    processes: Processes,
    pace: Option<Pace>,
    late_reason: bool,
    /// With the quirk: whether output that comes now is the last that is read.
    pause: Pause,
    phase: Phase,
    /// The program was told to go; until then it may do so by itself.
    hung_up: Option<Instant>,
    ending: Ending,
}

enum Phase {
    /// For the handshake.
    Waiting,
    Running(Running),
    /// The command did not start: the reason is told at this time, or as soon as it can be.
    Explaining(String, Option<Instant>),
    Over,
}

/// How the real agent's reading of the pipes fares: it looks whether its channel is up between two
/// reads, and is done with them if not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pause {
    /// Without the quirk.
    Harmless,
    No,
    Lasting,
    /// The client was away.
    Over,
}

impl CommandAgent {
    pub(super) fn new(command: NonInteractiveCommand, agents: &Agents, ending: Ending) -> Self {
        Self {
            command,
            processes: agents.processes.clone(),
            pace: agents.pace,
            late_reason: agents.quirks.late_reason,
            pause: if agents.quirks.pause_ends_output { Pause::No } else { Pause::Harmless },
            phase: Phase::Waiting,
            hung_up: None,
            ending,
        }
    }

    fn start(&mut self, channel: &mut Channel, now: Instant) {
        match Running::start(&self.command, &self.processes, self.pace) {
            Ok(running) => self.phase = Phase::Running(running),
            Err(failure) => {
                let reason = failure.to_string();
                tracing::warn!(session = self.ending.session_id(), "{reason}");
                let mut delay = REASON_DELAY;
                match failure {
                    StartError::Program(..) if self.command.separate.is_some() => {
                        send_exit_code(1, channel, now);
                    }
                    StartError::Program(..) => {}
                    StartError::Words(_) | StartError::Output(_) => delay += NO_WORDS_DELAY,
                }
                let delay = if self.late_reason { delay } else { Duration::ZERO };
                self.phase = Phase::Explaining(reason, Some(now + delay));
            }
        }
    }

    fn hang_up(&mut self, now: Instant) {
        if self.hung_up.is_none() {
            self.hung_up = Some(now + LAST_WORDS);
            if let Phase::Running(running) = &self.phase {
                running.program.signal(Signal::HUP);
            }
        }
    }
}

impl Application for CommandAgent {
    fn can_receive(&self) -> bool {
        true
    }

    fn is_drained(&self) -> bool {
        true
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Ready(_) => self.start(channel, now),
            Event::Data { payload_type: PayloadType::Output, payload } => {
                if let Phase::Running(running) = &mut self.phase {
                    running.interrupt(&payload);
                }
            }
            Event::Flag(Flag::TerminateSession) | Event::Closed { .. } => {
                self.hang_up(now);
                self.ending.begin(now);
            }
            Event::Paused if self.pause != Pause::Harmless => self.pause = Pause::Lasting,
            Event::Resumed if self.pause == Pause::Lasting => self.pause = Pause::No,
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, _: Instant) {
        if self.pause != Pause::Harmless {
            self.pause = Pause::Over;
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if self.ending.poll_begun(cx, now) {
            self.hang_up(now);
            let gone = match &mut self.phase {
                Phase::Running(running) => running.program.poll_exit(cx).is_ready(),
                Phase::Waiting | Phase::Explaining(..) | Phase::Over => true,
            };
            if gone || self.hung_up.is_some_and(|until| until <= now) {
                self.phase = Phase::Over;
            }
            let drained = matches!(self.phase, Phase::Over);
            return Ok(self.ending.close(channel, drained, now));
        }
        let turn = match &mut self.phase {
            Phase::Waiting | Phase::Over => return Ok(Turn::Idle),
            Phase::Running(running) => running.poll(cx, channel, &mut self.pause, now),
            Phase::Explaining(_, at) if at.is_some_and(|at| now < at) => return Ok(Turn::Idle),
            Phase::Explaining(reason, _) if channel.can_send() => {
                channel.send(PayloadType::StdErr, Packet::copy_from(reason.as_bytes()), now);
                Turn::Done
            }
            Phase::Explaining(_, at) => {
                *at = None;
                return Ok(Turn::Idle);
            }
        };
        if turn != Turn::Done {
            return Ok(turn);
        }
        self.phase = Phase::Over;
        self.ending.begin(now);
        Ok(self.ending.close(channel, true, now))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let (open, hung_up) = match &self.phase {
            Phase::Explaining(_, at) => (*at, None),
            Phase::Running(running) => (running.next_payload, self.hung_up),
            Phase::Waiting | Phase::Over => (None, None),
        };
        earlier(self.ending.poll_timeout(open), hung_up)
    }
}

/// A command that has started.
struct Running {
    program: Program,
    output: Output,
    interrupted: bool,
    pace: Option<Pace>,
    next_payload: Option<Instant>,
}

enum Output {
    /// Standard output and standard error, as they come.
    Separate(Box<[Pipe; 2]>),
    /// Both in one file, read when the program has ended.
    Merged(MergedFile),
}

impl Running {
    fn start(
        command: &NonInteractiveCommand,
        processes: &Processes,
        pace: Option<Pace>,
    ) -> Result<Self, StartError> {
        let words = words::split(&command.command)?;
        // A command of nothing but white space is a shell that finds no input, says the real
        // agent; one of nothing but a comment kills it.
        let name = words.first().map_or(SHELL, String::as_str);
        let mut program = Command::new(name);
        program.args(words.iter().skip(1)).stdin(Stdio::null());
        #[cfg(unix)]
        program.envs(super::pty::environment());
        let merged = match &command.separate {
            Some(_) => {
                program.stdout(Stdio::piped()).stderr(Stdio::piped());
                None
            }
            None => {
                let (file, out, err) = MergedFile::create().map_err(StartError::Output)?;
                program.stdout(out).stderr(err);
                Some(file)
            }
        };
        let started = processes.start(program);
        let Started { program, stdout: out, stderr: err } =
            started.map_err(|error| StartError::Program(name.to_owned(), error))?;
        let output = match (merged, &command.separate) {
            (Some(file), _) => Output::Merged(file),
            (None, prefixes) => {
                let Prefixes { stdout, stderr } = prefixes.clone().unwrap_or_default();
                Output::Separate(Box::new([
                    Pipe::new(out, PayloadType::Output, stdout, pace),
                    Pipe::new(err, PayloadType::StdErr, stderr, pace),
                ]))
            }
        };
        Ok(Self { program, output, interrupted: false, pace, next_payload: None })
    }

    /// Turns the first control character among a payload's bytes into its signal. All else is
    /// thrown away: a command has no input.
    fn interrupt(&mut self, payload: &Bytes) {
        let signal = payload.iter().find_map(|byte| match byte {
            0x03 => Some(Signal::INT),
            0x1c => Some(Signal::QUIT),
            _ => None,
        });
        if let Some(signal) = signal {
            self.program.signal(signal);
            self.interrupted = true;
        }
    }

    /// [`Turn::Done`] when everything that the client is to get has been sent.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        pause: &mut Pause,
        now: Instant,
    ) -> Turn {
        match &mut self.output {
            Output::Separate(pipes) => {
                let is_paused = matches!(pause, Pause::Lasting | Pause::Over);
                let turns = pipes.each_mut().map(|pipe| pipe.poll(cx, channel, is_paused, now));
                if *pause == Pause::Over {
                    *pause = Pause::No;
                }
                if turns.contains(&Turn::More) {
                    return Turn::More;
                }
                if turns != [Turn::Done; 2] || !channel.can_send() {
                    return Turn::Idle;
                }
                let Poll::Ready(status) = self.program.poll_exit(cx) else { return Turn::Idle };
                send_exit_code(exit_code(status, self.interrupted), channel, now);
                Turn::Done
            }
            Output::Merged(file) => {
                if self.program.poll_exit(cx).is_pending() {
                    return Turn::Idle;
                }
                if self.next_payload.is_some_and(|at| at <= now) {
                    self.next_payload = None;
                }
                for _ in 0..BATCH {
                    if !channel.can_send() || self.next_payload.is_some() {
                        return Turn::Idle;
                    }
                    if !file.send_next(self.pace, channel, now) {
                        return Turn::Done;
                    }
                    self.next_payload = self.pace.map(|pace| now + pace.pause);
                }
                Turn::More
            }
        }
    }
}

/// One of the two pipes. It is never paced; but where all else is, its messages are as short as the real
/// agent's.
struct Pipe {
    source: Option<Box<dyn AsyncRead + Send + Unpin>>,
    payload_type: PayloadType,
    prefix: String,
    /// It is read no more, and not closed.
    is_left: bool,
    /// The next bytes begin a line, as far as the ends of reads tell.
    at_line_start: bool,
    runes: Runes,
    buffer: Vec<u8>,
}

impl Pipe {
    fn new<R>(
        source: Option<R>,
        payload_type: PayloadType,
        prefix: String,
        pace: Option<Pace>,
    ) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        // With a prefix it shows how much was read at once: then it is as much as in the real
        // agent.
        let len = match (pace, &*prefix) {
            (None, "") => PAYLOAD_LEN,
            (Some(pace), "") => pace.payload_len,
            (_, prefix) => REAL_LEN - prefix.len(),
        };
        Self {
            source: source.map(|source| Box::new(source) as _),
            payload_type,
            prefix,
            is_left: false,
            at_line_start: true,
            runes: Runes::default(),
            buffer: vec![0; len],
        }
    }

    /// Sends what is there; [`Turn::Done`] at the pipe's end.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        is_paused: bool,
        now: Instant,
    ) -> Turn {
        for _ in 0..BATCH {
            let Some(source) = &mut self.source else { return Turn::Done };
            if self.is_left || !(is_paused || channel.can_send()) {
                return Turn::Idle;
            }
            let most = channel.payload_len().min(self.buffer.len());
            let mut buffer = ReadBuf::new(&mut self.buffer[..most]);
            match Pin::new(source).poll_read(cx, &mut buffer) {
                Poll::Pending => return Turn::Idle,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let len = buffer.filled().len();
                    self.send(len, channel, now);
                    self.is_left = is_paused;
                }
                Poll::Ready(_) => self.source = None,
            }
        }
        Turn::More
    }

    fn send(&mut self, len: usize, channel: &mut Channel, now: Instant) {
        let bytes = &self.buffer[..len];
        let mut text = Vec::with_capacity(self.prefix.len() + len);
        if self.at_line_start {
            self.runes.pass(self.prefix.as_bytes(), &mut text);
        }
        self.at_line_start = bytes.ends_with(b"\n");
        self.runes.pass(bytes, &mut text);
        if !text.is_empty() {
            channel.send(self.payload_type, Packet::copy_from(&text), now);
        }
    }
}

/// What a command writes when its outputs are not kept apart.
struct MergedFile {
    file: File,
    /// Bytes of it.
    sent: u64,
    runes: Runes,
}

impl MergedFile {
    /// A file that never has a name, and two more handles that write behind each other.
    fn create() -> io::Result<(Self, File, File)> {
        let file = tempfile::tempfile()?;
        // Windows has one position for all handles of a file.
        #[cfg(unix)]
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::APPEND)?;
        let (out, err) = (file.try_clone()?, file.try_clone()?);
        Ok((Self { file, sent: 0, runes: Runes::default() }, out, err))
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        return self.file.read_at(bytes, self.sent);
        #[cfg(windows)]
        return self.file.seek_read(bytes, self.sent);
    }

    /// Sends the file's next part; `false` at its end. It was just written, so that reading does
    /// not wait for a disk.
    fn send_next(&mut self, pace: Option<Pace>, channel: &mut Channel, now: Instant) -> bool {
        let mut bytes = vec![0; pace.map_or(channel.payload_len(), |pace| pace.payload_len)];
        let Ok(len @ 1..) = self.read(&mut bytes) else { return false };
        self.sent += len as u64;
        let mut text = Vec::with_capacity(len);
        self.runes.pass(&bytes[..len], &mut text);
        if !text.is_empty() {
            channel.send(PayloadType::Output, Packet::copy_from(&text), now);
        }
        true
    }
}

fn send_exit_code(code: i32, channel: &mut Channel, now: Instant) {
    let text = ExitCode(code.into()).to_text();
    channel.send(PayloadType::ExitCode, Packet::copy_from(text.as_bytes()), now);
}

/// The code that the client is told: -1 for a program that died of a signal, but 1 when that was
/// the client's own, as the real agent then looks for an exit that it has taken note of already.
fn exit_code(status: Option<ExitStatus>, interrupted: bool) -> i32 {
    match status {
        Some(_) if interrupted => 1,
        Some(status) => status.code().unwrap_or(-1),
        None => 1,
    }
}

/// Why a command did not start, in the real agent's words where it has some.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("Unable to start command: Failed to parse commands input: {0}\n")]
    Words(#[from] words::SplitError),
    #[error("Unable to start command: no file for its output: {}\n", with_open_files(.0))]
    Output(io::Error),
    #[error("{}", program_error(.0, .1))]
    Program(String, io::Error),
}

fn program_error(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if !name.contains('/') => {
            format!("exec: {name:?}: executable file not found in {PATH}")
        }
        io::ErrorKind::NotFound => format!("fork/exec {name}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("fork/exec {name}: permission denied"),
        _ => format!("fork/exec {name}: {}", with_open_files(error)),
    }
}

const SHELL: &str = if cfg!(windows) { "cmd" } else { "sh" };
/// As a shell writes it.
const PATH: &str = if cfg!(windows) { "%PATH%" } else { "$PATH" };
/// The real agent's payloads.
const REAL_LEN: usize = 1024;
/// How long the real agent lets its client wait for the reason.
const REASON_DELAY: Duration = Duration::from_secs(1);
/// And how much longer, when there is not even a program to start.
const NO_WORDS_DELAY: Duration = Duration::from_secs(2);
/// How long a program may go on after its session is over, before it is killed.
const LAST_WORDS: Duration = Duration::from_millis(500);
