//! Temporary credentials: of the cache if it has some, else of STS, with a code where one is needed.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use super::profile::Role;
use crate::aws::{
    credential_cache::{CredentialCache, Key},
    error::AwsError,
    mfa::{Codes, Device},
    mfa_error::MfaError,
    sts::{Caller, Code, Issued, RoleRequest, Sts, WebIdentity},
};

/// Whether an entry of the cache will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freshness {
    Cached,
    /// A code is asked for whatever the cache has.
    New,
}

/// STS with the cache before it.
#[derive(Debug)]
pub(super) struct Issuing {
    sts: Sts,
    cache: CredentialCache,
    codes: Codes,
}

/// What is asked of STS.
#[derive(Clone, Copy)]
enum Request<'a> {
    Role(&'a RoleRequest),
    /// For how long.
    Session(Duration),
}

impl Issuing {
    pub(super) fn new(sts: Sts, cache: CredentialCache, codes: Codes) -> Self {
        Self { sts, cache, codes }
    }

    /// The device that was asked for.
    pub(super) fn serial(&self) -> Option<&str> {
        self.codes.serial()
    }

    /// Whether there is a code that was not used yet.
    pub(super) fn has_code(&self) -> bool {
        self.codes.has_code()
    }

    /// Whether sources may speak to the user.
    pub(super) fn is_heard(&self) -> bool {
        self.codes.is_heard()
    }

    /// A role for a token.
    pub(super) async fn web_identity(
        &self,
        identity: &WebIdentity,
    ) -> Result<Credentials, AwsError> {
        let issued = self.sts.assume_role_with_web_identity(identity, now()).await?;
        Ok(issued.credentials())
    }

    pub(super) async fn caller(&self, credentials: &Credentials) -> Result<Caller, AwsError> {
        self.sts.caller(credentials).await
    }

    /// What the cache has of a role.
    pub(super) fn cached_role(&self, role: &Role) -> Option<Credentials> {
        let found = self.cache.find(&key(role), window(role.request.duration), now());
        found.map(|issued| issued.credentials())
    }

    /// The role, assumed by `source`.
    pub(super) async fn role(
        &self,
        source: &Credentials,
        role: &Role,
        lifetime: Option<Duration>,
        freshness: Freshness,
    ) -> Result<Credentials, AwsError> {
        let key = key(role);
        // The entry's name goes by what the profile says.
        let asked =
            RoleRequest { duration: lifetime.or(role.request.duration), ..role.request.clone() };
        let Some(device) = &role.device else {
            let issued = self.sts.assume_role(source, &asked, None, now()).await?;
            self.cache.keep(&key, &issued);
            return Ok(issued.credentials());
        };
        if freshness == Freshness::Cached
            && let Some(issued) = self.role_of_session(source, &asked).await
        {
            self.cache.keep(&key, &issued);
            return Ok(issued.credentials());
        }
        self.with_code(&key, source, device, Request::Role(&asked), freshness).await
    }

    /// A session of `keys` that was begun with MFA says so to the roles that it assumes.
    async fn role_of_session(&self, keys: &Credentials, role: &RoleRequest) -> Option<Issued> {
        let session = self.cached_session(keys)?;
        let assumed = self.sts.assume_role(&session, role, None, now()).await;
        assumed.inspect_err(|error| tracing::debug!("with the MFA session: {error}")).ok()
    }

    /// The session with MFA of long-term keys, if the cache has one.
    pub(super) fn cached_session(&self, keys: &Credentials) -> Option<Credentials> {
        if is_temporary(keys) {
            return None;
        }
        let found = self.cache.find(&Key::of_session(keys.access_key_id()), MARGIN, now());
        found.map(|issued| issued.credentials())
    }

    /// A session with MFA of long-term keys. Temporary ones stay as they are.
    pub(super) async fn session(
        &self,
        keys: &Credentials,
        device: &Device,
        lifetime: Option<Duration>,
        freshness: Freshness,
    ) -> Result<Credentials, AwsError> {
        if is_temporary(keys) {
            return Ok(keys.clone());
        }
        let key = Key::of_session(keys.access_key_id());
        let request = Request::Session(lifetime.unwrap_or(SESSION));
        self.with_code(&key, keys, device, request, freshness).await
    }

    async fn with_code(
        &self,
        key: &Key,
        source: &Credentials,
        device: &Device,
        request: Request<'_>,
        freshness: Freshness,
    ) -> Result<Credentials, AwsError> {
        let issued = match self.issue(key, source, device, request, freshness).await {
            // Nobody can be asked: the entry will do to its very end.
            Err(error @ AwsError::Mfa(MfaError::NoTerminal { .. } | MfaError::Expired))
                if freshness == Freshness::Cached =>
            {
                self.cache.find(key, MARGIN, now()).ok_or(error)?
            }
            issued => issued?,
        };
        Ok(issued.credentials())
    }

    async fn issue(
        &self,
        key: &Key,
        source: &Credentials,
        device: &Device,
        request: Request<'_>,
        freshness: Freshness,
    ) -> Result<Issued, AwsError> {
        let cached = || match freshness {
            Freshness::Cached => self.cache.find(key, window(Some(request.lifetime())), now()),
            Freshness::New => None,
        };
        if let Some(issued) = cached() {
            return Ok(issued);
        }
        self.codes.check(device)?;
        // Ten at a time ask once: all but the first find the entry.
        let serial = &device.serial;
        let waits =
            || tracing::warn!("waiting for the MFA code of {serial} that another ssmport asks for");
        let _lock = self.cache.lock(key, waits).await;
        if let Some(issued) = cached() {
            return Ok(issued);
        }
        let mut attempts = self.codes.of(device);
        loop {
            let code = attempts.next().await?;
            let code = Code { serial, code: &code };
            let answer = match request {
                Request::Role(role) => self.sts.assume_role(source, role, Some(code), now()).await,
                Request::Session(lifetime) => self.sts.session_token(source, code, lifetime).await,
            };
            match answer {
                Ok(issued) => {
                    self.cache.keep(key, &issued);
                    return Ok(issued);
                }
                Err(error) => attempts.refused(error)?,
            }
        }
    }
}

impl Request<'_> {
    fn lifetime(self) -> Duration {
        match self {
            Self::Role(role) => role.duration.unwrap_or(ROLE),
            Self::Session(lifetime) => lifetime,
        }
    }
}

fn key(role: &Role) -> Key {
    Key::of_role(&role.request, role.device.as_ref().map(|device| device.serial.as_str()))
}

/// Only long-term keys and roles take codes.
pub(super) fn is_temporary(credentials: &Credentials) -> bool {
    credentials.session_token().is_some()
}

/// How long an entry must still hold: as botocore has it, but no more than a quarter of what it
/// holds at all, or those of a quarter of an hour would never be used.
fn window(lifetime: Option<Duration>) -> Duration {
    WINDOW.min(lifetime.unwrap_or(ROLE) / 4)
}

fn now() -> SystemTime {
    SystemTime::now()
}

/// AWS's default, and its longest for a role assumed by another.
const ROLE: Duration = Duration::from_secs(3600);
/// AWS's default for an IAM user.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// botocore's.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// What is used to its end must outlast a call.
const MARGIN: Duration = Duration::from_secs(60);
