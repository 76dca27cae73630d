//! For how long credentials are kept.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
    },
};
use tokio::time::timeout;

/// The credentials in use. Calls and signatures share it, so that a role is assumed, or a code
/// asked for, once for both.
#[derive(Debug)]
pub(in crate::aws) struct CredentialStore {
    source: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
    /// Held while the source is asked: it may be a program that talks to the user.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    credentials: Credentials,
    /// From then on the source is asked again.
    fresh_until: SystemTime,
}

impl CredentialStore {
    pub(in crate::aws) fn new(source: impl ProvideCredentials + 'static) -> Self {
        let source = SharedCredentialsProvider::new(source);
        Self { source, kept: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Credentials that hold at `now`. When the source fails, those of before, if they have not
    /// expired for all we know.
    pub(in crate::aws) async fn at(&self, now: SystemTime) -> provider::Result {
        if let Some(credentials) = self.fresh(now) {
            return Ok(credentials);
        }
        let _turn = self.asking.lock().await;
        // Somebody else may have asked in the meantime.
        if let Some(credentials) = self.fresh(now) {
            return Ok(credentials);
        }
        match self.source.provide_credentials().await {
            Ok(credentials) => {
                self.keep(credentials.clone(), now);
                Ok(credentials)
            }
            Err(error) => self.unexpired(now).ok_or(error),
        }
    }

    /// Like [`at`](Self::at), but the source has `limit` to answer.
    pub(in crate::aws) async fn within(
        &self,
        limit: Duration,
        now: SystemTime,
    ) -> provider::Result {
        let late = || Err(CredentialsError::provider_timed_out(limit));
        timeout(limit, self.at(now)).await.unwrap_or_else(|_| late())
    }

    /// Like [`within`](Self::within), for a caller who can do without: those of before will do.
    pub(in crate::aws) async fn at_hand(
        &self,
        limit: Duration,
        now: SystemTime,
    ) -> Option<Credentials> {
        self.within(limit, now).await.ok().or_else(|| self.unexpired(now))
    }

    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let kept = self.kept()?;
        (now < kept.fresh_until).then_some(kept.credentials)
    }

    /// Those that are kept, if they hold at `now` for all we know.
    pub(in crate::aws) fn unexpired(&self, now: SystemTime) -> Option<Credentials> {
        let credentials = self.kept()?.credentials;
        credentials.expiry().is_none_or(|expiry| now < expiry).then_some(credentials)
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, credentials: Credentials, now: SystemTime) {
        let fresh_until = match credentials.expiry() {
            Some(expiry) => {
                let left = expiry.duration_since(now).unwrap_or_default();
                now + (left - BEFORE_EXPIRY.min(left / 4))
            }
            None => now + UNDATED,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Kept { credentials, fresh_until });
    }
}

impl ProvideCredentials for CredentialStore {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.at(SystemTime::now()))
    }
}

/// Renewed this long before they expire, because they must outlast the call and its retries; those
/// that hold for less than four times that, in the last quarter.
const BEFORE_EXPIRY: Duration = Duration::from_secs(60);
/// How long credentials without an expiry date are kept: tools that renew a file's keys seldom
/// write one.
const UNDATED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
