//! The endpoint's one port: the API and the WebSockets of the data channels, over plain HTTP/1.1.
//!
//! ```text
//!   POST /, or GET /?Action=...      the APIs, see `api`
//!   GET  /v1/data-channel/SESSION    upgrade to WebSocket, handed to the Gateway
//! ```
//!
//! Requests that a web page may be behind are refused, see `web_page`. A connection is one task from
//! `accept` to the end of its WebSocket, and all of them end with [`serve`].

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::api::{self, STREAM_PATH};
use super::error::ServiceError;
use super::service::EmbeddedService;
use super::strangers::{Place, Strangers};
use super::visitor::Visitor;
use super::web_page;
use crate::net::{Rationed, headers_len, now, with_open_files};

/// Who serves the WebSockets.
pub trait Gateway: Send + Sync + 'static {
    /// Serves one WebSocket until it ends. The handshake is done and the first message has to bring
    /// the token. The session id is what the caller asked for, unchecked.
    ///
    /// The future is dropped when the endpoint stops.
    fn accept(
        &self,
        session_id: String,
        visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Whether the service, API and all, is unavailable at the moment.
    fn is_away(&self) -> bool {
        false
    }
}

/// What an endpoint answers to.
#[derive(Debug)]
pub struct Reach {
    /// Names that it is reached by beside those of this machine.
    pub hosts: Vec<String>,
    /// Whether it takes calls of the API, or WebSockets only.
    pub serves_api: bool,
}

/// Serves the endpoint for ever; dropping the future closes all its connections.
///
/// At most [`CONNECTION_LIMIT`] connections are served at a time, WebSockets included; further ones
/// wait in the listener's queue. Half of them are for [`Strangers`].
pub async fn serve(
    listener: TcpListener,
    service: Arc<Mutex<EmbeddedService>>,
    gateway: Arc<dyn Gateway>,
    reach: Arc<Reach>,
) -> Infallible {
    serve_at_most(CONNECTION_LIMIT, listener, service, gateway, reach).await
}

async fn serve_at_most(
    limit: usize,
    listener: TcpListener,
    service: Arc<Mutex<EmbeddedService>>,
    gateway: Arc<dyn Gateway>,
    reach: Arc<Reach>,
) -> Infallible {
    let strangers = Strangers::at_most(limit / 2);
    let mut connections = JoinSet::new();
    let mut not_accepted = Rationed::default();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limit => match accepted {
                Ok((stream, peer)) => {
                    let (service, gateway) = (service.clone(), gateway.clone());
                    let connection = Connection { peer, service, gateway, reach: reach.clone() };
                    connections.spawn(connection.run(stream, strangers.take_in()));
                }
                Err(error) => {
                    if let Some(times) = not_accepted.tell(now()) {
                        let why = with_open_files(error);
                        tracing::error!("cannot accept connections{times}: {why}");
                    }
                    // Out of file descriptors, most likely: trying again at once would only spin.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task failed");
                }
            }
        }
    }
}

struct Connection {
    peer: SocketAddr,
    service: Arc<Mutex<EmbeddedService>>,
    gateway: Arc<dyn Gateway>,
    reach: Arc<Reach>,
}

impl Connection {
    async fn run(self, stream: TcpStream, mut place: Place) {
        match place.keep_while(self.serve_http(stream)).await {
            Some(Ok(None)) => {}
            Some(Ok(Some((session_id, stream, early)))) => {
                let visitor = Visitor::new(stream, early, place).await;
                self.gateway.accept(session_id, visitor).await;
            }
            Some(Err(error)) => {
                tracing::debug!(peer = %self.peer, %error, "the connection failed");
            }
            None => tracing::debug!(peer = %self.peer, "the connection gave way to newer ones"),
        }
    }

    /// Answers requests until the connection ends or is to become a WebSocket. It is taken out of
    /// hyper then, so that no boxed I/O is left on the data's way, with what the client sent right
    /// behind its handshake.
    async fn serve_http(
        &self,
        stream: TcpStream,
    ) -> Result<Option<(String, TcpStream, Vec<u8>)>, ConnectionError> {
        // With Nagle's algorithm on, a small frame would wait for the last one's acknowledgement.
        stream.set_nodelay(true).map_err(ConnectionError::Socket)?;
        let local = stream.local_addr().map_err(ConnectionError::Socket)?;
        let Some((session_id, upgraded)) = self.serve_requests(stream, local).await? else {
            return Ok(None);
        };
        let parts = upgraded.downcast::<TokioIo<TcpStream>>();
        let parts = parts.map_err(|_| ConnectionError::NotTcp)?;
        Ok(Some((session_id, parts.io.into_inner(), parts.read_buf.to_vec())))
    }

