//! `ssmport socks [PORT] -t TARGET`.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use super::forward::{FAR, MOMENT, ending, interrupted, warn_when_open};
use crate::{
    cli::{
        args::{Global, SocksArgs},
        connections::{ConnectionLog, Connections, Ended, Records},
        failure::{Code, Failure},
        output::Output,
        report::{self, Event},
        signals::Signals,
    },
    client::{
        Error, Listener, Listeners, Node, Peer, ProxyEvent,
        bind::{bind_at, listening},
        config_file::ConfigFile,
        lanes::LaneLimits,
        pac::Pac,
        proxying::ProxyServer,
        service::SessionSource,
        spec::Listen,
        tunnel::TunnelEvent,
    },
    net::{Rationed, now},
};

pub(crate) async fn run(
    arguments: SocksArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;

    let usage = |what| Failure::new(Code::Usage, what).next("as in: ssmport socks 1080 -t TARGET");
    let (Listen { bind, port }, target) = arguments.read().map_err(usage)?;
    let target = ConfigFile::load_target(target, output)?;
    let log = arguments.log.as_deref().map(|path| ConnectionLog::open(path, *output));
    let records = Records::new(log.transpose()?);
    let listeners = bind_at(&bind, port, |port| port.to_string()).await?;
    warn_when_open(&listeners, output);
    let client = global.client(output);
    let service = tokio::select! {
        service = SessionSource::of(&target, &client) => service?,
        number = signals.next() => return Err(interrupted(number)),
    };
    let mut node = Node::new(client, service);
    if let Some(reason) = &arguments.reason {
        node = node.with_reason(reason);
    }

    let local: Vec<String> = listeners.iter().map(ToString::to_string).collect();
    let address = listeners.iter().find_map(Listener::tcp_address);
    let port = address.map_or(0, |address| address.port());
    let limits = LaneLimits { sessions: arguments.sessions.into(), idle: arguments.idle };
    let listeners = Listeners::new(listeners);
    let closer = listeners.closer();
    let (stop, stopped) = watch::channel(false);
    let pac = Pac::new(arguments.pac_for);
    output.note(&format!(
        "SOCKS and HTTP proxy on {}, through {target}; each destination takes a session of its own, {} at \
         once",
        listening(&local),
        limits.sessions
    ));
    output.report(&Event::Proxying(report::Proxying {
        local: &local,
        port,
        target: target.to_string(),
        sessions: limits.sessions,
        idle: limits.idle.as_secs(),
    }));
    // What comes from now on has a time.
    let output = output.lasting().of_port(port);
    let report = Report::new(target.to_string(), port, output, records.clone());
    let report = Arc::new(Mutex::new(report));
    let server = ProxyServer { node, listeners, address, limits, pac, stop: stopped };
    let observer = move |event| report.lock().unwrap_or_else(PoisonError::into_inner).event(event);
    let mut serving = pin!(server.run(observer));

    let mut failure: Option<Failure> = None;
    let mut say_so = pin!(sleep(FAR));
    loop {
        tokio::select! {
            () = &mut serving => break,
            number = signals.next() => {
                // Whoever says it twice does not want to wait.
                if failure.is_some() {
                    break;
                }
                failure = Some(interrupted(number));
                // The port first: whoever ends it wants it, and the service may be away.
                closer.close();
                stop.send_replace(true);
                say_so.as_mut().reset((now() + MOMENT).into());
            }
            unwritten = output.unwritten(), if failure.is_none() => {
                failure = Some(unwritten);
                closer.close();
                stop.send_replace(true);
            }
            () = &mut say_so => {
                say_so.as_mut().reset((now() + FAR).into());
                output.note(&ending(&format!("the sessions to {target} are")));
            }
        }
    }
    if let Some(sums) = records.sums() {
        output.note(&sums);
    }
    records.finish().await;
    failure.map_or(Ok(()), Err)
}

