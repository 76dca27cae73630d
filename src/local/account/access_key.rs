//! An access key that was given, and the account that it is good for.

use std::{collections::BTreeMap, time::SystemTime};

use thiserror::Error;

use super::{
    Account, AccountError,
    checked::{AccessKeyId, AccountId, SecretKey},
    temporary::TemporaryKeys,
    user::{Secret, User, UserEntry},
};
use crate::local::{policy::Policy, token::Mint};

/// The one access key that an endpoint takes, of a user who may do everything.
#[derive(Debug, Clone)]
pub struct AccessKey {
    id: String,
    secret: Secret,
}

/// What is no access key. It does not say which it was: the two may have been taken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct AccessKeyError(&'static str);

impl AccessKey {
    /// A key of this id, such as `AKIAIOSFODNN7EXAMPLE`, and this secret.
    ///
    /// # Errors
    /// The id is none, or the secret is empty.
    pub fn new(id: &str, secret: &str) -> Result<Self, AccessKeyError> {
        let AccessKeyId(id) = id.to_owned().try_into().map_err(AccessKeyError)?;
        let SecretKey(secret) = secret.to_owned().try_into().map_err(AccessKeyError)?;
        Ok(Self { id, secret: Secret::new(secret) })
    }
}

impl Account {
    /// An account of one user, who has this key and may do everything.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn of_key(key: &AccessKey) -> Result<Self, AccountError> {
        let mut mint = Mint::seeded_by_system().map_err(AccountError::NoRandom)?;
        let entry = UserEntry {
            access_key_id: Some(key.id.clone()),
            secret_access_key: Some(key.secret.expose().to_owned()),
            policies: vec![Policy::of_everything()],
            ..UserEntry::default()
        };
        let AccountId(id) = AccountId::default();
        let user = User::new(USER, &id, entry, &mut mint);
        Ok(Self {
            id,
            created: SystemTime::now(),
            users: BTreeMap::from([(USER.to_owned(), user)]),
            roles: BTreeMap::new(),
            nodes: Vec::new(),
            tasks: Vec::new(),
            temporary: TemporaryKeys::default(),
            slips: Vec::new(),
        })
    }
}

/// As without an account.
const USER: &str = "local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_its_users_and_shown_by_nobody() {
        let key = AccessKey::new("AKIAIOSFODNN7EXAMPLE", "wJalr/EXAMPLE").expect("a key");
        let account = Account::of_key(&key).expect("an account");
        let found = account.key("AKIAIOSFODNN7EXAMPLE", None, SystemTime::now()).expect("known");
        assert_eq!(found.secret.expose(), "wJalr/EXAMPLE");
        assert_eq!(found.caller.arn, "arn:aws:iam::000000000000:user/local");
        assert!(account.users().all(|user| user.made_up().secret_access_key.is_none()));
        assert!(!format!("{key:?} {account:?}").contains("wJalr"));
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let error = |id, secret| AccessKey::new(id, secret).expect_err(id).to_string();
        let id = "an access key's id has 16 to 128 letters and digits";
        assert_eq!(error("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AKIA"), id);
        assert_eq!(error("", "x"), id);
        assert_eq!(error("AKIAIOSFODNN7EXAMPLE", ""), "a secret must not be empty");
    }
}