    /// As [`serve_http`](Self::serve_http), on any stream of bytes.
    async fn serve_requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        local: SocketAddr,
    ) -> Result<Option<(String, Upgraded)>, ConnectionError> {
        // Filled by the request that upgrades, after which there is no other.
        let upgrade = Mutex::new(None);
        let has_asked = Notify::new();
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| async {
                    has_asked.notify_one();
                    let response = match self.respond(request, local).await {
                        Answer::Plain(response) => response,
                        Answer::Upgrade(response, session_id, pending) => {
                            *lock(&upgrade) = Some((session_id, pending));
                            response
                        }
                    };
                    Ok::<_, Infallible>(response)
                }),
            )
            .with_upgrades();
        let is_silent = async {
            if timeout(FIRST_HEADER_TIMEOUT, has_asked.notified()).await.is_ok() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            served = serving => served?,
            () = is_silent => return Err(ConnectionError::Silent),
        }
        let Some((session_id, upgraded)) = lock(&upgrade).take() else {
            return Ok(None);
        };
        Ok(Some((session_id, upgraded.await?)))
    }

    async fn respond(&self, request: Request<Incoming>, local: SocketAddr) -> Answer {
        if head_len(&request) > LONGEST_HEAD {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Answer::refuse(status, "The request's head is longer than 16384 bytes.");
        }
        if let Some((status, why)) = web_page::refusal(&request, local, &self.reach.hosts) {
            return Answer::refuse(status, why);
        }
        if self.gateway.is_away() {
            return Answer::unavailable();
        }
        let path = request.uri().path();
        if !self.reach.serves_api && !path.starts_with(STREAM_PATH) {
            return Answer::error(StatusCode::NOT_FOUND, NO_API);
        }
        if path == "/" {
            return match *request.method() {
                Method::POST => self.call_api(request, local).await,
                Method::GET if api::is_request(request.uri()) => {
                    self.call_api(request, local).await
                }
                _ => Answer::wrong_method("POST"),
            };
        }
        match path.strip_prefix(STREAM_PATH) {
            Some(session_id) if is_session_id(session_id) => match *request.method() {
                Method::GET => match self.refuse_upgrade(&request, local) {
                    Some(refused) => refused,
                    None => open_websocket(session_id.to_owned(), request),
                },
                _ => Answer::wrong_method("GET"),
            },
            _ => Answer::refuse(StatusCode::NOT_FOUND, "There is nothing at this path."),
        }
    }

    async fn call_api(&self, request: Request<Incoming>, local: SocketAddr) -> Answer {
        let (head, body) = request.into_parts();
        let body = match timeout(BODY_TIMEOUT, read_body(body)).await {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) => {
                return Answer::refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The request body is longer than 65536 bytes.",
                );
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a request body broke off");
                return Answer::refuse(StatusCode::BAD_REQUEST, "The request body broke off.");
            }
            Err(_) => {
                return Answer::refuse(
                    StatusCode::REQUEST_TIMEOUT,
                    "The request body did not come in time.",
                );
            }
        };
        let (id, stream_base) = (request_id(), stream_base(&head.headers, local));
        let request = api::Request {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            body: &body,
            id: &id,
            stream_base: &stream_base,
            peer: self.peer.ip(),
            now: SystemTime::now(),
        };
        Answer::reply(api::answer(&request, &mut lock(&self.service)), &id)
    }

    /// The answer to a data channel's upgrade that must not be.
    fn refuse_upgrade(&self, request: &Request<Incoming>, local: SocketAddr) -> Option<Answer> {
        let (id, stream_base) = (request_id(), stream_base(request.headers(), local));
        let request = api::Request {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            body: &[],
            id: &id,
            stream_base: &stream_base,
            peer: self.peer.ip(),
            now: SystemTime::now(),
        };
        let refused = api::refuse_upgrade(&request, &lock(&self.service))?;
        Some(Answer::reply(refused, &id))
    }
}

/// What a request leads to.
enum Answer {
    Plain(Response<Full<Bytes>>),
    /// The response that accepts the upgrade, the session asked for, and the connection to come.
    Upgrade(Response<Full<Bytes>>, String, OnUpgrade),
}

impl Answer {
    fn reply(reply: api::Reply, id: &str) -> Self {
        tracing::debug!(operation = reply.operation, refused = reply.refused, "API call");
        let answer = Self::Plain(text_response(reply.status, reply.content_type, reply.body));
        match HeaderValue::try_from(id) {
            Ok(id) => answer.with_header(HeaderName::from_static(REQUEST_ID), id),
            Err(_) => answer,
        }
    }

