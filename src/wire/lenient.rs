//! JSON documents of other people's programs, read as Go's encoding/json reads them: names without
//! regard to case, `null` and what is missing as nothing. And a little more: numbers as text, text as
//! numbers.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Reads a document in which fields are called by `names`, at whatever depth.
///
/// # Errors
/// When it is no JSON, or has another shape.
pub(crate) fn from_slice<T: DeserializeOwned>(
    json: &[u8],
    names: &[&str],
) -> Result<T, serde_json::Error> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    // What is no UTF-8 becomes the replacement character, as there.
    let json = String::from_utf8_lossy(json);
    T::deserialize(with_names(serde_json::from_str(&json)?, names))
}

/// A field of an object, whatever the case of its name.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let other_case = || object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    object.get(name).or_else(|| other_case().map(|(_, value)| value))
}

/// The text of a value that should be one.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The value with each of `names` in its own case, and without nulls. A name that is there in its own
/// case goes before others.
fn with_names(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Array(values) => {
            let values = values.into_iter().filter(|value| !value.is_null());
            values.map(|value| with_names(value, names)).collect()
        }
        Value::Object(fields) => {
            let mut named = Map::with_capacity(fields.len());
            for (key, value) in fields {
                if value.is_null() {
                    continue;
                }
                let value = with_names(value, names);
                match names.iter().find(|name| name.eq_ignore_ascii_case(&key)) {
                    Some(name) if **name != key => {
                        named.entry(*name).or_insert(value);
                    }
                    _ => {
                        named.insert(key, value);
                    }
                }
            }
            Value::Object(named)
        }
        other => other,
    }
}

/// For fields with text; numbers and whatever else are their JSON.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|value| text_of(&value).unwrap_or_default())
}

/// For fields with a number; what is none is 0.
pub(super) fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64> + Default,
{
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number.and_then(|number| N::try_from(number).ok()).unwrap_or_default())
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Value {
        from_slice(json.as_bytes(), &["Name", "Inner"]).unwrap()
    }

    #[test]
    fn names_are_found_in_any_case_and_nulls_are_nothing() {
        assert_eq!(
            read(r#"{"name":1,"inner":[{"NAME":2},null]}"#),
            json!({"Name": 1, "Inner": [{"Name": 2}]})
        );
        assert_eq!(read(r#"{"Name":null,"other":null,"x":3}"#), json!({"x": 3}));
        for exact_first in [r#"{"Name":1,"name":2}"#, r#"{"name":2,"Name":1}"#] {
            assert_eq!(read(exact_first), json!({"Name": 1}));
        }
        assert_eq!(read("\u{feff}7"), json!(7));
        assert_eq!(from_slice::<Value>(b"\"a\x81\"", &[]).unwrap(), json!("a\u{fffd}"));
        assert!(from_slice::<Value>(b"{", &[]).is_err());
    }

    #[test]
    fn fields_and_texts_are_taken_as_they_come() {
        let Value::Object(object) = json!({"a": 1, "B": "x"}) else { unreachable!() };
        let texts = ["A", "b", "c"].map(|name| field(&object, name).and_then(text_of));
        assert_eq!(texts, [Some("1".to_owned()), Some("x".to_owned()), None]);
    }

    #[test]
    fn numbers_may_be_text() {
        #[derive(Deserialize, PartialEq, Debug)]
        struct One(#[serde(deserialize_with = "number")] u32);
        for (json, expected) in
            [(json!(1), 1), (json!(" 7 "), 7), (json!(-1), 0), (json!(1.5), 0), (json!(null), 0)]
        {
            assert_eq!(One::deserialize(json).unwrap(), One(expected));
        }
    }
}
