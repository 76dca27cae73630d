//! What a shell's session carries beside what is typed, and what its user asks of that.

mod command;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};

use self::command::Command;
use super::{amounts, times};
use crate::{
    client::{
        ChannelState, ForwardEvent, Meter, Node, Reading, Tunnel, TunnelEvent, opening::Begun,
        spec::Spec,
    },
    net::{Rationed, now},
    wire::foreign_text::one_line,
};

/// Of one shell. Clones are the same.
#[derive(Clone)]
pub(super) struct Carried(Arc<Inner>);

struct Inner {
    /// As the user calls it.
    target: String,
    node: Node,
    shell: OnceLock<Shell>,
    forwards: Mutex<Forwards>,
}

struct Shell {
    session_id: String,
    since: Since,
    meter: Arc<Meter>,
    /// Whether there is a data channel.
    connection: watch::Receiver<ChannelState>,
}

/// Those that were added, in their order.
#[derive(Default)]
struct Forwards {
    all: Vec<Forward>,
    /// The shell has ended: what comes now is too late.
    is_over: bool,
}

struct Forward {
    spec: Spec,
    tunnel: Tunnel,
    since: Since,
    told: JoinHandle<()>,
}

struct Since {
    clock: String,
    start: Instant,
}

impl Carried {
    /// Of a shell on `node` that is to be.
    pub(super) fn new(target: String, node: Node) -> Self {
        let (shell, forwards) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { target, node, shell, forwards }))
    }

    /// The shell's session stands.
    pub(super) fn begin(&self, begun: &Begun<'_>) {
        let Begun { session_id, meter, connection } = *begun;
        let (session_id, meter) = (session_id.to_owned(), Arc::clone(meter));
        let connection = connection.clone();
        // A shell begins once.
        let _ = self.0.shell.set(Shell { session_id, since: Since::now(), meter, connection });
    }

    /// Which node, which sessions, and what has gone through them.
    pub(super) fn status(&self) -> String {
        let Inner { target, node, shell, .. } = &*self.0;
        let id = node.id();
        let on = if id == *target { id } else { format!("{} ({id})", one_line(target)) };
        let mut lines = vec!["The following is open:".to_owned(), format!("  A shell on {on}")];
        if let Some(Shell { session_id, since, meter, connection }) = shell.get() {
            lines.push(format!("    session {}, {}", one_line(session_id), since.told()));
            match &*connection.borrow() {
                ChannelState::Stands => {}
                ChannelState::Failing(why) => lines.push(format!("    {}", one_line(why))),
                ChannelState::None | ChannelState::Lost => {
                    lines.push("    its connection is lost, and is being resumed".to_owned());
                }
            }
            lines.push(format!("    {}", traffic(&meter.read(), "typed", "shown")));
        }
        for Forward { tunnel, spec, since, .. } in &self.forwards().all {
            let reading = tunnel.reading();
            let connections = match reading.open {
                1 => "1 connection".to_owned(),
                open => format!("{open} connections"),
            };
            let taken = reading.taken;
            lines.push(format!("  {} to {}", tunnel.listening(), spec.destination()));
            lines.push(format!("    {connections}, {taken} so far, {}", since.told()));
            lines.push(format!("    {}", traffic(&reading, "sent", "received")));
        }
        lines.join("\n")
    }

    /// Carries out a line that was typed behind `~C`; what is to be said of it, if anything.
    pub(super) async fn command(&self, line: &str) -> Option<String> {
        match Command::read(line) {
            Ok(None) => None,
            Ok(Some(Command::Help)) => Some(command::HELP.to_owned()),
            Ok(Some(Command::Add(spec))) => Some(self.add(*spec).await),
            Ok(Some(Command::Remove(local))) => Some(self.remove(&local).await),
            Err(why) => Some(why),
        }
    }

    async fn add(&self, spec: Spec) -> String {
        let tunnel = match self.0.node.forward_spec(spec.clone()).start().await {
            Ok(tunnel) => tunnel,
            Err(error) => return format!("Port forwarding failed: {error}."),
        };
        let told = tokio::spawn(tell(tunnel.events(), spec.destination()));
        let (listening, destination) = (tunnel.listening(), spec.destination());
        let late = {
            let mut forwards = self.forwards();
            let forward = Forward { spec, tunnel, since: Since::now(), told };
            if forwards.is_over {
                Some(forward)
            } else {
                forwards.all.push(forward);
                None
            }
        };
        match late {
            None => format!("Forwarding port: {listening} to {destination}."),
            Some(forward) => {
                forward.end().await;
                "Port forwarding failed: the shell has ended.".to_owned()
            }
        }
    }

    async fn remove(&self, local: &str) -> String {
        let removed = {
            let all = &mut self.forwards().all;
            let index = all.iter().position(|forward| forward.listens_at(local));
            index.map(|index| all.remove(index))
        };
        match removed {
            None => "Unknown port forwarding.".to_owned(),
            Some(forward) => {
                forward.end().await;
                "Canceled forwarding.".to_owned()
            }
        }
    }

    /// Ends the forwards, as the shell has ended.
    pub(super) async fn end(&self) {
        let all = {
            let mut forwards = self.forwards();
            forwards.is_over = true;
            std::mem::take(&mut forwards.all)
        };
        join_all(all.into_iter().map(Forward::end)).await;
    }

    fn forwards(&self) -> MutexGuard<'_, Forwards> {
        self.0.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forward {
    /// Whether this means it: its port, or the path of its socket.
    fn listens_at(&self, local: &str) -> bool {
        match self.tunnel.local_addr() {
            Some(address) => local.parse() == Ok(address.port()),
            None => self.tunnel.listening() == local,
        }
    }

    async fn end(self) {
        self.told.abort();
        // Why it had ended before was told.
        let _ = self.tunnel.end().await;
    }
}

impl Since {
    fn now() -> Self {
        Self { clock: times::of_day().trim_end().to_owned(), start: now() }
    }

    fn told(&self) -> String {
        format!("since {}, for {}", self.clock, times::length(now() - self.start))
    }
}

/// What goes wrong with a forward, for as long as it is there. By the log: its lines know a terminal in raw
/// mode, and wait where a program has the whole screen.
async fn tell(mut events: broadcast::Receiver<TunnelEvent>, destination: String) {
    let mut refusals = Rationed::default();
    loop {
        match events.recv().await {
            Ok(TunnelEvent::Forward(event @ ForwardEvent::NotReached { .. })) => {
                if let Some(times) = refusals.tell(now()) {
                    tracing::warn!("{destination}: {event}{times}, and was refused");
                }
            }
            Ok(
                event
                @ (TunnelEvent::Ended(_) | TunnelEvent::Lost(_) | TunnelEvent::NotReplaced(_)),
            ) => tracing::warn!("{destination}: {event}; the next connection tries again"),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn traffic(reading: &Reading, to_node: &str, from_node: &str) -> String {
    let (sent, received) = (amounts::bytes(reading.sent), amounts::bytes(reading.received));
    let round_trip = reading.round_trip.map(|time: Duration| {
        let ms = time.as_secs_f64() * 1000.0;
        if ms < 10.0 {
            format!(", round trip {ms:.1} ms")
        } else {
            format!(", round trip {ms:.0} ms")
        }
    });
    format!("{sent} {to_node}, {received} {from_node}{}", round_trip.unwrap_or_default())
}
