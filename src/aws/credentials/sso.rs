//! Credentials of SSO, for the token that `aws sso login` keeps.
//!
//! The SDK's own provider goes by the environment alone, and not by the addresses that the profile
//! gives to `sso` and `sso_oidc`; its provider of tokens takes our configuration.

use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig, sso::SsoTokenProvider};
use aws_credential_types::{
    Credentials,
    provider::{self, error::CredentialsError, token::ProvideToken},
};
use aws_sdk_sso::Client;
use aws_types::sdk_config::SharedTimeSource;

use super::profile::SsoLogin;

/// Those of the account and role that the profile names.
pub(super) async fn credentials(login: &SsoLogin, sdk: &SdkConfig) -> provider::Result {
    let SsoLogin { session, start_url, region, account, role } = login;
    let region = Region::new(region.clone());
    let sdk =
        sdk.to_builder().region(region.clone()).time_source(SharedTimeSource::default()).build();
    // The AWS CLI keeps a token under the session's name, or under the address if there is none.
    let tokens = SsoTokenProvider::builder()
        .configure(&sdk)
        .session_name(session.as_ref().unwrap_or(start_url))
        .start_url(start_url)
        .region(region)
        .build()
        .await;
    let token = tokens.provide_token().await.map_err(CredentialsError::provider_error)?;

    let call = Client::new(&sdk).get_role_credentials();
    let call = call.account_id(account).role_name(role).access_token(token.token());
    let answer = call.send().await.map_err(CredentialsError::provider_error)?;
    let given = answer.role_credentials().and_then(|given| {
        let expiry = Duration::from_millis(u64::try_from(given.expiration()).ok()?);
        Some(Credentials::new(
            given.access_key_id()?,
            given.secret_access_key()?,
            given.session_token().map(str::to_owned),
            SystemTime::UNIX_EPOCH.checked_add(expiry),
            "sso",
        ))
    });
    given.ok_or_else(|| CredentialsError::provider_error("SSO answers without credentials"))
}
