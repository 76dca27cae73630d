//! What the caller passes: the response of StartSession, its request, where the service is.

use http::Uri;
use percent_encoding::percent_decode_str;

use super::documents::{self, text};
use crate::{
    malformed::Malformed,
    session::{Ticket, is_of_aws},
    wire::Token,
};

/// The arguments, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Invocation {
    pub(super) ticket: Ticket,
    pub(super) region: String,
    pub(super) profile: Option<String>,
    /// For ResumeSession and TerminateSession; `None` for the region's own.
    pub(super) ssm_endpoint: Option<String>,
    /// The session's document, if the request tells it.
    pub(super) document: Option<String>,
    /// The session's target, if the request tells it.
    pub(super) target: Option<String>,
}

impl Invocation {
    /// `rest` is PROFILE, REQUEST and ENDPOINT, as many as there are.
    pub(super) fn parse(response: &str, region: &str, rest: &[String]) -> Result<Self, Malformed> {
        let response = documents::response(response)?;
        let required = |name: &str| {
            let value = text(&response, name).filter(|value| !value.is_empty());
            value.ok_or_else(|| Malformed::from(format!("the response has no {name}")))
        };
        let given = required("SessionId")?;
        let stream_url = required("StreamUrl")?.trim().to_owned();
        let token = required("TokenValue")?;
        let session_id = session_id(given, &stream_url, &token)?;
        let ticket = Ticket { session_id, stream_url, token: Token::new(token) };
        let request = rest.get(1).map(|request| documents::request(request)).transpose()?;
        Ok(Self {
            ticket,
            region: region.to_owned(),
            profile: rest.first().filter(|profile| !profile.is_empty()).cloned(),
            ssm_endpoint: rest.get(2).and_then(|endpoint| ssm_endpoint(endpoint)),
            document: request.as_ref().and_then(|request| text(request, "DocumentName")),
            target: request.and_then(|request| text(&request, "Target")),
        })
    }

    /// Whether the session may begin without a handshake, and with a long silence: shells and
    /// interactive commands do, of whatever document.
    pub(super) fn may_be_silent(&self) -> bool {
        let name = self.document.as_deref().and_then(|name| name.rsplit('/').next());
        !name.is_some_and(|name| WITH_HANDSHAKE.iter().any(|start| name.starts_with(start)))
    }
}

/// The session's id. Some caller hands over a token in its place, which is to be printed nowhere and
/// resumes nothing: the real one stands in the stream URL's path.
fn session_id(given: String, stream_url: &str, token: &str) -> Result<String, Malformed> {
    if given.trim() != token.trim() && given.len() <= LONGEST_ID {
        return Ok(given);
    }
    let path = stream_url.split(['?', '#']).next().unwrap_or_default();
    let id = path.split_once("/data-channel/").map_or("", |(_, id)| id);
    let id = percent_decode_str(id.split('/').next().unwrap_or_default()).decode_utf8_lossy();
    match (id.is_empty(), given.trim() == token.trim()) {
        (false, _) => Ok(id.into_owned()),
        (true, false) => Ok(given),
        (true, true) => Err("the response has the token in the place of its SessionId".into()),
    }
}

/// The endpoint, if it is one of SSM: `aws ecs` passes that of ECS, Packer the stream URL.
fn ssm_endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let host = uri.host()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_of_ssm = host.split('.').any(|label| matches!(label, "ssm" | "ssm-fips"));
    (is_http && (is_of_ssm || !is_of_aws(host))).then(|| text.to_owned())
}

