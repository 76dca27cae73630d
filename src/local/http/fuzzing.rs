//! The endpoint's HTTP on bytes in memory, for the fuzz target `http`.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::local::{EndpointConfig, kms::Kms};

/// An endpoint with its nodes and its sessions, and no socket.
pub struct HttpEndpoint(Connection);

impl HttpEndpoint {
    /// An endpoint with the usual node, and no sessions.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> io::Result<Self> {
        let config = EndpointConfig::default();
        let kms = Arc::new(Kms::new(None)?);
        let service = Arc::new(Mutex::new(EmbeddedService::new(config.nodes)?.with_kms(kms)));
        let gateway: Arc<dyn Gateway> = Arc::new(NoGateway);
        let reach = Arc::new(Reach { hosts: Vec::new(), serves_api: true });
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40000));
        Ok(Self(Connection { peer, service, gateway, reach }))
    }

    /// Takes a connection on which `requests` come, and then nothing more until it gives up
    /// waiting. Gives all that was answered, and the session that a WebSocket was opened for.
    pub async fn converse(&self, requests: &[u8]) -> (Vec<u8>, Option<String>) {
        let (client, server) = duplex(PIPE);
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let (mut answers, mut questions) = tokio::io::split(client);
        let mut answered = Vec::new();
        let (opened, _, _) = tokio::join!(
            async {
                let served = self.0.serve_requests(server, local).await;
                served.ok().flatten().map(|(session_id, _)| session_id)
            },
            // It may close the connection before it has read everything.
            questions.write_all(requests),
            answers.read_to_end(&mut answered),
        );
        (answered, opened)
    }
}

struct NoGateway;

impl Gateway for NoGateway {
    fn accept(&self, _: String, _: Visitor) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

const PIPE: usize = 64 << 10;
