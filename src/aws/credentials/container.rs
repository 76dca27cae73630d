//! The credentials of a container: of ECS, of EKS, or of a program on this machine that acts as they do.

use std::{fmt::Display, net::IpAddr, path::Path, time::Duration};

use aws_credential_types::{
    Credentials,
    provider::{self, error::CredentialsError},
};
use aws_sdk_ssm::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use http::{HeaderValue, Uri, header::AUTHORIZATION};
use http_body_util::BodyExt;
use serde::Deserialize;
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    aws::{endpoints::given, environment::variable, error::root_cause, expiration},
    files::{self, LONGEST_BY_HAND},
    wire::stream_url::without_secrets,
};

/// Those at the address in the environment, if there is one.
pub(super) async fn credentials(connector: &SharedHttpConnector) -> provider::Result {
    let Some(url) = address(&variable) else {
        return Err(CredentialsError::not_loaded("no address of a container's credentials"));
    };
    let url = url.map_err(failed)?;
    let token = token().await.map_err(failed)?;
    let shown = without_secrets(&url.to_string());
    let mut attempt = 1;
    loop {
        match timeout(PATIENCE, ask(connector, &url, token.as_ref())).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(why)) if attempt == ATTEMPTS => return Err(failed(format!("{shown}: {why}"))),
            Err(_) if attempt == ATTEMPTS => {
                return Err(failed(format!("{shown} does not answer")));
            }
            _ => attempt += 1,
        }
    }
}

/// Why they are not to be had.
#[derive(Debug, Error)]
#[error("{0}")]
struct Unavailable(String);

fn failed(why: impl Display) -> CredentialsError {
    CredentialsError::provider_error(format!("the container's credentials: {why}"))
}

/// Where they are. The token must not be sent to just anybody.
fn address(environment: &dyn Fn(&str) -> Option<String>) -> Option<Result<Uri, Unavailable>> {
    if let Some(path) = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("http://{OF_ECS}{slash}{path}").parse::<Uri>();
        return Some(url.map_err(|error| Unavailable(format!("{path}: {error}"))));
    }
    let text = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
    let url =
        text.parse::<Uri>().ok().filter(|url| url.host().is_some_and(|host| !host.is_empty()));
    Some(match url {
        Some(url) if is_trusted(&url) => Ok(url),
        Some(_) => Err(Unavailable(format!(
            "{} is neither https, nor on this machine, nor of ECS or EKS",
            without_secrets(&text)
        ))),
        None => Err(Unavailable(format!("{} is no address", without_secrets(&text)))),
    })
}

fn is_trusted(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_near = host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        || host == "localhost"
        || [OF_ECS, OF_EKS, OF_EKS_V6].contains(&host);
    url.scheme_str() == Some("https") || url.scheme_str() == Some("http") && is_near
}

async fn token() -> Result<Option<HeaderValue>, Unavailable> {
    let text = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => {
            let text = files::read_text(Path::new(&path), LONGEST_BY_HAND);
            Some(text.map_err(|error| Unavailable(format!("{path}: {error}")))?)
        }
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let token = HeaderValue::from_str(text);
    let mut token =
        token.map_err(|_| Unavailable("its token is no text of a header".to_owned()))?;
    token.set_sensitive(true);
    Ok(Some(token))
}

async fn ask(
    connector: &SharedHttpConnector,
    url: &Uri,
    token: Option<&HeaderValue>,
) -> Result<Credentials, Unavailable> {
    let request = http::Request::get(url).header("accept", "application/json").body("".into());
    let mut request = request.map_err(|error: http::Error| Unavailable(error.to_string()))?;
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, token.clone());
    }
    let request: HttpRequest =
        request.try_into().map_err(|_| Unavailable("no request".to_owned()))?;
    let answer = connector.call(request).await;
    let answer = answer.map_err(|error| Unavailable(root_cause(&error)))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await;
    let body = body.map_err(|error| Unavailable(root_cause(&*error)))?;
    if status != 200 {
        return Err(Unavailable(format!("HTTP status {status}")));
    }
    read(&body.to_bytes()).map_err(|why| Unavailable(why.to_owned()))
}

/// An answer. Empty members are as good as none, and others mean nothing to us.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

fn read(answer: &[u8]) -> Result<Credentials, &'static str> {
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|_| "it answers with no credentials")?;
    let id = given(answer.access_key_id).ok_or("AccessKeyId is missing in its answer")?;
    let secret =
        given(answer.secret_access_key).ok_or("SecretAccessKey is missing in its answer")?;
    let expiry = given(answer.expiration)
        .map(|date| expiration::parse(&date).ok_or("Expiration is no date in its answer"));
    Ok(Credentials::new(id, secret, given(answer.token), expiry.transpose()?, "container"))
}

const OF_ECS: &str = "169.254.170.2";
const OF_EKS: &str = "169.254.170.23";
const OF_EKS_V6: &str = "fd00:ec2::23";
/// For one attempt, as botocore has it.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(variable: &str, value: &str) -> Result<String, String> {
        let environment = |name: &str| (name == variable).then(|| value.to_owned());
        address(&environment).unwrap().map(|url| url.to_string()).map_err(|why| why.to_string())
    }

    #[test]
    fn addresses_are_near_or_have_tls() {
        let relative = |path| url("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path);
        assert_eq!(relative("/v2/c?id=1").unwrap(), "http://169.254.170.2/v2/c?id=1");
        assert_eq!(relative("v2").unwrap(), "http://169.254.170.2/v2");
        assert!(relative("/a b").is_err());
        let full = |text| url("AWS_CONTAINER_CREDENTIALS_FULL_URI", text);
        for text in
            ["http://localhost:1/x", "http://[::1]/", "http://169.254.170.23/v1", "https://a.b/c"]
        {
            assert_eq!(full(text).unwrap(), text);
        }
        for text in [
            "http://10.0.0.1/",
            "http://a.b/c",
            "//x",
            "x",
            "http://",
            "ftp://localhost/",
            "http:///x",
        ] {
            assert!(full(text).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn what_is_empty_in_an_answer_is_not_there() {
        let answer = br#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"","Expiration":"","RoleArn":null}"#;
        let found = read(answer).unwrap();
        assert_eq!((found.session_token(), found.expiry()), (None, None));
        let dated = br#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-21T18:30:05+0000"}"#;
        assert_eq!(read(dated).unwrap().expiry(), expiration::parse("2026-11-21T18:30:05Z"));
        assert!(read(br#"{"AccessKeyId":"","SecretAccessKey":"s"}"#).is_err());
        assert!(read(b"<html>").is_err());
    }
}
