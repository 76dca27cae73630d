//! The agent's side of a shell session, or of an interactive command: a program on a terminal.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use bytes::{Buf, Bytes};
use rustix::process::Signal;
use tokio::io::ReadBuf;

use super::{
    Agents, BATCH, Ending, PAYLOAD_LEN, can_send, earlier, process::Program, pty::Pty,
    transcript::Transcript, utf8::Runes, words,
};
use crate::{
    channel::{Channel, Event},
    malformed::Malformed,
    net::{Application, ApplicationError, Pace, Turn, with_open_files},
    reaper::Kind,
    wire::{PacketPool, PayloadType, TerminalSize, control::Flag},
};

/// Connects one session to a terminal.
pub(super) struct ShellAgent {
    terminal: Option<(Pty, Program)>,
    /// What has come and waits for the program to read: one message, and what the channel had
    /// waiting behind it.
    input: VecDeque<Input>,
    output: Output,
    /// The program was told to go; until then it may do so by itself.
    hung_up: Option<Instant>,
    ending: Ending,
}

enum Input {
    Bytes(Bytes),
    Size(TerminalSize),
}

struct Output {
    runes: Runes,
    buffer: Vec<u8>,
    text: Vec<u8>,
    pool: PacketPool,
    pace: Option<Pace>,
    /// Nothing is read before this time.
    next_read: Option<Instant>,
    transcript: Option<Transcript>,
}

impl ShellAgent {
    /// Starts a shell, or a command in one.
    pub(super) fn new(
        command: Option<&str>,
        agents: &Agents,
        mut ending: Ending,
        now: Instant,
    ) -> Self {
        // A command of nothing but white space is no command, says the real agent.
        let command = command.filter(|command| !command.trim().is_empty());
        let birth = agents.processes.announce();
        let started = words_of(command, ending.target()).and_then(|words| {
            let spawned = Pty::spawn(&words, birth.mark());
            spawned.map_err(|error| {
                format!("Unable to start a shell: {}", with_open_files(error)).into()
            })
        });
        let terminal = match started {
            Ok((pty, child)) => Some((pty, birth.adopt(child, Kind::Session))),
            Err(why) => {
                ending.begin_because(why.into(), now);
                None
            }
        };
        let next_read = agents.quirks.shell_delay.then(|| now + FIRST_OUTPUT_DELAY);
        let transcript = transcript(command, agents, &ending);
        let output = Output::new(agents.pace, next_read, transcript);
        Self { terminal, input: VecDeque::new(), output, hung_up: None, ending }
    }

    /// Takes the terminal away from the program.
    fn hang_up(&mut self, now: Instant) {
        if self.hung_up.is_none() {
            self.hung_up = Some(now + LAST_WORDS);
            self.input.clear();
            if let Some((_, program)) = &self.terminal {
                program.signal(Signal::HUP);
            }
        }
    }

    fn write_input(&mut self, cx: &mut Context<'_>) {
        let Some((pty, _)) = &mut self.terminal else {
            self.input.clear();
            return;
        };
        while let Some(next) = self.input.front_mut() {
            match next {
                Input::Size(size) => pty.resize(*size),
                Input::Bytes(bytes) => match pty.poll_write(cx, bytes) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(written)) if written < bytes.len() => {
                        bytes.advance(written);
                        continue;
                    }
                    // On an error there is nobody to read it; the output's end tells why.
                    Poll::Ready(_) => {}
                },
            }
            self.input.pop_front();
        }
    }
}

impl Application for ShellAgent {
    fn can_receive(&self) -> bool {
        self.input.is_empty()
    }

    fn is_drained(&self) -> bool {
        self.input.is_empty()
    }

