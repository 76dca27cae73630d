//! Attaching to a session, whatever it turns out to carry.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    super::{
        attended::{Attended, Ending},
        console::{self, stdout_abandoned},
        failure::Failure,
        signals::Heeded,
        standard_streams,
    },
    LOST,
    caller::Caller,
    invocation::Invocation,
    port,
    words::Words,
};
use crate::{
    channel::Ready,
    client::{
        attachment::{Attachment, CLIENT_VERSION},
        limits,
    },
    malformed::Malformed,
    net::{Application, ApplicationError},
    session::{ControlPlane, SessionEnd, SessionError},
    streams::{
        Basic, Chosen, Closer, Command, CommandEvent, Forward, Listeners, Pipe, PipeEvent,
        PortKind, Shell, ShellEvent, Stop, Way,
    },
    term::{Escapes, restore},
    wire::handshake::SessionType,
};

/// Attaches to the session until it ends. Gives the exit code of its command, if it has one, or of
/// a session that was lost.
pub(super) async fn attach(
    invocation: Invocation,
    words: Words,
) -> Result<Option<i64>, NotAttached> {
    let session_id = invocation.ticket.session_id.clone();
    let caller = Caller::of_this_process();
    // `--version` answers as the reference plugin does: here alone can be seen which of the two it is.
    tracing::info!(
        session = session_id,
        "ssmport {}, in the place of session-manager-plugin {CLIENT_VERSION}",
        env!("CARGO_PKG_VERSION")
    );
    words.starting(&session_id);
    let attended = Attended::new();
    let route = attended.route_heeding(Heeded::Keys)?;
    let told = Arc::new(Mutex::new(Told::default()));
    let limits = limits::from_environment()?;
    let choose = {
        let (attended, told, id) = (attended.clone(), Arc::clone(&told), session_id.clone());
        move |ready: &Ready| {
            words.customer_message(&ready.customer_message);
            choose(ready, &id, &attended, words, limits.answer, told)
        }
    };
    let control_plane = control_plane(&invocation)?;
    let mut streams = Chosen::new(attended.stop(), Box::new(choose));
    let attachment = Attachment {
        is_patient: invocation.may_be_silent(),
        ticket: invocation.ticket,
        control_plane: &*control_plane,
        limits,
        stop: attended.stop(),
        connection: tokio::sync::watch::Sender::default(),
    };
    let end = tokio::select! {
        // A signal's words come before the end that it brings about, however soon that is.
        biased;
        never = route => match never {},
        never = caller.follow(attended.clone()) => match never {},
        never = announce(&attended, &told, &session_id, words) => match never {},
        () = attended.insisted() => Ok(SessionEnd::Done),
        end = attachment.run(&mut streams) => end,
    };
    let failure = streams.failure().map(str::to_owned);
    let is_complete = streams.is_drained();
    // The terminal is itself again before anything is said.
    drop(streams);
    if let Some(why) = failure {
        return Err(NotAttached(why));
    }
    // An exit code says nothing of output that was not written.
    let Told { exit_code, is_cut_off, output_failed, .. } = std::mem::take(&mut *lock(&told));
    if let Some(error) = output_failed {
        words.warn(&format!("standard output cannot be written ({error}); the session was ended"));
    }
    let exit_code = exit_code.filter(|_| is_complete);
    let end = match end {
        Ok(end) => end,
        // The command is over: what became of the connection afterwards is no matter.
        Err(error) if exit_code.is_some() => {
            tracing::debug!("{error}");
            SessionEnd::Closed { reason: String::new() }
        }
        Err(SessionError::Address { source, .. }) => {
            return Err(NotAttached(format!("{source}; {}", source.next_step())));
        }
        Err(SessionError::Dial(error)) => {
            let step = error.next_step().map(|step| format!("; {step}"));
            return Err(NotAttached(format!("{error}{}", step.unwrap_or_default())));
        }
        Err(error) => return Err(NotAttached(error.to_string())),
    };
    if end == SessionEnd::Done && attended.ending() == Some(Ending::Escape) {
        words.exiting(&session_id);
    }
    words.ended(&session_id, &end);
    let is_lost = match &end {
        SessionEnd::Done => is_cut_off,
        SessionEnd::Closed { reason } => !reason.is_empty() || !is_complete,
        SessionEnd::TimedOut => true,
    };
    Ok(exit_code.or(is_lost.then_some(LOST)))
}

/// Why there is no session, or no more of it, in words for the caller.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotAttached(String);

impl From<Malformed> for NotAttached {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.into())
    }
}

impl From<Failure> for NotAttached {
    fn from(failure: Failure) -> Self {
        Self(failure.what)
    }
}

