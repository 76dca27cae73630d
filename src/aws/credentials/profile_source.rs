//! What a profile says about credentials itself, beside the roles that they assume.

use aws_credential_types::Credentials;

use super::profile::{Source, SsoLogin, broken};
use crate::aws::{
    environment::variable,
    error::AwsError,
    files::{Profile, Profiles},
    sts::WebIdentity,
};

/// Whether there are keys, whole or not.
pub(super) fn has_keys(profile: &Profile) -> bool {
    KEYS.into_iter().any(|key| profile.option(key).is_some())
}

/// The source that goes first, in the order of botocore.
pub(super) fn source_of(profiles: &Profiles, profile: &Profile) -> Result<Source, AwsError> {
    let name = || profile.name().to_owned();
    let own = |option: &str| profile.option(option).map(str::to_owned);
    // Keys beside a role are what it is assumed with.
    if own("role_arn").is_some() && own("web_identity_token_file").is_none() && has_keys(profile) {
        return keys(profile);
    }
    if let (Some(token_file), Some(role)) = (own("web_identity_token_file"), own("role_arn")) {
        let session_name = own("role_session_name");
        let token_file = token_file.into();
        return Ok(Source::WebIdentity(WebIdentity { role, token_file, session_name }));
    }
    if SSO.into_iter().any(|option| own(option).is_some()) {
        return Ok(Source::Sso { profile: name(), login: sso(profiles, profile)? });
    }
    if profile.of_credentials_file(KEYS[0]).is_some() {
        return keys(profile);
    }
    if let Some(session) = own("login_session") {
        return Ok(Source::Console { profile: name(), session });
    }
    if let Some(command) = own("credential_process") {
        return Ok(Source::Process { profile: name(), command });
    }
    match has_keys(profile) {
        true => keys(profile),
        false => Ok(Source::Machine { profile: name() }),
    }
}

/// The token of service accounts, which goes before all that a profile says but a role, unless the
/// profile was asked for by name.
pub(super) fn web_identity_of_environment(profile: Option<&Profile>) -> Option<WebIdentity> {
    let or_own = |name: &str, option: &str| {
        let own = || profile.and_then(|profile| profile.option(option)).map(str::to_owned);
        variable(name).or_else(own)
    };
    Some(WebIdentity {
        token_file: variable("AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
        role: or_own("AWS_ROLE_ARN", "role_arn")?,
        session_name: or_own("AWS_ROLE_SESSION_NAME", "role_session_name"),
    })
}

/// Those of the credentials file, if it has any, with nothing of the other file's.
fn keys(profile: &Profile) -> Result<Source, AwsError> {
    let of_credentials = profile.of_credentials_file(KEYS[0]).is_some();
    let own = |option: &str| match of_credentials {
        true => profile.of_credentials_file(option),
        false => profile.option(option),
    };
    let (Some(id), Some(secret)) = (own(KEYS[0]), own(KEYS[1])) else {
        return Err(broken(profile.name(), "half of its key is missing"));
    };
    let token = TOKENS.into_iter().find_map(own).map(str::to_owned);
    Ok(Source::Keys(Credentials::new(id, secret, token, None, "profile")))
}

fn sso(profiles: &Profiles, profile: &Profile) -> Result<SsoLogin, AwsError> {
    let session = profile.option("sso_session");
    let place = |option: &str| {
        let of_session = match session {
            None => None,
            Some(session) => profiles.sso_session(session, option).ok_or_else(|| {
                let why = format!("its sso_session has no section [sso-session {session}]");
                broken(profile.name(), &why)
            })?,
        };
        match (of_session, profile.option(option)) {
            (Some(one), Some(other)) if one != other => {
                let why = format!("its {option} is another than that of its sso_session");
                Err(broken(profile.name(), &why))
            }
            (one, other) => one.or(other).ok_or_else(|| missing(profile, option)),
        }
        .map(str::to_owned)
    };
    let own = |option: &str| {
        let own = profile.option(option).map(str::to_owned);
        own.ok_or_else(|| missing(profile, option))
    };
    Ok(SsoLogin {
        session: session.map(str::to_owned),
        start_url: place("sso_start_url")?,
        region: place("sso_region")?,
        account: own("sso_account_id")?,
        role: own("sso_role_name")?,
    })
}

fn missing(profile: &Profile, option: &str) -> AwsError {
    broken(profile.name(), &format!("it uses SSO, and has no {option}"))
}

const KEYS: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];
/// The first is the older name, which botocore looks for first.
const TOKENS: [&str; 2] = ["aws_security_token", "aws_session_token"];
/// What a profile has that gets its credentials of SSO.
const SSO: [&str; 2] = ["sso_account_id", "sso_role_name"];
