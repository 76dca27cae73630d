//! Signatures of requests: SigV4 in the headers.
//!
//! The reference client signs its WebSocket upgrades since version 1.2.764: `GET`, service
//! `ssmmessages`, an empty body, the host as the only header that is not the signature's own. A
//! session token is signed too, as AWS's own SDKs do it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::HOST};

use super::service::Service;

/// The headers that sign an upgrade of `url`, the `host` that is signed among them. `None` when
/// the URL has no host or the credentials do not fit into headers.
pub(super) fn upgrade_headers(
    url: &Uri,
    credentials: Credentials,
    region: &str,
    now: SystemTime,
) -> Option<HeaderMap> {
    let service = Service::SsmMessages;
    let upgrade = Signed { method: "GET", url, headers: &[], body: &[], service, region };
    upgrade.headers(credentials, now)
}

/// A request to be signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Uri,
    /// Beside the host.
    pub(super) headers: &'a [(&'a str, String)],
    pub(super) body: &'a [u8],
    pub(super) service: Service,
    pub(super) region: &'a str,
}

impl Signed<'_> {
    /// The headers that sign it at `now`, with the `host` among them.
    pub(super) fn headers(&self, credentials: Credentials, now: SystemTime) -> Option<HeaderMap> {
        let host = host(self.url)?;
        let signature = self.signature(&host, credentials, now)?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(host).ok()?);
        for (name, value) in signature {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).ok()?, value);
        }
        Some(headers)
    }

    fn signature(
        &self,
        host: &str,
        credentials: Credentials,
        now: SystemTime,
    ) -> Option<Vec<(String, String)>> {
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service.name())
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .ok()?;
        let others = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = [("host", host)].into_iter().chain(others);
        let body = SignableBody::Bytes(self.body);
        let request =
            SignableRequest::new(self.method, self.url.to_string(), headers, body).ok()?;
        let (instructions, _) = sign(request, &parameters.into()).ok()?.into_parts();
        let headers = instructions.headers();
        Some(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Host and port as a browser would send them: without the scheme's default port.
fn host(url: &Uri) -> Option<String> {
    let host = url.host().filter(|host| !host.is_empty())?;
    Some(match (url.scheme_str(), url.port_u16()) {
        (_, None) | (Some("wss" | "https"), Some(443)) | (Some("ws" | "http"), Some(80)) => {
            host.to_owned()
        }
        (_, Some(port)) => format!("{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2026-11-21 18:30:05 UTC.
    const NOW: Duration = Duration::from_secs(1_795_285_805);

    fn headers(url: &str, token: Option<&str>) -> HeaderMap {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials =
            Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
        upgrade_headers(&url.parse().unwrap(), credentials, "eu-west-1", UNIX_EPOCH + NOW).unwrap()
    }

    fn authorization(signed: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20261121/eu-west-1/ssmmessages/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        )
    }

    // The signatures below were made by botocore's SigV4Auth.

    #[test]
    fn long_term_keys_sign_host_and_date() {
        let url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/\
                   jane-0a1b2c3d4e5f6a7b8?role=publish_subscribe";
        let headers = headers(url, None);
        let signature = "0a64d3cd87d92ff42e6b3922dcc66e13725cf3dc61e80218d83ed437b6882ab6";
        assert_eq!(headers["authorization"], authorization("host;x-amz-date", signature));
        assert_eq!(headers["x-amz-date"], "20261121T183005Z");
        assert_eq!(headers["host"], "ssmmessages.eu-west-1.amazonaws.com");
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/\
                   jane-0a1b2c3d4e5f6a7b8?role=publish_subscribe";
        let headers = headers(url, Some("session-token/+="));
        let signature = "26ce6f70a2212690c6cfefbbbeac2f3a56408e9dbc51a346067f00db7032801f";
        let signed = "host;x-amz-date;x-amz-security-token";
        assert_eq!(headers["authorization"], authorization(signed, signature));
        assert_eq!(headers["x-amz-security-token"], "session-token/+=");
        assert_eq!(headers.len(), 4);
        assert!(!format!("{headers:?}").contains("session-token/"), "{headers:?}");
    }

    #[test]
    fn paths_and_queries_are_signed_in_their_canonical_form() {
        let url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/\
                   jane@example.com-0a1b2c3d4e5f6a7b8\
                   ?role=publish_subscribe&cell-number=AAEA%2Bx%2Fy%3D%3D";
        let signature = "02955c6bcdc9a5807f47581135052ae9ba567bb5bc563b606b5f0d3668a20584";
        assert_eq!(
            headers(url, None)["authorization"],
            authorization("host;x-amz-date", signature)
        );
    }

    #[test]
    fn the_port_is_signed_unless_it_is_the_schemes_own() {
        let local = headers("ws://127.0.0.1:4600/v1/data-channel/s?role=publish_subscribe", None);
        let signature = "df2cf2e0f552f332c9fb07156d660dc7efbb4da660eac626d7af9d3063cb00d8";
        assert_eq!(local["authorization"], authorization("host;x-amz-date", signature));
        assert_eq!(local["host"], "127.0.0.1:4600");

        let explicit = headers(
            "wss://ssmmessages.eu-west-1.amazonaws.com:443/v1/data-channel/s\
             ?role=publish_subscribe",
            None,
        );
        let signature = "5bfdbd9ec9c0d313000f617150c4fdff8e9f3072f83413138f231d37f17f7738";
        assert_eq!(explicit["authorization"], authorization("host;x-amz-date", signature));
        assert_eq!(explicit["host"], "ssmmessages.eu-west-1.amazonaws.com");
    }

    #[test]
    fn every_call_has_its_own_date() {
        let url = "wss://host/s".parse().unwrap();
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let at = |seconds| {
            let now = UNIX_EPOCH + NOW + Duration::from_secs(seconds);
            upgrade_headers(&url, credentials.clone(), "eu-west-1", now).unwrap()
        };
        assert_ne!(at(0)["authorization"], at(1)["authorization"]);
    }

    #[test]
    fn what_cannot_be_signed_gives_no_headers() {
        let unsigned = |url: &str, token: &str| {
            let token = Some(token.to_owned());
            let credentials = Credentials::new("AKID", "secret", token, None, "test");
            upgrade_headers(&url.parse().unwrap(), credentials, "eu-west-1", UNIX_EPOCH + NOW)
        };
        assert!(unsigned("/v1/data-channel/s", "token").is_none());
        assert!(unsigned("wss://host/s", "line\nend").is_none());
    }
}
