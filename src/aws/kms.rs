//! KMS: the data keys of encrypted sessions.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use zeroize::Zeroizing;

use super::{account::Account, error::AwsError, operation::Operation, service::Service};
use crate::wire::{
    Base64,
    encryption::{DATA_KEY_LEN, DataKey},
};

impl Account {
    /// `kms:GenerateDataKey`: a data key encrypted with `key_id`, bound to `context`.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn generate_data_key(
        &self,
        key_id: &str,
        context: BTreeMap<String, String>,
    ) -> Result<DataKey, AwsError> {
        let operation = Operation::new(Service::Kms, "GenerateDataKey", key_id);
        let credentials = self.credentials().await?;
        let input = json!({
            "KeyId": key_id,
            "NumberOfBytes": DATA_KEY_LEN,
            "EncryptionContext": context,
        });
        let Generated(key) = self.caller.json(operation, TARGET, input, &credentials).await?;
        Ok(key)
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Answer")]
struct Generated(DataKey);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    /// In base64.
    #[serde(deserialize_with = "secret")]
    plaintext: Zeroizing<String>,
    ciphertext_blob: Base64,
}

impl TryFrom<Answer> for Generated {
    type Error = String;

    fn try_from(answer: Answer) -> Result<Self, String> {
        let plaintext = BASE64.decode(answer.plaintext.as_bytes()).map(Zeroizing::new);
        let plaintext = plaintext.map_err(|_| "the data key is not base64".to_owned())?;
        let key = DataKey::new(&plaintext, answer.ciphertext_blob.0);
        key.map(Self).map_err(|error| error.to_string())
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// KMS's first name.
const TARGET: &str = "TrentService";
