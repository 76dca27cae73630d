//! `aws login`: credentials of a session of the console, which the AWS CLI keeps and renews.
//!
//! The SDK could renew them too, with a feature that brings some thirty crates for it, a second
//! implementation of elliptic curves among them. The AWS CLI, without which there is no such session,
//! does it when it is asked for credentials.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{self, error::CredentialsError},
};
use data_encoding::HEXLOWER;
use ring::digest;
use serde::Deserialize;

use super::{process, sources::told};
use crate::aws::{
    environment::variable,
    error::{AwsError, root_cause},
    expiration,
    files::home,
};
use crate::files::{self, LONGEST_BY_HAND};

/// Those that the AWS CLI has cached, or those that it gives.
pub(super) async fn credentials(profile: &str, session: &str) -> provider::Result {
    if let Some(cached) = folder().and_then(|folder| cached(&folder, session, SystemTime::now())) {
        return Ok(cached);
    }
    let asked = process::run_program("aws", &EXPORT, profile).await;
    asked.map_err(|error: CredentialsError| {
        told(AwsError::Console { profile: profile.to_owned(), why: root_cause(&error) })
    })
}

fn folder() -> Option<PathBuf> {
    let named = variable("AWS_LOGIN_CACHE_DIRECTORY").map(PathBuf::from);
    named.or_else(|| Some(home(&variable)?.join(".aws/login/cache")))
}

/// What the AWS CLI wrote last, if it holds for a while at `now`.
fn cached(folder: &Path, session: &str, now: SystemTime) -> Option<Credentials> {
    let name = HEXLOWER.encode(digest::digest(&digest::SHA256, session.trim().as_bytes()).as_ref());
    let path = folder.join(format!("{name}.json"));
    let text = files::read(&path, LONGEST_BY_HAND).inspect_err(|error| {
        tracing::debug!("{}: {error}", path.display());
    });
    let entry: Entry = serde_json::from_slice(&text.ok()?).ok()?;
    let Token { access_key_id, secret_access_key, session_token, expires_at } = entry.access_token;
    let expiry = expiration::parse(&expires_at).filter(|expiry| *expiry > now + WINDOW)?;
    let token = Some(session_token).filter(|token| !token.is_empty());
    Some(Credentials::new(access_key_id, secret_access_key, token, Some(expiry), "login"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    access_token: Token,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expires_at: String,
}

const EXPORT: [&str; 4] = ["configure", "export-credentials", "--format", "process"];
/// They must outlast a call and its retries.
const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_is_used_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let session = "arn:aws:iam::123456789012:user/dev";
        // `hashlib.sha256(session.encode()).hexdigest()`
        let name = "893f13863f68a08133e541260597f1d60f5bf9b326625782990032cbad201e26";
        let token = serde_json::json!({ "accessToken": {
            "accessKeyId": "ASIA", "secretAccessKey": "s", "sessionToken": "t",
            "accountId": "123456789012", "expiresAt": "2026-11-21T18:30:05Z",
        }, "refreshToken": "r", "dpopKey": "k" });
        std::fs::write(folder.path().join(format!("{name}.json")), token.to_string()).unwrap();
        let expiry = expiration::parse("2026-11-21T18:30:05Z").unwrap();
        let at = |before: u64| cached(folder.path(), session, expiry - Duration::from_secs(before));
        assert_eq!(at(61).unwrap().session_token(), Some("t"));
        assert!(at(60).is_none());
        assert!(cached(folder.path(), "another", expiry - Duration::from_secs(3600)).is_none());
    }
}
