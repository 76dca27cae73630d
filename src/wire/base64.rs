//! Bytes in JSON documents.

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Bytes that JSON carries as base64, with padding, as Go and the APIs of AWS write them.
///
/// Without `Debug`: some of them are keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Self).map_err(|error| D::Error::custom(format!("not base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_in_json() {
        for (bytes, text) in [(&b""[..], "\"\""), (b"a", "\"YQ==\""), (b"\xff\xfe\xfd", "\"//79\"")]
        {
            assert_eq!(serde_json::to_string(&Base64(bytes.to_vec())).unwrap(), text);
            assert!(serde_json::from_str::<Base64>(text).unwrap().0 == bytes);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["\"YQ\"", "\"?\"", "7", "null"] {
            assert!(serde_json::from_str::<Base64>(text).is_err(), "{text}");
        }
    }
}
