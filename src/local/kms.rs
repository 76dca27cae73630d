//! The endpoint's own KMS: as much of it as encrypted sessions need.
//!
//! It has one key, which only has a name. Data keys are encrypted with a secret of the process, and
//! bound to their encryption context: whoever shows another one gets nothing back.

use std::{collections::BTreeMap, fmt, io};

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Name and value pairs that a data key is bound to.
pub type EncryptionContext = BTreeMap<String, String>;

/// A key service with one key, or none.
pub struct Kms {
    /// The key's ARN.
    key: Option<String>,
    /// Whether its region and account are those of its ARN, or any.
    has_place: bool,
    secret: LessSafeKey,
    random: SystemRandom,
}

/// A data key, in the clear and encrypted.
pub struct GeneratedKey {
    /// The ARN of the key that it is encrypted with.
    pub key: String,
    /// Overwritten when it is dropped.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// As the endpoint's KMS decrypts it.
    pub ciphertext: Vec<u8>,
}

impl Kms {
    /// A service that knows `key` by any of its names: the id, the alias, the ARN of either.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(key: Option<&str>) -> io::Result<Self> {
        let random = SystemRandom::new();
        let no_random = || io::Error::other("no random bytes from the system");
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(&mut *secret).map_err(|_| no_random())?;
        let secret = UnboundKey::new(&AES_256_GCM, &*secret).map_err(|_| no_random())?;
        let has_place = key.is_some_and(|key| key.starts_with("arn:"));
        Ok(Self { key: key.map(arn), has_place, secret: LessSafeKey::new(secret), random })
    }

    /// With a key that belongs to an account, unless its ARN says to which.
    #[must_use]
    pub fn of_account(self, id: &str) -> Self {
        let key = self.key.map(|key| match key.strip_prefix(ARN) {
            Some(name) => format!("arn:aws:kms:us-east-1:{id}:{name}"),
            None => key,
        });
        Self { key, has_place: true, ..self }
    }

    /// The ARN of the key, if there is one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// `kms:GenerateDataKey`: `len` random bytes.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] for another key; [`KmsError::Internal`].
    pub fn generate_data_key(
        &self,
        key_id: &str,
        len: usize,
        context: &EncryptionContext,
    ) -> Result<GeneratedKey, KmsError> {
        let key = self.find(key_id)?;
        let mut plaintext = Zeroizing::new(vec![0; len]);
        self.random.fill(&mut plaintext).map_err(|_| KmsError::Internal)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| KmsError::Internal)?;

        // Room for all of it, or what grows leaves the plaintext behind.
        let mut ciphertext = Vec::with_capacity(NONCE_LEN + len + AES_256_GCM.tag_len());
        ciphertext.extend_from_slice(&nonce);
        ciphertext.extend_from_slice(&plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let bound = Aad::from(bound_to(key, context));
        let sealed = &mut ciphertext[NONCE_LEN..];
        let tag = self.secret.seal_in_place_separate_tag(nonce, bound, sealed);
        ciphertext.extend_from_slice(tag.map_err(|_| KmsError::Internal)?.as_ref());
        Ok(GeneratedKey { key: key.to_owned(), plaintext, ciphertext })
    }

    /// `kms:Decrypt`: the plaintext of a data key.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`] when it is not of this process, or bound to another context;
    /// [`KmsError::IncorrectKey`] when `key_id` is another key.
    pub fn decrypt(
        &self,
        key_id: Option<&str>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        if key_id.is_some_and(|id| self.find(id).is_err()) {
            return Err(KmsError::IncorrectKey);
        }
        let key = self.key().ok_or(KmsError::InvalidCiphertext)?;
        let invalid = || KmsError::InvalidCiphertext;
        let (nonce, sealed) = ciphertext.split_first_chunk().ok_or_else(invalid)?;
        let mut plaintext = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let bound = Aad::from(bound_to(key, context));
        let opened = self.secret.open_in_place(nonce, bound, &mut plaintext);
        let len = opened.map_err(|_| invalid())?.len();
        plaintext.truncate(len);
        Ok(plaintext)
    }

    fn find(&self, key_id: &str) -> Result<&str, KmsError> {
        let named = |key: &&str| match key_id.starts_with("arn:") {
            true if self.has_place => *key == key_id,
            true => behind_account(key) == behind_account(key_id),
            false => behind_account(key).is_some_and(|name| {
                name == key_id && name.starts_with("alias/")
                    || name.strip_prefix("key/") == Some(key_id)
            }),
        };
        self.key().filter(named).ok_or_else(|| KmsError::NotFound {
            key: arn(&key_id.chars().take(KEY_ID_LIMIT).collect::<String>()),
        })
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kms").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why the key service refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KmsError {
    /// There is no such key.
    #[error("Key '{key}' does not exist")]
    NotFound {
        /// Its ARN, as it would be.
        key: String,
    },
    /// Not encrypted here, or changed, or bound to another context. AWS says no word about it.
    #[error("")]
    InvalidCiphertext,
    /// The ciphertext is of another key.
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
    /// A member of the request is missing or out of its range.
    #[error("{0}")]
    Validation(String),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Internal,
}

impl KmsError {
    /// The error's name in the AWS API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFoundException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::Validation(_) => "ValidationException",
            Self::Internal => "KMSInternalException",
        }
    }
}