impl From<io::Error> for NotAttached {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a session has told, until it is over.
#[derive(Default)]
struct Told {
    exit_code: Option<i64>,
    /// Not all was passed on: an answer was not waited for, or the output could not be written.
    is_cut_off: bool,
    /// Why the output could not be written, unless nobody read it any more.
    output_failed: Option<io::Error>,
    /// Where connections come in.
    listeners: Option<Closer>,
}

impl Told {
    fn output_failed(&mut self, error: io::Error) {
        tracing::info!("standard output: {error}");
        self.is_cut_off = true;
        self.output_failed = Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    }
}

/// The application for what the session carries.
fn choose(
    ready: &Ready,
    session_id: &str,
    attended: &Attended,
    words: Words,
    patience: Duration,
    told: Arc<Mutex<Told>>,
) -> Result<Box<dyn Application + Send>, ApplicationError> {
    let stop = attended.stop();
    let Some(kind) = PortKind::of(ready) else {
        if ready.session_type == SessionType::NonInteractiveCommands {
            return Ok(command(attended, words, told));
        }
        let console = console::terminal(attended, Escapes::from_second_line(), None)
            .map_err(|error| format!("the terminal: {error}"))?;
        let observer = move |event| match event {
            ShellEvent::Exited(code) => {
                lock(&told).exit_code = Some(code.0);
            }
            ShellEvent::OutputFailed(error) => lock(&told).output_failed(error),
            ShellEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
        };
        return Ok(Box::new(Shell::new(console, None, stop, observer)));
    };
    let observer = port::observer(kind, session_id.to_owned(), words);
    Ok(match kind {
        PortKind::Stream => pipe(stop, patience, words, told),
        PortKind::Basic => {
            let listeners = Listeners::new(port::open(ready, kind, session_id, words)?);
            lock(&told).listeners = Some(listeners.closer());
            Box::new(Basic::new(listeners, stop, observer).with_answer_patience(patience))
        }
        PortKind::Multiplexed => {
            let listeners = Listeners::new(port::open(ready, kind, session_id, words)?);
            lock(&told).listeners = Some(listeners.closer());
            Box::new(Forward::new(listeners, ready, stop, observer).with_answer_patience(patience))
        }
    })
}

/// A command takes no input, and a loop's standard input is left to the loop. Our terminal stays in
/// its line mode: there is none at the other end to see to the ends of lines.
fn command(
    attended: &Attended,
    words: Words,
    told: Arc<Mutex<Told>>,
) -> Box<dyn Application + Send> {
    let console = console::without_terminal(attended, false);
    let observer = move |event| match event {
        CommandEvent::Exited { code, .. } => lock(&told).exit_code = Some(code.0),
        CommandEvent::OutputFailed(error) => lock(&told).output_failed(error),
        CommandEvent::Silent(time) => {
            tracing::warn!("nothing has come from the node for {} s", time.as_secs());
        }
        CommandEvent::Begun
        | CommandEvent::LacksTools
        | CommandEvent::NotStarted(_)
        | CommandEvent::InputFailed(_) => {}
    };
    // Whoever wants an stdout that holds nothing but the session wants to have it to itself.
    let way = if words.are_elsewhere() { Way::Plain } else { Way::AsOne };
    Box::new(Command::new(console, way, attended.stop(), observer))
}

fn pipe(
    stop: Stop,
    patience: Duration,
    words: Words,
    told: Arc<Mutex<Told>>,
) -> Box<dyn Application + Send> {
    let observer = move |event| match event {
        PipeEvent::Answered => {}
        PipeEvent::Unanswered(after) => {
            lock(&told).is_cut_off = true;
            words.warn(&format!(
                "standard input has ended, and nothing came from the server for {} s; it was not \
                 waited for any longer, SSMPORT_ANSWER_WITHIN sets how long it is",
                after.as_secs()
            ));
        }
        PipeEvent::OutputFailed(error) => lock(&told).output_failed(error),
        PipeEvent::InputFailed(error) => tracing::warn!("input cannot be read: {error}"),
    };
    let (input, output) = (standard_streams::input(), standard_streams::output());
    let pipe = Pipe::new(input, output, stop, Box::pin(stdout_abandoned()), observer);
    Box::new(pipe.with_answer_patience(patience))
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that a signal ends the session, when it comes.
async fn announce(
    attended: &Attended,
    told: &Mutex<Told>,
    session_id: &str,
    words: Words,
) -> std::convert::Infallible {
    attended.stop().await;
    // The service may be away, and the port is wanted.
    let listeners = lock(told).listeners.take();
    if let Some(listeners) = &listeners {
        listeners.close();
    }
    if let Some(Ending::Signal(_)) = attended.ending() {
        // These words come before the session's end, and thus before the terminal's own.
        restore();
        words.signalled();
        words.exiting(session_id);
        sleep(MOMENT).await;
        let is_free = if listeners.is_some() { "the local port is free; " } else { "" };
        words.note(&format!(
            "{is_free}waiting for the service to hear that the session is over, for a few seconds; \
             Ctrl-C does without"
        ));
    }
    std::future::pending().await
}

#[cfg(feature = "aws")]
fn control_plane(invocation: &Invocation) -> Result<Box<dyn ControlPlane>, NotAttached> {
    let settings = crate::aws::Settings {
        profile: invocation.profile.clone(),
        region: Some(invocation.region.clone()).filter(|region| !region.is_empty()),
        endpoints: crate::aws::Endpoints::default()
            .with(crate::aws::Service::Ssm, invocation.ssm_endpoint.clone()),
        // Its callers read what it prints, and hold its terminal.
        mfa: crate::aws::Mfa::default(),
        ..crate::aws::Settings::default()
    };
    Ok(Box::new(crate::client::aws_control::AwsControl::new(settings, invocation.target.clone())))
}

#[cfg(not(feature = "aws"))]
fn control_plane(invocation: &Invocation) -> Result<Box<dyn ControlPlane>, NotAttached> {
    let control = super::without_aws::WithoutAws::new(invocation.ssm_endpoint.as_deref());
    Ok(Box::new(control.map_err(|error| NotAttached(error.to_string()))?))
}

/// What the end of a session takes whose service is there.
const MOMENT: Duration = Duration::from_millis(500);
