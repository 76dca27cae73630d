//! The places where the AWS CLI looks, in its order.

use std::{
    error::Error,
    iter,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
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
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_ssm::{config::SharedHttpClient, error::ConnectorError};
use tokio::time::timeout;

use super::{
    issuing::{Freshness, Issuing},
    profile::{Plan, Source},
};
use crate::aws::{
    configuration::{ConfigFiles, read_profile},
    credential_cache::CredentialCache,
    error::AwsError,
    mfa::{Codes, Mfa, MfaError},
    sts::Sts,
};

/// Where credentials come from. The places are set up anew each time, because the SDK's own read
/// the profile's files once and would never see the keys of a new login.
#[derive(Debug)]
pub(in crate::aws) struct Sources {
    profile: Option<String>,
    region: String,
    http: SharedHttpClient,
    fips: Option<bool>,
    pub(super) issuing: Issuing,
    /// A session of the keys was found once: without one they are not what they were.
    had_session: AtomicBool,
}

impl Sources {
    pub(in crate::aws) fn new(
        profile: Option<String>,
        region: &str,
        http: SharedHttpClient,
        fips: Option<bool>,
        sts: Sts,
        mfa: Mfa,
    ) -> Self {
        let issuing = Issuing::new(sts, CredentialCache::of_home(), Codes::new(mfa));
        Self {
            profile,
            region: region.to_owned(),
            http,
            fips,
            issuing,
            had_session: AtomicBool::new(false),
        }
    }

    async fn ask(&self) -> Result<Credentials, CredentialsError> {
        let plan = self.plan().await.map_err(told)?;
        self.follow(&plan, Freshness::Cached, None).await
    }

    /// Which way leads to credentials. A profile that is asked for by name goes before keys in the
    /// environment, any other one behind.
    pub(super) async fn plan(&self) -> Result<Plan, AwsError> {
        let is_set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let serial = self.issuing.serial();
        if self.profile.is_none() && KEYS.into_iter().all(is_set) {
            return Ok(Plan::of_environment(serial));
        }
        let profiles = read_profile(self.profile.as_deref(), &ConfigFiles::default()).await?;
        Plan::of(&profiles, serial)
    }

    /// Goes the way of `plan`, from the last role on that the cache has. What is begun anew is to
    /// hold for `lifetime`.
    pub(super) async fn follow(
        &self,
        plan: &Plan,
        freshness: Freshness,
        lifetime: Option<Duration>,
    ) -> Result<Credentials, CredentialsError> {
        let cached = || {
            let mut roles = plan.roles.iter().enumerate().rev();
            roles.find_map(|(at, role)| Some((at + 1, self.issuing.cached_role(role)?)))
        };
        let (next, mut credentials) = match cached().filter(|_| freshness == Freshness::Cached) {
            Some(found) => found,
            None => (0, self.first(plan, freshness, lifetime).await?),
        };
        for (at, role) in plan.roles.iter().enumerate().skip(next) {
            // A role assumed by a role holds for an hour at most.
            let lifetime = lifetime.map(|asked| if at == 0 { asked } else { asked.min(HOUR) });
            let assumed = self.issuing.role(&credentials, role, lifetime, freshness).await;
            credentials = assumed.map_err(told)?;
        }
        Ok(credentials)
    }

    /// The credentials that the first role is assumed with, or those to be used if there is none.
    async fn first(
        &self,
        plan: &Plan,
        freshness: Freshness,
        lifetime: Option<Duration>,
    ) -> Result<Credentials, CredentialsError> {
        let keys = self.keys(plan).await?;
        if let Some(device) = &plan.device {
            let lifetime = lifetime.or(plan.duration);
            let session = self.issuing.session(&keys, device, lifetime, freshness).await;
            return session.map_err(told);
        }
        // A role that takes a code takes it with the keys alone.
        if plan.roles.first().is_some_and(|role| role.device.is_some()) {
            return Ok(keys);
        }
        match self.issuing.cached_session(&keys) {
            Some(session) => {
                self.had_session.store(true, Ordering::Relaxed);
                Ok(session)
            }
            // The bare keys would be refused what was allowed before.
            None if freshness == Freshness::Cached && self.had_session.load(Ordering::Relaxed) => {
                Err(told(MfaError::Expired.into()))
            }
            None => Ok(keys),
        }
    }

    /// What the source has, before any call of STS.
    pub(super) async fn keys(&self, plan: &Plan) -> Result<Credentials, CredentialsError> {
        match &plan.source {
            Source::Keys(keys) => Ok(keys.clone()),
            Source::Environment => {
                let environment = EnvironmentVariableCredentialsProvider::new();
                environment.provide_credentials().await
            }
            Source::Container => {
                let container = EcsCredentialsProvider::builder().configure(&self.config()).build();
                within("the container", container.provide_credentials()).await
            }
            Source::InstanceMetadata => {
                within("the instance", self.metadata().provide_credentials()).await
            }
            Source::Profile { name, uses_sso } => {
                let profile = ProfileFileCredentialsProvider::builder().configure(&self.config());
                let profile = profile.profile_name(name).build();
                let what = format!("profile `{name}`");
                match within(&what, profile.provide_credentials()).await {
                    Err(CredentialsError::CredentialsNotLoaded(_)) if plan.roles.is_empty() => {
                        within("this machine", self.machine().provide_credentials()).await
                    }
                    Err(CredentialsError::CredentialsNotLoaded(error)) => {
                        tracing::debug!("{error:?}");
                        let why = format!("{what}: it has no credentials to assume a role with");
                        Err(told(AwsError::Configuration { why }))
                    }
                    Err(error) if *uses_sso && !is_of_network(&error) => {
                        Err(told(AwsError::sso(name, &error)))
                    }
                    answer => answer,
                }
            }
        }
    }

    /// What there is without a profile.
    fn machine(&self) -> CredentialsProviderChain {
        let config = self.config();
        let web_identity =
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
        let ecs = EcsCredentialsProvider::builder().configure(&config).build();
        CredentialsProviderChain::first_try("web identity", web_identity)
            .or_else("ECS", ecs)
            .or_else("EC2", self.metadata())
    }

    fn metadata(&self) -> ImdsCredentialsProvider {
        let config = self.config();
        let client = imds::Client::builder()
            .configure(&config)
            .connect_timeout(METADATA_CONNECT)
            .operation_timeout(METADATA_ANSWER)
            .max_attempts(METADATA_ATTEMPTS)
            .build();
        ImdsCredentialsProvider::builder().configure(&config).imds_client(client).build()
    }

    fn config(&self) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(Some(Region::new(self.region.clone())))
            .with_http_client(self.http.clone())
            .with_use_fips(self.fips)
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

/// Gives a source time: it may be a program that talks to its user.
async fn within(what: &str, asked: impl Future<Output = provider::Result>) -> provider::Result {
    let mut asked = pin!(asked);
    if let Ok(answer) = timeout(NOTICE, &mut asked).await {
        return answer;
    }
    tracing::warn!("waiting for the credentials of {what}");
    let late = || Err(CredentialsError::provider_timed_out(PATIENCE));
    timeout(PATIENCE - NOTICE, asked).await.unwrap_or_else(|_| late())
}

/// An error of ours, on its way through the SDK's.
pub(super) fn told(error: AwsError) -> CredentialsError {
    CredentialsError::provider_error(error)
}

/// Whether nobody said no, but nobody was reached.
fn is_of_network(error: &CredentialsError) -> bool {
    let first: &(dyn Error + 'static) = error;
    let mut chain = iter::successors(Some(first), |&error| error.source());
    matches!(error, CredentialsError::ProviderTimedOut(_))
        || chain.any(|error| error.is::<ConnectorError>())
}

/// Of a role that is assumed by a role.
const HOUR: Duration = Duration::from_secs(60 * 60);
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
/// When it is said who is waited for.
const NOTICE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);
/// Within EC2 it answers in a millisecond, elsewhere never.
const METADATA_CONNECT: Duration = Duration::from_millis(500);
const METADATA_ANSWER: Duration = Duration::from_secs(2);
const METADATA_ATTEMPTS: u32 = 2;