fn arn(key_id: &str) -> String {
    match key_id {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => format!("{ARN}{alias}"),
        id => format!("{ARN}key/{id}"),
    }
}

/// What is behind the account in an ARN of KMS: `key/ID`, `alias/NAME`.
fn behind_account(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_of_kms = parts.next() == Some("arn") && parts.nth(1) == Some("kms");
    parts.nth(2).filter(|_| is_of_kms)
}

/// The additional data of a data key's encryption: the context in a form that has but one way to be
/// written.
fn bound_to(key: &str, context: &EncryptionContext) -> Vec<u8> {
    serde_json::to_vec(&(key, context)).unwrap_or_default()
}

/// Where the key is, for a service that has neither accounts nor regions.
const ARN: &str = "arn:aws:kms:us-east-1:000000000000:";

/// AWS's limit, in characters.
const KEY_ID_LIMIT: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn context(session: &str) -> EncryptionContext {
        crate::wire::encryption::encryption_context(session, "i-1", None)
    }

    #[test]
    fn a_key_is_known_by_all_its_names() {
        let kms = Kms::new(Some("1234")).unwrap();
        assert_eq!(kms.key(), Some("arn:aws:kms:us-east-1:000000000000:key/1234"));
        for name in ["1234", "arn:aws:kms:eu-west-1:111122223333:key/1234"] {
            assert!(kms.generate_data_key(name, 64, &context("s")).is_ok(), "{name}");
        }
        let alias = Kms::new(Some("alias/sessions")).unwrap();
        for name in ["alias/sessions", "arn:aws:kms:eu-west-1:111122223333:alias/sessions"] {
            assert!(alias.generate_data_key(name, 64, &context("s")).is_ok(), "{name}");
        }
        let of_account = Kms::new(Some("1234")).unwrap().of_account("123456789012");
        let named = Kms::new(Some("arn:aws:kms:eu-west-1:123456789012:key/1234")).unwrap();
        for (kms, name) in [
            (&of_account, "1234"),
            (&of_account, "arn:aws:kms:us-east-1:123456789012:key/1234"),
            (&named, "1234"),
            (&named, "arn:aws:kms:eu-west-1:123456789012:key/1234"),
        ] {
            assert!(kms.generate_data_key(name, 64, &context("s")).is_ok(), "{name}");
        }
        for (kms, name) in [
            (&kms, "123"),
            (&kms, ""),
            (&alias, "sessions"),
            (&kms, "alias/1234"),
            (&kms, "key/1234"),
            (&kms, "arn:aws:iam:us-east-1:000000000000:key/1234"),
            (&of_account, "arn:aws:kms:us-east-1:210987654321:key/1234"),
            (&of_account, "arn:aws:kms:eu-west-1:123456789012:key/1234"),
            (&of_account, "arn:aws-cn:kms:us-east-1:123456789012:key/1234"),
            (&named, "arn:aws:kms:us-east-1:123456789012:key/1234"),
        ] {
            let error = kms.generate_data_key(name, 64, &context("s")).err().unwrap();
            assert_eq!(error.code(), "NotFoundException", "{name}");
        }
        let none = Kms::new(None).unwrap();
        let error = none.generate_data_key("1234", 64, &context("s")).err().unwrap();
        let text = "Key 'arn:aws:kms:us-east-1:000000000000:key/1234' does not exist";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_data_key_decrypts_in_its_own_context_alone() {
        let kms = Kms::new(Some("1234")).unwrap();
        let key = kms.generate_data_key("1234", 64, &context("s-1")).unwrap();
        assert_eq!(key.plaintext.len(), 64);
        let decrypted = kms.decrypt(None, &key.ciphertext, &context("s-1")).unwrap();
        assert!(decrypted == key.plaintext);
        assert!(!key.ciphertext.windows(8).any(|part| part == &key.plaintext[..8]));

        let refused = |kms: &Kms, key_id, blob: &[u8], context| {
            kms.decrypt(key_id, blob, &context).err().map(|error| error.code())
        };
        let invalid = Some("InvalidCiphertextException");
        assert_eq!(refused(&kms, None, &key.ciphertext, context("s-2")), invalid);
        assert_eq!(refused(&kms, None, &key.ciphertext, EncryptionContext::new()), invalid);
        let mut changed = key.ciphertext.clone();
        changed[20] ^= 1;
        assert_eq!(refused(&kms, None, &changed, context("s-1")), invalid);
        assert_eq!(refused(&kms, None, b"short", context("s-1")), invalid);
        let another = Kms::new(Some("1234")).unwrap();
        assert_eq!(refused(&another, None, &key.ciphertext, context("s-1")), invalid);
        let incorrect = Some("IncorrectKeyException");
        assert_eq!(refused(&kms, Some("5678"), &key.ciphertext, context("s-1")), incorrect);
    }

    #[test]
    fn no_two_keys_are_the_same_and_nothing_secret_is_shown() {
        let kms = Kms::new(Some("1234")).unwrap();
        let key = || kms.generate_data_key("1234", 32, &context("s")).unwrap();
        let (one, other) = (key(), key());
        assert!(one.plaintext != other.plaintext && one.ciphertext != other.ciphertext);
        assert_eq!(
            format!("{kms:?}"),
            "Kms { key: Some(\"arn:aws:kms:us-east-1:000000000000:key/1234\"), .. }"
        );
    }
}
