//! `ssmport shell TARGET`.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    args::{Global, ShellArgs},
    attachment::{self, Attachment},
    attended::{Attended, Ending},
    config_file::ConfigFile,
    console,
    failure::{Code, Failure},
    output::Output,
    service::{Request, Service},
    signals,
};
use crate::{
    channel::Ready,
    net::Application,
    session::{Limits, SessionEnd},
    streams::{Chosen, PortKind, Shell, ShellEvent},
    term::Escapes,
};

pub(super) async fn run(
    arguments: ShellArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    let request = Request {
        document: arguments.document.map(Into::into),
        reason: arguments.reason,
        ..Request::default()
    };
    let place = ConfigFile::load_target(arguments.target.or(arguments.named))?;
    let target = place.to_string();
    let work = async {
        let service = tokio::select! {
            service = Service::of(&place, global, output) => service?,
            () = attended.stop() => return Err(attended.interrupted()),
        };
        let limits = global.limits();
        let attach = Attach { attended: &attended, output, service, request, limits };
        let ended = attach.terminal(None).await?;
        ended.of_shell(&attended, &target, output)
    };
    tokio::select! {
        done = work => done,
        never = attended.route()? => match never {},
    }
}

/// A session that has this process's standard streams.
pub(super) struct Attach<'a> {
    pub(super) attended: &'a Attended,
    pub(super) output: &'a Output,
    pub(super) service: Service,
    pub(super) request: Request,
    pub(super) limits: Limits,
}

/// How a shell or command came to its end.
pub(super) struct Ended {
    pub(super) end: SessionEnd,
    pub(super) exit_code: Option<i64>,
    /// Everything that was received has been written.
    pub(super) is_complete: bool,
    pub(super) output_failed: Option<io::Error>,
}

/// What a stream has told, until the session is over.
#[derive(Default)]
pub(super) struct Told {
    pub(super) exit_code: Option<i64>,
    pub(super) output_failed: Option<io::Error>,
}

impl Attach<'_> {
    /// Runs a session on a terminal, whose output may carry an exit code in `marker`.
    pub(super) async fn terminal(
        self,
        marker: Option<crate::streams::ExitMarker>,
    ) -> Result<Ended, Failure> {
        let attended = self.attended.clone();
        let told = Arc::new(Mutex::new(Told::default()));
        self.carry(true, Arc::clone(&told), move || {
            let console = console::terminal(&attended, Escapes::from_start())
                .map_err(|error| format!("the terminal: {error}"))?;
            let observer = move |event| note(&told, event);
            Ok(Box::new(Shell::new(console, marker, attended.stop(), observer)))
        })
        .await
    }

    /// Runs what `open` gives until the session is over. `told` is what that tells.
    pub(super) async fn carry<'b>(
        self,
        is_patient: bool,
        told: Arc<Mutex<Told>>,
        open: impl FnOnce() -> Result<Box<dyn Application + Send + 'b>, String> + Send + 'b,
    ) -> Result<Ended, Failure> {
        let Self { attended, output, service, request, limits } = self;
        let started = attachment::start(&service, &request, attended.stop()).await?;
        let Some(ticket) = started else { return Err(attended.interrupted()) };
        tracing::info!("session {}", ticket.session_id);
        let output = *output;
        let choose = move |ready: &Ready| {
            if PortKind::of(ready).is_some() {
                return Err("the agent offers a port session, not a shell".to_owned());
            }
            output.customer_message(&ready.customer_message);
            open()
        };
        let control_plane = service.control_plane();
        let mut streams = Chosen::new(attended.stop(), Box::new(choose));
        let attachment = Attachment {
            ticket,
            control_plane: &*control_plane,
            is_patient,
            limits,
            stop: attended.stop(),
        };
        let end = attachment.run(&mut streams).await;
        let failure = streams.failure().map(str::to_owned);
        let is_complete = streams.is_drained();
        // The terminal is itself again before anything is said.
        drop(streams);
        if let Some(why) = failure {
            return Err(Failure::new(Code::Target, "the session is of no use").because(why));
        }
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let end = match end {
            // The command is over: what became of the connection afterwards is no matter.
            Err(error) if told.exit_code.is_some() && is_complete => {
                tracing::debug!("{error}");
                SessionEnd::TimedOut
            }
            // The user has not waited for the rest of its output.
            Err(_)
                if !is_complete
                    && matches!(attended.ending(), Some(Ending::Signal(_) | Ending::Timeout)) =>
            {
                return Err(attended.interrupted());
            }
            end => end?,
        };
        let (exit_code, output_failed) = (told.exit_code, told.output_failed.take());
        Ok(Ended { end, exit_code, is_complete, output_failed })
    }
}

fn note(told: &Mutex<Told>, event: ShellEvent) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        ShellEvent::Exited(code) => told.exit_code = Some(code.0),
        ShellEvent::OutputFailed(error) => told.output_failed = Some(error),
        ShellEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
    }
}

impl Ended {
    /// Whether the session has ended by itself.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.end, SessionEnd::Closed { .. })
    }

    /// What a shell's end means for the program's.
    fn of_shell(self, attended: &Attended, target: &str, output: &Output) -> Result<(), Failure> {
        if let Some(error) = self.output_failed {
            return Err(cannot_write(&error));
        }
        // The user may have ended it while the rest of its output was being written.
        let is_cut_short = !self.is_complete && attended.ending().is_some();
        match self.end {
            end if end == SessionEnd::Done || is_cut_short => match attended.ending() {
                Some(Ending::Signal(_) | Ending::Timeout) => Err(attended.interrupted()),
                Some(Ending::Escape) | None => {
                    // The line that the escape was typed at is not over.
                    output.note(&format!("\nConnection to {target} closed."));
                    Ok(())
                }
            },
            SessionEnd::Closed { reason } if reason.is_empty() => Ok(()),
            other => Err(lost(&other, target)),
        }
    }
}

/// A session that ended and was not meant to.
pub(super) fn lost(end: &SessionEnd, target: &str) -> Failure {
    let why = match end {
        SessionEnd::Closed { reason } if !reason.is_empty() => reason.clone(),
        SessionEnd::Closed { .. } => "the service closed it".to_owned(),
        SessionEnd::TimedOut => "the service says that it is over".to_owned(),
        SessionEnd::Done => "it was ended from this side".to_owned(),
    };
    Failure::new(Code::Lost, format!("the session to {target} has ended"))
        .because(why)
        .next("start it again")
}

/// Output that nobody takes. A reader that had enough is no error to speak of.
pub(super) fn cannot_write(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Code::Signal(signals::PIPE), "nobody reads"),
        _ => Failure::local("cannot write what was received").because(error),
    }
}
