//! Settings of a client.

use std::sync::Arc;

use super::{Client, Error, Guide, Inner, Kind, Limits, Readiness, Realm, guide::Alone, limits};
#[cfg(feature = "aws")]
use crate::{
    aws::{self, Settings},
    client::Mfa,
};

/// A client that is to be. What is not given is taken from the environment and from `~/.aws`, as the AWS
/// CLI does.
#[must_use]
pub struct Builder {
    #[cfg(feature = "aws")]
    settings: Settings,
    limits: Option<Limits>,
    guide: Arc<dyn Guide>,
    realm: Option<Realm>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "aws")]
            settings: Settings::default(),
            limits: None,
            guide: Arc::new(Alone),
            realm: None,
        }
    }

    /// A profile of `~/.aws`; it goes before keys in the environment.
    #[cfg(feature = "aws")]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.settings.profile = Some(name.into());
        self
    }

    /// A region, for example `eu-west-1`.
    #[cfg(feature = "aws")]
    pub fn region(mut self, name: impl Into<String>) -> Self {
        self.settings.region = Some(name.into());
        self
    }

    /// Address of every service, for example of `ssmport local`.
    #[cfg(feature = "aws")]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        let all = Some(url.into());
        self.settings.endpoints = aws::Endpoints { all, ..self.settings.endpoints };
        self
    }

    /// How codes of an MFA device are had. Without it nobody is asked, and what the AWS CLI has cached
    /// is used.
    #[cfg(feature = "aws")]
    pub fn mfa(mut self, mfa: Mfa) -> Self {
        self.settings.mfa = mfa;
        self
    }

    /// How long is waited for what, and how sessions send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Who is told and asked while a node is looked for.
    pub fn guide(mut self, guide: impl Guide + 'static) -> Self {
        self.guide = Arc::new(guide);
        self
    }

    pub(super) fn realm(mut self, realm: Realm) -> Self {
        self.realm = Some(realm);
        self
    }

    /// The client. Nothing is called before it is needed.
    ///
    /// # Errors
    /// When a variable of the environment makes no sense.
    pub fn build(self) -> Result<Client, Error> {
        let limits = match self.limits {
            Some(limits) => limits,
            None => limits::from_environment()
                .map_err(|why| Error::new(Kind::Usage, why.to_string()))?,
        };
        if let Some(realm) = self.realm {
            let (guide, readiness) = (self.guide, Readiness::new());
            return Ok(Client(Arc::new(Inner { realm, limits, guide, readiness })));
        }
        Ok(Client::of(
            #[cfg(feature = "aws")]
            self.settings,
            limits,
            self.guide,
        ))
    }
}
