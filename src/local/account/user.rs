//! Users and their keys.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use super::Caller;
use crate::local::token::Mint;

/// A user with one access key.
#[derive(Debug, Clone)]
pub struct User {
    /// Unique in its account.
    pub name: String,
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// `AIDA` and 17 characters.
    pub id: String,
    pub(super) access_key_id: String,
    pub(super) secret: Secret,
    made_up: bool,
}

/// The keys that an account file gives a user.
pub(super) struct Keys {
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
}

impl User {
    pub(super) fn new(name: &str, account: &str, given: Keys, mint: &mut Mint) -> Self {
        let made_up = given.secret_access_key.is_none();
        let secret = given.secret_access_key.unwrap_or_else(|| mint.secret_access_key());
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            id: mint.unique_id("AIDA"),
            access_key_id: given.access_key_id.unwrap_or_else(|| mint.unique_id("AKIA")),
            secret: Secret::new(secret),
            made_up,
        }
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { arn: self.arn.clone(), name: self.name.clone() }
    }

    /// What the user cannot know from the account file, and what goes with it.
    pub fn made_up(&self) -> MadeUp<'_> {
        MadeUp {
            name: &self.name,
            access_key_id: &self.access_key_id,
            secret_access_key: self.made_up.then(|| self.secret.expose()),
        }
    }
}

/// A user's keys, with the secrets that were made up; those of the account file are never shown.
#[derive(Serialize)]
pub struct MadeUp<'a> {
    /// The user's.
    pub name: &'a str,
    /// Public.
    pub access_key_id: &'a str,
    /// If it was made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<&'a str>,
}

/// A text that nobody sees by accident.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
