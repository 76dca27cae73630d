//! Users, with their keys and their MFA devices.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Caller,
    caller::Principal,
    mfa::{MfaDevice, Seed},
};
use crate::local::{policy::Policy, token::Mint};

/// A user with one access key.
#[derive(Debug, Clone)]
pub struct User {
    /// Unique in its account.
    pub name: String,
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// `AIDA` and 17 characters.
    pub id: String,
    /// If the user has one.
    pub mfa: Option<MfaDevice>,
    pub(super) access_key_id: String,
    pub(super) secret: Secret,
    account: String,
    /// What conditions on `aws:PrincipalTag`, and on `aws:ResourceTag` of calls about it, are about.
    pub tags: Arc<BTreeMap<String, String>>,
    policies: Arc<[Policy]>,
    has_made_up_id: bool,
    has_made_up_key: bool,
    made_up_seed: Option<Seed>,
}

/// What an account file says of a user.
#[derive(Default)]
pub(super) struct UserEntry {
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub mfa_serial: Option<String>,
    pub mfa_seed: Option<Seed>,
    pub tags: BTreeMap<String, String>,
    pub policies: Vec<Policy>,
    /// What was made up for the user before, for what is left open above.
    pub kept: KeptUser,
}

/// What was made up for a user.
#[derive(Debug, Clone, Default)]
pub struct KeptUser {
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub mfa_seed: Option<Seed>,
}

impl User {
    pub(super) fn new(name: &str, account: &str, entry: UserEntry, mint: &mut Mint) -> Self {
        let kept = entry.kept;
        let made_up_id = || kept.access_key_id.unwrap_or_else(|| mint.unique_id("AKIA"));
        let has_made_up_id = entry.access_key_id.is_none();
        let access_key_id = entry.access_key_id.unwrap_or_else(made_up_id);
        let made_up_key = || kept.secret_access_key.unwrap_or_else(|| Secret::made_up(mint));
        let has_made_up_key = entry.secret_access_key.is_none();
        let secret = entry.secret_access_key.map_or_else(made_up_key, Secret::new);
        let made_up_seed = match (&entry.mfa_serial, &entry.mfa_seed) {
            (Some(_), None) => Some(kept.mfa_seed.unwrap_or_else(|| Seed::new(mint))),
            _ => None,
        };
        let serial =
            entry.mfa_serial.unwrap_or_else(|| format!("arn:aws:iam::{account}:mfa/{name}"));
        let seed = entry.mfa_seed.or_else(|| made_up_seed.clone());
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            id: mint.unique_id("AIDA"),
            mfa: seed.map(|seed| MfaDevice::new(serial, seed)),
            access_key_id,
            secret,
            account: account.to_owned(),
            tags: Arc::new(entry.tags),
            policies: entry.policies.into(),
            has_made_up_id,
            has_made_up_key,
            made_up_seed,
        }
    }

    /// Whoever has the user's own keys.
    pub fn caller(&self) -> Caller {
        Caller {
            arn: self.arn.clone(),
            user_id: self.id.clone(),
            name: self.name.clone(),
            account: self.account.clone(),
            principal: Principal::User,
            tags: Arc::clone(&self.tags),
            policies: Arc::clone(&self.policies),
            temporary: None,
        }
    }

    /// What the user cannot know from the account file, and what goes with it.
    pub fn made_up(&self) -> MadeUp<'_> {
        MadeUp {
            name: &self.name,
            access_key_id: &self.access_key_id,
            secret_access_key: self.has_made_up_key.then(|| self.secret.expose()),
            mfa_serial: self.mfa.as_ref().map(|mfa| mfa.serial.as_str()),
            mfa_seed: self.made_up_seed.as_ref().map(Seed::text),
        }
    }

    /// What is to be kept, so that it need not be made up again.
    pub(super) fn to_keep(&self) -> KeptUser {
        KeptUser {
            access_key_id: self.has_made_up_id.then(|| self.access_key_id.clone()),
            secret_access_key: self.has_made_up_key.then(|| self.secret.clone()),
            mfa_seed: self.made_up_seed.clone(),
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
    /// Of the device, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_serial: Option<&'a str>,
    /// Of the device, if it was made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_seed: Option<String>,
}

impl MadeUp<'_> {
    /// What programs send that must send something, where it is not looked at.
    pub(in crate::local) const ANY: Self = Self {
        name: "local",
        access_key_id: "test",
        secret_access_key: Some("test"),
        mfa_serial: None,
        mfa_seed: None,
    };
}

/// A text that nobody sees by accident.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    fn made_up(mint: &mut Mint) -> Self {
        Self::new(mint.secret_access_key())
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
