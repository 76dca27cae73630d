//! One session, from the request for it to its end: a shell, a command, or a single stream.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{
    Error, Kind,
    attachment::{self, Attachment},
    service::{Request, SessionSource},
};
use crate::{
    channel::Ready,
    net::{Application, ApplicationError},
    session::{ChannelState, Limits, SessionEnd},
    streams::{
        Chosen, Command, CommandEvent, Console, ExitMarker, Meter, Pipe, PipeEvent, PortKind,
        Shell, ShellEvent, Stop, Tap, TapEvent, Way,
    },
};

/// A session that is to be started, and how it is to be ended.
pub(crate) struct Opening<'a> {
    pub(crate) service: &'a SessionSource,
    pub(crate) request: &'a Request,
    pub(crate) limits: Limits,
    /// Gives what resolves when the session is to end.
    pub(crate) stop: &'a (dyn Fn() -> Stop + Send + Sync),
    /// Is told what the agent says of the session before it begins.
    pub(crate) greet: &'a (dyn Fn(&Ready) + Send + Sync),
}

/// How a session came to its end.
pub(crate) struct Ended {
    pub(crate) end: Result<SessionEnd, Error>,
    /// Of the command that it carried, if that is known.
    pub(crate) exit_code: Option<i64>,
    /// Everything that was received has been written.
    pub(crate) is_complete: bool,
    pub(crate) output_failed: Option<io::Error>,
}

/// How a single stream came to its end.
pub(crate) struct StreamEnded {
    pub(crate) end: Result<SessionEnd, Error>,
    pub(crate) is_complete: bool,
    pub(crate) output_failed: Option<io::Error>,
    /// Something came from the other side.
    pub(crate) has_answered: bool,
    /// Silence after the end of the input, after which the answer was not waited for.
    pub(crate) unanswered: Option<Duration>,
}

/// A shell that has begun.
pub(crate) struct Begun<'a> {
    pub(crate) session_id: &'a str,
    /// What goes through it.
    pub(crate) meter: &'a Arc<Meter>,
    /// Whether it has a data channel at the moment.
    pub(crate) connection: &'a watch::Receiver<ChannelState>,
}

/// What becomes the application of a session of this id, which tells whether it has a data channel.
type Open<'b> = Box<
    dyn FnOnce(
            &Ready,
            &str,
            &watch::Receiver<ChannelState>,
        ) -> Result<Box<dyn Application + Send + 'b>, ApplicationError>
        + Send
        + 'b,
>;

impl<'a> Opening<'a> {
    /// Runs what `open` gives until the session is over; `None` when it was not even started, as it
    /// was to end before. Without a handshake a session may begin with a long silence if it `is_patient`.
    async fn carry(
        &self,
        is_patient: bool,
        open: Open<'_>,
    ) -> Result<Option<(Result<SessionEnd, Error>, bool)>, Error> {
        let Self { service, request, limits, stop, .. } = *self;
        let Some(ticket) = attachment::start(service, request, stop()).await? else {
            return Ok(None);
        };
        tracing::info!("session {}", ticket.session_id);
        let _kept = service.keep(&ticket.session_id);
        let control_plane = service.control_plane();
        let session_id = ticket.session_id.clone();
        let connection = watch::Sender::default();
        let connected = connection.subscribe();
        let open = move |ready: &Ready| open(ready, &session_id, &connected);
        let mut streams = Chosen::new(stop(), Box::new(open));
        let control_plane = &*control_plane;
        let stop = stop();
        let attachment = Attachment { ticket, control_plane, is_patient, limits, stop, connection };
        let end = attachment.run(&mut streams).await;
        match streams.failure() {
            Some(why) => Err(Error::new(Kind::Target, "the session is of no use").because(why)),
            None => Ok(Some((end.map_err(Error::from), streams.is_drained()))),
        }
    }

