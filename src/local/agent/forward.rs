//! A port session before it is known which way it goes: that depends on the client's version,
//! which comes with the handshake.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use thiserror::Error;

use super::{Agents, Ending, port::PortAgent, stream::StreamAgent};
use crate::{
    channel::{Channel, Event},
    local::document::PortForward,
    net::{Application, ApplicationError, Turn, lookup},
    wire::{Version, control::Flag},
};

/// Serves a port session multiplexed or one connection at a time.
pub(super) struct ForwardAgent {
    agents: Agents,
    host: String,
    port: u16,
    phase: Phase,
    held: Vec<Event>,
}

enum Phase {
    /// For the handshake, and then for the check of the host.
    Waiting {
        ending: Ending,
        client: Option<String>,
        check: Check,
    },
    Serving(Box<dyn Application + Send>),
    /// Only between two of the others.
    Changing,
}

/// Looks up whether the host may be dialled; the error is for the user.
type Check = Pin<Box<dyn Future<Output = Result<(), Forbidden>> + Send>>;

impl ForwardAgent {
    pub(super) fn new(agents: Agents, forward: PortForward, ending: Ending) -> Self {
        let check: Check = match &forward.host {
            Some(host) if agents.deny_loopback => Box::pin(refuse_loopback(host.clone())),
            _ => Box::pin(std::future::ready(Ok(()))),
        };
        Self {
            agents,
            host: forward.host.unwrap_or_else(|| "localhost".to_owned()),
            port: forward.port,
            phase: Phase::Waiting { ending, client: None, check },
            held: Vec::new(),
        }
    }

    /// The application for a client of this version.
    fn choose(&self, client: &str, ending: Ending, now: Instant) -> Box<dyn Application + Send> {
        let (host, agents) = (self.host.clone(), &self.agents);
        if is_multiplexed(&agents.version, client) {
            let keepalive = agents.quirks.keepalive && wants_keepalive(client);
            Box::new(PortAgent::new(host, self.port, keepalive, agents, ending, now))
        } else {
            Box::new(StreamAgent::basic(host, self.port, agents, ending))
        }
    }
}

impl Application for ForwardAgent {
    fn can_receive(&self) -> bool {
        match &self.phase {
            Phase::Serving(application) => application.can_receive(),
            Phase::Waiting { .. } | Phase::Changing => self.held.is_empty(),
        }
    }

    fn is_drained(&self) -> bool {
        match &self.phase {
            Phase::Serving(application) => application.is_drained(),
            Phase::Waiting { .. } | Phase::Changing => true,
        }
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match (&mut self.phase, event) {
            (Phase::Serving(application), event) => application.handle_event(event, channel, now),
            (Phase::Waiting { client, .. }, Event::Ready(ready)) => {
                *client = Some(ready.peer_version);
                Ok(())
            }
            (Phase::Waiting { ending, .. }, Event::Flag(Flag::TerminateSession)) => {
                ending.begin(now);
                Ok(())
            }
            (_, event) => {
                self.held.push(event);
                Ok(())
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if let Phase::Waiting { ending, client, check } = &mut self.phase {
            if ending.poll_begun(cx, now) {
                return Ok(ending.close(channel, true, now));
            }
            if client.is_none() {
                return Ok(Turn::Idle);
            }
            match check.as_mut().poll(cx) {
                Poll::Pending => return Ok(Turn::Idle),
                Poll::Ready(Err(forbidden)) => {
                    ending.begin_because(forbidden.to_string(), now);
                    return Ok(ending.close(channel, true, now));
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        match std::mem::replace(&mut self.phase, Phase::Changing) {
            Phase::Waiting { ending, client, .. } => {
                let mut application = self.choose(&client.unwrap_or_default(), ending, now);
                for event in self.held.drain(..) {
                    application.handle_event(event, channel, now)?;
                }
                self.phase = Phase::Serving(application);
            }
            other => self.phase = other,
        }
        match &mut self.phase {
            Phase::Serving(application) => application.poll(cx, channel, now),
            Phase::Waiting { .. } | Phase::Changing => Ok(Turn::Idle),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Serving(application) => application.poll_timeout(),
            Phase::Waiting { ending, .. } => ending.poll_timeout(None),
            Phase::Changing => None,
        }
    }
}

/// Whether both sides can multiplex: clients since 1.1.70 with agents later than 3.0.196.0.
fn is_multiplexed(agent: &str, client: &str) -> bool {
    let agent = Version::parse(agent) > Some(LAST_BASIC_AGENT);
    agent && Version::compare_loosely(client, FIRST_MULTIPLEXING_CLIENT).is_ge()
}

/// Whether a client of this version expects the multiplexer's own keepalive.
fn wants_keepalive(client: &str) -> bool {
    Version::compare_loosely(client, LAST_KEEPALIVE_CLIENT).is_le()
}

/// A host that is not to be dialled, in the real agent's words.
#[derive(PartialEq, Eq, Debug, Error)]
#[error("Forwarding to IP address {0} is forbidden.")]
struct Forbidden(String);

async fn refuse_loopback(host: String) -> Result<(), Forbidden> {
    // What cannot be looked up cannot be dialled either, and is told then.
    let addresses = lookup(&host, 0).await;
    let denied = addresses.is_ok_and(|all| all.iter().any(|one| one.ip().is_loopback()));
    if denied { Err(Forbidden(host)) } else { Ok(()) }
}

const LAST_BASIC_AGENT: Version = Version::new(3, 0, 196, 0);
const FIRST_MULTIPLEXING_CLIENT: &str = "1.1.70";
const LAST_KEEPALIVE_CLIENT: &str = "1.2.331.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_agents_and_old_clients_do_not_multiplex() {
        for (agent, client, multiplexed) in [
            ("3.3.3050.0", "1.2.764.0", true),
            ("3.0.196.1", "1.1.70.0", true),
            ("3.0.196.0", "1.2.764.0", false),
            ("2.3.1", "1.2.764.0", false),
            ("3.3.3050.0", "1.1.69.0", false),
            ("3.3.3050.0", "", false),
        ] {
            assert_eq!(is_multiplexed(agent, client), multiplexed, "{agent} {client}");
        }
    }

    #[test]
    fn clients_up_to_1_2_331_0_get_keepalives() {
        for (client, wants) in
            [("1.1.70.0", true), ("1.2.331.0", true), ("1.2.331.1", false), ("1.2.764.0", false)]
        {
            assert_eq!(wants_keepalive(client), wants, "{client}");
        }
    }

    #[tokio::test]
    async fn loopback_is_refused_in_the_real_agents_words() {
        for host in ["127.0.0.1", "127.8.9.10", "::1", "localhost"] {
            let refusal = refuse_loopback(host.to_owned()).await.unwrap_err();
            assert_eq!(
                refusal.to_string(),
                format!("Forwarding to IP address {host} is forbidden.")
            );
        }
        assert_eq!(refuse_loopback("192.0.2.1".to_owned()).await, Ok(()));
    }
}
