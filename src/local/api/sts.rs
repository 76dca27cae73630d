//! The STS API: who one is, and keys for a while.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{
    ApiError, Call,
    query::{Form, date, show},
    resource::Resource,
};
use crate::local::{
    account::{Account, Caller, MfaCheck, TemporaryKey},
    policy::Trust,
    service::EmbeddedService,
    session::Owner,
};

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    action: &str,
    form: &Form,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Option<Result<String, ApiError>> {
    Some(match action {
        "GetCallerIdentity" => get_caller_identity(call),
        "GetSessionToken" => get_session_token(form, call, service),
        "AssumeRole" => assume_role(form, call, service),
        _ => return None,
    })
}

/// Needs no permission, and none can be taken away.
fn get_caller_identity(call: &Call<'_>) -> Result<String, ApiError> {
    let nobody = Owner::default();
    let (_, account) = call.place();
    let identity = match call.caller() {
        Some(caller) => Identity { arn: &caller.arn, user_id: &caller.user_id, account },
        None => Identity { arn: &nobody.arn, user_id: &nobody.user_id, account },
    };
    show("GetCallerIdentityResult", &identity)
}

/// Needs no permission, but can be denied.
fn get_session_token(
    form: &Form,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Result<String, ApiError> {
    let (account, caller) = known(call, service)?;
    call.check_not_denied("sts:GetSessionToken", &Resource::of("*".to_owned()))?;
    if caller.temporary.is_some() {
        return Err(ApiError::refused("Cannot call GetSessionToken with session credentials"));
    }
    let duration = duration(form, HALF_A_DAY, DAY_AND_A_HALF)?;
    let with_mfa = take_mfa_code(form, caller, account, call.request.now)?;
    let session = caller.with_temporary_keys(with_mfa.then_some(call.request.now));
    let credentials = issue(session, duration, call, service)?;
    show("GetSessionTokenResult", &SessionToken { credentials })
}

fn assume_role(
    form: &Form,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Result<String, ApiError> {
    let now = call.request.now;
    let (account, caller) = known(call, service)?;
    let arn = form.required("RoleArn", "roleArn")?;
    let name = form.required("RoleSessionName", "roleSessionName")?;
    if !is_session_name(name) {
        return Err(ApiError::constraint(
            "roleSessionName",
            "Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}",
        ));
    }
    if let Some(member) = form.first_of(&NOT_EVALUATED) {
        let problem = format!("{member} is not evaluated by this local endpoint");
        return Err(ApiError::Invalid { problem });
    }
    // A role that is not there and one that trusts others look the same.
    let role = account.role(arn).cloned();
    let resource = Resource::of_iam(arn.to_owned(), role.as_ref().map(|role| &*role.tags));
    let refused = |explicit| ApiError::from(call.denial(ACTION, &resource, explicit));
    let longest = role.as_ref().map_or(LONGEST_ROLE, |role| role.longest);
    let duration = duration(form, HOUR, LONGEST_ROLE)?;

    let with_mfa = take_mfa_code(form, caller, account, now)?;
    let role = role.ok_or_else(|| refused(None))?;
    let mut keys = vec![("sts:RoleSessionName", name)];
    if let Some(id) = form.get("ExternalId") {
        keys.push(("sts:ExternalId", id));
    }
    if with_mfa {
        keys.extend([("aws:MultiFactorAuthPresent", "true"), ("aws:MultiFactorAuthAge", "0")]);
    }
    let context = call.context(&resource, &keys);
    let (_, id) = call.place();
    match role.trust.decide(id, &caller.trusted_as(), ACTION, &context) {
        Trust::Caller => call.check_not_denied_with(ACTION, &resource, &keys)?,
        Trust::Account => {
            call.authorize_with(ACTION, &resource, &keys)
                .map_err(|denial| refused(denial.explicit.filter(|explicit| *explicit)))?;
        }
        Trust::Denied { statement } => {
            tracing::info!(role = role.name, "denied by {statement}");
            return Err(refused(None));
        }
        Trust::None => return Err(refused(None)),
    }
    if duration > longest {
        return Err(ApiError::Invalid { problem: TOO_LONG.to_owned() });
    }
    if caller.user().is_none() && duration > HOUR {
        return Err(ApiError::Invalid { problem: TOO_LONG_A_CHAIN.to_owned() });
    }
    let session = role.session(name);
    let user = AssumedRole { arn: session.arn.clone(), assumed_role_id: session.user_id.clone() };
    let credentials = issue(session, duration, call, service)?;
    show("AssumeRoleResult", &Assumed { credentials, assumed_role_user: user })
}

/// The account and the caller; STS gives keys to those alone who can be told apart.
fn known<'s, 'c>(
    call: &'c Call<'_>,
    service: &'s mut EmbeddedService,
) -> Result<(&'s mut Account, &'c Caller), ApiError> {
    let known = service.account_mut().zip(call.caller());
    known.ok_or_else(|| ApiError::refused(NO_ACCOUNT))
}

/// Whether the request has an MFA device's code, and a good one.
fn take_mfa_code(
    form: &Form,
    caller: &Caller,
    account: &mut Account,
    now: SystemTime,
) -> Result<bool, ApiError> {
    let (serial, code) = match (form.get("SerialNumber"), form.get("TokenCode")) {
        (None, None) => return Ok(false),
        (Some(serial), Some(code)) => (serial, code),
        _ => return Err(ApiError::refused(HALF_MFA)),
    };
    // A role's session has no device.
    let checked = caller.user().map(|user| account.take_mfa_code(user, serial, code, now));
    match checked {
        Some(MfaCheck::Good) => Ok(true),
        Some(MfaCheck::WrongCode) => Err(ApiError::refused(WRONG_CODE)),
        Some(MfaCheck::NoSuchDevice) | None => Err(ApiError::refused(NO_DEVICE)),
    }
}

fn duration(form: &Form, usual: Duration, longest: Duration) -> Result<Duration, ApiError> {
    let Some(text) = form.get("DurationSeconds") else { return Ok(usual) };
    let seconds: u64 = text.parse().map_err(|_| {
        ApiError::constraint("durationSeconds", "Member must be a number of seconds")
    })?;
    if seconds < SHORTEST {
        let constraint = format!("Member must have value greater than or equal to {SHORTEST}");
        return Err(ApiError::constraint("durationSeconds", &constraint));
    }
    if seconds > longest.as_secs() {
        let longest = longest.as_secs();
        let constraint = format!("Member must have value less than or equal to {longest}");
        return Err(ApiError::constraint("durationSeconds", &constraint));
    }
    Ok(Duration::from_secs(seconds))
}

fn issue(
    caller: Caller,
    duration: Duration,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Result<Credentials, ApiError> {
    let key = service.issue_key(caller, duration, call.request.now).ok_or(ApiError::Throttled)?;
    Ok(Credentials::of(key))
}

fn is_session_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (2..=64).contains(&name.len()) && name.bytes().all(allowed)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity<'a> {
    arn: &'a str,
    user_id: &'a str,
    account: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionToken {
    credentials: Credentials,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Credentials,
    assumed_role_user: AssumedRole,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRole {
    arn: String,
    assumed_role_id: String,
}

/// It holds secrets, hence no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

impl Credentials {
    fn of(key: &TemporaryKey) -> Self {
        Self {
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret.expose().to_owned(),
            session_token: key.token.expose().to_owned(),
            expiration: date(key.expires),
        }
    }
}

/// Members of AssumeRole that would change what it means.
const NOT_EVALUATED: [&str; 6] =
    ["Policy", "PolicyArns.", "ProvidedContexts.", "SourceIdentity", "Tags.", "TransitiveTagKeys."];

/// Of the API.
pub const VERSION: &str = "2011-06-15";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "sts";

/// Of the answers.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

const ACTION: &str = "sts:AssumeRole";

const SHORTEST: u64 = 900;
const HOUR: Duration = Duration::from_secs(3600);
const HALF_A_DAY: Duration = Duration::from_secs(12 * 3600);
const LONGEST_ROLE: Duration = HALF_A_DAY;
const DAY_AND_A_HALF: Duration = Duration::from_secs(36 * 3600);

const NO_ACCOUNT: &str = "This local endpoint has no account; start it with --account.";
const HALF_MFA: &str = "MultiFactorAuthentication failed, must provide both MFA serial number and \
                        one time pass code.";
const WRONG_CODE: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
const NO_DEVICE: &str = "MultiFactorAuthentication failed, unable to validate MFA code.  Please \
                         verify your MFA serial number is valid and associated with this user.";
const TOO_LONG: &str =
    "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
const TOO_LONG_A_CHAIN: &str = "The requested DurationSeconds exceeds the 1 hour session limit for \
                                roles assumed by role chaining.";
