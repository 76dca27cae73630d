//! The service's API as an endpoint answers it that checks no credentials: `ssmport local`.

use std::time::Duration;

use http::{HeaderMap, Method, Request as HttpRequest, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Error, Kind, service::Request, session_service::SessionService};
use crate::{
    net::{Authorities, Connector, Proxies},
    session::{ControlPlane, Endpoint, Pending, Refusal, Ticket},
    wire::{Token, foreign_text::one_line},
};

/// An endpoint that is asked over HTTP, unsigned. Its sessions are resumed; encrypted ones need the
/// feature `aws`, which can ask a KMS.
#[derive(Debug)]
pub(super) struct EndpointApi {
    url: Uri,
    shown: String,
}

impl EndpointApi {
    /// That at `url`.
    pub(super) fn at(url: &str) -> Result<Self, Error> {
        let what = || Error::new(Kind::Usage, format!("`{}`", one_line(url)));
        let parsed: Uri = url.parse().map_err(|error| what().because(error))?;
        match (parsed.scheme_str(), parsed.authority()) {
            (Some("http" | "https"), Some(_)) => Ok(Self { url: parsed, shown: one_line(url) }),
            _ => Err(what().because("it is not of the form http://HOST:PORT")),
        }
    }

    /// What the endpoint answers to a call.
    async fn call(&self, action: &str, body: Value) -> Result<Answered, Error> {
        let failed = || Error::new(Kind::Lost, format!("{action} at {}", self.shown));
        let answer = timeout(ANSWER_LIMIT, self.exchange(action, body)).await;
        let away = || Error { kind: Kind::Unreachable, ..failed() };
        let late = |_| away().because(format!("no answer in {} s", ANSWER_LIMIT.as_secs()));
        let (status, body) = answer.map_err(late)?.map_err(|why| away().because(why))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| failed().because(error));
        }
        let refused: Refused = serde_json::from_slice(&body).unwrap_or_default();
        let kind = match refused.code.rsplit('#').next() {
            _ if status.is_server_error() => Kind::Lost,
            Some("TargetNotConnected") => Kind::Target,
            Some(DOES_NOT_EXIST) => return Ok(Answered::default()),
            _ => Kind::Refused,
        };
        let why = format!("{} {}", one_line(&refused.code), one_line(&refused.message));
        Err(Error { kind, ..failed() }.because(why.trim()))
    }

    async fn exchange(
        &self,
        action: &str,
        body: Value,
    ) -> Result<(http::StatusCode, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
        let authorities = match self.url.scheme_str() {
            Some("https") => Authorities::of_environment()?.unwrap_or_default().beside_system(),
            _ => Authorities::default(),
        };
        let connector = Connector::new(authorities, Proxies::of_environment());
        let connection = connector.connect(&self.url, CONNECT_LIMIT).await?;
        let (mut sender, serving) = http1::handshake(TokioIo::new(connection)).await?;
        let host = self.url.authority().map_or("", |authority| authority.as_str());
        let request = HttpRequest::builder()
            .method(Method::POST)
            .uri("/")
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonSSM.{action}"))
            .body(Full::new(bytes::Bytes::from(body.to_string())))?;
        let answering = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body.to_bytes().to_vec()))
        };
        tokio::select! {
            answered = answering => answered,
            // It has been answered by then, or never will be.
            ended = serving => Err(ended.err().map_or_else(|| CLOSED.into(), Into::into)),
        }
    }

    async fn ticket(&self, action: &str, body: Value) -> Result<Option<Ticket>, Error> {
        let Answered { session_id, stream_url, token } = self.call(action, body).await?;
        Ok(token.map(|token| Ticket { session_id, stream_url, token }))
    }
}

impl SessionService for EndpointApi {
    fn start<'a>(
        &'a self,
        target: &'a str,
        request: &'a Request,
    ) -> Pending<'a, Result<Ticket, Error>> {
        let mut body = json!({"Target": target});
        if let Some(document) = &request.document {
            body["DocumentName"] = json!(document);
            body["Parameters"] = json!(request.parameters);
        }
        if let Some(reason) = &request.reason {
            body["Reason"] = json!(reason);
        }
        Box::pin(async move {
            let ended = || Error::new(Kind::Lost, "the session ended as it began");
            self.ticket("StartSession", body).await?.ok_or_else(ended)
        })
    }
}

impl ControlPlane for EndpointApi {
    fn resume<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        Box::pin(async move {
            let resumed = self.ticket("ResumeSession", json!({"SessionId": session_id})).await;
            resumed.map_err(refusal)
        })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let ended = self.call("TerminateSession", json!({"SessionId": session_id})).await;
            ended.map(drop).map_err(refusal)
        })
    }

    fn sign<'a>(&'a self, _url: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async { HeaderMap::new() })
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        Endpoint::parse(&self.shown).into_iter().collect()
    }
}

fn refusal(error: Error) -> Refusal {
    let is_temporary = matches!(error.kind(), Kind::Lost | Kind::Unreachable);
    Refusal { is_temporary, message: error.to_string() }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Answered {
    session_id: String,
    stream_url: String,
    #[serde(rename = "TokenValue")]
    token: Option<Token>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refused {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: String,
}

/// What a service does not know any more is over.
const DOES_NOT_EXIST: &str = "DoesNotExistException";
const CLOSED: &str = "the connection was closed before the answer";
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A ticket is a few KiB.
const LONGEST_ANSWER: usize = 64 * 1024;
