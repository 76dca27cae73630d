//! What a program does with Session Manager: who is asked, which node is meant, and what is wanted of it.
//!
//! ```text
//!   Client ---- target, resolve, fleet ----> Node     service: who starts its sessions
//!   builder: limits, guide   |                |
//!                            +-- sessions     |
//!                            +-- many: a command on all nodes that are meant
//!                                             +-- connect   lane ------+
//!                                             +-- forward   forwarding +-- tunnel ---+   (or turbo)
//!                        config_file --- upkeep ---- tunnel
//!                                             +-- proxy     proxying -- lanes -- lane
//!                                             +-- command   running ---+-- opening --+-- attachment
//!                                             +-- shell     shell -----+             (session + streams)
//!                                             +-- copy: files and folders, by commands and connections
//! ```
//!
//! Nothing here prints, ends the process, reads a terminal or listens to signals: what happens is told by
//! values, events and an [`Error`], and whoever can be asked is a [`Guide`].

pub(crate) mod attachment;
#[cfg(feature = "aws")]
pub(crate) mod aws_control;
pub(crate) mod bind;
mod builder;
mod command;
pub(crate) mod config_file;
mod copy;
mod endpoint_api;
pub(crate) mod endpoints;
mod error;
#[cfg(feature = "aws")]
pub(crate) mod fleet;
mod forwarding;
mod guide;
mod kept;
mod lane;
pub(crate) mod lanes;
pub(crate) mod limits;
#[cfg(feature = "local")]
mod local_control;
pub(crate) mod many;
pub(crate) mod near;
mod node;
#[cfg(any(feature = "aws", feature = "local"))]
pub(crate) mod node_filter;
pub(crate) mod opening;
pub(crate) mod pac;
pub(crate) mod port_owner;
mod proxy;
pub(crate) mod proxying;
pub(crate) mod readiness;
#[cfg(feature = "aws")]
pub(crate) mod resolve;
pub(crate) mod running;
pub(crate) mod service;
mod session_service;
#[cfg(feature = "aws")]
pub(crate) mod sessions;
mod shell;
pub(crate) mod spec;
mod spread;
pub(crate) mod target;
#[cfg(all(test, feature = "local"))]
mod throttling;
pub(crate) mod tunnel;
pub(crate) mod turbo;
pub(crate) mod upkeep;

use std::{fmt, sync::Arc};

use futures_util::FutureExt;

#[cfg(feature = "aws")]
pub use crate::aws::{Mfa, MfaError, Prompt, SessionRecord};
pub use crate::{
    channel::{Order, Ready, Sending},
    session::{ControlPlane, Limits, Pending, Refusal, SessionEnd, Ticket},
    streams::{Closed, ConnectionEnd, ForwardEvent, Peer, Reading},
};
pub use builder::Builder;
pub use command::{CommandBuilder, Output, RunningCommand};
pub use copy::{Copied, CopyEvent, Download, Upload};
pub use error::{Error, Kind, Setting};
#[cfg(feature = "aws")]
pub use fleet::ListedNode;
pub use forwarding::{Tunnel, TunnelBuilder};
pub use guide::{Agreement, Choice, Counting, Guide};
pub use many::{NodeEnd, Run, RunEvent, RunStopper, Selected, Selection, SelectionCommand, Stream};
pub use node::{Connection, Node};
pub use proxy::{Proxy, ProxyBuilder};
pub use proxying::ProxyEvent;
pub use readiness::Readiness;
pub use service::Request;
pub use session_service::SessionService;
#[cfg(feature = "aws")]
pub use sessions::SessionQuery;
pub use shell::{Shell, ShellBuilder};
pub use spread::{LaneCount, LaneEvent};
pub use tunnel::TunnelEvent;

pub(crate) use crate::{
    session::{ChannelState, WAITING},
    streams::{Closer, CommandEvent, Console, ExitMarker, Listener, Listeners, Meter, Stop},
};

#[cfg(feature = "local")]
use crate::local::Endpoint;
use config_file::ConfigFile;
use endpoint_api::EndpointApi;
use service::SessionSource;
use target::Target;

/// Who is asked for sessions, and how long is waited for what. Clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    realm: Realm,
    limits: Limits,
    guide: Arc<dyn Guide>,
    readiness: Readiness,
}

