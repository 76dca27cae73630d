//! A gateway with an agent behind it, by hand: the other end for our clients.

use std::process::Command;

use serde_json::{Value, json};
use socket2::SockRef;
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::{
    raw_frame::*,
    raw_peer::*,
    support::{Finished, Program, REGION, command},
};

/// Listens where a crafted response sends the client.
pub struct RawGateway {
    pub listener: TcpListener,
}

impl RawGateway {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// As `start`, but what nobody reads soon fills the way here.
    pub async fn with_small_buffers() -> Self {
        let gateway = Self::start().await;
        SockRef::from(&gateway.listener).set_recv_buffer_size(4096).unwrap();
        gateway
    }

    /// A response of StartSession that leads here.
    pub fn response(&self) -> String {
        json!({
            "SessionId": SESSION_ID,
            "StreamUrl": self.stream_url(),
            "TokenValue": TOKEN,
        })
        .to_string()
    }

    pub fn stream_url(&self) -> String {
        let address = self.listener.local_addr().unwrap();
        format!("ws://{address}/v1/data-channel/{SESSION_ID}?role=publish_subscribe")
    }

    /// The drop-in, on its way here.
    pub fn plugin(&self) -> Program {
        Program::start(self.plugin_command())
    }

    /// The drop-in that would be on its way here.
    pub fn plugin_command(&self) -> Command {
        let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
        plugin.args([&self.response(), REGION, "StartSession"]);
        plugin
    }

    /// The drop-in with its port open, and the agent that it is attached to.
    pub async fn attached(&self) -> (Program, RawPeer, u16) {
        let plugin = self.plugin();
        let agent = self.accept_and_shake_hands(0).await;
        let port = opened_port(&plugin);
        (plugin, agent, port)
    }

    /// The next client's WebSocket, with its opening text read and checked.
    pub async fn accept(&self) -> RawPeer {
        let (tcp, _) =
            timeout(PATIENCE, self.listener.accept()).await.expect("a client comes").unwrap();
        tcp.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default().max_write_buffer_size(usize::MAX);
        let socket = accept_async_with_config(tcp, Some(config)).await.expect("upgraded");
        let mut agent = RawPeer::agent(socket);
        let Some(Arrival::Text(text)) = agent.arrival_within(PATIENCE).await else {
            panic!("the first message is no text");
        };
        let opening: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(opening["MessageSchemaVersion"], "1.0");
        assert_eq!(opening["TokenValue"], TOKEN);
        for id in ["RequestId", "ClientId"] {
            assert_eq!(opening[id].as_str().map(str::len), Some(36), "{id}");
        }
        assert!(opening["ClientVersion"].as_str().unwrap().split('.').count() == 4);
        assert_eq!(opening.as_object().unwrap().len(), 5, "{opening}");
        agent
    }

    /// A client with which the handshake of a port session is done.
    pub async fn accept_and_shake_hands(&self, local_port: u16) -> RawPeer {
        let mut agent = self.accept().await;
        agent.send(HANDSHAKE_REQUEST, handshake_request(local_port).as_bytes()).await;
        let response = agent.data_of(HANDSHAKE_RESPONSE).await;
        assert_eq!(response.json()["ProcessedClientActions"][0]["ActionStatus"], 1);
        agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
        agent
    }
}

/// The port that the drop-in says it has opened.
pub fn opened_port(plugin: &Program) -> u16 {
    let opened = plugin.wait_for_stdout(|line| line.starts_with("Port "));
    plugin.wait_for_stdout(|line| line == "Waiting for connections...");
    opened.split(' ').nth(1).and_then(|port| port.parse().ok()).expect("a port")
}

/// No program may ever say these things.
#[track_caller]
pub fn says_nothing_of(ended: &Finished, token: &str) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("panicked"), "{text}");
        assert!(!text.contains(token), "the token is shown: {text}");
    }
}

/// What an agent asks of the client of a port session.
pub fn handshake_request(local_port: u16) -> String {
    json!({
        "AgentVersion": "3.3.3050.0",
        "RequestedClientActions": [session_type_action(local_port)],
    })
    .to_string()
}

pub fn session_type_action(local_port: u16) -> Value {
    json!({
        "ActionType": "SessionType",
        "ActionParameters": {
            "SessionType": "Port",
            "Properties": {
                "localPortNumber": local_port.to_string(),
                "portNumber": "80",
                "type": "LocalPortForwarding",
            },
        },
    })
}

/// The service's word that the session is over.
pub fn channel_closed(output: &str) -> RawFrame {
    let document = json!({
        "CreatedDate": "1795282361748",
        "DestinationId": "i-0123456789abcdef0",
        "MessageId": "f1e61eef1c57fa0bbbd0bdd6368a32ae",
        "MessageType": CHANNEL_CLOSED,
        "Output": output,
        "SchemaVersion": 1,
        "SessionId": SESSION_ID,
    });
    RawFrame { flags: 3, ..RawFrame::new(CHANNEL_CLOSED, 0, 0, document.to_string().as_bytes()) }
}

/// Says goodbye as the service does.
pub async fn close(agent: &mut RawPeer) {
    agent.send_message(Message::Close(None)).await;
}

pub const SESSION_ID: &str = "tester-0123456789abcdef0";
pub const TOKEN: &str = "not-to-be-seen-anywhere-58d1f0";
pub const HANDSHAKE_COMPLETE_TEXT: &str =
    r#"{"HandshakeTimeToComplete":3351823,"CustomerMessage":""}"#;
