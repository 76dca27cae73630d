//! A client by hand: shows its token, answers the handshake, speaks to the multiplexer.

use std::{thread::sleep, time::Duration};

use serde_json::json;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::{
    raw_frame::*,
    raw_peer::*,
    support::{Endpoint, NODE},
};

/// What StartSession gave.
#[derive(Clone, Debug)]
pub struct RawTicket {
    pub session_id: String,
    pub stream_url: String,
    pub token: String,
}

impl RawTicket {
    pub fn from_response(response: &serde_json::Value) -> Self {
        let text = |name: &str| response[name].as_str().unwrap_or_default().to_owned();
        Self {
            session_id: text("SessionId"),
            stream_url: text("StreamUrl"),
            token: text("TokenValue"),
        }
    }
}

/// Starts a session to a port of this machine.
pub fn start_session(endpoint: &Endpoint, port: u16) -> RawTicket {
    RawTicket::from_response(&endpoint.start_port_session(port))
}

/// Starts a session with a document; every parameter has one value.
pub fn start_document(
    endpoint: &Endpoint,
    document: Option<&str>,
    parameters: &[(&str, &str)],
) -> RawTicket {
    let parameters: serde_json::Map<_, _> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
    let mut request = json!({"Target": NODE, "Parameters": parameters});
    if let Some(document) = document {
        request["DocumentName"] = document.into();
    }
    let (status, response) = endpoint.call("StartSession", &request);
    assert_eq!(status, 200, "{response}");
    RawTicket::from_response(&response)
}

/// A ticket for another data channel of a session.
pub fn resume(endpoint: &Endpoint, ticket: &RawTicket) -> RawTicket {
    let request = json!({"SessionId": ticket.session_id});
    let (status, response) = endpoint.call("ResumeSession", &request);
    assert_eq!(status, 200, "{response}");
    RawTicket::from_response(&response)
}

/// Ends a session by the API.
pub fn terminate(endpoint: &Endpoint, ticket: &RawTicket) {
    let request = json!({"SessionId": ticket.session_id});
    let (status, response) = endpoint.call("TerminateSession", &request);
    assert_eq!(status, 200, "{response}");
}

/// Reading what an agent's program says; everything is acknowledged.
impl RawPeer {
    /// The next data frame, or why the session is over.
    async fn data_or_end(&mut self) -> Result<RawFrame, String> {
        loop {
            let frame = self.frame().await;
            match &*frame.message_type {
                CHANNEL_CLOSED => return Err(frame.json()["Output"].as_str().unwrap().to_owned()),
                OUTPUT if frame.sequence_number <= self.expected => {
                    self.acknowledge(&frame).await;
                    if frame.sequence_number == self.expected {
                        self.expected += 1;
                        return Ok(frame);
                    }
                }
                _ => {}
            }
        }
    }

    /// The output up to and with `end`, of which nothing more may have come.
    pub async fn until_output(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.contains(end) {
            let frame = self.data_or_end().await;
            let frame = frame.unwrap_or_else(|_| panic!("closed after {text:?}, without {end:?}"));
            assert_eq!(frame.payload_type, STREAM, "{frame:?}");
            text.push_str(frame.text());
        }
        text
    }

    /// The output up to the session's end, in bytes, and why it is over.
    pub async fn bytes_until_closed(&mut self) -> (Vec<u8>, String) {
        let mut bytes = Vec::new();
        loop {
            match self.data_or_end().await {
                Ok(frame) => bytes.extend(frame.payload),
                Err(reason) => return (bytes, reason),
            }
        }
    }

    /// The output up to the session's end, which has no reason.
    pub async fn until_closed(&mut self) -> String {
        let (bytes, reason) = self.bytes_until_closed().await;
        assert_eq!(reason, "");
        String::from_utf8(bytes).expect("text")
    }

    /// Every message up to the session's end, and why it is over.
    pub async fn messages(&mut self) -> (Vec<(u32, String)>, String) {
        let mut messages = Vec::new();
        loop {
            match self.data_or_end().await {
                Ok(frame) => messages.push((frame.payload_type, frame.text().to_owned())),
                Err(reason) => return (messages, reason),
            }
        }
    }