/// Whose nodes are meant.
#[derive(Clone)]
enum Realm {
    /// An account's.
    Account {
        #[cfg(feature = "aws")]
        control: Box<aws_control::AwsControl>,
    },
    /// Those of an endpoint in this process.
    #[cfg(feature = "local")]
    Endpoint(Arc<Endpoint>),
    /// Whatever this knows.
    Service(Arc<dyn SessionService>),
}

impl Client {
    /// By the environment and `~/.aws`, as the AWS CLI reads them.
    ///
    /// # Errors
    /// When a variable of the environment makes no sense.
    pub async fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// By settings of one's own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Of an embedded endpoint in this process, which has nodes of its own. It lives as long as the
    /// client and what comes of it.
    ///
    /// # Errors
    /// When a variable of the environment makes no sense.
    #[cfg(feature = "local")]
    pub fn local(endpoint: impl Into<Arc<Endpoint>>) -> Result<Self, Error> {
        Self::builder().realm(Realm::Endpoint(endpoint.into())).build()
    }

    /// Of the endpoint at `url`, `ssmport local` for one, which is asked over HTTP and unsigned. Targets
    /// are ids there.
    ///
    /// # Errors
    /// When `url` is none, or a variable of the environment makes no sense.
    pub fn endpoint(url: &str) -> Result<Self, Error> {
        Self::service(Arc::new(EndpointApi::at(url)?))
    }

    /// Of a service that starts sessions in a way of its own: with another client of AWS, or a broker's
    /// tickets. Targets are what it calls them.
    ///
    /// # Errors
    /// When a variable of the environment makes no sense.
    pub fn service(service: Arc<dyn SessionService>) -> Result<Self, Error> {
        Self::builder().realm(Realm::Service(service)).build()
    }

    /// The node that `target` means, in any of the forms that the command line takes: an id, a name, a
    /// tag, an address, an alias of the configuration file, a container, `local`.
    ///
    /// # Errors
    /// When there is no such node, it is not connected, or several are meant and no [`Guide`] chooses.
    pub async fn node(&self, target: &str) -> Result<Node, Error> {
        match &self.0.realm {
            Realm::Account { .. } => {}
            #[cfg(feature = "local")]
            Realm::Endpoint(endpoint) => {
                let unknown = || {
                    let what = format!("the endpoint has no node {target}");
                    Error::new(Kind::Target, what).next("name one of those that it has")
                };
                let node = endpoint.find_node(target).ok_or_else(unknown)?;
                let (endpoint, readiness) = (Arc::clone(endpoint), self.readiness());
                let service = SessionSource::Local { endpoint, node, readiness };
                return Ok(Node::new(self.clone(), service));
            }
            Realm::Service(service) => {
                let (service, target) = (Arc::clone(service), target.to_owned());
                return Ok(Node::new(self.clone(), SessionSource::Other { service, target }));
            }
        }
        let usage = |why| Error::new(Kind::Usage, format!("`{target}`")).because(why);
        let parsed = target.parse().map_err(usage)?;
        let target = ConfigFile::load_target(Some(parsed), &*self.0.guide)?;
        // Deep within AWS's SDK: a program's own futures around this one are not to be as deep.
        Ok(Node::new(self.clone(), SessionSource::of(&target, self).boxed().await?))
    }

