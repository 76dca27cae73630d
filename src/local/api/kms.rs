//! The KMS API: data keys, with bytes in base64.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Call, authorization::Denial, json::read, resource::Resource};
use crate::{
    local::kms::{EncryptionContext, Kms, KmsError},
    wire::Base64,
};

/// Whether the caller may use the endpoint's key: its policies decide alone, as where a key's own
/// policy leaves it to the account.
///
/// # Errors
/// [`Denial`].
pub fn authorize(operation: &str, call: &Call<'_>, kms: &Kms) -> Result<(), Denial> {
    let Some(key) = kms.key() else { return Ok(()) };
    // A key of another account, or another region, is allowed or denied as such.
    let asked = serde_json::from_slice::<AskedKey>(call.request.body).ok();
    let asked = asked.and_then(|asked| asked.key_id);
    let asked = asked.filter(|id| id.starts_with("arn:") && id.contains(":key/"));
    let key = asked.unwrap_or_else(|| key.to_owned());
    call.authorize(&format!("kms:{operation}"), &Resource::of(key))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AskedKey {
    key_id: Option<String>,
}

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(operation: &str, body: &[u8], kms: &Kms) -> Option<Result<Value, ApiError>> {
    match operation {
        "GenerateDataKey" => Some(generate_data_key(body, kms)),
        "Decrypt" => Some(decrypt(body, kms)),
        _ => None,
    }
}

// Every member is optional to serde, so that one that is missing is refused by name.

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateDataKeyBody {
    key_id: Option<String>,
    number_of_bytes: Option<i64>,
    key_spec: Option<String>,
    encryption_context: Option<EncryptionContext>,
}

fn generate_data_key(body: &[u8], kms: &Kms) -> Result<Value, ApiError> {
    let body: GenerateDataKeyBody = read(body)?;
    let key_id = body.key_id.ok_or_else(|| missing("keyId"))?;
    let len = match (body.number_of_bytes, body.key_spec.as_deref()) {
        (Some(len @ 1..=1024), None) => len as usize,
        (Some(_), None) => {
            return Err(constraint("numberOfBytes", "Member must have value from 1 to 1024"));
        }
        (None, Some("AES_256")) => 32,
        (None, Some("AES_128")) => 16,
        (None, Some(_)) => {
            return Err(constraint(
                "keySpec",
                "Member must satisfy enum value set: [AES_256, AES_128]",
            ));
        }
        _ => {
            let text = "Please specify either number of bytes or key spec.";
            return Err(KmsError::Validation(text.to_owned()).into());
        }
    };
    let context = body.encryption_context.unwrap_or_default();
    let generated = kms.generate_data_key(&key_id, len, &context)?;
    Ok(json!({
        "CiphertextBlob": Base64(generated.ciphertext),
        "KeyId": generated.key,
        "Plaintext": Base64(generated.plaintext.to_vec()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptBody {
    ciphertext_blob: Option<Base64>,
    key_id: Option<String>,
    encryption_context: Option<EncryptionContext>,
}

fn decrypt(body: &[u8], kms: &Kms) -> Result<Value, ApiError> {
    let body: DecryptBody = read(body)?;
    let ciphertext = body.ciphertext_blob.ok_or_else(|| missing("ciphertextBlob"))?;
    let context = body.encryption_context.unwrap_or_default();
    let plaintext = kms.decrypt(body.key_id.as_deref(), &ciphertext.0, &context)?;
    Ok(json!({
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "KeyId": kms.key(),
        "Plaintext": Base64(plaintext.to_vec()),
    }))
}

fn missing(member: &str) -> ApiError {
    constraint(member, "Member must not be null")
}

fn constraint(member: &str, constraint: &str) -> ApiError {
    let text = format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    );
    KmsError::Validation(text).into()
}

/// What stands in front of an operation's name in `X-Amz-Target`.
pub const TARGET: &str = "TrentService";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "kms";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::api::Protocol;

    fn call(kms: &Kms, operation: &str, body: &Value) -> Result<Value, String> {
        let performed = perform(operation, body.to_string().as_bytes(), kms).unwrap();
        performed.map_err(|error| format!("{}: {error}", error.code(Protocol::Json)))
    }

    #[test]
    fn a_key_is_generated_and_decrypted() {
        let kms = Kms::new(Some("1234")).unwrap();
        let context = json!({"aws:ssm:SessionId": "s-1", "aws:ssm:TargetId": "i-1"});
        let request = json!({"KeyId": "1234", "NumberOfBytes": 64, "EncryptionContext": context});
        let generated = call(&kms, "GenerateDataKey", &request).unwrap();
        assert_eq!(generated["KeyId"], "arn:aws:kms:us-east-1:000000000000:key/1234");
        let plaintext: Base64 = serde_json::from_value(generated["Plaintext"].clone()).unwrap();
        assert_eq!(plaintext.0.len(), 64);

        let mut request =
            json!({"CiphertextBlob": generated["CiphertextBlob"], "EncryptionContext": context});
        let decrypted = call(&kms, "Decrypt", &request).unwrap();
        assert_eq!(decrypted["Plaintext"], generated["Plaintext"]);
        assert_eq!(decrypted["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
        request["EncryptionContext"]["aws:ssm:SessionId"] = json!("s-2");
        assert_eq!(call(&kms, "Decrypt", &request).unwrap_err(), "InvalidCiphertextException: ");
    }

    #[test]
    fn the_two_ways_to_say_a_length() {
        let kms = Kms::new(Some("1234")).unwrap();
        let len = |members: Value| {
            let mut request = json!({"KeyId": "1234"});
            request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let generated = call(&kms, "GenerateDataKey", &request)?;
            let plaintext: Base64 = serde_json::from_value(generated["Plaintext"].clone()).unwrap();
            Ok::<_, String>(plaintext.0.len())
        };
        assert_eq!(len(json!({"KeySpec": "AES_256"})), Ok(32));
        assert_eq!(len(json!({"KeySpec": "AES_128"})), Ok(16));
        assert_eq!(len(json!({"NumberOfBytes": 1024})), Ok(1024));
        for members in [
            json!({}),
            json!({"KeySpec": "AES_256", "NumberOfBytes": 64}),
            json!({"KeySpec": "RSA"}),
            json!({"NumberOfBytes": 0}),
            json!({"NumberOfBytes": 1025}),
            json!({"KeyId": null, "NumberOfBytes": 64}),
        ] {
            let error = len(members.clone()).unwrap_err();
            assert!(error.starts_with("ValidationException: "), "{members}: {error}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let kms = Kms::new(Some("1234")).unwrap();
        assert!(call(&kms, "Decrypt", &json!({"CiphertextBlob": "?"})).is_err());
        assert!(call(&kms, "Decrypt", &json!([])).is_err());
        let error = call(&kms, "Decrypt", &json!({})).unwrap_err();
        assert!(error.contains("'ciphertextBlob'"), "{error}");
        assert!(perform("Encrypt", b"{}", &kms).is_none());
    }
}