/// What is told of the proxy.
struct Report {
    target: String,
    port: u16,
    output: Output,
    records: Records,
    /// By host and port.
    destinations: HashMap<String, Connections>,
    /// By what is told.
    not_served: HashMap<String, Rationed>,
    not_accepted: Rationed,
    is_greeted: bool,
}

impl Report {
    fn new(target: String, port: u16, output: Output, records: Records) -> Self {
        Self {
            target,
            port,
            output,
            records,
            destinations: HashMap::new(),
            not_served: HashMap::new(),
            not_accepted: Rationed::default(),
            is_greeted: false,
        }
    }

    fn event(&mut self, event: ProxyEvent) {
        match event {
            ProxyEvent::Session { destination, event } => self.of_session(&destination, event),
            ProxyEvent::Idle { destination, after } => {
                let after = humantime::format_duration(after);
                tracing::info!("the session to {destination} is closed, not used for {after}");
            }
            ProxyEvent::MadeRoom { destination } => {
                tracing::info!("the session to {destination} is closed to make room for another");
            }
            ProxyEvent::NotServed { peer, destination, error } => {
                self.not_served(&peer, destination.as_deref(), &error);
            }
            ProxyEvent::NotAccepted(why) => {
                if let Some(times) = self.not_accepted.tell(now()) {
                    self.output.warn(&format!("a connection was not taken{times}: {why}"));
                }
            }
        }
    }

    fn of_session(&mut self, destination: &str, event: TunnelEvent) {
        let ended = match event {
            TunnelEvent::Forward(event) => return self.connections(destination).event(event),
            TunnelEvent::Ready(ready) => {
                if !std::mem::replace(&mut self.is_greeted, true) {
                    self.output.customer_message(&ready.customer_message);
                }
                tracing::info!("a session to {destination} stands");
                return;
            }
            TunnelEvent::Ended(end) => format!("has ended: {end}"),
            TunnelEvent::Lost(error) => format!("was lost: {}", error.what()),
            // A session that is over is not replaced here, and each is its destination's only one.
            TunnelEvent::NotReplaced(_) | TunnelEvent::Lane { .. } | TunnelEvent::NoTurbo(_) => {
                return;
            }
        };
        let (_, cut_off) = self.connections(destination).take_cut_off();
        self.output.warn(&format!(
            "the session to {destination} {ended}; {cut_off}the next connection starts another session"
        ));
    }

    fn not_served(&mut self, peer: &Peer, destination: Option<&str>, error: &Error) {
        let Self { port, target, .. } = &*self;
        self.records.add(&Ended {
            port: *port,
            destination,
            target,
            from: peer.to_string(),
            sent: 0,
            received: 0,
            lasted: Duration::ZERO,
            end: "not_served",
        });
        let (told, why) = match destination {
            Some(destination) => (format!("no session to {destination} for"), error.to_string()),
            None => ("not served:".to_owned(), error.why().unwrap_or(error.what()).to_owned()),
        };
        if self.not_served.len() >= REMEMBERED {
            self.not_served.clear();
        }
        // Of a destination once, whatever the reasons; what strangers say, each by itself.
        let key = if destination.is_some() { &told } else { &why };
        if let Some(times) = self.not_served.entry(key.clone()).or_default().tell(now()) {
            self.output.warn(&format!("{told} {peer}{times}: {why}"));
        }
    }

    fn connections(&mut self, destination: &str) -> &mut Connections {
        if self.destinations.len() >= REMEMBERED && !self.destinations.contains_key(destination) {
            self.destinations.clear();
        }
        let Self { target, port, output, records, .. } = &*self;
        let (target, port, output, records) = (target.clone(), *port, *output, records.clone());
        self.destinations
            .entry(destination.to_owned())
            .or_insert_with(|| Connections::new(destination, &target, port, output, records))
    }
}

/// Destinations about which something has been said.
const REMEMBERED: usize = 1024;