    /// An answer that also says what this is, for whoever comes here by mistake.
    fn refuse(status: StatusCode, problem: &str) -> Self {
        Self::error(status, &format!("{problem} {SIGNPOST}"))
    }

    fn error(status: StatusCode, message: &str) -> Self {
        let body = json!({ "message": message });
        let mut response = text_response(status, "application/json", body.to_string());
        if [
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ]
        .contains(&status)
        {
            // The rest of the body is still on its way and no request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Self::Plain(response)
    }

    /// In the form of the API's errors, which upgrades are content with.
    fn unavailable() -> Self {
        let error = ServiceError::Unavailable;
        let body = json!({ "__type": error.code(), "message": error.to_string() });
        let status = StatusCode::SERVICE_UNAVAILABLE;
        // The rest of the request may still be on its way.
        Self::Plain(text_response(status, AMZ_JSON, body.to_string()))
            .with_header(CONNECTION, HeaderValue::from_static("close"))
    }

    fn wrong_method(allowed: &'static str) -> Self {
        let problem = format!("This path takes {allowed} only.");
        Self::refuse(StatusCode::METHOD_NOT_ALLOWED, &problem)
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let (Self::Plain(response) | Self::Upgrade(response, ..)) = &mut self;
        response.headers_mut().insert(name, value);
        self
    }
}

fn text_response(
    status: StatusCode,
    content_type: &'static str,
    body: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Answers the opening handshake of RFC 6455.
fn open_websocket(session_id: String, mut request: Request<Incoming>) -> Answer {
    let pending = hyper::upgrade::on(&mut request);
    match create_response(&request.map(drop)) {
        Ok(response) => Answer::Upgrade(response.map(|()| Full::default()), session_id, pending),
        Err(error) => {
            let problem = format!("This path takes WebSocket upgrades only: {error}.");
            Answer::refuse(StatusCode::UPGRADE_REQUIRED, &problem)
                .with_header(UPGRADE, HeaderValue::from_static("websocket"))
        }
    }
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the socket cannot be set up: {0}")]
    Socket(#[source] io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("no request came within {} s", FIRST_HEADER_TIMEOUT.as_secs())]
    Silent,
    #[error("the upgraded connection is no TCP connection")]
    NotTcp,
}

/// The whole body, or none if it is longer than [`BODY_LIMIT`].
///
/// Of a body that is too long, the first [`DISCARD_LIMIT`] bytes are read all the same: closing a
/// socket with unread bytes resets it, and the caller would not see the answer.
async fn read_body(mut body: Incoming) -> Result<Option<Bytes>, hyper::Error> {
    let mut read = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        length += data.len();
        if length > DISCARD_LIMIT {
            break;
        }
        if length <= BODY_LIMIT {
            read.extend_from_slice(&data);
        }
    }
    Ok((length <= BODY_LIMIT).then(|| read.freeze()))
}

/// As many bytes as a request's head has, but for the method and the version.
fn head_len(request: &Request<Incoming>) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    path + headers_len(request.headers())
}

fn request_id() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// The caller's own way to this endpoint, so that it holds behind a mapped port too.
fn stream_base(headers: &HeaderMap, local: SocketAddr) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match host.and_then(|host| host.parse::<Authority>().ok()) {
        Some(host) => format!("ws://{host}"),
        None => format!("ws://{local}"),
    }
}

/// AWS's session ids are user names, hyphens and digits, at most 96 of them.
fn is_session_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.@+=,".contains(&b);
    (1..=96).contains(&text.len()) && text.bytes().all(allowed)
}

/// A panic elsewhere must not take the endpoint down with it: each call leaves the state whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Twice the sessions that can be alive, so that the API is within reach when all have a WebSocket.
pub const CONNECTION_LIMIT: usize = 2 * super::service::LIVE_LIMIT;

/// The longest API request; real ones have a few hundred bytes.
pub const BODY_LIMIT: usize = 64 << 10;

const DISCARD_LIMIT: usize = 1 << 20;

/// In bytes. Signed requests with a session token have some 4 KiB.
const LONGEST_HEAD: usize = 16 << 10;
/// Whoever connects has something to ask.
const FIRST_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const REQUEST_ID: &str = "x-amzn-requestid";
const AMZ_JSON: &str = "application/x-amz-json-1.1";

const SIGNPOST: &str = "This is ssmport's local Session Manager endpoint: it takes calls of AWS's APIs \
    (POST / with X-Amz-Target: AmazonSSM.StartSession and others) and the WebSockets that their \
    StreamUrl names.";
const NO_API: &str = "This is the service inside a running ssmport, for the sessions of that program \
    alone: it takes no calls. `ssmport local` starts one that does.";

#[cfg(fuzzing)]
pub(super) mod fuzzing;

#[cfg(test)]
mod tests;
