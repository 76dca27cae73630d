//! Whose name is used: where credentials come from, and for how long they are kept.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_config::{
    Region,
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{self, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{
        self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
    },
};
use aws_sdk_ssm::config::SharedHttpClient;
use tokio::time::timeout;

/// The credentials in use. Calls and signatures share it, so that a role is assumed, or a code
/// asked for, once for both.
#[derive(Debug)]
pub(super) struct CredentialStore {
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
    pub(super) fn new(source: impl ProvideCredentials + 'static) -> Self {
        let source = SharedCredentialsProvider::new(source);
        Self { source, kept: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Credentials that hold at `now`. When the source fails, those of before, if they have not
    /// expired for all we know.
    pub(super) async fn at(&self, now: SystemTime) -> provider::Result {
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
    pub(super) async fn within(&self, limit: Duration, now: SystemTime) -> provider::Result {
        let late = || Err(CredentialsError::provider_timed_out(limit));
        timeout(limit, self.at(now)).await.unwrap_or_else(|_| late())
    }

    /// Like [`within`](Self::within), for a caller who can do without: those of before will do.
    pub(super) async fn at_hand(&self, limit: Duration, now: SystemTime) -> Option<Credentials> {
        self.within(limit, now).await.ok().or_else(|| self.unexpired(now))
    }

    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let kept = self.kept()?;
        (now < kept.fresh_until).then_some(kept.credentials)
    }

    /// Those that are kept, if they hold at `now` for all we know.
    pub(super) fn unexpired(&self, now: SystemTime) -> Option<Credentials> {
        let credentials = self.kept()?.credentials;
        credentials.expiry().is_none_or(|expiry| now < expiry).then_some(credentials)
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, credentials: Credentials, now: SystemTime) {
        let fresh_until = match credentials.expiry() {
            Some(expiry) => expiry.checked_sub(BEFORE_EXPIRY).unwrap_or(now),
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

/// The places where the AWS CLI looks, in its order. They are set up anew each time, because the
/// SDK's own read the profile's files once and would never see the keys of a new login.
#[derive(Debug)]
pub(super) struct Sources {
    profile: Option<String>,
    region: String,
    http: SharedHttpClient,
    fips: Option<bool>,
}

impl Sources {
    pub(super) fn new(
        profile: Option<String>,
        region: &str,
        http: SharedHttpClient,
        fips: Option<bool>,
    ) -> Self {
        Self { profile, region: region.to_owned(), http, fips }
    }

    async fn ask(&self) -> provider::Result {
        let config = ProviderConfig::without_region()
            .with_region(Some(Region::new(self.region.clone())))
            .with_http_client(self.http.clone())
            .with_use_fips(self.fips);
        let profile = ProfileFileCredentialsProvider::builder().configure(&config);
        let web_identity =
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
        let ecs = EcsCredentialsProvider::builder().configure(&config).build();
        let metadata =
            imds::Client::builder().configure(&config).connect_timeout(METADATA_CONNECT).build();
        let ec2 =
            ImdsCredentialsProvider::builder().configure(&config).imds_client(metadata).build();

        // A profile that is asked for by name goes before keys in the environment.
        let chain = match &self.profile {
            Some(name) => {
                CredentialsProviderChain::first_try("profile", profile.profile_name(name).build())
            }
            None => CredentialsProviderChain::first_try(
                "environment",
                EnvironmentVariableCredentialsProvider::new(),
            )
            .or_else("profile", profile.build()),
        };
        chain
            .or_else("web identity", web_identity)
            .or_else("ECS", ecs)
            .or_else("EC2", ec2)
            .provide_credentials()
            .await
    }
}

impl ProvideCredentials for Sources {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }
}

/// Renewed this long before they expire, because they must outlast the call and its retries.
const BEFORE_EXPIRY: Duration = Duration::from_secs(60);
/// How long credentials without an expiry date are kept: tools that renew a file's keys seldom
/// write one.
const UNDATED: Duration = Duration::from_secs(60);
/// Within EC2 it answers in a millisecond, elsewhere never.
const METADATA_CONNECT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
