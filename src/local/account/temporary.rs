//! Temporary keys, which live in memory until their time is over.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::{Caller, Key, user::Secret};
use crate::local::{
    signature::SignatureError,
    token::{Mint, is_same},
};

/// The temporary keys of an account, at most [`LIMIT`].
#[derive(Debug, Clone, Default)]
pub struct TemporaryKeys(BTreeMap<String, TemporaryKey>);

/// One of them.
#[derive(Debug, Clone)]
pub struct TemporaryKey {
    /// `ASIA` and 16 characters.
    pub access_key_id: String,
    /// Of the key.
    pub secret: Secret,
    /// That has to come with each request.
    pub token: Secret,
    /// When its time is over.
    pub expires: SystemTime,
    caller: Caller,
}

impl TemporaryKeys {
    /// A key for `caller`; none when there are too many.
    pub fn issue(
        &mut self,
        caller: Caller,
        duration: Duration,
        now: SystemTime,
        mint: &mut Mint,
    ) -> Option<&TemporaryKey> {
        // Those that are over are remembered for a while, so that their holders are told so.
        self.0.retain(|_, key| now < key.expires + REMEMBERED);
        if self.0.len() >= LIMIT {
            self.0.retain(|_, key| now < key.expires);
        }
        if self.0.len() >= LIMIT {
            return None;
        }
        let access_key_id = mint.unique_id("ASIA");
        let key = TemporaryKey {
            access_key_id: access_key_id.clone(),
            secret: Secret::new(mint.secret_access_key()),
            token: Secret::new(mint.token().expose().to_owned()),
            expires: now + duration,
            caller,
        };
        Some(self.0.entry(access_key_id).or_insert(key))
    }

    /// The key that a request is signed with.
    ///
    /// # Errors
    /// [`SignatureError::UnknownKey`], for a wrong token too; [`SignatureError::ExpiredKey`].
    pub fn find(
        &self,
        access_key_id: &str,
        token: &str,
        now: SystemTime,
    ) -> Result<Key, SignatureError> {
        let key = self
            .0
            .get(access_key_id)
            .filter(|key| is_same(key.token.expose().as_bytes(), token.as_bytes()));
        let key = key.ok_or(SignatureError::UnknownKey)?;
        if now >= key.expires {
            return Err(SignatureError::ExpiredKey);
        }
        Ok(Key { secret: key.secret.clone(), caller: key.caller.clone() })
    }
}

const LIMIT: usize = 10_000;
const REMEMBERED: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::local::account::user::{User, UserEntry};

    #[test]
    fn a_key_needs_its_token_and_ends() {
        let mut mint = Mint::seeded_by_system().expect("random bytes");
        let alice = User::new("alice", "123456789012", UserEntry::default(), &mut mint).caller();
        let mut keys = TemporaryKeys::default();
        let hour = Duration::from_secs(3600);
        let key = keys.issue(alice, hour, UNIX_EPOCH, &mut mint).expect("room").clone();
        assert!(key.access_key_id.starts_with("ASIA"));
        let (id, token) = (key.access_key_id.as_str(), key.token.expose());
        let found = keys.find(id, token, UNIX_EPOCH).expect("good");
        assert_eq!(found.secret.expose(), key.secret.expose());
        assert_eq!(found.caller.name, "alice");
        let refused = |id, token, now| keys.find(id, token, now).expect_err("refused");
        assert_eq!(refused(id, "another", UNIX_EPOCH), SignatureError::UnknownKey);
        assert_eq!(refused("ASIA", token, UNIX_EPOCH), SignatureError::UnknownKey);
        assert_eq!(refused(id, token, UNIX_EPOCH + hour), SignatureError::ExpiredKey);
        assert_eq!(refused(id, "another", UNIX_EPOCH + hour), SignatureError::UnknownKey);
        assert!(!format!("{keys:?}").contains(token));
    }
}
