//! `ssmport proxy TARGET [PORT]`: the stream that `ssh` wants of its ProxyCommand.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    args::{Global, ProxyArgs},
    attachment::{self, Attachment},
    attended::Attended,
    config_file::ConfigFile,
    console::stdout_abandoned,
    failure::{Code, Failure},
    output::Output,
    service::{Request, Service},
    shell::{cannot_write, lost},
    standard_streams,
};
use crate::{
    channel::Ready,
    net::Application,
    session::SessionEnd,
    streams::{Chosen, Pipe, PipeEvent, PortKind},
};

pub(super) async fn run(
    arguments: ProxyArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    tokio::select! {
        done = attach(&arguments, global, output, &attended) => done,
        never = attended.route()? => match never {},
    }
}

/// What the stream has told.
#[derive(Default)]
struct Told {
    has_answered: bool,
    output_failed: Option<io::Error>,
    /// Silence after the end of the input, after which the answer was not waited for.
    unanswered: Option<Duration>,
}

async fn attach(
    arguments: &ProxyArgs,
    global: &Global,
    output: &Output,
    attended: &Attended,
) -> Result<(), Failure> {
    let port = arguments.port;
    let request = Request {
        document: Some("AWS-StartSSHSession".into()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec![port.to_string()])]),
        reason: arguments.reason.clone(),
    };
    let target = ConfigFile::load_target(Some(arguments.target.clone()))?;
    let service = tokio::select! {
        service = Service::of(&target, global, output) => service?,
        () = attended.stop() => return Err(attended.interrupted()),
    };
    let started = attachment::start(&service, &request, attended.stop()).await?;
    let Some(ticket) = started else { return Err(attended.interrupted()) };
    let told = Arc::new(Mutex::new(Told::default()));
    let observer = {
        let told = Arc::clone(&told);
        move |event| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                PipeEvent::Answered => told.has_answered = true,
                PipeEvent::OutputFailed(error) => told.output_failed = Some(error),
                PipeEvent::Unanswered(after) => told.unanswered = Some(after),
                PipeEvent::InputFailed(error) => tracing::warn!("standard input: {error}"),
            }
        }
    };
    let limits = global.limits();
    let choose = |ready: &Ready| {
        if PortKind::of(ready) != Some(PortKind::Stream) {
            return Err("the agent does not offer a single stream".to_owned());
        }
        output.customer_message(&ready.customer_message);
        let (input, output) = (standard_streams::input(), standard_streams::output());
        let abandoned = Box::pin(stdout_abandoned());
        let pipe = Pipe::new(input, output, attended.stop(), abandoned, observer);
        Ok(Box::new(pipe.with_answer_patience(limits.answer)) as _)
    };
    let control_plane = service.control_plane();
    let mut streams = Chosen::new(attended.stop(), Box::new(choose));
    let attachment = Attachment {
        ticket,
        control_plane: &*control_plane,
        is_patient: false,
        limits,
        stop: attended.stop(),
    };
    let end = attachment.run(&mut streams).await;
    let is_complete = streams.is_drained();
    if !is_complete && attended.ending().is_some() {
        return Err(attended.interrupted());
    }
    let end = end?;
    let target = arguments.target.to_string();
    if let Some(why) = streams.failure() {
        return Err(Failure::new(Code::Target, format!("no stream to {target}")).because(why));
    }
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    match (&told.output_failed, end) {
        (Some(error), _) => Err(cannot_write(error)),
        (None, SessionEnd::Done) if attended.ending().is_some() => Err(attended.interrupted()),
        (None, SessionEnd::Done) => match told.unanswered {
            None => Ok(()),
            Some(after) => {
                let what =
                    format!("the answer of port {port} of {target} did not come, or not whole");
                let after = after.as_secs();
                let why = format!("standard input had ended, and then nothing came for {after} s");
                let next = "if the answer takes that long, give --answer-within a longer time";
                Err(Failure::new(Code::Lost, what).because(why).next(next))
            }
        },
        // A server that hangs up ends the session without a word; whoever else ends it says why.
        (None, SessionEnd::Closed { reason })
            if told.has_answered && reason.is_empty() && is_complete =>
        {
            Ok(())
        }
        (None, SessionEnd::Closed { reason }) if !told.has_answered => {
            let what = format!("nothing answers on port {port} of {target}");
            let failure = Failure::new(Code::Target, what);
            let failure = if reason.is_empty() { failure } else { failure.because(reason) };
            Err(failure.next("check that the SSH server runs there, and on which port"))
        }
        (None, end) => Err(lost(&end, &target)),
    }
}
