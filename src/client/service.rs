//! Who starts sessions for a target: AWS, or the embedded endpoint in this process.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Client,
    error::{Error, Kind},
    kept::Kept,
    readiness::Readiness,
    session_service::SessionService,
    target::Target,
};
#[cfg(feature = "aws")]
use super::{aws_control, resolve::Found};
use crate::session::{ControlPlane, Ticket};
#[cfg(feature = "local")]
use crate::{
    client::local_control::LocalControl,
    local::{Endpoint, EndpointConfig, Faults, NODE_ID, StartSession},
};

/// The service behind a target.
#[derive(Clone)]
pub(crate) enum SessionSource {
    /// The embedded endpoint; it lives as long as this does.
    #[cfg(feature = "local")]
    Local {
        /// It.
        endpoint: Arc<Endpoint>,
        /// The node's id.
        node: String,
        readiness: Readiness,
    },
    /// An account of AWS, and what was found there.
    #[cfg(feature = "aws")]
    Aws {
        control: Arc<aws_control::AwsControl>,
        found: Found,
        guide: Arc<dyn super::Guide>,
        readiness: Readiness,
    },
    /// Another one.
    Other { service: Arc<dyn SessionService>, target: String },
}

/// What a session is to carry.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Request {
    /// The document's name; `None` for the account's own shell document.
    pub document: Option<Cow<'static, str>>,
    /// The document's parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// What the session's record is to say of it.
    pub reason: Option<String>,
}

#[cfg(feature = "aws")]
impl Request {
    /// What ECS is to run in a container, if this is something that ECS does: on a terminal.
    fn container_command(&self) -> Option<&str> {
        match self.document.as_deref() {
            None => Some("/bin/sh"),
            Some(INTERACTIVE_COMMAND) => {
                self.parameters.get("command")?.first().map(String::as_str)
            }
            Some(_) => None,
        }
    }

    /// The same for a container. A node's agent has a shell run the line of an interactive command;
    /// that of a container splits it into words, and runs these.
    fn in_container(mut self) -> Self {
        if self.document.as_deref() == Some(INTERACTIVE_COMMAND) {
            for line in self.parameters.get_mut("command").into_iter().flatten() {
                // What cannot be quoted could not have been put into a line either.
                *line = shlex::try_join(["sh", "-c", line]).unwrap_or_default();
            }
        }
        self
    }
}

#[cfg(feature = "aws")]
fn without_commands(container: &crate::aws::Container) -> Error {
    let crate::aws::Container { cluster, task, .. } = container;
    Error::new(Kind::Target, format!("task {task} of {cluster} takes no commands"))
        .because("it was not started with enableExecuteCommand")
        .next("update the service with --enable-execute-command and --force-new-deployment")
}

/// What the environment wants of the embedded endpoint, for tests of what runs over it.
#[cfg(feature = "local")]
fn faults() -> Result<Faults, Error> {
    let Ok(list) = std::env::var(LOCAL_FAULTS) else { return Ok(Faults::default()) };
    let faults = Faults::parse(&list)
        .map_err(|error| Error::new(Kind::Usage, format!("{LOCAL_FAULTS}: {error}")))?;
    tracing::warn!("the embedded service is faulty, from seed={}", faults.seed());
    Ok(faults)
}

impl SessionSource {
    /// The service that `target` is reached through. What is no id is looked up, and asked about
    /// when it is not clear.
    pub(crate) async fn of(target: &Target, client: &Client) -> Result<Self, Error> {
        match target {
            #[cfg(feature = "local")]
            Target::Local => {
                let config = EndpointConfig { faults: faults()?, ..EndpointConfig::default() };
                let endpoint = Arc::new(embedded(config).await?);
                let (node, readiness) = (NODE_ID.to_owned(), client.readiness());
                Ok(Self::Local { endpoint, node, readiness })
            }
            target => Self::aws(target, client).await,
        }
    }

    #[cfg(feature = "aws")]
    async fn aws(target: &Target, client: &Client) -> Result<Self, Error> {
        let service = Self::in_account(target, client).await;
        service.map_err(|error| super::resolve::or_local(target, error))
    }

    #[cfg(feature = "aws")]
    async fn in_account(target: &Target, client: &Client) -> Result<Self, Error> {
        use super::resolve::resolve;
        let (target, client) = &client.in_account_of(target.clone());
        let account = client.account().await?;
        let found = match target {
            Target::Lookup(lookup) => {
                let found = resolve(lookup, account, client).await?;
                tracing::info!("{lookup} is {}", found.target());
                found
            }
            id => Found::Node(id.to_string()),
        };
        let control = Arc::new(client.control()?.of_target(found.target()));
        let (guide, readiness) = (Arc::clone(client.guide()), client.readiness());
        Ok(Self::Aws { control, found, guide, readiness })
    }

    #[cfg(not(feature = "aws"))]
    async fn aws(target: &Target, _: &Client) -> Result<Self, Error> {
        let what = format!("{target} is a node of AWS, and this ssmport is built without AWS");
        Err(Error::new(Kind::Usage, what).next("build it with the feature `aws`, or use -t local"))
    }

