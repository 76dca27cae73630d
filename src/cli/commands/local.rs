//! `ssmport local`: the embedded endpoint as a server of its own.

use std::{env, process, time::Duration};

use super::ready_file::{Purpose, ReadyFile};
use crate::cli::{
    args::{LOCAL_ACCESS_KEY_ID, LOCAL_SECRET_ACCESS_KEY, LocalArgs, PaceArg},
    failure::{Code, Failure},
    output::Output,
    report::{Event, Serving},
    signals,
};
use crate::client::port_owner;
use crate::{
    local::{
        Account, AccountError, Endpoint, EndpointBuilder, EndpointConfig, MadeUp, REGION,
        StartError,
    },
    net::Pace,
};

pub(crate) async fn run(arguments: Box<LocalArgs>, output: &Output) -> Result<(), Failure> {
    let arguments = *arguments;
    let signal = signals::termination()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    if let Some(path) = &arguments.ready_file {
        ReadyFile::clear(Purpose::Ready, path)?;
    }
    let ready_file = arguments.ready_file.clone();
    let seed = arguments.faults.as_ref().map(|faults| faults.seed());
    let endpoint = builder(arguments)?.start().await.map_err(failure)?;

    show(&endpoint, output);
    if let Some(seed) = seed {
        output.note(&format!("The service is faulty, from seed={seed}"));
    }
    let ready = ready(&endpoint, seed);
    let line = || format!("{}\n", Output::json(&ready));
    let file =
        ready_file.map(|path| ReadyFile::write(Purpose::Ready, &path, line())).transpose()?;
    output.report(&ready);
    output.written()?;
    let _ = output.lasting();
    let number = signal.await;
    drop(file);
    drop(endpoint);
    Err(Failure::new(Code::Signal(number), "interrupted"))
}

fn builder(arguments: LocalArgs) -> Result<EndpointBuilder, Failure> {
    let defaults = EndpointConfig::default();
    let config = EndpointConfig {
        agent_version: arguments.agent_version.unwrap_or(defaults.agent_version),
        pace: pace(arguments.pace),
        deny_loopback: arguments.deny_loopback,
        hosts: arguments.allow_hosts,
        pushed_keys: arguments.pushed_keys,
        quirks: arguments.quirks,
        kms_key: arguments.kms_key,
        requires_challenge: arguments.kms_challenge,
        session_logs: arguments.session_logs,
        faults: arguments.faults.unwrap_or_default(),
        ..EndpointConfig::default()
    };
    let mut builder = EndpointBuilder::from(config).listen(arguments.listen).nodes(arguments.nodes);
    if let Some(path) = arguments.nodes_from {
        builder = builder.nodes_from(path);
    }
    if let Some(path) = arguments.account {
        builder = builder.account(path);
    }
    if let Some(path) = arguments.keys {
        builder = builder.kept_keys(path);
    }
    if let Some((id, secret)) = given_key()? {
        builder = builder.access_key(&id, &secret);
    }
    Ok(builder)
}

/// The access key that the environment gives.
fn given_key() -> Result<Option<(String, String)>, Failure> {
    let wrong = |what: String| Failure::new(Code::Usage, what);
    let read = |name: &str| match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(error @ env::VarError::NotUnicode(_)) => {
            // It would be told with its value.
            drop(error);
            Err(wrong(format!("{name} is no text")))
        }
    };
    match (read(LOCAL_ACCESS_KEY_ID)?, read(LOCAL_SECRET_ACCESS_KEY)?) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (id, _) => {
            let is_set = if id.is_some() { LOCAL_ACCESS_KEY_ID } else { LOCAL_SECRET_ACCESS_KEY };
            let both = format!("{LOCAL_ACCESS_KEY_ID} and {LOCAL_SECRET_ACCESS_KEY} go together");
            Err(wrong(format!("of the endpoint's access key, {is_set} alone is set")).because(both))
        }
    }
}

