//! What a program does with Session Manager: who is asked, which node is meant, and what is wanted of it.
//!
//! ```text
//!   Client ---- target, resolve, fleet ----> Node ----+--> service, control (AWS or embedded)
//!   (builder, limits, guide)                          +--> attachment (session + streams)
//!                                                     +--> spec, bind, tunnel (local ports)
//! ```
//!
//! Nothing here prints, ends the process, reads a terminal or listens to signals: what happens is told by
//! values, events and an [`Error`], and whoever can be asked is a [`Guide`].
#![expect(clippy::disallowed_methods, reason = "tunnels and sessions go by the clock")]

pub(crate) mod attachment;
pub(crate) mod bind;
mod builder;
mod command;
pub(crate) mod config_file;
pub(crate) mod control;
pub(crate) mod endpoints;
mod error;
#[cfg(feature = "aws")]
pub(crate) mod fleet;
mod forwarding;
mod guide;
mod lane;
mod node;
pub(crate) mod running;
mod shell;

pub(crate) mod limits;
pub(crate) mod opening;
pub(crate) mod port_owner;
#[cfg(feature = "aws")]
pub(crate) mod resolve;
pub(crate) mod service;
pub(crate) mod spec;
pub(crate) mod target;
pub(crate) mod tunnel;

use std::{fmt, sync::Arc};

use futures_util::FutureExt;

#[cfg(feature = "aws")]
pub use crate::aws::{Mfa, MfaError, Prompt};
pub use crate::{
    channel::{Order, Ready, Sending},
    session::{Limits, SessionEnd},
    streams::{ForwardEvent, Peer},
};
pub use builder::Builder;
pub use command::{CommandBuilder, Output, RunningCommand};
pub use error::{Error, Kind};
#[cfg(feature = "aws")]
pub use fleet::ListedNode;
pub use forwarding::{Tunnel, TunnelBuilder};
pub use guide::{Choice, Counting, Guide};
pub use node::{Connection, Node};
pub use shell::{Shell, ShellBuilder};
pub use tunnel::TunnelEvent;

pub(crate) use crate::{
    session::WAITING,
    streams::{Closer, CommandEvent, Console, ExitMarker, Listener, Listeners, Stop},
};

use crate::local::Endpoint;
use config_file::ConfigFile;
use service::Service;

/// Who is asked for sessions, and how long is waited for what. Clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    #[cfg(feature = "aws")]
    control: control::AwsControl,
    limits: Limits,
    guide: Arc<dyn Guide>,
    /// Whose nodes are meant, in the place of an account's.
    endpoint: Option<Arc<Endpoint>>,
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
    pub fn local(endpoint: impl Into<Arc<Endpoint>>) -> Result<Self, Error> {
        Self::builder().endpoint(endpoint.into()).build()
    }

    /// The node that `target` means, in any of the forms that the command line takes: an id, a name, a
    /// tag, an address, an alias of the configuration file, a container, `local`.
    ///
    /// # Errors
    /// When there is no such node, it is not connected, or several are meant and no [`Guide`] chooses.
    pub async fn node(&self, target: &str) -> Result<Node, Error> {
        if let Some(endpoint) = &self.0.endpoint {
            let unknown = || {
                let what = format!("the endpoint has no node {target}");
                Error::new(Kind::Target, what).next("name one of those that it was started with")
            };
            let id = endpoint.find_node(target).ok_or_else(unknown)?;
            let service = Service::Local { endpoint: Arc::clone(endpoint), node: id };
            return Ok(Node::new(self.clone(), service));
        }
        let usage = |why| Error::new(Kind::Usage, format!("`{target}`")).because(why);
        let parsed = target.parse().map_err(usage)?;
        let target = ConfigFile::load_target(Some(parsed), &*self.0.guide)?;
        // Deep within AWS's SDK: a program's own futures around this one are not to be as deep.
        Ok(Node::new(self.clone(), Service::of(&target, self).boxed().await?))
    }

    /// The nodes that Session Manager knows, in the order of their names.
    ///
    /// # Errors
    /// When the account may not list them, or cannot be reached.
    #[cfg(feature = "aws")]
    pub async fn nodes(&self) -> Result<Vec<ListedNode>, Error> {
        fleet::nodes(self.account().await?, &[], &*self.0.guide).await
    }

    fn new(
        #[cfg(feature = "aws")] settings: crate::aws::Settings,
        limits: Limits,
        guide: Arc<dyn Guide>,
        endpoint: Option<Arc<Endpoint>>,
    ) -> Self {
        Self(Arc::new(Inner {
            #[cfg(feature = "aws")]
            control: control::AwsControl::new(settings, None),
            limits,
            guide,
            endpoint,
        }))
    }

    /// A client of a program that has read its own options.
    pub(crate) fn of(
        #[cfg(feature = "aws")] settings: crate::aws::Settings,
        limits: Limits,
        guide: Arc<dyn Guide>,
    ) -> Self {
        Self::new(
            #[cfg(feature = "aws")]
            settings,
            limits,
            guide,
            None,
        )
    }

    /// The account that is asked.
    #[cfg(feature = "aws")]
    pub(crate) async fn account(&self) -> Result<&crate::aws::Account, crate::aws::AwsError> {
        self.0.control.account().await
    }

    /// A target without its region, and the client for that region.
    #[cfg(feature = "aws")]
    pub(crate) fn in_region_of(&self, target: target::Target) -> (target::Target, Self) {
        let target::Target::InRegion(target, region) = target else {
            return (target, self.clone());
        };
        let Inner { control, limits, guide, endpoint } = &*self.0;
        let (control, limits) = (control.in_region(region), *limits);
        let (guide, endpoint) = (Arc::clone(guide), endpoint.clone());
        (*target, Self(Arc::new(Inner { control, limits, guide, endpoint })))
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