    /// The nodes that `targets` mean, to run a command on all of them: of a name or of tags
    /// (`tag:Role=web,tag:Env=prod`) all that bear it, in which `*` stands for anything and `?` for one
    /// character; every other form of a target is one node.
    ///
    /// Those that are not connected are among them, with an error in the place of the node.
    ///
    /// # Errors
    /// When a target means no node, or the account may not list them, or cannot be reached.
    pub async fn select<I, S>(&self, targets: I) -> Result<Selection, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        if let Realm::Service(service) = &self.0.realm {
            let targets = targets.into_iter().map(|target| target.as_ref().to_owned());
            return Ok(many::of_service(service, targets, self));
        }
        let usage = |text: &str, why| Error::new(Kind::Usage, format!("`{text}`")).because(why);
        let targets = targets.into_iter().map(|target| {
            let text = target.as_ref();
            text.parse().map_err(|why: crate::malformed::Malformed| usage(text, why))
        });
        self.selected(targets.collect::<Result<_, _>>()?).await
    }

    /// As [`select`](Self::select), of targets that are understood.
    pub(crate) async fn selected(&self, targets: Vec<Target>) -> Result<Selection, Error> {
        // Deep within AWS's SDK: a program's own futures around this one are not to be as deep.
        many::select(self, targets).boxed().await
    }

    /// The nodes that Session Manager knows, in the order of their names.
    ///
    /// # Errors
    /// When the account may not list them, or cannot be reached.
    #[cfg(feature = "aws")]
    pub async fn nodes(&self) -> Result<Vec<ListedNode>, Error> {
        fleet::nodes(self.account().await?, &[], &*self.0.guide).await
    }

    /// The sessions that `query` means, the youngest first.
    ///
    /// # Errors
    /// When the account may not list them, or cannot be reached.
    #[cfg(feature = "aws")]
    pub async fn sessions(&self, query: &SessionQuery) -> Result<Vec<SessionRecord>, Error> {
        sessions::list(self.account().await?, query).await
    }

    /// Ends a session, by its id; `false` when it was over already.
    ///
    /// # Errors
    /// When there is no such session, the account may not end it, or cannot be reached.
    #[cfg(feature = "aws")]
    pub async fn end_session(&self, id: &str) -> Result<bool, Error> {
        sessions::end(self.account().await?, id).await
    }

    /// The same with nobody to be told or asked: for several things at once.
    pub(crate) fn alone(&self) -> Self {
        let Inner { realm, limits, readiness, .. } = &*self.0;
        let realm = match realm {
            #[cfg(feature = "aws")]
            Realm::Account { control } => {
                Realm::Account { control: Box::new(control.without_prompt()) }
            }
            other => other.clone(),
        };
        let (limits, readiness, guide) = (*limits, *readiness, Arc::new(guide::Alone));
        Self(Arc::new(Inner { realm, limits, guide, readiness }))
    }

    /// A client of a program that has read its own options.
    pub(crate) fn of(
        #[cfg(feature = "aws")] settings: crate::aws::Settings,
        limits: Limits,
        guide: Arc<dyn Guide>,
    ) -> Self {
        let realm = Realm::Account {
            #[cfg(feature = "aws")]
            control: Box::new(aws_control::AwsControl::new(settings, None)),
        };
        let readiness = Readiness::new();
        Self(Arc::new(Inner { realm, limits, guide, readiness }))
    }

    #[cfg(feature = "aws")]
    fn control(&self) -> Result<&aws_control::AwsControl, Error> {
        match &self.0.realm {
            Realm::Account { control } => Ok(control),
            _ => Err(Error::new(Kind::Usage, "only an account of AWS can be asked for that")),
        }
    }

    /// The account that is asked.
    #[cfg(feature = "aws")]
    pub(crate) async fn account(&self) -> Result<&crate::aws::Account, Error> {
        Ok(self.control()?.account().await?)
    }

    /// A target without what says whose it is, and the client for that account and region. What the user
    /// has said goes before what the configuration file says.
    #[cfg(feature = "aws")]
    pub(crate) fn in_account_of(&self, target: Target) -> (Target, Self) {
        let (target, region, whose) = target.apart();
        if region.is_none() && whose == target::Whose::default() {
            return (target, self.clone());
        }
        let Realm::Account { control } = &self.0.realm else { return (target, self.clone()) };
        let Inner { limits, guide, readiness, .. } = &*self.0;
        let is_elsewhere = whose.profile.is_some() && control.profile().is_none();
        let guide = match is_elsewhere {
            true => Arc::new(guide::Elsewhere(Arc::clone(guide))),
            false => Arc::clone(guide),
        };
        let control = Box::new(control.in_account(region, whose));
        let realm = Realm::Account { control };
        let (limits, readiness) = (*limits, *readiness);
        (target, Self(Arc::new(Inner { realm, limits, guide, readiness })))
    }

    /// The same client, which does this about nodes that are not connected.
    #[must_use]
    pub fn with_readiness(&self, readiness: Readiness) -> Self {
        let Inner { realm, limits, guide, .. } = &*self.0;
        let (realm, limits, guide) = (realm.clone(), *limits, Arc::clone(guide));
        Self(Arc::new(Inner { realm, limits, guide, readiness }))
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.0.readiness
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    #[cfg(feature = "aws")]
    pub(crate) fn guide(&self) -> &Arc<dyn Guide> {
        &self.0.guide
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
