//! `ssmport local`: the embedded endpoint as a server of its own.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::{
    args::{LocalArgs, PaceArg},
    failure::{Code, Failure},
    output::Output,
    port_owner, signals,
};
use crate::{
    local::{Endpoint, EndpointConfig, Node},
    net::Pace,
};

pub(super) async fn run(arguments: LocalArgs, output: &Output) -> Result<(), Failure> {
    let signal = signals::termination()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    let address = arguments.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::local(format!("cannot listen on {address}")).because(error);
        match port_owner::of(address.port()) {
            Some(owner) => {
                failure.next(format!("{owner} holds it; give another port with --listen"))
            }
            None => failure.next("give another address with --listen"),
        }
    })?;
    let defaults = EndpointConfig::default();
    let agent_version = arguments.agent_version.unwrap_or_else(|| defaults.agent_version.clone());
    let nodes = arguments.nodes.iter().map(|id| node(id, &agent_version, &defaults)).collect();
    let config = EndpointConfig {
        nodes,
        agent_version,
        pace: pace(arguments.pace),
        deny_loopback: arguments.deny_loopback,
        hosts: arguments.allow_hosts,
        quirks: arguments.quirks,
        kms_key: arguments.kms_key,
        requires_challenge: arguments.kms_challenge,
        faults: arguments.faults.unwrap_or_default(),
    };
    let endpoint = Endpoint::start(listener, config)
        .map_err(|error| Failure::local("cannot start the endpoint").because(error))?;

    let url = format!("http://{}", endpoint.address());
    if !endpoint.address().ip().is_loopback() {
        output
            .warn(&format!("{url} can be reached from other machines, and checks no credentials"));
    }
    output.note(&format!("Embedded endpoint on {url}, with {}", arguments.nodes.join(", ")));
    if let Some(node) = arguments.nodes.first() {
        output.note(&format!("Try: ssmport forward 15432:5432 -t {node} --endpoint-url {url}"));
    }
    let mut ready = json!({"event": "ready", "url": url, "nodes": arguments.nodes});
    if let Some(faults) = &arguments.faults {
        output.note(&format!("The service is faulty, from seed={}", faults.seed()));
        ready["faults_seed"] = json!(faults.seed());
    }
    output.report(&ready);
    let number = signal.await;
    drop(endpoint);
    Err(Failure::new(Code::Signal(number), "interrupted"))
}

/// The pacing that an option asks for.
pub(super) fn pace(argument: PaceArg) -> Option<Pace> {
    match argument {
        PaceArg::None => None,
        PaceArg::Real => Some(Pace { payload_len: 1024, pause: Duration::from_millis(1) }),
    }
}

fn node(id: &str, agent_version: &str, defaults: &EndpointConfig) -> Node {
    let template = defaults.nodes.first().cloned().unwrap_or_default();
    Node { id: id.to_owned(), agent_version: agent_version.to_owned(), ..template }
}