    fn handle_event(
        &mut self,
        event: Event,
        _channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Data { payload_type: PayloadType::Output, payload } if !payload.is_empty() => {
                self.input.push_back(Input::Bytes(payload));
            }
            Event::Data { payload_type: PayloadType::Size, payload } => {
                self.input.extend(TerminalSize::read(&payload).map(Input::Size));
            }
            Event::Flag(Flag::TerminateSession) | Event::Closed { .. } => {
                self.hang_up(now);
                self.ending.begin(now);
            }
            _ => {}
        }
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        self.write_input(cx);
        let mut turn = Turn::Idle;
        if let Some((pty, _)) = &mut self.terminal
            && self.hung_up.is_none()
        {
            match self.output.read(pty, !self.input.is_empty(), cx, channel, now) {
                Reading::Open(open) => turn = open,
                Reading::Ended => self.ending.begin(now),
            }
        }
        if !self.ending.poll_begun(cx, now) {
            return Ok(turn);
        }
        self.hang_up(now);
        let gone = match &mut self.terminal {
            None => true,
            Some((_, program)) => program.poll_exit(cx).is_ready(),
        };
        if gone || self.hung_up.is_some_and(|until| until <= now) {
            self.terminal = None;
        }
        Ok(self.ending.close(channel, self.terminal.is_none(), now))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let hung_up = self.hung_up.filter(|_| self.terminal.is_some());
        earlier(self.ending.poll_timeout(self.output.next_read), hung_up)
    }
}

/// The program and its arguments; none for a shell. A node's shell runs a command's line, and in a
/// container of ECS no shell does.
fn words_of(command: Option<&str>, target: &str) -> Result<Vec<String>, Malformed> {
    match command {
        None => Ok(Vec::new()),
        Some(line) if target.starts_with(CONTAINER) => words::split(line)
            .map_err(|error| format!("Failed to parse the command: {error}").into()),
        Some(line) => Ok(["sh", "-c", line].map(str::to_owned).into()),
    }
}

/// The log of a shell that is to have one; interactive commands have none.
fn transcript(command: Option<&str>, agents: &Agents, ending: &Ending) -> Option<Transcript> {
    let folder = agents.session_logs.as_deref().filter(|_| command.is_none())?;
    let begun = Transcript::begin(folder, ending.session_id(), SystemTime::now());
    begun.inspect_err(|error| tracing::warn!("a session has no log: {error}")).ok()
}

enum Reading {
    Open(Turn),
    /// The program has closed its terminal.
    Ended,
}

impl Output {
    fn new(pace: Option<Pace>, next_read: Option<Instant>, transcript: Option<Transcript>) -> Self {
        let payload_len = pace.map_or(PAYLOAD_LEN, |pace| pace.payload_len);
        Self {
            runes: Runes::default(),
            buffer: vec![0; payload_len],
            text: Vec::new(),
            pool: PacketPool::new(POOL_CHUNK),
            pace,
            next_read,
            transcript,
        }
    }

    fn read(
        &mut self,
        pty: &mut Pty,
        input_waits: bool,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Reading {
        if self.next_read.is_some_and(|at| at <= now) {
            self.next_read = None;
        }
        for _ in 0..BATCH {
            if !can_send(channel, input_waits) || self.next_read.is_some() {
                return Reading::Open(Turn::Idle);
            }
            let most = channel.payload_len().min(self.buffer.len());
            let mut buffer = ReadBuf::new(&mut self.buffer[..most]);
            let ended = fill(pty, cx, &mut buffer);
            let read = buffer.filled().len();
            if read > 0 {
                self.text.clear();
                self.runes.pass(&self.buffer[..read], &mut self.text);
                if !self.text.is_empty() {
                    if let Some(transcript) = &mut self.transcript {
                        transcript.write(&self.text);
                    }
                    channel.send(PayloadType::Output, self.pool.packet(&self.text), now);
                }
                self.next_read = self.pace.map(|pace| now + pace.pause);
            }
            match ended {
                Poll::Pending => return Reading::Open(Turn::Idle),
                Poll::Ready(End::Reached) => return Reading::Ended,
                Poll::Ready(End::Full) => {}
            }
        }
        Reading::Open(Turn::More)
    }
}

enum End {
    Full,
    Reached,
}

/// A terminal gives 4 KiB at a time: several of them make one payload.
fn fill(pty: &mut Pty, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<End> {
    while buffer.remaining() > 0 {
        let before = buffer.filled().len();
        match pty.poll_read(cx, buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {}
            Poll::Ready(_) => return Poll::Ready(End::Reached),
        }
    }
    Poll::Ready(End::Full)
}

/// How the ids of containers begin.
const CONTAINER: &str = "ecs:";
/// How long the real agent waits before it looks for output at all.
const FIRST_OUTPUT_DELAY: Duration = Duration::from_secs(1);
/// How long a program may go on after its terminal is gone, before it is killed.
const LAST_WORDS: Duration = Duration::from_millis(500);
const POOL_CHUNK: usize = 128 * 1024;
