//! The places where the AWS CLI looks, in its order.

use std::{
    error::Error,
    iter,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use aws_config::{
    SdkConfig, imds::credentials::ImdsCredentialsProvider, provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_ssm::error::ConnectorError;
use tokio::time::timeout;

use super::{
    console, container,
    issuing::{Freshness, Issuing, is_temporary},
    process,
    profile::{Plan, Source},
    profile_source::web_identity_of_environment,
    sso,
};
use crate::aws::{
    credential_cache::CredentialCache,
    environment::variable,
    error::AwsError,
    expiration,
    files::Profiles,
    http_client::HttpWay,
    instance::metadata_client,
    mfa::{Codes, Mfa},
    mfa_error::MfaError,
    sts::Sts,
};

/// Where credentials come from. The files are read anew each time: there may be keys of a new login.
#[derive(Debug)]
pub(in crate::aws) struct Sources {
    profile: Option<String>,
    sdk: SdkConfig,
    http: HttpWay,
    pub(super) issuing: Issuing,
    /// A session of the keys was found once: without one they are not what they were.
    had_session: AtomicBool,
    /// That a code was given for nothing is said once.
    said_unused: AtomicBool,
}

impl Sources {
    pub(in crate::aws) fn new(
        profile: Option<String>,
        sdk: &SdkConfig,
        http: &HttpWay,
        sts: Sts,
        mfa: Mfa,
    ) -> Self {
        let issuing = Issuing::new(sts, CredentialCache::of_home(), Codes::new(mfa));
        Self {
            profile,
            sdk: sdk.clone(),
            http: http.clone(),
            issuing,
            had_session: AtomicBool::default(),
            said_unused: AtomicBool::default(),
        }
    }

    async fn ask(&self) -> Result<Credentials, CredentialsError> {
        let mut plan = self.plan().await.map_err(told)?;
        if self.issuing.has_code() {
            plan.use_spare();
        }
        let found = self.follow(&plan, Freshness::Cached, None).await?;
        if self.issuing.has_code() && !self.said_unused.swap(true, Ordering::Relaxed) {
            let why = match plan.has_device() {
                true => format!("the session of before holds{}", left(found.expiry())),
                false => "no device is known for it: set `mfa_serial` in the profile".to_owned(),
            };
            tracing::warn!("the MFA code is not used: {why}");
        }
        Ok(found)
    }

    /// Which way leads to credentials. A profile that is asked for by name goes before keys in the
    /// environment, any other one behind.
    pub(super) async fn plan(&self) -> Result<Plan, AwsError> {
        let serial = self.issuing.serial();
        if self.profile.is_none() && KEYS.into_iter().all(|name| variable(name).is_some()) {
            return Ok(Plan::of_environment(serial));
        }
        let profiles = Profiles::load(self.profile.as_deref())?;
        let mut plan = Plan::of(&profiles, serial)?;
        if self.profile.is_none()
            && plan.roles.is_empty()
            && let Some(identity) = web_identity_of_environment(profiles.get(profiles.selected()))
        {
            plan.source = Source::WebIdentity(identity);
        }
        Ok(plan)
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
            let assumed = match (assumed, &plan.spare) {
                (Err(refused @ AwsError::Refused { .. }), Some(device))
                    if at == 0 && !is_temporary(&credentials) =>
                {
                    match self.issuing.session(&credentials, device, None, freshness).await {
                        Ok(session) => self.issuing.role(&session, role, lifetime, freshness).await,
                        // Its next step is a login.
                        Err(AwsError::Mfa(MfaError::NoTerminal { .. } | MfaError::Expired)) => {
                            Err(refused.signed_with(&credentials))
                        }
                        Err(error) => Err(error),
                    }
                }
                (assumed, _) => assumed,
            };
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

    /// What the source has, before any call of STS with it.
    pub(super) async fn keys(&self, plan: &Plan) -> Result<Credentials, CredentialsError> {
        let found = match &plan.source {
            Source::Keys(keys) => Ok(keys.clone()),
            Source::Environment => of_environment(),
            Source::Process { profile, command } => {
                let printed = process::run(profile, command, self.issuing.is_heard());
                within(&format!("profile `{profile}`"), printed).await
            }
            Source::Sso { profile, login } => {
                let asked = sso::credentials(login, &self.sdk);
                match within(&format!("profile `{profile}`"), asked).await {
                    Err(error) if !is_of_network(&error) => {
                        Err(told(AwsError::sso(profile, &error)))
                    }
                    answer => answer,
                }
            }
            Source::WebIdentity(identity) => {
                self.issuing.web_identity(identity).await.map_err(told)
            }
            Source::Console { profile, session } => {
                let asked = console::credentials(profile, session);
                within(&format!("profile `{profile}`"), asked).await
            }
            Source::Container => within("the container", self.container()).await,
            Source::InstanceMetadata => {
                within("the instance", self.metadata().provide_credentials()).await
            }
            Source::Machine { .. } if plan.roles.is_empty() => {
                within("this machine", self.machine()).await
            }
            Source::Machine { profile } => {
                let why =
                    format!("profile `{profile}`: it has no credentials to assume a role with");
                Err(told(AwsError::Configuration { why }))
            }
        };
        found.map(without_empty_token)
    }

    /// What there is without a profile.
    async fn machine(&self) -> provider::Result {
        match self.container().await {
            Err(CredentialsError::CredentialsNotLoaded(_)) => {
                self.metadata().provide_credentials().await
            }
            found => found,
        }
    }

    async fn container(&self) -> provider::Result {
        container::credentials(&self.http.connector()).await
    }

    fn metadata(&self) -> ImdsCredentialsProvider {
        let config = self.config();
        let client = metadata_client(&config);
        ImdsCredentialsProvider::builder().configure(&config).imds_client(client).build()
    }

    fn config(&self) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(self.sdk.region().cloned())
            .with_http_client(self.http.client())
            .with_use_fips(self.sdk.use_fips())
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

/// The keys in the environment. The token's older name goes first, as for botocore.
fn of_environment() -> provider::Result {
    let [Some(id), Some(secret)] = KEYS.map(variable) else {
        return Err(CredentialsError::not_loaded("not in the environment"));
    };
    let token = ["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"].into_iter().find_map(variable);
    let expiry = variable("AWS_CREDENTIAL_EXPIRATION").and_then(|date| expiration::parse(&date));
    Ok(Credentials::new(id, secret, token, expiry, "environment"))
}

/// A token that is there and empty is none.
fn without_empty_token(found: Credentials) -> Credentials {
    if found.session_token() != Some("") {
        return found;
    }
    let (id, secret) = (found.access_key_id(), found.secret_access_key());
    Credentials::new(id, secret, None, found.expiry(), "source")
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

/// How long what expires so is good for, as the end of a sentence.
fn left(expiry: Option<SystemTime>) -> String {
    let left = expiry.and_then(|at| at.duration_since(SystemTime::now()).ok());
    left.map_or_else(String::new, |left| {
        let minutes = Duration::from_secs(left.as_secs().div_ceil(60) * 60);
        format!(", for {}", humantime::format_duration(minutes))
    })
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
