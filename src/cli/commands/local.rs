//! `ssmport local`: the embedded endpoint as a server of its own.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::net::TcpListener;

use crate::cli::{
    args::{LocalArgs, PaceArg},
    failure::{Code, Failure},
    output::Output,
    signals,
};
use crate::client::port_owner;
use crate::{
    local::{Account, Endpoint, EndpointConfig, Node},
    net::Pace,
};

pub(crate) async fn run(arguments: Box<LocalArgs>, output: &Output) -> Result<(), Failure> {
    let arguments = *arguments;
    let signal = signals::termination()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    let defaults = EndpointConfig::default();
    let agent_version = arguments.agent_version.unwrap_or_else(|| defaults.agent_version.clone());
    let template = Node { agent_version: agent_version.clone(), ..default_node(&defaults) };
    let account = match &arguments.account {
        Some(path) => Some(Account::load(path, &template).map_err(|error| {
            Failure::new(Code::Usage, "the account file cannot be used").because(error)
        })?),
        None => None,
    };
    let nodes = nodes(account.as_ref(), arguments.nodes, template);
    let ids: Vec<_> = nodes.iter().map(|node| node.id.clone()).collect();

    if let Some(folder) = arguments.session_logs.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::local(format!("{} is no folder for logs", folder.display())));
    }
    if let Some(folder) = arguments.pushed_keys.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::local(format!("{} is no folder for keys", folder.display())));
    }

    let listener = listen(arguments.listen).await?;
    let config = EndpointConfig {
        nodes,
        agent_version,
        pace: pace(arguments.pace),
        deny_loopback: arguments.deny_loopback,
        hosts: arguments.allow_hosts,
        serves_api: true,
        pushed_keys: arguments.pushed_keys,
        quirks: arguments.quirks,
        kms_key: arguments.kms_key,
        requires_challenge: arguments.kms_challenge,
        account: account.clone(),
        session_logs: arguments.session_logs,
        faults: arguments.faults.unwrap_or_default(),
    };
    let endpoint = Endpoint::start(listener, config)
        .map_err(|error| Failure::local("cannot start the endpoint").because(error))?;

    let url = format!("http://{}", endpoint.address());
    if !endpoint.address().ip().is_loopback() {
        let open = if account.is_some() { "" } else { ", and checks no credentials" };
        output.warn(&format!("{url} can be reached from other machines{open}"));
    }
    output.note(&format!("Embedded endpoint on {url}, with {}", ids.join(", ")));
    let mut ready = json!({"event": "ready", "url": url, "nodes": ids});
    match &account {
        Some(account) => {
            ready["account"] = json!(account.id());
            ready["users"] = account.users().map(|user| json!(user.made_up())).collect();
            account.slips().iter().for_each(|slip| output.warn(slip));
            show_account(account, output);
        }
        None => output.note("No credentials are checked"),
    }
    if let Some(node) = ids.first() {
        output.note(&format!("Try: ssmport forward 15432:5432 -t {node} --endpoint-url {url}"));
    }
    if let Some(faults) = &arguments.faults {
        output.note(&format!("The service is faulty, from seed={}", faults.seed()));
        ready["faults_seed"] = json!(faults.seed());
    }
    output.report(&ready);
    output.written()?;
    let number = signal.await;
    drop(endpoint);
    Err(Failure::new(Code::Signal(number), "interrupted"))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::local(format!("cannot listen on {address}")).because(error);
        match port_owner::of(address) {
            Some(owner) => {
                failure.next(format!("{owner} holds it; give another port with --listen"))
            }
            None => failure.next("give another address with --listen"),
        }
    })
}

/// Those of the account and those of the command line; the usual one where there is neither.
fn nodes(account: Option<&Account>, ids: Vec<String>, template: Node) -> Vec<Node> {
    let of_account = account.map(|account| account.nodes().to_vec()).unwrap_or_default();
    if of_account.is_empty() && ids.is_empty() {
        return vec![template];
    }
    let others =
        ids.into_iter().map(|id| Node { ec2: id.starts_with("i-"), id, ..template.clone() });
    of_account.into_iter().chain(others).collect()
}

/// What was made up, in the form that a shell takes.
fn show_account(account: &Account, output: &Output) {
    let users: Vec<_> = account.users().map(|user| user.name.as_str()).collect();
    output.note(&format!("Account {} with the users: {}", account.id(), users.join(", ")));
    if output.is_json() {
        return;
    }
    for user in account.users() {
        let keys = user.made_up();
        if let Some(secret) = keys.secret_access_key {
            output.note(&format!("# {}", keys.name));
            output.note(&format!("export AWS_ACCESS_KEY_ID={}", keys.access_key_id));
            output.note(&format!("export AWS_SECRET_ACCESS_KEY={secret}"));
        }
        if let Some((serial, seed)) = keys.mfa_serial.zip(keys.mfa_seed) {
            output.note(&format!("# {}: MFA device {serial}, seed {seed}", keys.name));
        }
    }
}

/// The pacing that an option asks for.
pub(super) fn pace(argument: PaceArg) -> Option<Pace> {
    match argument {
        PaceArg::None => None,
        PaceArg::Real => Some(Pace { payload_len: 1024, pause: Duration::from_millis(1) }),
    }
}

fn default_node(defaults: &EndpointConfig) -> Node {
    defaults.nodes.first().cloned().unwrap_or_default()
}