fn failure(error: StartError) -> Failure {
    let usage = |error: &StartError| Failure::new(Code::Usage, error.to_string());
    match error {
        StartError::Listen { address, source } => {
            let failure = Failure::local(format!("cannot listen on {address}")).because(source);
            match port_owner::of(address) {
                Some(owner) => {
                    failure.next(format!("{owner} holds it; give another port with --listen"))
                }
                None => failure.next("give another address with --listen"),
            }
        }
        StartError::Account(why @ (AccountError::Keep { .. } | AccountError::SameKey { .. })) => {
            Failure::new(Code::Usage, "the account's keys cannot be kept").because(why)
        }
        StartError::Account(why) => {
            Failure::new(Code::Usage, "the account file cannot be used").because(why)
        }
        StartError::NodeList(why) => {
            Failure::new(Code::Usage, "the list of nodes cannot be used").because(why)
        }
        StartError::AccessKey(why) => {
            let of = format!("{LOCAL_ACCESS_KEY_ID} and {LOCAL_SECRET_ACCESS_KEY}");
            Failure::new(Code::Usage, format!("{of} are no access key")).because(why)
        }
        StartError::TwoKinds => usage(&error).next(format!(
            "unset {LOCAL_ACCESS_KEY_ID}, or write the key into the account file, to one of its users"
        )),
        StartError::NoFolder { .. } => Failure::local(error.to_string()),
        StartError::System(why) => Failure::local("cannot start the endpoint").because(why),
        StartError::Node(_)
        | StartError::AgentVersion(_)
        | StartError::Faults(_)
        | StartError::Quirks(_)
        | StartError::NothingToKeep => usage(&error),
    }
}

/// What a program that waits for it is told.
fn ready(endpoint: &Endpoint, seed: Option<u64>) -> Event<'_> {
    Event::Serving(Serving {
        url: endpoint.url(),
        port: endpoint.address().port(),
        region: REGION,
        nodes: endpoint.node_ids(),
        pid: process::id(),
        account: endpoint.account().map(Account::id),
        users: endpoint.users(),
        faults_seed: seed,
    })
}

/// What a person is told: below the first line what can be pasted into another terminal.
fn show(endpoint: &Endpoint, output: &Output) {
    let (url, account) = (endpoint.url(), endpoint.account());
    if !endpoint.address().ip().is_loopback() {
        let open = if account.is_some() { "" } else { ", and checks no credentials" };
        output.warn(&format!("{url} can be reached from other machines{open}"));
    }
    match endpoint.node_ids()[..] {
        [node] => output.note(&format!("Embedded endpoint on {url}, with {node}")),
        ref nodes => {
            output.note(&format!("Embedded endpoint on {url}, with {} nodes:", nodes.len()));
            output.note(&format!("# {}", some(nodes)));
        }
    }
    let users = endpoint.users();
    if let Some(account) = account {
        let names: Vec<_> = users.iter().map(|user| user.name).collect();
        account.slips().iter().for_each(|slip| output.warn(slip));
        output.note(&format!("# Account {}, with the users: {}", account.id(), some(&names)));
    }
    if output.is_json() {
        return;
    }
    output.note(match account {
        Some(_) => "# In another terminal, with the keys of one user:",
        None => "# In another terminal; no credentials are checked, but the AWS CLI wants some:",
    });
    // The region is every user's: with the lines of one alone it must not be missing.
    output.note(&format!("export AWS_DEFAULT_REGION={REGION}"));
    users.iter().for_each(|user| show_keys(user, account.is_some(), output));
    let node = endpoint.node_id();
    for line in [
        &format!("aws --endpoint-url {url} ssm start-session \\"),
        &format!("    --target {node}"),
        &format!("ssmport forward 15432:5432 -t {node} \\"),
        &format!("    --endpoint-url {url}"),
    ] {
        output.note(line);
    }
}

/// What was made up, in the form that a shell takes.
fn show_keys(user: &MadeUp<'_>, has_name: bool, output: &Output) {
    match user.secret_access_key {
        Some(secret) => {
            if has_name {
                output.note(&format!("# {}", user.name));
            }
            output.note(&format!("export AWS_ACCESS_KEY_ID={}", user.access_key_id));
            output.note(&format!("export AWS_SECRET_ACCESS_KEY={secret}"));
        }
        None => output.note(&format!("# {}: the access key that was given", user.name)),
    }
    if let Some((serial, seed)) = user.mfa_serial.zip(user.mfa_seed.as_ref()) {
        output.note(&format!("# {}: MFA device {serial}, seed {seed}", user.name));
    }
}

/// The first of many.
fn some(names: &[&str]) -> String {
    match names.len().checked_sub(MOST_NAMES) {
        Some(more @ 1..) => format!("{} and {more} more", names[..MOST_NAMES].join(", ")),
        _ => names.join(", "),
    }
}

/// The pacing that an option asks for.
pub(super) fn pace(argument: PaceArg) -> Option<Pace> {
    match argument {
        PaceArg::None => None,
        PaceArg::Real => Some(Pace { payload_len: 1024, pause: Duration::from_millis(1) }),
    }
}

/// That are shown of a list.
const MOST_NAMES: usize = 3;
