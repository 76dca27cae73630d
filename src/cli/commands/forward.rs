//! `ssmport forward SPEC...`.

#[cfg(unix)]
mod background;
pub(super) mod command;
mod standing;
mod typed;
mod unreached;

use std::{
    cell::Cell,
    future::pending,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::cli::{
    args::{ForwardArgs, Global},
    failure::{Code, Failure},
    output::Output,
    report::{self, Event},
    signals::Signals,
    times,
};
use crate::client::{
    Closer, Error, ForwardEvent, Listener, Listeners, SessionEnd,
    bind::bind,
    config_file::ConfigFile,
    service::Service,
    spec::Spec,
    target::Target,
    tunnel::{self, ForwardedPort, TunnelEvent},
};
use crate::net::{Rationed, now};
use command::{Place, Wanted};
use standing::{Lines, Standing};

pub(crate) async fn run(
    arguments: ForwardArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;

    let (target, specs) = typed::read(&arguments)?;
    if arguments.background && arguments.detach_to.is_none() {
        #[cfg(unix)]
        return background::start(&mut signals).await;
        #[cfg(not(unix))]
        return Err(Failure::new(
            Code::Usage,
            "forward stays in the foreground on this system (-f)",
        )
        .next("leave -f out, and start it as a service"));
    }
    let standing = Standing::of(&arguments)?;
    let target = ConfigFile::load_target(target, output)?;
    // Ports first: a session that nobody can reach should not be started.
    let mut bound = Vec::new();
    for spec in &specs {
        let listeners = bind(spec).await?;
        warn_when_open(&listeners, output);
        bound.push((spec.clone(), listeners));
    }
    let places: Vec<_> = bound.iter().map(|(_, listeners)| Place::of(listeners)).collect();
    let wanted = Wanted::of(&arguments.command, &places)?;
    let client = global.client(output).with_readiness(arguments.readiness.readiness());
    let service = tokio::select! {
        service = Service::of(&target, &client) => service?,
        number = signals.next() => return Err(interrupted(number)),
    };

    let (stop, stopped) = watch::channel(false);
    let (ready, mut all_ready) = watch::channel(Lines::new());
    let mut closers = Vec::new();
    let mut tunnels = JoinSet::new();
    for (number, (spec, listeners)) in bound.into_iter().enumerate() {
        let ready = (number, ready.clone());
        let mut report = Report::new(&spec, &listeners, &target, ready, *output);
        let request = tunnel::request(&spec, report.local_port, arguments.reason.clone());
        let (service, stop) = (service.clone(), stopped.clone());
        let listeners = Listeners::new(listeners);
        closers.push(listeners.closer());
        let mut tunnel =
            ForwardedPort { service, request, listeners, limits: global.limits(), stop };
        tunnels.spawn(async move {
            let ended = tunnel.run(|event| report.event(event)).await;
            (report, ended)
        });
    }

    let is_running = Cell::new(false);
    let command = async {
        let Some(stands) = standing.reached(&mut all_ready, places.len(), output).await else {
            return pending().await;
        };
        let _signs = stands?;
        let Some(wanted) = wanted else { return pending().await };
        is_running.set(true);
        let ended = wanted.run().await;
        is_running.set(false);
        ended
    };
    let mut command = pin!(command);
    let mut over_since: Option<Instant> = None;

    let end = || {
        // The ports first: who ends a forward wants them, and the service may be away.
        closers.iter().for_each(Closer::close);
        stop.send_replace(true);
    };
    let mut failure = None;
    let mut say_so = pin!(sleep(FAR));
    loop {
        tokio::select! {
            // A signal that came before the command's end was the command's, whenever it is seen.
            biased;
            number = signals.next() => {
                // It is passed on to the command, which ends when it sees fit. One that came before its end
                // may be seen behind it: another thread has heard of that.
                if is_running.get() || over_since.is_some_and(|since| now() < since + MOMENT) {
                    continue;
                }
                // Whoever says it twice does not want to wait.
                if over_since.is_some() || matches!(failure, Some(Failure { code: Code::Signal(_), .. })) {
                    break;
                }
                failure = Some(interrupted(number));
                end();
                say_so.as_mut().reset((now() + MOMENT).into());
            }
            // Not begun behind a failure; but one that runs comes to its end, whatever else has failed.
            ended = &mut command, if over_since.is_none() && (failure.is_none() || is_running.get()) => {
                over_since = Some(now());
                failure = failure.or(ended.err());
                end();
                say_so.as_mut().reset((now() + MOMENT).into());
            }
            unwritten = output.unwritten(), if failure.is_none() => {
                failure = Some(unwritten);
                end();
            }
            () = &mut say_so => {
                say_so.as_mut().reset((now() + FAR).into());
                output.lasting().note(&format!(
                    "The local ports are free. Waiting for the service to hear that the session to \
                     {target} is over, for a few seconds; Ctrl-C does without"
                ));
            }
            ended = tunnels.join_next(), if !(tunnels.is_empty() && is_running.get()) => match ended {
                None => break,
                Some(Ok((report, ended))) => {
                    let lost = report.end(ended);
                    failure = failure.or(lost);
                    end();
                }
                Some(Err(error)) => {
                    let what = Failure::new(Code::Lost, "a forward stopped by a mistake in ssmport");
                    failure = Some(what.because(error).next("please report this"));
                    end();
                }
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

fn interrupted(number: u8) -> Failure {
    Failure::new(Code::Signal(number), "interrupted")
}

fn warn_when_open(listeners: &[Listener], output: &Output) {
    for address in listeners.iter().filter_map(Listener::tcp_address) {
        if !address.ip().is_loopback() {
            output.warn(&format!("{address} can be reached from other machines"));
        }
    }
}

/// What is told about one forward.
struct Report {
    local: Vec<String>,
    /// 0 for a Unix socket.
    local_port: u16,
    destination: String,
    target: Target,
    output: Output,
    /// Which SPEC it is, and what is told of those that lead to where they should.
    ready: (usize, watch::Sender<Lines>),
    refusals: Rationed,
    not_accepted: Rationed,
    slow: Rationed,
    unanswered: Rationed,
    full: Rationed,
    is_told_slow: bool,
    /// Connections that the last session's end has cut off.
    cut_off: usize,
}

impl Report {
    fn new(
        spec: &Spec,
        listeners: &[Listener],
        target: &Target,
        ready: (usize, watch::Sender<Lines>),
        output: Output,
    ) -> Self {
        let local = listeners.iter().map(ToString::to_string).collect();
        let local_port = listeners.iter().find_map(Listener::tcp_address);
        Self {
            local,
            local_port: local_port.map_or(0, |address| address.port()),
            destination: spec.destination(),
            target: target.clone(),
            output,
            ready,
            refusals: Rationed::default(),
            not_accepted: Rationed::default(),
            slow: Rationed::default(),
            unanswered: Rationed::default(),
            full: Rationed::default(),
            is_told_slow: false,
            cut_off: 0,
        }
    }

    fn event(&mut self, event: TunnelEvent) {
        let Self { local, destination, target, output, .. } = &*self;
        let event = match event {
            TunnelEvent::Forward(event) => event,
            TunnelEvent::Ready(ready) => {
                output.customer_message(&ready.customer_message);
                let listening = local.join(" and ");
                output.note(&format!("Forwarding {listening} to {destination} on {target}"));
                let event = Event::Forwarding(report::Forwarding {
                    local,
                    port: self.local_port,
                    destination,
                    target: target.to_string(),
                    agent_version: &ready.peer_version,
                });
                output.report(&event);
                let line = Output::json(&event);
                // What comes from now on has a time.
                self.output = self.output.lasting().of_port(self.local_port);
                let (number, lines) = &self.ready;
                lines.send_modify(|lines| {
                    lines.insert(*number, line);
                });
                return;
            }
            TunnelEvent::Ended(end) => {
                let what = format!("the session to {} has ended: {end}", self.target);
                return self.lost(&what);
            }
            TunnelEvent::Lost(failure) => return self.lost(&failure.what),
            TunnelEvent::NotReplaced(failure) => {
                let details = [failure.why, failure.next].into_iter().flatten();
                let why: String = details.map(|detail| format!(" ({detail})")).collect();
                output.warn(&format!(
                    "no session for this connection: {}{why}; it was closed, the next one tries \
                     again",
                    failure.what
                ));
                return;
            }
        };
        match event {
            ForwardEvent::Accepted(peer) => {
                tracing::info!("{peer} connected, for {destination}");
            }
            // What comes behind it says more.
            ForwardEvent::DestinationRefused => {}
            ForwardEvent::NotReached { after } => {
                let Some(times) = self.refusals.tell(now()) else { return };
                let target = self.target.to_string();
                self.output.warn(&unreached::told(&target, &self.destination, after, &times));
            }
            ForwardEvent::Stalled { discarded } => output.warn(&format!(
                "a connection to {destination} was hardly read for a minute and held up the others; \
                 it was reset, with {discarded} bytes not delivered"
            )),
            ForwardEvent::Slow(peer) => {
                let Some(times) = self.slow.tell(now()) else { return };
                self.is_told_slow = true;
                self.output.warn(&format!(
                    "{peer} reads slowly what comes from {}{times}, and the other connections wait \
                     behind it; a forward of its own would keep them apart",
                    self.destination
                ));
            }
            ForwardEvent::Flowing { after } => {
                if std::mem::take(&mut self.is_told_slow) {
                    let (after, destination) = (after.as_secs(), &self.destination);
                    self.output.warn(&format!(
                        "connections to {destination} are no longer held up by a slow one, after \
                         {after} s"
                    ));
                }
            }
            ForwardEvent::NotAccepted(why) => {
                let Some(times) = self.not_accepted.tell(now()) else { return };
                let destination = &self.destination;
                self.output
                    .warn(&format!("a connection to {destination} was not taken{times}: {why}"));
            }
            ForwardEvent::Unanswered(peer) => {
                let Some(times) = self.unanswered.tell(now()) else { return };
                self.output.warn(&format!(
                    "{peer} had sent its request and waited, and the answer from {} did not come in \
                     time{times}; its connection was reset; --answer-within TIME sets how long it may \
                     take, and should be short where none is to come",
                    self.destination
                ));
            }
            ForwardEvent::Full { connections } => {
                let Some(times) = self.full.tell(now()) else { return };
                self.output.warn(&format!(
                    "{connections} connections to {} are open{times}, as many as one session carries \
                     without harm to the node; further ones wait until one of them ends",
                    self.destination
                ));
            }
            ForwardEvent::CutOff { connections } => self.cut_off = connections,
        }
    }

    /// A session is gone, and the forward stays.
    fn lost(&mut self, what: &str) {
        let count = std::mem::take(&mut self.cut_off);
        let cut_off = match count {
            0 => String::new(),
            1 => "one connection was cut off; ".to_owned(),
            many => format!("{many} connections were cut off; "),
        };
        self.output
            .warn_people(&format!("{what}; {cut_off}the next connection starts another session"));
        self.output.report(&Event::Lost(report::Lost {
            time: times::utc(times::now()),
            local: &self.local,
            port: self.local_port,
            target: self.target.to_string(),
            why: what,
            cut_off: count,
        }));
    }

    /// What is wrong with this end; nothing when it was asked for.
    fn end(&self, ended: Result<SessionEnd, Error>) -> Option<Failure> {
        let end = match ended {
            Ok(end) => end,
            Err(error) => return Some(error.into()),
        };
        if end == SessionEnd::Done {
            return None;
        }
        let what = format!("the session to {} has ended", self.target);
        Some(Failure::new(Code::Lost, what).because(end).next("start it again"))
    }
}

/// What the end of a session takes whose service is there.
const MOMENT: Duration = Duration::from_millis(500);
const FAR: Duration = Duration::from_secs(1 << 30);
