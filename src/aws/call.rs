//! Calls of single operations of big services, signed here.
//!
//! The SDK's crate of EC2 alone takes longer to compile than everything else in the program, for
//! the one operation that is needed of it. What it would do is small: one signed request, a few
//! attempts, an answer in JSON or XML.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_ssm::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::http::{HttpConnector, SharedHttpConnector},
};
use http::{HeaderValue, Uri};
use http_body_util::BodyExt;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::{
    endpoints::{Address, Addresses},
    error::{AwsError, root_cause},
    http_client::{ATTEMPT_TIMEOUT, OPERATION_TIMEOUT},
    operation::{Operation, one_line},
    signature,
    unanswered::too_late,
};

/// Makes calls to the services of one region.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    connector: SharedHttpConnector,
    addresses: Addresses,
}

/// What is sent, in one of the two protocols of AWS's older services.
pub(super) enum Body {
    /// AWS JSON 1.1: the operation's name with its API's prefix, and the input.
    Json(&'static str, serde_json::Value),
    /// The query protocol: a form, answered in XML.
    Query(Vec<(String, String)>),
}

impl Caller {
    pub(super) fn new(connector: SharedHttpConnector, addresses: Addresses) -> Self {
        Self { connector, addresses }
    }

    /// Where the services are.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// For requests that are no calls.
    pub(super) fn connector(&self) -> &SharedHttpConnector {
        &self.connector
    }

    /// An operation of the query protocol.
    ///
    /// # Errors
    /// As those of the account's other calls, after three attempts.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        operation: Operation,
        version: &str,
        parameters: impl IntoIterator<Item = (String, String)>,
        credentials: &Credentials,
    ) -> Result<T, AwsError> {
        let action = [("Action", operation.name), ("Version", version)];
        let action = action.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let form = action.into_iter().chain(parameters).collect();
        let (endpoint, answer) = self.call(&operation, &Body::Query(form), credentials).await?;
        quick_xml::de::from_reader(answer.as_slice()).map_err(|error| AwsError::Answer {
            operation,
            endpoint,
            why: error.to_string(),
        })
    }

