//! Encrypted sessions: the documents by which both sides come by one data key of KMS.
//!
//! ```text
//!   HandshakeRequest    KmsParameters         which key; a text to bind the data key to
//!   HandshakeResponse   KmsResult             the data key, as KMS encrypted it
//!   EncChallengeRequest, EncChallengeResponse
//!                       EncryptionChallenge   shows that both have the same key
//! ```

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Base64;

/// Parameters of a [`KMS_ENCRYPTION`](super::handshake::KMS_ENCRYPTION) action.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KmsParameters {
    /// The key, in whatever form the account's settings name it.
    #[serde(rename = "KMSKeyId")]
    pub key_id: String,
    /// A text that the client may put into the encryption context. Older agents send none.
    #[serde(rename = "Challenge", default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

/// Result of a [`KMS_ENCRYPTION`](super::handshake::KMS_ENCRYPTION) action.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsResult {
    /// The data key as KMS encrypted it.
    #[serde(rename = "KMSCipherTextKey")]
    pub ciphertext_key: Base64,
    /// `null` from the reference client, as captured; agents do not look at it.
    #[serde(rename = "KMSCipherTextHash", default)]
    pub ciphertext_hash: Option<Base64>,
    /// Whether the agent's challenge is part of the encryption context.
    #[serde(
        rename = "ChallengeAcknowledgement",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub acknowledges_challenge: bool,
}

/// Payload of `EncChallengeRequest` and `EncChallengeResponse`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptionChallenge {
    /// Bytes of the agent's choice, encrypted by the sender of this document.
    pub challenge: Base64,
}

/// A data key of KMS: the secret of one session.
pub struct DataKey {
    /// Overwritten when it is dropped.
    plaintext: Zeroizing<[u8; DATA_KEY_LEN]>,
    ciphertext: Vec<u8>,
}

impl EncryptionChallenge {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        super::lenient::from_slice(json, &["Challenge"])
    }
}

impl DataKey {
    /// A key as KMS gives it, in the clear and encrypted.
    ///
    /// # Errors
    /// When it has not [`DATA_KEY_LEN`] bytes.
    pub fn new(plaintext: &[u8], ciphertext: Vec<u8>) -> Result<Self, DataKeyLength> {
        if plaintext.len() != DATA_KEY_LEN {
            return Err(DataKeyLength(plaintext.len()));
        }
        let mut key = Zeroizing::new([0; DATA_KEY_LEN]);
        key.copy_from_slice(plaintext);
        Ok(Self { plaintext: key, ciphertext })
    }

    /// What the client decrypts with and the agent encrypts with.
    pub fn toward_client(&self) -> &[u8] {
        &self.plaintext[..DATA_KEY_LEN / 2]
    }

    /// What the client encrypts with and the agent decrypts with.
    pub fn toward_agent(&self) -> &[u8] {
        &self.plaintext[DATA_KEY_LEN / 2..]
    }

    /// The key as KMS encrypted it; no secret.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(hidden)")
    }
}

/// Bytes of a data key: two keys of AES-256.
pub const DATA_KEY_LEN: usize = 64;

/// KMS gave a data key of so many bytes, which is not what was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the data key has {0} bytes instead of {DATA_KEY_LEN}")]
pub struct DataKeyLength(pub usize);

/// What KMS binds a data key to: it decrypts for the same session and target alone, and for the
/// same challenge if there is one.
pub fn encryption_context(
    session_id: &str,
    target: &str,
    challenge: Option<&str>,
) -> BTreeMap<String, String> {
    let pairs = [("SessionId", Some(session_id)), ("TargetId", Some(target))];
    let pairs = pairs.into_iter().chain([("RandomChallenge", challenge)]);
    pairs.filter_map(|(name, value)| Some((format!("aws:ssm:{name}"), value?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_captured_and_without_a_challenge() {
        let captured = r#"{"KMSKeyId":"arn:aws:kms:us-east-1:111122223333:key/1234","Challenge":"ww5+7UTFVBnFZ6E3wEUe2A=="}"#;
        let parameters: KmsParameters = serde_json::from_str(captured).unwrap();
        assert_eq!(parameters.key_id, "arn:aws:kms:us-east-1:111122223333:key/1234");
        assert_eq!(parameters.challenge.as_deref(), Some("ww5+7UTFVBnFZ6E3wEUe2A=="));
        assert_eq!(serde_json::to_string(&parameters).unwrap(), captured);

        let older: KmsParameters = serde_json::from_str(r#"{"KMSKeyId":"k"}"#).unwrap();
        assert_eq!(older.challenge, None);
        assert_eq!(serde_json::to_string(&older).unwrap(), r#"{"KMSKeyId":"k"}"#);
    }

    #[test]
    fn a_result_is_written_as_captured() {
        let mut result = KmsResult {
            ciphertext_key: Base64(b"blob".to_vec()),
            ciphertext_hash: None,
            acknowledges_challenge: false,
        };
        let written = |result: &KmsResult| serde_json::to_string(result).unwrap();
        let plain = r#"{"KMSCipherTextKey":"YmxvYg==","KMSCipherTextHash":null}"#;
        assert_eq!(written(&result), plain);
        result.acknowledges_challenge = true;
        let acknowledged = r#"{"KMSCipherTextKey":"YmxvYg==","KMSCipherTextHash":null,"ChallengeAcknowledgement":true}"#;
        assert_eq!(written(&result), acknowledged);
        assert!(serde_json::from_str::<KmsResult>(acknowledged).unwrap() == result);
    }

    #[test]
    fn a_data_key_has_two_halves_and_is_never_shown() {
        let bytes: Vec<u8> = (0..64).collect();
        let key = DataKey::new(&bytes, b"blob".to_vec()).unwrap();
        assert_eq!((key.toward_client(), key.toward_agent()), (&bytes[..32], &bytes[32..]));
        assert_eq!(key.ciphertext(), b"blob");
        assert_eq!(format!("{key:?}"), "DataKey(hidden)");
        assert_eq!(DataKey::new(&bytes[1..], Vec::new()).unwrap_err(), DataKeyLength(63));
    }

    #[test]
    fn the_context_has_a_challenge_only_if_there_is_one() {
        let without = encryption_context("s-1", "i-1", None);
        let pairs: Vec<_> = without.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("aws:ssm:SessionId", "s-1"), ("aws:ssm:TargetId", "i-1")]);
        let with = encryption_context("s-1", "i-1", Some("c"));
        assert_eq!(with["aws:ssm:RandomChallenge"], "c");
    }
}