/// The API's own bound; tokens are longer.
const LONGEST_ID: usize = 96;
/// Documents of AWS whose sessions always begin with a handshake.
const WITH_HANDSHAKE: [&str; 3] =
    ["AWS-StartPortForwardingSession", "AWS-StartSSHSession", "AWS-StartNonInteractiveCommand"];

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"{"SessionId":"s-1","TokenValue":"secret","StreamUrl":"wss://h/p","ResponseMetadata":{}}"#;

    fn parsed(rest: &[&str]) -> Invocation {
        let rest: Vec<String> = rest.iter().map(|text| (*text).to_owned()).collect();
        Invocation::parse(RESPONSE, "eu-west-1", &rest).unwrap()
    }

    #[test]
    fn keys_are_matched_without_case() {
        let lower = r#"{"sessionId":"s-1","streamUrl":"wss://h/p","tokenValue":"secret"}"#;
        let lower = Invocation::parse(lower, "eu-west-1", &[]).unwrap();
        assert_eq!(lower, parsed(&[]));
        // Of shells' words.
        let ended = RESPONSE.replace("wss://h/p", "wss://h/p\\n");
        assert_eq!(Invocation::parse(&ended, "eu-west-1", &[]).unwrap(), lower);
        assert_eq!(parsed(&["", "null"]), lower);
        assert_eq!(lower.ticket.session_id, "s-1");
    }

    #[test]
    fn a_token_in_the_place_of_the_id_gives_way_to_the_urls() {
        let long = "t".repeat(300);
        let url =
            "wss://h/v1/data-channel/jane%40corp-0abc?role=publish_subscribe&x=/data-channel/y";
        for (id, token, url, expected) in [
            ("s-1", "secret", url, Ok("s-1")),
            ("secret", "secret", url, Ok("jane@corp-0abc")),
            (&*long, "secret", url, Ok("jane@corp-0abc")),
            (&*long, "secret", "wss://h/p", Ok(&*long)),
            ("secret", "secret", "wss://h/p", Err(())),
        ] {
            let response =
                serde_json::json!({"SessionId": id, "TokenValue": token, "StreamUrl": url});
            let parsed = Invocation::parse(&response.to_string(), "eu-west-1", &[]);
            if let Err(error) = &parsed {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
            let id = parsed.map(|parsed| parsed.ticket.session_id);
            assert_eq!(id.as_deref().map_err(|_| ()), expected);
        }
    }

    #[test]
    fn broken_arguments_are_told_without_the_token() {
        for (response, part) in [
            ("{\"TokenValue\":\"secret\"", "the response is not a JSON object"),
            ("\"secret\"", "the response is not a JSON object"),
            ("{\"TokenValue\":\"secret\"}", "the response has no SessionId"),
            ("{\"SessionId\":\"s\",\"StreamUrl\":7,\"TokenValue\":\"secret\"}", "has no StreamUrl"),
        ] {
            let error = Invocation::parse(response, "r", &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let rest = [String::new(), "{".to_owned()];
        assert!(
            Invocation::parse(RESPONSE, "r", &rest)
                .unwrap_err()
                .to_string()
                .contains("the request")
        );
    }

    #[test]
    fn the_target_is_that_of_the_request() {
        assert_eq!(parsed(&["", r#"{"target":"i-1"}"#]).target.as_deref(), Some("i-1"));
        assert_eq!(parsed(&["", "{}"]).target, None);
        assert_eq!(parsed(&[]).target, None);
    }

    #[test]
    fn an_empty_profile_is_none() {
        assert_eq!(parsed(&[""]).profile, None);
        assert_eq!(parsed(&["dev", "{}"]).profile.as_deref(), Some("dev"));
    }

    #[test]
    fn only_documents_with_a_handshake_are_hurried() {
        for (request, may_be_silent) in [
            (r#"{"Target":"i-1"}"#, true),
            (r#"{"DocumentName":"AWS-StartInteractiveCommand"}"#, true),
            (r#"{"documentName":"AWS-StartSSHSession"}"#, false),
            (r#"{"DocumentName":"AWS-StartPortForwardingSessionToRemoteHost"}"#, false),
            (r#"{"DocumentName":"arn:aws:ssm:x::document/AWS-StartSSHSession"}"#, false),
        ] {
            assert_eq!(parsed(&["", request]).may_be_silent(), may_be_silent, "{request}");
        }
    }

    #[test]
    fn only_endpoints_of_ssm_are_used() {
        for (endpoint, is_used) in [
            ("https://ssm.eu-west-1.amazonaws.com", true),
            ("https://ssm-fips.us-east-1.amazonaws.com", true),
            ("https://vpce-1-x.ssm.eu-west-1.vpce.amazonaws.com", true),
            ("http://127.0.0.1:4566", true),
            ("https://ecs.eu-west-1.amazonaws.com", false),
            ("wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/s", false),
            ("https://ecs.eu-west-1.api.aws", false),
            ("", false),
            ("nonsense", false),
        ] {
            let used = parsed(&["", "{\"Target\":\"i-1\"}", endpoint]).ssm_endpoint;
            assert_eq!(used.is_some(), is_used, "{endpoint}");
        }
    }
}
