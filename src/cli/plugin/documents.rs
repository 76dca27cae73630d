//! The JSON documents that callers hand over, as wrappers and shells leave them.
//!
//! The response may be the only entry of a list, or a field of the whole answer of `aws ecs
//! execute-command`. On the way here a byte order mark may have come before a document, the quotes may
//! be gone (PowerShell 5) or have backslashes before them (cmd.exe), and apostrophes may stand in their
//! place (Python) or around it all (a shell script's mistake).

use serde_json::{Map, Value};

use super::super::is_response_variable;
use crate::{malformed::Malformed, wire::lenient};

/// The response of StartSession.
pub(super) fn response(text: &str) -> Result<Map<String, Value>, Malformed> {
    if is_response_variable(text) {
        let why =
            "the variable of the response is not set here; sudo drops it without --preserve-env";
        return Err(why.into());
    }
    object(text, "response")
}

/// The request of StartSession, of which only the target and the document are of interest, and not to
/// every session. A word by itself is the target.
pub(super) fn request(text: &str) -> Result<Map<String, Value>, Malformed> {
    let text = text.trim();
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if matches!(text, "" | "null" | "[]") {
        return Ok(Map::new());
    }
    if text.chars().all(is_word) {
        return Ok(Map::from_iter([("Target".to_owned(), text.into())]));
    }
    object(text, "request")
}

/// A field's text; callers differ in the case of the names.
pub(super) fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    lenient::field(object, name)?.as_str().map(str::to_owned)
}

fn object(text: &str, what: &str) -> Result<Map<String, Value>, Malformed> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK).trim();
    let text = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text);
    let read = serde_json::from_str(text);
    let read =
        read.or_else(|error| serde_json::from_str(&text.replace("\\\"", "\"")).or(Err(error)));
    match read.map(|value| unwrapped(value, DEEPEST)) {
        Ok(Some(object)) => Ok(object),
        Ok(None) => Err(format!("the {what} is not a JSON object").into()),
        Err(_) if text.starts_with('{') && text.ends_with('}') && !text.contains('"') => {
            Ok(without_quotes(text))
        }
        // serde_json's own message may quote the document, which holds the token.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(format!("the {what} is not a JSON object (line {line}, column {column})").into())
        }
    }
}

/// The object that is meant: the value itself, or what it is wrapped around.
fn unwrapped(value: Value, depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(mut object) => {
            let name = object.keys().find(|key| key.eq_ignore_ascii_case("session")).cloned();
            match name.and_then(|name| object.remove(&name)) {
                Some(session @ Value::Object(_)) => unwrapped(session, depth),
                _ => Some(object),
            }
        }
        Value::Array(list) => {
            let [only] = <[Value; 1]>::try_from(list).ok()?;
            unwrapped(only, depth)
        }
        // A document that was put into quotes once more.
        Value::String(text) => unwrapped(serde_json::from_str(&text).ok()?, depth),
        _ => None,
    }
}

/// The fields of a document whose quotes are gone. None of those that matter has a comma or a brace in
/// it.
fn without_quotes(text: &str) -> Map<String, Value> {
    let fields = text.split(['{', '}', '[', ']', ',']).filter_map(|field| field.split_once(':'));
    let bare = |text: &str| text.trim().trim_matches('\'').to_owned();
    fields.map(|(name, value)| (bare(name), Value::String(bare(value)))).collect()
}

const BYTE_ORDER_MARK: char = '\u{feff}';
/// More than anybody wraps a document.
const DEEPEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_found_in_whatever_it_was_wrapped() {
        let plain = r#"{"SessionId":"s-1","TokenValue":"a+/=","StreamUrl":"wss://h:1/p?a=b&c"}"#;
        let expected = response(plain).unwrap();
        assert_eq!(text(&expected, "streamurl").unwrap(), "wss://h:1/p?a=b&c");
        for wrapped in [
            format!("\u{feff}{plain}\r\n"),
            format!("[{plain}]"),
            format!(r#"{{"clusterArn":"a","interactive":true,"session":{plain}}}"#),
            format!(r#"[{{"Session":{plain},"taskArn":null}}]"#),
            format!("'{plain}'"),
            serde_json::to_string(plain).unwrap(),
            plain.replace('"', ""),
            plain.replace('"', "'").replace(',', ", "),
            plain.replace('"', "\\\""),
        ] {
            assert_eq!(response(&wrapped).unwrap(), expected, "{wrapped}");
        }
        let whole = format!("{{clusterArn:a,session:{}}}", plain.replace('"', ""));
        assert_eq!(text(&response(&whole).unwrap(), "TokenValue").unwrap(), "a+/=");
    }

    #[test]
    fn what_is_no_response_is_told_without_its_contents() {
        let deep = format!("{}{{}}{}", "[".repeat(9), "]".repeat(9));
        for broken in [
            "",
            "secret",
            "\"secret\"",
            "{\"TokenValue\":\"secret\"",
            "[]",
            "[1,2]",
            "7",
            "null",
            &deep,
        ] {
            let error = response(broken).unwrap_err().to_string();
            assert!(error.starts_with("the response is not a JSON object"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let missing = response("AWS_SSM_START_SESSION_RESPONSE").unwrap_err().to_string();
        assert!(missing.contains("is not set here; sudo drops it"), "{missing}");
    }

    #[test]
    fn the_target_of_a_request_is_found_where_there_is_one() {
        for (given, target) in [
            (r#"{"target":"i-1"}"#, Some("i-1")),
            (r#"'{"Target":"i-1"}'"#, Some("i-1")),
            ("{Target:ecs:C_t_t-1}", Some("ecs:C_t_t-1")),
            ("i-1", Some("i-1")),
            ("ecs:C_t_t-1", Some("ecs:C_t_t-1")),
            (r#"{"Target":null}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
            (" ", None),
        ] {
            assert_eq!(text(&request(given).unwrap(), "Target").as_deref(), target, "{given}");
        }
        for broken in ["{", "i-1 i-2", "[{}, {}]", "\"\""] {
            let error = request(broken).unwrap_err().to_string();
            assert!(error.starts_with("the request is not a JSON object"), "{error}");
        }
    }
}