    /// How long each message of the output is, up to the session's end.
    pub async fn output_lengths(&mut self) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Ok(frame) = self.data_or_end().await {
            if frame.payload_type == STREAM {
                lengths.push(frame.payload.len());
            }
        }
        lengths
    }

    /// The next `len` bytes of output.
    pub async fn output_of(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            bytes.extend(self.data_of(STREAM).await.payload);
        }
        bytes
    }

    /// The next thing that is no ping or pong, if one comes before `end`.
    pub async fn arrival_until(&mut self, end: Instant) -> Option<Arrival> {
        self.arrival_within(end.saturating_duration_since(Instant::now())).await
    }

    /// Whether `frame` is acknowledged within `wait`.
    pub async fn is_acknowledged(&mut self, frame: &RawFrame, wait: Duration) -> bool {
        let (wanted, end) = (acknowledgement_text(frame), Instant::now() + wait);
        while let Some(arrival) = self.arrival_until(end).await {
            if matches!(arrival, Arrival::Frame(frame)
                if frame.message_type == ACKNOWLEDGE && frame.text() == wanted)
            {
                return true;
            }
        }
        false
    }
}

impl Arrival {
    pub fn is_acknowledgement(&self) -> bool {
        matches!(self, Self::Frame(frame) if frame.message_type == ACKNOWLEDGE)
    }
}

/// Messages as a test writes them.
pub fn spelled<const N: usize>(messages: [(u32, &str); N]) -> Vec<(u32, String)> {
    messages.map(|(kind, text)| (kind, text.to_owned())).to_vec()
}

/// Waits until `count` sessions are alive, and no more: the endpoint notes a session's end a moment
/// after its client has seen it.
#[track_caller]
pub fn await_active_sessions(endpoint: &Endpoint, count: usize) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let active = endpoint.active_sessions();
        if active.len() == count {
            return;
        }
        assert!(Instant::now() < give_up, "{active:?} are alive, not {count}");
        sleep(Duration::from_millis(10));
    }
}

/// The ids of the sessions that are over.
pub fn ended_sessions(endpoint: &Endpoint) -> Vec<String> {
    let (status, answer) = endpoint.call("DescribeSessions", &json!({"State": "History"}));
    assert_eq!(status, 200, "{answer}");
    let sessions = answer["Sessions"].as_array().expect("a list");
    sessions.iter().map(|session| session["SessionId"].as_str().unwrap().to_owned()).collect()
}

/// The WebSocket of a stream URL; nothing is sent on it yet.
pub async fn connect(stream_url: &str) -> RawPeer {
    let authority = stream_url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let tcp = TcpStream::connect(authority).await.expect("the endpoint listens");
    tcp.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().max_write_buffer_size(usize::MAX);
    let (socket, _) =
        client_async_with_config(stream_url, tcp, Some(config)).await.expect("upgraded");
    RawPeer::client(socket)
}

/// The opening text with a token.
pub fn opening(token: &str) -> Message {
    let opening = json!({
        "MessageSchemaVersion": "1.0",
        "RequestId": "8929574e-7385-4b42-9c01-1976a33351d2",
        "TokenValue": token,
        "ClientId": "bf3bb6e4-c424-45df-9469-4b5e26670ffb",
        "ClientVersion": "1.2.764.0",
    });
    Message::text(opening.to_string())
}

/// An opened data channel.
pub async fn open(ticket: &RawTicket) -> RawPeer {
    let mut client = connect(&ticket.stream_url).await;
    client.send_message(opening(&ticket.token)).await;
    client
}

/// An opened data channel on which data may flow.
pub async fn open_and_shake_hands(ticket: &RawTicket) -> RawPeer {
    open_as(ticket, CLIENT_VERSION).await
}

/// As `open_and_shake_hands`, by a client of another version.
pub async fn open_as(ticket: &RawTicket, version: &str) -> RawPeer {
    let mut client = open(ticket).await;
    client.data_of(HANDSHAKE_REQUEST).await;
    client.send(HANDSHAKE_RESPONSE, handshake_response_of(version).as_bytes()).await;
    client.data_of(HANDSHAKE_COMPLETE).await;
    client
}

pub fn handshake_response() -> String {
    handshake_response_of(CLIENT_VERSION)
}

pub fn handshake_response_of(version: &str) -> String {
    json!({
        "ClientVersion": version,
        "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": null, "Error": ""},
        ],
        "Errors": null,
    })
    .to_string()
}

/// The version that the hand-made client claims.
pub const CLIENT_VERSION: &str = "1.2.764.0";