    /// StartSession; of a node that is not there once it is, if it is to be waited for.
    pub(crate) async fn start(&self, request: &Request) -> Result<Ticket, Error> {
        match self.start_once(request).await {
            Err(error) if error.is_unconnected() && self.readiness().is_given() => {
                self.readiness().start_session(self, request, error).await
            }
            started => started,
        }
    }

    fn readiness(&self) -> Readiness {
        match self {
            #[cfg(feature = "local")]
            Self::Local { readiness, .. } => *readiness,
            #[cfg(feature = "aws")]
            Self::Aws { readiness, .. } => *readiness,
            Self::Other { .. } => Readiness::new(),
        }
    }

    /// Who is told of what is waited for.
    pub(super) fn guide(&self) -> Option<&dyn super::Guide> {
        match self {
            #[cfg(feature = "aws")]
            Self::Aws { guide, .. } => Some(&**guide),
            _ => None,
        }
    }

    /// What EC2 says of the node, in its words; nothing if it knows none.
    pub(super) async fn instance_state(&self) -> Result<Option<String>, Error> {
        match self {
            #[cfg(feature = "local")]
            Self::Local { endpoint, node, .. } => {
                let node = endpoint.nodes().into_iter().find(|one| one.id == *node);
                Ok(node.map(|node| node.power.name().to_owned()))
            }
            #[cfg(feature = "aws")]
            Self::Aws { control, found, .. } => {
                let (account, id) = (control.account().await?, found.target());
                let instances = account.instances(&[("instance-id", &[&id])]).await?;
                Ok(instances.into_iter().next().map(|instance| instance.state))
            }
            Self::Other { .. } => Ok(None),
        }
    }

    /// StartInstances.
    pub(super) async fn start_instance(&self) -> Result<(), Error> {
        match self {
            #[cfg(feature = "local")]
            Self::Local { endpoint, node, .. } => Ok(endpoint.start_node(node)?),
            #[cfg(feature = "aws")]
            Self::Aws { control, found, .. } => {
                Ok(control.account().await?.start_instance(&found.target()).await?)
            }
            Self::Other { .. } => Ok(()),
        }
    }

    /// StartSession, as the node is now.
    pub(super) async fn start_once(&self, request: &Request) -> Result<Ticket, Error> {
        match self {
            #[cfg(feature = "local")]
            Self::Local { endpoint, node, .. } => Ok(endpoint.start_session(StartSession {
                target: node.clone(),
                document: request.document.as_deref().map(str::to_owned),
                parameters: request.parameters.clone(),
                reason: request.reason.clone(),
            })?),
            #[cfg(feature = "aws")]
            Self::Aws { control, found, guide, .. } => {
                let account = control.account().await?;
                let mut request = request.clone();
                if found.is_container() {
                    request = request.in_container();
                }
                if let (Found::Container(container), Some(command)) =
                    (found, request.container_command())
                {
                    if !container.takes_commands {
                        return Err(without_commands(container));
                    }
                    let started = account.execute_command(container, command).await?;
                    guide.session_started();
                    return Ok(started);
                }
                let request = crate::aws::StartSession {
                    target: found.target(),
                    document: request.document.map(Cow::into_owned),
                    parameters: request.parameters,
                    reason: request.reason,
                };
                let started = account.start_session(&request).await?;
                guide.session_started();
                Ok(started)
            }
            Self::Other { service, target } => service.start(target, request).await,
        }
    }

    /// The node or container, as StartSession knows it.
    pub(crate) fn target(&self) -> String {
        match self {
            #[cfg(feature = "local")]
            Self::Local { node, .. } => node.clone(),
            #[cfg(feature = "aws")]
            Self::Aws { found, .. } => found.target(),
            Self::Other { target, .. } => target.clone(),
        }
    }

    /// Sees to it that a session which it has started ends if this process is killed. The embedded endpoint's end
    /// with this process.
    pub(crate) fn keep(&self, session_id: &str) -> Kept {
        match self {
            #[cfg(all(unix, feature = "aws"))]
            Self::Aws { control, .. } => control.keep(session_id),
            _ => {
                let _ = session_id;
                Kept::by_nobody()
            }
        }
    }

    /// What the sessions that it started need while they run.
    pub(crate) fn control_plane(&self) -> Arc<dyn ControlPlane> {
        match self {
            #[cfg(feature = "local")]
            Self::Local { endpoint, node, .. } => {
                Arc::new(LocalControl { endpoint: Arc::clone(endpoint), node: node.clone() })
            }
            #[cfg(feature = "aws")]
            Self::Aws { control, .. } => Arc::clone(control) as Arc<dyn ControlPlane>,
            Self::Other { service, .. } => Arc::clone(service) as Arc<dyn ControlPlane>,
        }
    }
}

/// An embedded endpoint for this process alone.
#[cfg(feature = "local")]
pub(crate) async fn embedded(config: EndpointConfig) -> Result<Endpoint, Error> {
    let failed = |error| Error::local("cannot start the embedded endpoint").because(error);
    Endpoint::in_process(config).await.map_err(failed)
}

/// The document of commands on a terminal.
#[cfg(feature = "aws")]
const INTERACTIVE_COMMAND: &str = "AWS-StartInteractiveCommand";
/// The variable that makes the endpoint of the target `local` a faulty one.
#[cfg(feature = "local")]
pub(crate) const LOCAL_FAULTS: &str = "SSMPORT_LOCAL_FAULTS";
