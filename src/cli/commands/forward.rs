//! `ssmport forward SPEC...`.

#[cfg(unix)]
mod background;
pub(super) mod command;
pub(super) mod opener;
mod standing;
mod typed;

use std::{
    cell::Cell,
    future::pending,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::cli::{
    amounts,
    args::{ForwardArgs, Global},
    connections::{ConnectionLog, Connections, Records},
    counted::counted,
    failure::{Code, Failure},
    output::Output,
    report::{self, Event, LaneState},
    signals::Signals,
    times,
};
use crate::client::{
    Closer, Error, LaneEvent, Listener, Listeners, Reading, SessionEnd,
    bind::{bind, listening},
    config_file::ConfigFile,
    service::SessionSource,
    spec::Spec,
    target::Target,
    tunnel::{self, ForwardedPort, TunnelEvent},
    turbo,
};
use crate::net::now;
use command::{Place, Wanted};
use standing::{Lines, Standing};

pub(crate) async fn run(
    mut arguments: ForwardArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;

    let (target, specs) = typed::read(&arguments)?;
    let twice = (1..specs.len()).find_map(|at| {
        let before = specs[..at].iter().find(|before| before.collides(&specs[at]))?;
        Some(format!("{before} and {} would listen at the same place", specs[at]))
    });
    if let Some(what) = twice {
        return Err(Failure::new(Code::Usage, what).next("give one of them another local port"));
    }
    // Whoever runs it by a script would wait for ever for a command that has no words.
    if arguments.command.is_empty() && std::env::args_os().any(|word| word == "--") {
        let what = "there is no command behind `--`";
        return Err(Failure::new(Code::Usage, what).next("leave `--` out to forward until Ctrl-C"));
    }
    opener::fill(&mut arguments, &specs, output)?;
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
    let target = ConfigFile::load_target(target, output)?;
    let log = arguments.log.as_deref().map(|path| ConnectionLog::open(path, *output));
    let records = Records::new(log.transpose()?);
    // Ports first: a session that nobody can reach should not be started.
    let mut bound = Vec::new();
    for spec in &specs {
        let listeners = bind(spec).await?;
        warn_when_open(&listeners, output);
        bound.push((spec.clone(), listeners));
    }
    // Not before the ports are ours: they may be those of one that runs, and the files its own.
    let standing = Standing::of(&arguments)?;
    let places: Vec<_> = bound.iter().map(|(_, listeners)| Place::of(listeners)).collect();
    let wanted = Wanted::of(&arguments.command, &places)?;
    let client = global.client(output).with_readiness(arguments.readiness.readiness());
    let service = tokio::select! {
        service = SessionSource::of(&target, &client) => service?,
        number = signals.next() => return Err(interrupted(number)),
    };

    let (stop, stopped) = watch::channel(false);
    let (ready, mut all_ready) = watch::channel(Lines::new());
    let mut closers = Vec::new();
    let mut tunnels = JoinSet::new();
    for (number, (spec, listeners)) in bound.into_iter().enumerate() {
        let ready = (number, ready.clone());
        let mut report = Report::new(&spec, &listeners, &target, ready, *output, records.clone());
        let request = tunnel::request(&spec, report.local_port, arguments.reason.clone());
        let (service, stop) = (service.clone(), stopped.clone());
        let listeners = Listeners::new(listeners);
        closers.push(listeners.closer());
        let (limits, lanes) = (global.limits(), arguments.lanes);
        let connection = watch::Sender::default();
        let mut tunnel =
            ForwardedPort { service, request, listeners, limits, lanes, stop, connection };
        let (client, is_turbo) = (client.clone(), arguments.turbo);
        tunnels.spawn(async move {
            let observer = |event| report.event(event);
            let ended = turbo::forward(is_turbo, &mut tunnel, &client, &spec, observer).await;
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
                output.lasting().note(&ending(&format!("the session to {target} is")));
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
    // Between the lines of a command they would stand alone.
    if let Some(sums) = records.sums().filter(|_| arguments.command.is_empty()) {
        output.lasting().note(&sums);
    }
    records.finish().await;
    failure.map_or(Ok(()), Err)
}

pub(super) fn interrupted(number: u8) -> Failure {
    Failure::new(Code::Signal(number), "interrupted")
}

/// What is said while the end takes its time; `what` is over.
pub(super) fn ending(what: &str) -> String {
    format!(
        "Ending: the local ports are free, and the service is being told that {what} over, for a few \
         seconds; Ctrl-C once more stops at once"
    )
}

pub(super) fn warn_when_open(listeners: &[Listener], output: &Output) {
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
    connections: Connections,
}

impl Report {
    fn new(
        spec: &Spec,
        listeners: &[Listener],
        target: &Target,
        ready: (usize, watch::Sender<Lines>),
        output: Output,
        records: Records,
    ) -> Self {
        let local = listeners.iter().map(ToString::to_string).collect();
        let local_port = listeners.iter().find_map(Listener::tcp_address);
        let local_port = local_port.map_or(0, |address| address.port());
        let (destination, to) = (spec.destination(), target.to_string());
        let connections = Connections::new(&destination, &to, local_port, output, records);
        Self { local, local_port, destination, target: target.clone(), output, ready, connections }
    }

    fn event(&mut self, event: TunnelEvent) {
        let Self { local, destination, target, output, .. } = &*self;
        let event = match event {
            TunnelEvent::Forward(event) => event,
            TunnelEvent::Ready(ready) => {
                output.customer_message(&ready.customer_message);
                let listening = listening(local);
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
                self.connections.say_by(self.output);
                let (number, lines) = &self.ready;
                lines.send_modify(|lines| {
                    lines.insert(*number, line);
                });
                return;
            }
            TunnelEvent::NoTurbo(error) => {
                let destination = destination.clone();
                output.warn(&format!("{destination} is forwarded without turbo: {error}"));
                return;
            }
            TunnelEvent::Ended(end) => {
                let what = format!("the session to {} has ended: {end}", self.target);
                return self.lost(&what);
            }
            TunnelEvent::Lost(failure) => {
                let why = failure.why.map(|why| format!(" ({why})")).unwrap_or_default();
                return self.lost(&format!("{}{why}", failure.what));
            }
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
            TunnelEvent::Lane { lane, event } => return self.lane(lane, &event),
        };
        self.connections.event(event);
    }

    /// Something has become of a further session.
    fn lane(&self, lane: u32, event: &LaneEvent) {
        let told = format!("{}: {event}", self.destination);
        let nothing = Reading::default();
        let (state, why, cut_off, carried) = match event {
            LaneEvent::Stands => (LaneState::Up, None, 0, &nothing),
            LaneEvent::Idle { carried, .. } => (LaneState::Idle, None, 0, carried),
            LaneEvent::Lost { error, cut_off, carried } => {
                (LaneState::Lost, Some(error.to_string()), *cut_off, carried)
            }
            LaneEvent::NotStarted { error, .. } => {
                (LaneState::NotStarted, Some(error.to_string()), 0, &nothing)
            }
        };
        match state {
            LaneState::Up | LaneState::Idle => tracing::info!("{told}"),
            LaneState::Lost | LaneState::NotStarted => self.output.warn_people(&told),
        }
        if carried.taken > 0 {
            tracing::info!(
                "session {lane} to {}: {}, {} sent, {} received in all",
                self.destination,
                counted(carried.taken.try_into().unwrap_or(usize::MAX), "connection"),
                amounts::bytes(carried.sent),
                amounts::bytes(carried.received),
            );
        }
        self.output.report(&Event::Lane(report::Lane {
            time: times::utc(times::now()),
            port: self.local_port,
            lane,
            state,
            why: why.as_deref(),
            cut_off,
            taken: carried.taken,
            bytes_sent: carried.sent,
            bytes_received: carried.received,
        }));
    }

    /// A session is gone, and the forward stays.
    fn lost(&mut self, what: &str) {
        let (count, cut_off) = self.connections.take_cut_off();
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
pub(super) const MOMENT: Duration = Duration::from_millis(500);
pub(super) const FAR: Duration = Duration::from_secs(1 << 30);
