use futures_util::StreamExt;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;
use crate::local::{EndpointConfig, NODE_ID, document::Workload, kms::Kms};

/// Both are for one session, of which no data channel was driven yet.
#[tokio::test]
async fn an_opening_that_comes_late_leaves_the_agent_to_the_newer_one() {
    let gateway = gateway();
    let (_state, state) = watch::channel(SessionState::Connected);
    let data_channel = |opening| DataChannel {
        session_id: "local-0".to_owned(),
        number: 0,
        target: NODE_ID.to_owned(),
        workload: Workload::from_document("AWS-StartPortForwardingSession", &[].into())
            .expect("a document without required parameters"),
        opening,
        state: state.clone(),
    };
    let (mut first_client, first) = websocket().await;
    let (mut second_client, second) = websocket().await;
    let newer = gateway.attach(data_channel(2), second);
    let older = async {
        let served = next(&mut second_client).await;
        assert!(matches!(served, Some(Ok(Message::Binary(_)))), "{served:?}");
        gateway.attach(data_channel(1), first).await;
        // Its socket is closed without a word of the agent's.
        let said = next(&mut first_client).await;
        assert!(!matches!(said, Some(Ok(Message::Binary(_)))), "{said:?}");
    };
    let in_time = timeout(PATIENCE, async {
        tokio::select! {
            () = newer => panic!("the newer one's agent has ended"),
            () = older => {}
        }
    });
    in_time.await.expect("the older one does not wait for the newer one's end");
}

fn gateway() -> AgentGateway {
    let config = EndpointConfig::default();
    let kms = Arc::new(Kms::new(None).expect("the system has random bytes"));
    let service = EmbeddedService::new(config.nodes.clone()).expect("the system has random bytes");
    let faults = FaultyService::new(config.faults, now());
    AgentGateway::new(Arc::new(Mutex::new(service)), faults, Agents::new(&config, kms))
}

/// A WebSocket's two ends, its handshake done.
async fn websocket() -> (LocalWebSocket, LocalWebSocket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let client = TcpStream::connect(address).await.expect("listening");
    let (server, _) = listener.accept().await.expect("it came");
    (
        WebSocketStream::from_raw_socket(client, Role::Client, None).await,
        WebSocketStream::from_raw_socket(server, Role::Server, None).await,
    )
}

async fn next(
    client: &mut LocalWebSocket,
) -> Option<Result<Message, tokio_tungstenite::tungstenite::Error>> {
    client.next().await
}

const PATIENCE: Duration = Duration::from_secs(10);
