//! STS: roles, sessions with a second factor, and who the caller is.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use super::{
    called_address::CalledAddress, error::AwsError, operation::Operation, service::Service,
};
use crate::files::{self, LONGEST_BY_HAND};

/// STS in one region, for whichever credentials it is asked with.
#[derive(Debug)]
pub(super) struct Sts {
    sdk: SdkConfig,
    region: String,
    endpoint_url: Option<String>,
}

/// A role to be assumed, as a profile describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RoleRequest {
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    /// `None` leaves it to AWS: an hour.
    pub(super) duration: Option<Duration>,
}

/// A role that is assumed with a token of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) role: String,
    /// Holds the token, and another one after a while.
    pub(super) token_file: PathBuf,
    pub(super) session_name: Option<String>,
}

/// A code of a device.
#[derive(Clone, Copy)]
pub(super) struct Code<'a> {
    /// The device's ARN, or the number of one made of plastic.
    pub(super) serial: &'a str,
    pub(super) code: &'a str,
}

/// Temporary credentials, and what STS tells about them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: String,
    /// In whole seconds.
    pub(super) expiration: SystemTime,
    /// The role's session; `None` for the session of a user.
    pub(super) assumed_role: Option<AssumedRole>,
}

/// The session of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssumedRole {
    pub(super) id: String,
    pub(super) arn: String,
}

/// Whom AWS takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) arn: String,
    pub(super) account: String,
}

impl Sts {
    pub(super) fn new(sdk: SdkConfig, region: &str, endpoint_url: Option<&str>) -> Self {
        Self { sdk, region: region.to_owned(), endpoint_url: endpoint_url.map(str::to_owned) }
    }

    /// `sts:AssumeRole`.
    pub(super) async fn assume_role(
        &self,
        source: &Credentials,
        role: &RoleRequest,
        code: Option<Code<'_>>,
        now: SystemTime,
    ) -> Result<Issued, AwsError> {
        let called = self.call(Some(source), "AssumeRole", &role.arn);
        let name = role.session_name.clone().unwrap_or_else(|| session_name(now));
        let request = called
            .client
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(name)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.duration.map(seconds))
            .set_serial_number(code.map(|code| code.serial.to_owned()))
            .set_token_code(code.map(|code| code.code.to_owned()));
        let answer = request.send().await.map_err(|error| called.failure(&error))?;
        let assumed_role = answer
            .assumed_role_user
            .map(|user| AssumedRole { id: user.assumed_role_id, arn: user.arn });
        called.issued(answer.credentials, assumed_role)
    }

    /// `sts:AssumeRoleWithWebIdentity`, which nobody signs.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        identity: &WebIdentity,
        now: SystemTime,
    ) -> Result<Issued, AwsError> {
        let WebIdentity { role, token_file, session_name: name } = identity;
        let token = files::read_text(token_file, LONGEST_BY_HAND).map_err(|error| {
            let why = format!("the web identity's token, {}: {error}", token_file.display());
            AwsError::Configuration { why }
        })?;
        let called = self.call(None, "AssumeRoleWithWebIdentity", role);
        let request = called
            .client
            .assume_role_with_web_identity()
            .role_arn(role)
            .role_session_name(name.clone().unwrap_or_else(|| session_name(now)))
            .web_identity_token(token.trim());
        let answer = request.send().await.map_err(|error| called.failure(&error))?;
        let assumed_role = answer
            .assumed_role_user
            .map(|user| AssumedRole { id: user.assumed_role_id, arn: user.arn });
        called.issued(answer.credentials, assumed_role)
    }

    /// `sts:GetSessionToken`: `keys` with a second factor, for `duration`.
    pub(super) async fn session_token(
        &self,
        keys: &Credentials,
        code: Code<'_>,
        duration: Duration,
    ) -> Result<Issued, AwsError> {
        let called = self.call(Some(keys), "GetSessionToken", code.serial);
        let request = called
            .client
            .get_session_token()
            .serial_number(code.serial)
            .token_code(code.code)
            .duration_seconds(seconds(duration));
        let answer = request.send().await.map_err(|error| called.failure(&error))?;
        called.issued(answer.credentials, None)
    }

    /// `sts:GetCallerIdentity`, which needs no permission.
    pub(super) async fn caller(&self, credentials: &Credentials) -> Result<Caller, AwsError> {
        let called = self.call(Some(credentials), "GetCallerIdentity", credentials.access_key_id());
        let answer = called.client.get_caller_identity().send().await;
        let answer = answer.map_err(|error| called.failure(&error))?;
        match (answer.arn, answer.account) {
            (Some(arn), Some(account)) => Ok(Caller { arn, account }),
            _ => Err(called.incomplete("the caller's ARN or account is missing")),
        }
    }

    fn call(
        &self,
        credentials: Option<&Credentials>,
        name: &'static str,
        subject: &str,
    ) -> Call<'_> {
        let endpoint = CalledAddress::default();
        let mut config =
            aws_sdk_sts::config::Builder::from(&self.sdk).interceptor(endpoint.clone());
        if let Some(credentials) = credentials {
            config = config.credentials_provider(credentials.clone());
        }
        if let Some(url) = &self.endpoint_url {
            config = config.endpoint_url(url);
        }
        let operation = Operation::new(Service::Sts, name, subject);
        Call {
            client: Client::from_conf(config.build()),
            operation,
            endpoint,
            region: &self.region,
        }
    }
}

/// A call under way.
struct Call<'a> {
    client: Client,
    operation: Operation,
    endpoint: CalledAddress,
    region: &'a str,
}

impl Call<'_> {
    fn issued(
        &self,
        credentials: Option<aws_sdk_sts::types::Credentials>,
        assumed_role: Option<AssumedRole>,
    ) -> Result<Issued, AwsError> {
        let credentials =
            credentials.ok_or_else(|| self.incomplete("the credentials are missing"))?;
        let seconds = u64::try_from(credentials.expiration.secs());
        let seconds = seconds.map_err(|_| self.incomplete("the expiration is no date"))?;
        Ok(Issued {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            session_token: credentials.session_token,
            expiration: UNIX_EPOCH + Duration::from_secs(seconds),
            assumed_role,
        })
    }

    fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        AwsError::of_call(self.operation.clone(), self.endpoint.shown(self.region), error)
    }

    fn incomplete(&self, why: &str) -> AwsError {
        AwsError::Answer {
            operation: self.operation.clone(),
            endpoint: self.endpoint.shown(self.region),
            why: why.to_owned(),
        }
    }
}

impl Issued {
    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            Some(self.session_token.clone()),
            Some(self.expiration),
            "sts",
        )
    }

    /// The account of the role.
    pub(super) fn account_id(&self) -> Option<&str> {
        self.assumed_role.as_ref()?.arn.split(':').nth(4).filter(|account| !account.is_empty())
    }
}

impl std::fmt::Debug for Issued {
    /// Without its secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .field("assumed_role", &self.assumed_role)
            .finish_non_exhaustive()
    }
}

/// A role's session needs a name, and the account's records show it.
fn session_name(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("ssmport-{}", since.as_secs())
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
