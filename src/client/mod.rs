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
pub(crate) mod config_file;
pub(crate) mod control;
pub(crate) mod endpoints;
mod error;
#[cfg(feature = "aws")]
pub(crate) mod fleet;
mod guide;
pub(crate) mod limits;
pub(crate) mod opening;
pub(crate) mod port_owner;
#[cfg(feature = "aws")]
pub(crate) mod resolve;
pub(crate) mod service;
pub(crate) mod spec;
pub(crate) mod target;
pub(crate) mod tunnel;

use std::sync::Arc;

pub use error::{Error, Kind};
pub use guide::{Choice, Counting, Guide};

pub(crate) use crate::{
    channel::Ready,
    streams::{CommandEvent, Console, ExitMarker, Way},
};
pub use crate::{
    channel::{Order, Sending},
    session::{Limits, SessionEnd},
};

/// Who is asked for sessions, and how long is waited for what.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    #[cfg(feature = "aws")]
    control: control::AwsControl,
    limits: Limits,
    guide: Arc<dyn Guide>,
}

impl Client {
    #[cfg(feature = "aws")]
    pub(crate) fn of(
        settings: crate::aws::Settings,
        limits: Limits,
        guide: Arc<dyn Guide>,
    ) -> Self {
        let control = control::AwsControl::new(settings, None);
        Self(Arc::new(Inner { control, limits, guide }))
    }

    #[cfg(not(feature = "aws"))]
    pub(crate) fn of(limits: Limits, guide: Arc<dyn Guide>) -> Self {
        Self(Arc::new(Inner { limits, guide }))
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
        let Inner { control, limits, guide } = &*self.0;
        let (control, guide) = (control.in_region(region), Arc::clone(guide));
        (*target, Self(Arc::new(Inner { control, limits: *limits, guide })))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(crate) fn guide(&self) -> &Arc<dyn Guide> {
        &self.0.guide
    }
}