    /// Runs a shell, or a command, on a terminal of the node's. Its output may carry an exit code in
    /// `marker`. The console is opened when the session stands, and closed before this returns.
    pub(crate) async fn shell(
        &self,
        marker: Option<ExitMarker>,
        console: impl FnOnce(&Begun<'_>) -> io::Result<Console> + Send,
    ) -> Result<Option<Ended>, Error> {
        let told = Told::default();
        let (observer, stop, greet) = (told.clone(), (self.stop)(), self.greet);
        let open =
            move |ready: &Ready, session_id: &str, connection: &watch::Receiver<ChannelState>| {
                refuse_ports(ready)?;
                greet(ready);
                let meter = Arc::default();
                let console = console(&Begun { session_id, meter: &meter, connection });
                let console = console.map_err(|error| format!("the terminal: {error}"))?;
                let observer = move |event| observer.of_shell(event);
                let shell = Shell::new(console, marker, stop, observer).with_meter(meter);
                Ok(Box::new(shell) as _)
            };
        let carried = self.carry(true, Box::new(open)).await?;
        Ok(carried.map(|(end, is_complete)| told.ended(end, is_complete)))
    }

    /// Runs a command that was started in this way, and may be silent so long behind an interruption. `observer` is
    /// told what the end does not say.
    pub(crate) async fn command(
        &self,
        way: Way,
        patience: Option<Duration>,
        console: impl FnOnce() -> Console + Send,
        mut observer: impl FnMut(&CommandEvent) + Send,
    ) -> Result<Option<Ended>, Error> {
        let told = Told::default();
        let (note, stop, greet) = (told.clone(), (self.stop)(), self.greet);
        let open = move |ready: &Ready, _: &str, _: &watch::Receiver<ChannelState>| {
            refuse_ports(ready)?;
            greet(ready);
            let observer = move |event| {
                observer(&event);
                note.of_command(event);
            };
            let command = Command::new(console(), way, stop, observer);
            Ok(match patience {
                Some(patience) => Box::new(command.with_patience(patience)) as _,
                None => Box::new(command) as _,
            })
        };
        // Without a handshake, a terminal's session begins with what the script says first.
        let is_patient = matches!(way, Way::WithInput(_));
        let carried = self.carry(is_patient, Box::new(open)).await?;
        Ok(carried.map(|(end, is_complete)| told.ended(end, is_complete)))
    }

    /// Tells what a command writes, as it comes, until its session is over, or what comes is refused.
    pub(crate) async fn tap(
        &self,
        told: impl FnMut(TapEvent<'_>) -> Result<(), ApplicationError> + Send,
    ) -> Result<Option<SessionEnd>, Error> {
        let (stop, greet) = ((self.stop)(), self.greet);
        let open = move |ready: &Ready, _: &str, _: &watch::Receiver<ChannelState>| {
            refuse_ports(ready)?;
            greet(ready);
            Ok(Box::new(Tap::new(stop, told)) as _)
        };
        match self.carry(false, Box::new(open)).await? {
            Some((end, _)) => end.map(Some),
            None => Ok(None),
        }
    }

    /// Connects the two ends that `open` gives with a port's single stream, until `gone` resolves as
    /// nobody reads what comes any more, or either side has ended it.
    pub(crate) async fn stream<R, W>(
        &self,
        open: impl FnOnce() -> (R, W, Stop) + Send,
    ) -> Result<Option<StreamEnded>, Error>
    where
        R: AsyncRead + Send + Unpin,
        W: AsyncWrite + Send + Unpin,
    {
        let told = Arc::new(Mutex::new(ToldOfStream::default()));
        let (observer, answer) = (Arc::clone(&told), self.limits.answer);
        let (stop, greet) = ((self.stop)(), self.greet);
        let choose = move |ready: &Ready, _: &str, _: &watch::Receiver<ChannelState>| {
            greet(ready);
            if PortKind::of(ready) != Some(PortKind::Stream) {
                return Err("the agent does not offer a single stream".into());
            }
            let (input, output, gone) = open();
            let observer = move |event| lock(&observer).note(event);
            let pipe = Pipe::new(input, output, stop, gone, observer);
            Ok(Box::new(pipe.with_answer_patience(answer)) as _)
        };
        let Some((end, is_complete)) = self.carry(false, Box::new(choose)).await? else {
            return Ok(None);
        };
        let ToldOfStream { output_failed, has_answered, unanswered } =
            std::mem::take(&mut *lock(&told));
        Ok(Some(StreamEnded { end, is_complete, output_failed, has_answered, unanswered }))
    }
}

fn refuse_ports(ready: &Ready) -> Result<(), ApplicationError> {
    match PortKind::of(ready) {
        Some(_) => Err("the agent offers a port session, not a shell".into()),
        None => Ok(()),
    }
}

/// What a shell or command has told, until its session is over.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Option<i64>, Option<io::Error>)>>);

impl Told {
    fn of_shell(&self, event: ShellEvent) {
        match event {
            ShellEvent::Exited(code) => lock(&self.0).0 = Some(code.0),
            ShellEvent::OutputFailed(error) => lock(&self.0).1 = Some(error),
            ShellEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
        }
    }

    fn of_command(&self, event: CommandEvent) {
        match event {
            CommandEvent::Exited { code, .. } => lock(&self.0).0 = Some(code.0),
            CommandEvent::NotStarted(reason) => {
                // As a shell has them.
                let code = match () {
                    () if reason.contains("not found") || reason.contains("no such file") => 127,
                    () if reason.contains("permission denied") => 126,
                    () => return,
                };
                lock(&self.0).0 = Some(code);
            }
            CommandEvent::OutputFailed(error) => lock(&self.0).1 = Some(error),
            CommandEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
            CommandEvent::Begun | CommandEvent::LacksTools | CommandEvent::Silent(_) => {}
        }
    }

    fn ended(self, end: Result<SessionEnd, Error>, is_complete: bool) -> Ended {
        let (exit_code, output_failed) = std::mem::take(&mut *lock(&self.0));
        let end = match end {
            // The command is over: what became of the connection afterwards is no matter.
            Err(error) if exit_code.is_some() && is_complete => {
                tracing::debug!("{error}");
                Ok(SessionEnd::TimedOut)
            }
            end => end,
        };
        Ended { end, exit_code, is_complete, output_failed }
    }
}

#[derive(Default)]
struct ToldOfStream {
    output_failed: Option<io::Error>,
    has_answered: bool,
    unanswered: Option<Duration>,
}

impl ToldOfStream {
    fn note(&mut self, event: PipeEvent) {
        match event {
            PipeEvent::Answered => self.has_answered = true,
            PipeEvent::OutputFailed(error) => self.output_failed = Some(error),
            PipeEvent::Unanswered(after) => self.unanswered = Some(after),
            PipeEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
        }
    }
}

fn lock<T>(told: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
