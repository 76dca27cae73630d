//! The node: whether SSM knows it, its agent, a data channel, its SSH server.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, duplex},
    sync::watch,
    time::timeout,
};

use super::report::{Check, Report};
use crate::{
    aws::{Account, AwsError},
    client::{
        Client, Error, Kind, SessionEnd, Stop,
        opening::Opening,
        resolve::{Found, resolve},
        service::{Request, SessionSource},
        target::Target,
    },
    wire::{Version, foreign_text::one_line},
};

/// A target of the account.
pub(super) async fn look(target: &Target, account: &Account, client: &Client, report: &mut Report) {
    let found = match target {
        Target::Lookup(lookup) => match resolve(lookup, account, client).await {
            Ok(found) => found,
            Err(failure) => return report.add(Check::failure("target", &failure)),
        },
        id => Found::Node(id.to_string()),
    };
    let id = found.target();
    if !found.is_container() {
        let node = node(&id, account).await;
        let is_there = !node.is_failure();
        report.add(node);
        if !is_there {
            return;
        }
    }
    match SessionSource::of(&Target::Id(id), client).await {
        Ok(service) => channel(&service, client, report).await,
        Err(failure) => report.add(Check::failure("data channel", &failure)),
    }
}

/// The embedded endpoint, which has but a data channel to look at.
pub(super) async fn look_at_local(client: &Client, report: &mut Report) {
    match SessionSource::of(&Target::Local, client).await {
        Ok(service) => channel(&service, client, report).await,
        Err(failure) => report.add(Check::failure("target", &failure)),
    }
}

/// What SSM says of the node.
async fn node(id: &str, account: &Account) -> Check {
    let node = match account.nodes(&[("InstanceIds", &[id])], |_| ()).await {
        Ok(nodes) => nodes.into_iter().next(),
        Err(error @ AwsError::Refused { .. }) => {
            return Check::skipped("node", format!("not asked about: {error}"));
        }
        Err(error) => return Check::failure("node", &error.into()),
    };
    let Some(node) = node else { return unknown_node(id, account).await };
    let agent = &node.agent_version;
    let found = format!("{id}, {}, agent {agent}, {}", node.platform, node.ping_status);
    if !node.is_online() {
        return Check::broken("node", found, AGENT_STEP);
    }
    match Version::parse(agent) {
        Some(version) if version < LEAST_AGENT => Check::warning(
            "node",
            found,
            "the agent is too old for ports of other hosts: update it (AWS-UpdateSSMAgent)",
        ),
        _ => Check::ok("node", found),
    }
}

/// Why SSM does not know it, as far as EC2 tells.
async fn unknown_node(id: &str, account: &Account) -> Check {
    let region = account.region();
    let not_there = format!("SSM in {region} does not know {id}");
    if !id.starts_with("i-") {
        return Check::broken("node", not_there, "check the id, --region and --profile");
    }
    match account.instances(&[("instance-id", &[id])]).await {
        Ok(instances) => match instances.first() {
            None => Check::broken(
                "node",
                format!("{not_there}, nor does EC2"),
                "check the id, --region and --profile",
            ),
            Some(instance) if instance.state != "running" => {
                Check::broken("node", format!("{id} is {}", instance.state), "start the instance")
            }
            Some(_) => Check::broken("node", format!("{not_there}; the instance runs"), AGENT_STEP),
        },
        Err(_) => Check::broken("node", not_there, AGENT_STEP),
    }
}