    /// An operation of the JSON protocol; `target` is the prefix of its API.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        operation: Operation,
        target: &'static str,
        input: serde_json::Value,
        credentials: &Credentials,
    ) -> Result<T, AwsError> {
        let body = Body::Json(target, input);
        let (endpoint, answer) = self.call(&operation, &body, credentials).await?;
        serde_json::from_slice(&answer).map_err(|error| AwsError::Answer {
            operation,
            endpoint,
            why: error.to_string(),
        })
    }

    /// The address that answered, and the answer, which may hold secrets.
    async fn call(
        &self,
        operation: &Operation,
        body: &Body,
        credentials: &Credentials,
    ) -> Result<(String, Zeroizing<Vec<u8>>), AwsError> {
        let address = self.addresses.of(operation.service).await?;
        let attempts = self.attempts(operation, &address, body, credentials);
        let within = timeout(OPERATION_TIMEOUT, attempts).await;
        let answer = within.unwrap_or_else(|_| Err(unreachable(operation, &address, too_late())));
        match answer {
            Ok(answer) => Ok((address.url, answer)),
            Err(error) => Err(error.signed_with(credentials)),
        }
    }

    async fn attempts(
        &self,
        operation: &Operation,
        address: &Address,
        body: &Body,
        credentials: &Credentials,
    ) -> Result<Zeroizing<Vec<u8>>, AwsError> {
        let mut attempt = 1;
        loop {
            let once = self.attempt(operation, address, body, credentials).await;
            let is_temporary =
                matches!(once, Err(AwsError::Unreachable { .. } | AwsError::Unavailable { .. }));
            if !is_temporary || attempt == ATTEMPTS {
                return once;
            }
            sleep(PAUSE.mul_f64(rand::random_range(0.5..1.0)) * 2u32.pow(attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        operation: &Operation,
        address: &Address,
        body: &Body,
        credentials: &Credentials,
    ) -> Result<Zeroizing<Vec<u8>>, AwsError> {
        let unreachable = |why| unreachable(operation, address, why);
        let request = request(operation, address, body, credentials.clone(), SystemTime::now())
            .ok_or_else(|| AwsError::Configuration {
                why: format!("{operation}: no request can be made for {}", address.url),
            })?;
        let exchange = async {
            let response = self.connector.call(request).await.map_err(|error| {
                AwsError::unanswered(operation.clone(), address.url.clone(), &error)
            })?;
            read(response).await.map_err(|error| unreachable(root_cause(&*error)))
        };
        let within = timeout(ATTEMPT_TIMEOUT, exchange).await;
        let (status, answer) = within.unwrap_or_else(|_| Err(unreachable(too_late())))?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let Some(told) = Told::of(body, &answer) else {
            let why = format!("HTTP status {status} without an error's name");
            let (operation, endpoint) = (operation.clone(), address.url.clone());
            return Err(AwsError::Answer { operation, endpoint, why });
        };
        let message = told.message.as_deref().unwrap_or("no reason given");
        let (code, message) = (one_line(&told.code), one_line(message));
        Err(AwsError::of_code(operation.clone(), code, message, status >= 500))
    }
}

fn unreachable(operation: &Operation, address: &Address, why: String) -> AwsError {
    let (operation, endpoint) = (operation.clone(), address.url.clone());
    AwsError::Unreachable { operation, endpoint, why }
}

/// `None` when the address or the credentials do not fit into a request.
fn request(
    operation: &Operation,
    address: &Address,
    body: &Body,
    credentials: Credentials,
    now: SystemTime,
) -> Option<HttpRequest> {
    let url: Uri = format!("{}/", address.url).parse().ok()?;
    let mut headers = Vec::new();
    let text = match body {
        Body::Json(prefix, input) => {
            headers.push(("content-type", "application/x-amz-json-1.1".to_owned()));
            headers.push(("x-amz-target", format!("{prefix}.{}", operation.name)));
            input.to_string()
        }
        Body::Query(form) => {
            let kind = "application/x-www-form-urlencoded; charset=utf-8";
            headers.push(("content-type", kind.to_owned()));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
        }
    };
    let signed = signature::Signed {
        method: "POST",
        url: &url,
        headers: &headers,
        body: text.as_bytes(),
        service: operation.service,
        region: &address.region,
    };
    let signature = signed.headers(credentials, now)?;
    let mut request = http::Request::post(url).body(text.into()).ok()?;
    for (name, value) in headers {
        request.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
    }
    request.headers_mut().extend(signature);
    request.try_into().ok()
}

/// What a connection's own buffers hold of it is freed, but not overwritten.
async fn read(response: HttpResponse) -> Result<(u16, Zeroizing<Vec<u8>>), BoxError> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?;
    Ok((status, Zeroizing::new(body.to_bytes().to_vec())))
}

/// An error as the service tells it.
#[derive(Deserialize)]
struct Told {
    code: String,
    message: Option<String>,
}

impl Told {
    fn of(body: &Body, answer: &[u8]) -> Option<Self> {
        match body {
            Body::Json(..) => {
                let told: serde_json::Value = serde_json::from_slice(answer).ok()?;
                let code = told.get("__type")?.as_str()?;
                let message = told.get("message").or_else(|| told.get("Message"));
                Some(Self {
                    code: code.rsplit('#').next().unwrap_or(code).to_owned(),
                    message: message.and_then(|text| text.as_str()).map(str::to_owned),
                })
            }
            Body::Query(_) => {
                // EC2 wraps its errors once more than the others.
                let told: XmlError = quick_xml::de::from_reader(answer).ok()?;
                let error = told.error.or(told.errors.and_then(|errors| errors.error))?;
                Some(Self { code: error.code, message: error.message })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlError {
    error: Option<XmlReason>,
    errors: Option<XmlErrors>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlErrors {
    error: Option<XmlReason>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlReason {
    code: String,
    message: Option<String>,
}

const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &Body, answer: &str) -> Option<(String, Option<String>)> {
        Told::of(body, answer.as_bytes()).map(|told| (told.code, told.message))
    }

    #[test]
    fn errors_are_found_in_all_three_forms() {
        let denied = Some(("AccessDenied".to_owned(), Some("not you".to_owned())));
        let query = Body::Query(Vec::new());
        let json = Body::Json("X", serde_json::Value::Null);
        let error = "<Code>AccessDenied</Code><Message>not you</Message>";
        let iam = format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
             <Error><Type>Sender</Type>{error}</Error><RequestId>1</RequestId></ErrorResponse>"
        );
        assert_eq!(told(&query, &iam), denied);
        let ec2 = format!(
            "<?xml version=\"1.0\"?>\n<Response><Errors><Error>{error}</Error></Errors>\
             <RequestID>1</RequestID></Response>"
        );
        assert_eq!(told(&query, &ec2), denied);
        let own = r#"{"__type":"com.amazon.coral.service#AccessDenied","Message":"not you"}"#;
        assert_eq!(told(&json, own), denied);
        assert_eq!(told(&json, r#"{"__type":"Busy"}"#), Some(("Busy".to_owned(), None)));
        for page in ["", "<html><body>Sign in</body></html>", "{}"] {
            assert_eq!(told(&query, page), None);
            assert_eq!(told(&json, page), None);
        }
    }
}
