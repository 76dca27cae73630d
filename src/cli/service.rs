//! Who starts sessions for a target: AWS, or the embedded endpoint in this process.

use std::{borrow::Cow, collections::BTreeMap, env, sync::Arc};

use tokio::net::TcpListener;

use super::{
    args::{Global, LOCAL_FAULTS},
    control::{LocalControl, local_ticket},
    failure::{Code, Failure},
    output::Output,
    target::Target,
};
use crate::{
    local::{Endpoint, EndpointConfig, Faults, NODE_ID, StartSession},
    session::{ControlPlane, Ticket},
};

/// The service behind a target.
#[derive(Clone)]
pub(super) enum Service {
    /// The embedded endpoint; it lives as long as this does.
    Local(Arc<Endpoint>),
    /// An account of AWS, and what was found there.
    #[cfg(feature = "aws")]
    Aws(Arc<super::control::AwsControl>, super::resolve::Found),
}

/// What a session is to carry.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Request {
    /// `None` for the account's own shell document.
    pub(super) document: Option<Cow<'static, str>>,
    pub(super) parameters: BTreeMap<String, Vec<String>>,
    pub(super) reason: Option<String>,
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
impl Global {
    /// What was typed about AWS.
    pub(super) fn settings(&self) -> crate::aws::Settings {
        crate::aws::Settings {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoints: self.endpoints.given(),
            mfa: self.mfa.settings(),
        }
    }
}

/// The account that the options and the configuration mean.
#[cfg(feature = "aws")]
pub(super) fn account_of(global: &Global) -> super::control::AwsControl {
    super::control::AwsControl::new(global.settings(), None)
}

#[cfg(feature = "aws")]
fn without_commands(container: &crate::aws::Container) -> Failure {
    let crate::aws::Container { cluster, task, .. } = container;
    Failure::new(Code::Target, format!("task {task} of {cluster} takes no commands"))
        .because("it was not started with enableExecuteCommand")
        .next("update the service with --enable-execute-command and --force-new-deployment")
}

/// What the environment wants of the embedded endpoint, for tests of what runs over it.
fn faults() -> Result<Faults, Failure> {
    let Ok(list) = env::var(LOCAL_FAULTS) else { return Ok(Faults::default()) };
    let faults = Faults::parse(&list)
        .map_err(|error| Failure::new(Code::Usage, format!("{LOCAL_FAULTS}: {error}")))?;
    tracing::warn!("the embedded service is faulty, from seed={}", faults.seed());
    Ok(faults)
}

impl Service {
    /// The service that `target` is reached through. What is no id is looked up, and asked about
    /// when it is not clear.
    pub(super) async fn of(
        target: &Target,
        global: &Global,
        output: &Output,
    ) -> Result<Self, Failure> {
        match target {
            Target::Local => {
                let config = EndpointConfig { faults: faults()?, ..EndpointConfig::default() };
                Self::embedded(config).await
            }
            Target::InRegion(..) => {
                let (target, global) = global.in_region_of(target.clone());
                Self::aws(&target, &global, output).await
            }
            target => Self::aws(target, global, output).await,
        }
    }

    /// An embedded endpoint on a free loopback port, for this process alone: whoever may call the API
    /// of one has a shell as its user, and every user of the machine reaches the port.
    pub(super) async fn embedded(config: EndpointConfig) -> Result<Self, Failure> {
        let failed = |error| Failure::local("cannot start the embedded endpoint").because(error);
        let config = EndpointConfig { serves_api: false, ..config };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let endpoint = Endpoint::start(listener, config).map_err(failed)?;
        Ok(Self::Local(Arc::new(endpoint)))
    }

    #[cfg(feature = "aws")]
    async fn aws(target: &Target, global: &Global, output: &Output) -> Result<Self, Failure> {
        use super::resolve::{Found, resolve};
        let control = account_of(global);
        let account = control.account().await?;
        let found = match target {
            Target::Lookup(lookup) => {
                let found = resolve(lookup, account, output).await?;
                tracing::info!("{lookup} is {}", found.target());
                found
            }
            id => Found::Node(id.to_string()),
        };
        let id = found.target();
        Ok(Self::Aws(Arc::new(control.of_target(id)), found))
    }

    #[cfg(not(feature = "aws"))]
    async fn aws(target: &Target, _: &Global, _: &Output) -> Result<Self, Failure> {
        let what = format!("{target} is a node of AWS, and this ssmport is built without AWS");
        Err(Failure::new(Code::Usage, what)
            .next("build it with the feature `aws`, or use -t local"))
    }

    /// StartSession.
    pub(super) async fn start(&self, request: &Request) -> Result<Ticket, Failure> {
        match self {
            Self::Local(endpoint) => {
                let ticket = endpoint.start_session(StartSession {
                    target: NODE_ID.to_owned(),
                    document: request.document.as_deref().map(str::to_owned),
                    parameters: request.parameters.clone(),
                    reason: request.reason.clone(),
                })?;
                let no_token = || Failure::new(Code::Lost, "the session ended as it began");
                local_ticket(endpoint, ticket).ok_or_else(no_token)
            }
            #[cfg(feature = "aws")]
            Self::Aws(control, found) => {
                let account = control.account().await?;
                let mut request = request.clone();
                if found.is_container() {
                    request = request.in_container();
                }
                if let (super::resolve::Found::Container(container), Some(command)) =
                    (found, request.container_command())
                {
                    if !container.takes_commands {
                        return Err(without_commands(container));
                    }
                    let started = account.execute_command(container, command).await?;
                    super::mfa::close_prompt();
                    return Ok(super::control::aws_ticket(started));
                }
                let request = crate::aws::StartSession {
                    target: found.target(),
                    document: request.document.map(Cow::into_owned),
                    parameters: request.parameters,
                    reason: request.reason,
                };
                let started = account.start_session(&request).await?;
                // From now on the terminal is the session's.
                super::mfa::close_prompt();
                Ok(super::control::aws_ticket(started))
            }
        }
    }

    /// What the sessions that it started need while they run.
    pub(super) fn control_plane(&self) -> Arc<dyn ControlPlane> {
        match self {
            Self::Local(endpoint) => Arc::new(LocalControl(Arc::clone(endpoint))),
            #[cfg(feature = "aws")]
            Self::Aws(control, _) => Arc::clone(control) as Arc<dyn ControlPlane>,
        }
    }
}

/// The document of commands on a terminal.
#[cfg(feature = "aws")]
const INTERACTIVE_COMMAND: &str = "AWS-StartInteractiveCommand";