/// A session to the node's SSH server; where its document is not allowed, to its shell.
async fn channel(service: &SessionSource, client: &Client, report: &mut Report) {
    let ssh = Request {
        document: Some("AWS-StartSSHSession".into()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec!["22".to_owned()])]),
        reason: Some("ssmport doctor".to_owned()),
    };
    match session(service, &ssh, client).await {
        Ok(Greeting { agent, banner, .. }) => {
            report.add(Check::ok("data channel", format!("open, to agent {agent}")));
            report.add(match banner {
                Some(banner) => Check::ok("ssh server", banner),
                None => Check::warning(
                    "ssh server",
                    "nothing has answered as one on port 22 within a second",
                    "for ssh: check that sshd runs, and on which port; shells and forwards need none",
                ),
            });
        }
        Err(failure) if failure.kind == Kind::Refused => {
            let shell = Request { reason: ssh.reason, ..Request::default() };
            match session(service, &shell, client).await {
                Ok(Greeting { agent, .. }) => {
                    report.add(Check::ok("data channel", format!("open, to agent {agent}")));
                    report.add(Check::weakness("ssh document", &failure));
                }
                // It is not the document.
                Err(failure) => report.add(Check::failure("data channel", &failure)),
            }
        }
        Err(failure) => report.add(Check::failure("data channel", &failure)),
    }
}

/// What the other side said.
struct Greeting {
    agent: String,
    banner: Option<String>,
}

/// Opens a session, hears what greets it, and ends it.
async fn session(
    service: &SessionSource,
    request: &Request,
    client: &Client,
) -> Result<Greeting, Error> {
    let (stop, stopped) = watch::channel(false);
    let until_stopped = || -> Stop {
        let mut stopped = stopped.clone();
        Box::pin(async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })
    };
    let (output, theirs) = duplex(LINE);
    // Nothing is said to the other side, nor that there is nothing more.
    let (input, _silent) = duplex(1);
    let (agent, mut agents) = watch::channel(None);
    let opening = Opening {
        service,
        request,
        limits: client.limits(),
        stop: &until_stopped,
        greet: &|ready| {
            agent.send_replace(Some(ready.peer_version.clone()));
        },
    };
    let ends = || {
        let (input, _) = tokio::io::split(input);
        (input, theirs, until_stopped())
    };
    let (over, mut is_over) = watch::channel(false);
    let session = async {
        let ended = opening.stream(ends).await;
        over.send_replace(true);
        ended
    };
    let listen = async {
        let ready = async {
            tokio::select! {
                biased;
                agent = agents.wait_for(Option::is_some) => agent.ok()?.clone(),
                _ = is_over.wait_for(|over| *over) => None,
            }
        };
        let agent = timeout(READY_LIMIT, ready).await.ok()?;
        let mut banner = String::new();
        let mut lines = BufReader::new(output).take(LINE as u64);
        let _ = timeout(BANNER_LIMIT, lines.read_line(&mut banner)).await;
        agent.map(|agent| (agent, banner))
    };
    let listen = async {
        let heard = listen.await;
        stop.send_replace(true);
        heard
    };
    let (ended, heard) = tokio::join!(session, listen);
    match heard {
        Some((agent, banner)) => {
            let banner = one_line(&banner);
            let banner = banner.starts_with("SSH-").then_some(banner);
            Ok(Greeting { agent, banner })
        }
        None => {
            let said = match ended?.map(|ended| ended.end).transpose()? {
                Some(SessionEnd::Closed { reason }) => reason,
                _ => "the agent said nothing".to_owned(),
            };
            Err(Error::new(Kind::Lost, "the data channel is of no use").because(said).next(
                "check that the node reaches ssmmessages: its own VPC endpoint or internet access",
            ))
        }
    }
}

const AGENT_STEP: &str = "on the node: check that amazon-ssm-agent runs, that the instance has a role with \
    AmazonSSMManagedInstanceCore, and that it reaches ssm, ssmmessages and ec2messages (VPC endpoints \
    or internet access)";
/// From then on agents connect to other hosts.
const LEAST_AGENT: Version = Version::new(3, 1, 1374, 0);
/// An SSH server's first line has 255 bytes at most.
const LINE: usize = 512;
const READY_LIMIT: Duration = Duration::from_secs(15);
const BANNER_LIMIT: Duration = Duration::from_secs(1);
