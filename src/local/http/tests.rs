use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

use super::*;
use crate::local::node::Node;
use crate::wire::{Token, control::OpenDataChannel};

const NODE: &str = "i-0123456789abcdef0";
const START: &str = r#"{"Target":"i-0123456789abcdef0","DocumentName":"AWS-StartPortForwardingSession","Parameters":{"portNumber":["5432"]}}"#;

/// Far longer than anything here takes: a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running endpoint on a port of its own, which ends with the value.
struct Endpoint {
    address: SocketAddr,
    server: AbortHandle,
}

impl Endpoint {
    async fn start() -> Self {
        Self::with_limit(CONNECTION_LIMIT).await
    }

    async fn with_limit(limit: usize) -> Self {
        Self::with(limit, true).await
    }

    async fn with(limit: usize, serves_api: bool) -> Self {
        let node = Node {
            id: NODE.to_owned(),
            name: "local-node".to_owned(),
            agent_version: "3.3.0.0".to_owned(),
            platform_name: "Amazon Linux".to_owned(),
            platform_version: "2023".to_owned(),
            ip: "127.0.0.1".to_owned(),
            ..Node::default()
        };
        let service = EmbeddedService::new([node]).expect("the system has random bytes");
        let service = Arc::new(Mutex::new(service));
        let gateway = Arc::new(Opener(service.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let reach = Arc::new(Reach { hosts: vec!["endpoint.test".to_owned()], serves_api });
        let server = tokio::spawn(serve_at_most(limit, listener, service, gateway, reach));
        Self { address, server: server.abort_handle() }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("listening")
    }

    /// Sends one request on a connection of its own and reads until the endpoint closes it.
    async fn send(&self, request: &[u8]) -> Received {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("taken");
        Received::from(&mut stream).await
    }

    async fn call(&self, operation: &str, body: &str) -> Received {
        self.send(api_request(operation, body, "Connection: close\r\n").as_bytes()).await
    }

    /// Starts a session; gives the answer.
    async fn start_session(&self) -> Value {
        self.call("StartSession", START).await.json()
    }

    /// Opens the WebSocket of `url`, shows `token` and gives the gateway's answer.
    async fn open(&self, url: &str, token: &str) -> String {
        self.open_and_stay(url, token).await.0
    }

    /// As [`open`](Self::open), and gives the WebSocket too.
    async fn open_and_stay(&self, url: &str, token: &str) -> (String, WebSocketStream<TcpStream>) {
        let (mut socket, response) =
            client_async(url, self.connect().await).await.expect("upgraded");
        assert_eq!(response.status(), 101);
        let opening = OpenDataChannel::new(Uuid::nil(), Token::new(token), Uuid::nil(), "1.2.0.0");
        let opening = serde_json::to_string(&opening).expect("JSON");
        socket.send(Message::text(opening)).await.expect("sent");
        let answer = timeout(PATIENCE, socket.next()).await.expect("in time");
        let answer = match answer.expect("answered").expect("a message") {
            Message::Text(text) => text.to_string(),
            Message::Close(Some(frame)) => frame.reason.to_string(),
            other => panic!("{other:?}"),
        };
        (answer, socket)
    }

    /// Starts a session and opens its data channel.
    async fn open_a_session(&self) -> WebSocketStream<TcpStream> {
        let started = self.start_session().await;
        let text = |name: &str| started[name].as_str().expect("a string").to_owned();
        let (said, socket) = self.open_and_stay(&text("StreamUrl"), &text("TokenValue")).await;
        assert_eq!(said, "opened 1");
        socket
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn api_request(operation: &str, body: &str, more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: endpoint.test:8080\r\nX-Amz-Target: AmazonSSM.{operation}\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

fn upgrade_request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: endpoint.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// An HTTP answer: head and body as text.
struct Received {
    head: String,
    body: String,
}

impl Received {
    async fn from(stream: &mut TcpStream) -> Self {
        let mut text = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut text));
        read.await.expect("in time").expect("readable");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        Self { head: head.to_lowercase(), body: body.to_owned() }
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).expect("a status line")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// A gateway that answers what opening came to.
struct Opener(Arc<Mutex<EmbeddedService>>);

impl Gateway for Opener {
    fn accept(
        &self,
        session_id: String,
        mut visitor: Visitor,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let token = match visitor.opening().await {
                Ok(opening) => opening.token_value,
                Err(why) => return visitor.refuse(&why.to_string()).await,
            };
            let opened =
                lock(&self.0).open_data_channel(&session_id, token.expose(), SystemTime::now());
            let channel = match opened {
                Ok(channel) => channel,
                Err(error) => return visitor.refuse(error.code()).await,
            };
            let mut socket = visitor.admit().await.expect("its connection stands");
            assert!(socket.get_ref().nodelay().expect("a socket"));
            assert_eq!(socket.get_config().max_message_size, Some(1 << 20));
            let answer = Message::text(format!("opened {}", channel.opening));
            let _ = socket.send(answer).await;
            while let Some(Ok(message)) = socket.next().await {
                let _ = socket.send(message).await;
            }
        })
    }
}

#[tokio::test]
async fn an_api_call_is_answered_as_aws_does() {
    let endpoint = Endpoint::start().await;
    let answer = endpoint.call("StartSession", START).await;
    assert_eq!(answer.status(), "200");
    assert!(answer.head.contains("content-type: application/x-amz-json-1.1"));
    assert!(answer.head.contains("\r\nx-amzn-requestid: "));
    let started = answer.json();
    let id = started["SessionId"].as_str().expect("a string");
    let url = format!("ws://endpoint.test:8080/v1/data-channel/{id}?role=publish_subscribe");
    assert_eq!(started["StreamUrl"], url);

    let answer = endpoint.call("StartSession", r#"{"Target":"i-none"}"#).await;
    assert_eq!(answer.status(), "400");
    assert!(answer.head.contains("\r\nx-amzn-requestid: "));
    assert_eq!(answer.json()["__type"], "TargetNotConnected");
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let endpoint = Endpoint::start().await;
    let mut stream = endpoint.connect().await;
    let both = api_request("DescribeInstanceInformation", "{}", "")
        + &api_request("DescribeInstanceInformation", "{}", "Connection: close\r\n");
    stream.write_all(both.as_bytes()).await.expect("taken");
    let answers = Received::from(&mut stream).await;
    assert_eq!(answers.body.matches(NODE).count(), 2);
}

#[tokio::test]
async fn a_caller_that_names_no_host_is_sent_to_the_address_it_reached() {
    let endpoint = Endpoint::start().await;
    let request = api_request("StartSession", START, "")
        .replace("Host: endpoint.test:8080\r\n", "")
        .replace("HTTP/1.1", "HTTP/1.0");
    let started = endpoint.send(request.as_bytes()).await.json();
    let url = started["StreamUrl"].as_str().expect("a string");
    assert!(url.starts_with(&format!("ws://{}/v1/", endpoint.address)), "{url}");
}

#[tokio::test]
async fn a_data_channel_opens_with_its_token_and_reopens_after_resume() {
    let endpoint = Endpoint::start().await;
    let started = endpoint.start_session().await;
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let (url, token) = (text(&started["StreamUrl"]), text(&started["TokenValue"]));
    assert_eq!(endpoint.open(&url, &token).await, "opened 1");

    let body = json!({ "SessionId": started["SessionId"] }).to_string();
    let resumed = endpoint.call("ResumeSession", &body).await.json();
    let (url, token) = (text(&resumed["StreamUrl"]), text(&resumed["TokenValue"]));
    assert_eq!(endpoint.open(&url, &token).await, "opened 2");
}

#[tokio::test]
async fn wrong_tokens_and_unknown_sessions_reach_the_gateway_and_get_no_further() {
    let endpoint = Endpoint::start().await;
    let started = endpoint.start_session().await;
    let url = started["StreamUrl"].as_str().expect("a string");
    let answer = endpoint.open(url, "guess").await;
    assert_eq!(answer, "AccessDeniedException");

    let url = format!("ws://{}/v1/data-channel/local-0", endpoint.address);
    let answer = endpoint.open(&url, "guess").await;
    assert_eq!(answer, "DoesNotExistException");
}

#[tokio::test]
async fn a_frame_right_behind_the_handshake_is_not_lost() {
    let endpoint = Endpoint::start().await;
    let mut bytes = upgrade_request("/v1/data-channel/local-0", "").into_bytes();
    // FIN and TEXT, masked, two bytes, a mask of zeros, the payload.
    bytes.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    let mut stream = endpoint.connect().await;
    stream.write_all(&bytes).await.expect("taken");

    let mut seen = Vec::new();
    while !seen.ends_with(b"the first message is no OpenDataChannel request") {
        let read = timeout(PATIENCE, stream.read_buf(&mut seen)).await;
        assert_ne!(read.expect("in time").expect("readable"), 0);
    }
    let head = String::from_utf8_lossy(&seen).to_lowercase();
    assert!(head.starts_with("http/1.1 101 "));
    // The example of RFC 6455, section 1.3.
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
}

#[tokio::test]
async fn web_pages_are_refused_everywhere() {
    let endpoint = Endpoint::start().await;
    let origin = "Origin: http://localhost:3000\r\nConnection: close\r\n";
    let answer = endpoint.send(api_request("StartSession", START, origin).as_bytes()).await;
    assert_eq!(answer.status(), "403");
    assert!(!answer.body.contains("TokenValue"));

    let request = upgrade_request("/v1/data-channel/local-0", origin);
    assert_eq!(endpoint.send(request.as_bytes()).await.status(), "403");

    // A name that was pointed at this machine after the page had been loaded.
    let rebound = |request: String| request.replace("endpoint.test", "evil.test");
    let request = rebound(api_request("StartSession", START, "Connection: close\r\n"));
    let answer = endpoint.send(request.as_bytes()).await;
    assert_eq!(answer.status(), "421");
    assert!(!answer.body.contains("TokenValue"));
    let request = rebound(upgrade_request("/v1/data-channel/local-0", "Connection: close\r\n"));
    assert_eq!(endpoint.send(request.as_bytes()).await.status(), "421");
}

#[tokio::test]
async fn one_without_an_api_takes_websockets_and_says_so_to_calls() {
    let endpoint = Endpoint::with(CONNECTION_LIMIT, false).await;
    let mut refused = vec![
        "GET /?Action=GetCallerIdentity&Version=2011-06-15 HTTP/1.1".to_owned(),
        "GET /favicon.ico HTTP/1.1".to_owned(),
    ];
    refused.iter_mut().for_each(|line| *line += "\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for operation in ["StartSession", "ResumeSession", "DescribeSessions"] {
        refused.push(api_request(operation, START, "Connection: close\r\n"));
    }
    for request in refused {
        let answer = endpoint.send(request.as_bytes()).await;
        assert_eq!(answer.status(), "404", "{request}");
        assert!(answer.json()["message"].to_string().contains("`ssmport local`"), "{request}");
    }
    let url = format!("ws://{}/v1/data-channel/local-0", endpoint.address);
    assert_eq!(endpoint.open(&url, "guess").await, "DoesNotExistException");
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_read_and_a_longer_one_refused() {
    let endpoint = Endpoint::start().await;
    let body = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    let answer = endpoint.call("DescribeInstanceInformation", &body(BODY_LIMIT)).await;
    assert_eq!(answer.status(), "200");
    // Kept alive as far as the caller is concerned: the endpoint has to close.
    let request = api_request("DescribeInstanceInformation", &body(BODY_LIMIT + 1), "");
    let answer = endpoint.send(request.as_bytes()).await;
    assert_eq!(answer.status(), "413");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_read_before_it_is_refused() {
    let endpoint = Endpoint::start().await;
    let request = api_request("StartSession", &" ".repeat(4 * BODY_LIMIT), "");
    let (first, rest) = request.split_at(2 * BODY_LIMIT);
    let mut stream = endpoint.connect().await;
    stream.write_all(first.as_bytes()).await.expect("taken");
    let early = timeout(Duration::from_millis(100), stream.readable()).await;
    assert!(early.is_err(), "an answer now would be lost with the connection");
    stream.write_all(rest.as_bytes()).await.expect("taken");
    assert_eq!(Received::from(&mut stream).await.status(), "413");
}

#[tokio::test]
async fn a_long_body_without_a_length_is_refused_too() {
    let endpoint = Endpoint::start().await;
    let mut request =
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSSM.StartSession\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
            .to_owned();
    for _ in 0..5 {
        request += &format!("{:x}\r\n{}\r\n", 16 << 10, " ".repeat(16 << 10));
    }
    request += "0\r\n\r\n";
    assert_eq!(endpoint.send(request.as_bytes()).await.status(), "413");
}

#[tokio::test]
async fn garbage_is_no_request() {
    let endpoint = Endpoint::start().await;
    let answer = endpoint.send(b"\x16\x03\x01 not HTTP at all\r\n\r\n").await;
    assert_eq!(answer.status(), "400");
    // And the endpoint goes on.
    assert!(endpoint.start_session().await["TokenValue"].is_string());
}

#[tokio::test]
async fn other_paths_and_methods_say_what_this_is() {
    let endpoint = Endpoint::start().await;
    let expectations = [
        ("GET / HTTP/1.1", "405"),
        ("DELETE /v1/data-channel/local-0 HTTP/1.1", "405"),
        ("GET /v1/data-channel/local-0 HTTP/1.1", "426"),
        ("GET /v1/data-channel/ HTTP/1.1", "404"),
        ("GET /v1/data-channel/a/b HTTP/1.1", "404"),
        ("GET /favicon.ico HTTP/1.1", "404"),
    ];
    for (line, status) in expectations {
        let request = format!("{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = endpoint.send(request.as_bytes()).await;
        assert_eq!(answer.status(), status, "{line}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains("ssmport's local Session Manager endpoint"), "{message}");
    }
}

#[tokio::test]
async fn stopping_the_endpoint_closes_its_websockets() {
    let endpoint = Endpoint::start().await;
    let url = format!("ws://{}/v1/data-channel/local-0", endpoint.address);
    let (mut socket, _) = client_async(url, endpoint.connect().await).await.expect("upgraded");
    drop(endpoint);
    let end = timeout(PATIENCE, socket.next()).await;
    assert!(matches!(end, Ok(None | Some(Err(_)))), "{end:?}");
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_their_turn() {
    let endpoint = Endpoint::with_limit(1).await;
    let url = format!("ws://{}/v1/data-channel/local-0", endpoint.address);
    let (socket, _) = client_async(url, endpoint.connect().await).await.expect("upgraded");

    let mut waiting = Box::pin(endpoint.start_session());
    let early = timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "the WebSocket holds the only place");
    drop(socket);
    assert!(waiting.await["TokenValue"].is_string());
}

mod strangers;
