//! `ssmport login`: credentials for all that comes after, whatever is cached.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

use super::{
    issuing::{Freshness, is_temporary},
    sources::Sources,
};
use crate::aws::{
    call::Caller,
    configuration::{Configuration, Settings},
    endpoints::Addresses,
    error::AwsError,
    mfa::Device,
    mfa_error::MfaError,
};

/// How to log in.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginRequest {
    /// With MFA, though neither the profile nor the settings ask for it.
    pub with_mfa: bool,
    /// How long the session or the role is to be had; `None` is what the profile says, or else 12
    /// hours for a session and one for a role.
    pub duration: Option<Duration>,
}

/// Whom AWS takes the caller for from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user's, or the role's session's.
    pub arn: String,
    /// The account's id.
    pub account: String,
    /// `None` for keys that stay.
    pub expires: Option<SystemTime>,
}

impl Login {
    /// Gets new credentials: with a code if MFA is configured or asked for, or if they are the
    /// long-term keys of a user, and keeps them in the cache.
    ///
    /// # Errors
    /// Any [`AwsError`]; [`AwsError::Sso`] when the user has to log in with the AWS CLI first.
    pub async fn new(settings: Settings, request: LoginRequest) -> Result<Self, AwsError> {
        let (configuration, sources) = Configuration::read(settings).await?;
        let Configuration { region, endpoints, http, sdk, .. } = configuration;
        let iam = Caller::new(http.connector(), Addresses::new(&sdk, endpoints, &region));
        let credentials = sources.login(request, &iam).await?;
        let caller = sources.issuing.caller(&credentials).await?;
        Ok(Self { arn: caller.arn, account: caller.account, expires: credentials.expiry() })
    }
}

impl Sources {
    async fn login(&self, request: LoginRequest, iam: &Caller) -> Result<Credentials, AwsError> {
        let lost = |error| AwsError::no_credentials(&error);
        let mut plan = self.plan().await?;
        plan.use_spare();
        let has_device = plan.has_device();
        if request.with_mfa || !has_device && plan.roles.is_empty() {
            let keys = self.keys(&plan).await.map_err(lost)?;
            match is_temporary(&keys) {
                true if request.with_mfa && !has_device => return Err(MfaError::Temporary.into()),
                false if !has_device => plan.device = Some(self.device_of(&keys, iam).await?),
                _ => {}
            }
        }
        self.follow(&plan, Freshness::New, request.duration).await.map_err(lost)
    }

    /// The device of the user whose keys these are.
    async fn device_of(&self, keys: &Credentials, iam: &Caller) -> Result<Device, AwsError> {
        let mut devices = iam.mfa_devices(keys).await?;
        match (devices.pop(), devices.is_empty()) {
            (Some(serial), true) => Ok(Device { serial, process: None }),
            (Some(serial), false) => {
                devices.push(serial);
                Err(MfaError::SeveralDevices { serials: devices.join(", ") }.into())
            }
            (None, _) => {
                let user = self.issuing.caller(keys).await?.arn;
                Err(MfaError::NoDevice { user }.into())
            }
        }
    }
}
