//! A client by hand: shows its token, answers the handshake, speaks to the multiplexer.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::{raw_frame::*, raw_peer::*, support::Endpoint};

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
    let mut client = open(ticket).await;
    client.data_of(HANDSHAKE_REQUEST).await;
    client.send(HANDSHAKE_RESPONSE, handshake_response().as_bytes()).await;
    client.data_of(HANDSHAKE_COMPLETE).await;
    client
}

pub fn handshake_response() -> String {
    json!({
        "ClientVersion": "1.2.764.0",
        "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": null, "Error": ""},
        ],
        "Errors": null,
    })
    .to_string()
}
