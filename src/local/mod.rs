//! The embedded endpoint: service, gateway and agent in one process, so that everything can be
//! tried and tested without AWS.
//!
//! ```text
//!   AWS CLI, SDKs, ssmport            a client's data channel
//!        | POST /                          | GET /v1/data-channel/ID
//!        v                                 v
//!      http ------------------------------ http
//!        | signature? account, policy?     |
//!       api -> service <-- token? -- gateway
//!              sessions,                   | one per session
//!              nodes                     agent -> TCP targets, programs
//!               kms  <---- data keys ----- of encrypted sessions
//! ```
//!
//! With faults, a relay stands between a data channel's WebSocket and its agent, and the API may be
//! away; see `faults`.
//!
//! It speaks the service's JSON API and the data channel's protocol to the byte, so that any
//! client can be tried against it, the AWS CLI with the reference plugin too. The data comes and
//! goes through real connections to whatever the session's document names.
#![expect(clippy::disallowed_methods, reason = "this layer owns the clock")]

mod account;
mod agent;
mod api;
mod builder;
mod describe;
mod document;
mod error;
mod faults;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod http;
mod kms;
mod node;
mod node_list;
mod policy;
mod pushed_keys;
mod service;
mod session;
mod signature;
mod start_error;
mod strangers;
mod task;
mod token;
mod visitor;
mod web_page;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::{net::TcpListener, task::JoinSet};

pub use account::{AccessKey, AccessKeyError, Account, AccountError, MadeUp, User};
pub use agent::{Quirks, QuirksError};
pub use builder::EndpointBuilder;
pub use document::Parameters;
pub use error::ServiceError;
pub use faults::{Faults, FaultsError};
pub use kms::{EncryptionContext, GeneratedKey, KmsError};
pub use node::{Node, PingStatus, Power};
pub use node_list::NodeListError;
pub use service::StartSession;
pub use start_error::StartError;

use crate::{
    net::{Pace, now},
    wire::Ticket,
};
use agent::Agents;
use faults::FaultyService;
use gateway::AgentGateway;
use http::Reach;
use kms::Kms;
use pushed_keys::PushedKeys;
use service::{Admission, EmbeddedService};

/// Settings of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The nodes that can be reached; all of them are this process.
    pub nodes: Vec<Node>,
    /// Version that the agent says it has.
    pub agent_version: String,
    /// Sends toward the client no faster than this.
    pub pace: Option<Pace>,
    /// Whether `host` of a port session must not be this machine, as with agents from 3.3.4851 on.
    pub deny_loopback: bool,
    /// Host names that it is reached by beside those of this machine: a proxy's, a mapped port's.
    pub hosts: Vec<String>,
    /// Whether the API can be called over HTTP, by everybody who reaches the listener. Without, it
    /// takes nothing but WebSockets, and starting sessions is for the holder of the [`Endpoint`].
    pub serves_api: bool,
    /// What the agent does that nobody would do on purpose.
    pub quirks: Quirks,
    /// The key of KMS that shells and commands are encrypted with, as an id, an alias or an ARN;
    /// `None` leaves them as they are. Ports are never encrypted.
    pub kms_key: Option<String>,
    /// Whether the agent sends a random challenge, and refuses clients that do not put it into the
    /// encryption context.
    pub requires_challenge: bool,
    /// Whose callers are told apart; `None` checks no credentials.
    pub account: Option<Account>,
    /// A folder for the keys of EC2 Instance Connect, a file for each user; see sshd(8),
    /// `AuthorizedKeysFile`.
    pub pushed_keys: Option<PathBuf>,
    /// Where the logs of shells go; `None` keeps none.
    pub session_logs: Option<PathBuf>,
    /// What the service does to test those who rely on it.
    pub faults: Faults,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            nodes: vec![Node {
                id: NODE_ID.to_owned(),
                name: "local".to_owned(),
                agent_version: AGENT_VERSION.to_owned(),
                platform_name: "ssmport embedded endpoint".to_owned(),
                platform_version: env!("CARGO_PKG_VERSION").to_owned(),
                ip: "127.0.0.1".to_owned(),
                ec2: true,
                ..Node::default()
            }],
            agent_version: AGENT_VERSION.to_owned(),
            pace: None,
            deny_loopback: false,
            hosts: Vec::new(),
            serves_api: true,
            pushed_keys: None,
            quirks: Quirks::default(),
            kms_key: None,
            requires_challenge: false,
            account: None,
            session_logs: None,
            faults: Faults::default(),
        }
    }
}

/// A running endpoint. Dropping it ends its sessions, closes its connections and kills what its
/// sessions have started.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    nodes: Vec<Node>,
    /// As it was at the start.
    account: Option<Account>,
    agents: Agents,
    kms: Arc<Kms>,
    service: Arc<Mutex<EmbeddedService>>,
    faults: FaultyService,
    _server: JoinSet<Infallible>,
}

impl Endpoint {
    /// An endpoint for tests, which ends when it is dropped:
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ssmport::local::{Endpoint, StartSession};
    ///
    /// let endpoint = Endpoint::builder()
    ///     .node("i-0a1b2c3d4e5f60718")
    ///     .faults("cut=2s,seed=7") // every connection breaks
    ///     .start()
    ///     .await?;
    ///
    /// // For a program under test: `--endpoint-url`, and keys for its requests.
    /// let (url, keys) = (endpoint.url(), &endpoint.users()[0]);
    /// assert!(url.starts_with("http://127.0.0.1:"));
    /// assert_eq!((keys.access_key_id, keys.secret_access_key), ("test", Some("test")));
    ///
    /// // For a client of the data channel alone, without the way through HTTP.
    /// let target = endpoint.node_id().to_owned();
    /// let ticket = endpoint.start_session(StartSession { target, ..StartSession::default() })?;
    /// assert!(ticket.stream_url.starts_with("ws://127.0.0.1:"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> EndpointBuilder {
        EndpointConfig::default().into()
    }

    /// Serves on `listener` from now on.
    ///
    /// # Errors
    /// When the system tells no address, or has no randomness for the session tokens.
    pub fn start(listener: TcpListener, config: EndpointConfig) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let kms = Kms::new(config.kms_key.as_deref())?;
        let kms = Arc::new(match &config.account {
            Some(account) => kms.of_account(account.id()),
            None => kms,
        });
        let service = EmbeddedService::new(config.nodes.clone())?
            .with_kms(Arc::clone(&kms))
            .with_account(config.account.clone())
            .with_pushed_keys(config.pushed_keys.clone().map(PushedKeys::new))
            .with_throttle(config.faults.throttle());
        let service = Arc::new(Mutex::new(service));
        let agents = Agents::new(&config, Arc::clone(&kms));
        let faults = FaultyService::new(config.faults, now());
        let reach = Arc::new(Reach { hosts: config.hosts, serves_api: config.serves_api });
        let gateway = AgentGateway::new(Arc::clone(&service), faults, agents.clone());
        let gateway = Arc::new(gateway);
        let mut server = JoinSet::new();
        server.spawn(http::serve(listener, Arc::clone(&service), gateway, reach));
        let (nodes, account) = (config.nodes, config.account);
        Ok(Self { address, nodes, account, agents, kms, service, faults, _server: server })
    }

    /// Serves this process alone, on a free loopback port. Every user of the machine reaches that, and
    /// whoever may call the API has a shell as its user: it takes no calls over HTTP, and sessions are
    /// started by whoever holds it.
    ///
    /// # Errors
    /// When there is no port, or as [`start`](Self::start).
    pub async fn in_process(config: EndpointConfig) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Self::start(listener, EndpointConfig { serves_api: false, ..config })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sessions there are: what a test of one's own program looks at in the end.
    pub fn active_sessions(&self) -> usize {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).active_sessions()
    }

    /// The id of the node that is called `id_or_name`; `local` is its first.
    pub(crate) fn find_node(&self, id_or_name: &str) -> Option<String> {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |node: &&Node| node.id == id_or_name || node.name == id_or_name;
        let first = || service.nodes().next().filter(|_| id_or_name == "local");
        service.nodes().find(is_it).or_else(first).map(|node| node.id.clone())
    }

    /// Its nodes, as they are now.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.settle(SystemTime::now());
        service.nodes().cloned().collect()
    }

    /// StartInstances without the way through HTTP: a node that is stopped is there when it has booted.
    ///
    /// # Errors
    /// When there is no such node, or the service is away.
    pub fn start_node(&self, id: &str) -> Result<(), ServiceError> {
        let unknown = || ServiceError::TargetNotConnected { target: id.to_owned() };
        let started = self.service()?.start_node(id, SystemTime::now());
        started.map(|_| ()).ok_or_else(unknown)
    }

    /// Where its API is called.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The ids of its nodes.
    pub fn node_ids(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.id.as_str()).collect()
    }

    /// The id of its first node, mostly the only one; empty if it has none.
    pub fn node_id(&self) -> &str {
        self.nodes.first().map_or("", |node| node.id.as_str())
    }

    /// The account as it was at the start; none where no credentials are checked.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Whoever may call it, with the keys that were made up. Where no credentials are checked it is
    /// one user, whose keys are good as any are.
    pub fn users(&self) -> Vec<MadeUp<'_>> {
        match &self.account {
            Some(account) => account.users().map(User::made_up).collect(),
            None => vec![MadeUp::ANY],
        }
    }

    /// StartSession without the way through HTTP.
    ///
    /// # Errors
    /// As the service's call: unknown target, document or parameter; or the service is away.
    pub fn start_session(&self, request: StartSession) -> Result<Ticket, ServiceError> {
        let admission = self.service()?.start_session(request, SystemTime::now())?;
        Ok(self.ticket(admission))
    }

    /// ResumeSession without the way through HTTP; `None` when the session is over.
    ///
    /// # Errors
    /// When there never was such a session, or the service is away.
    pub fn resume_session(&self, session_id: &str) -> Result<Option<Ticket>, ServiceError> {
        let admission = self.service()?.resume_session(session_id)?;
        Ok(admission.map(|admission| self.ticket(admission)))
    }

    fn ticket(&self, admission: Admission) -> Ticket {
        let Admission { session_id, token } = admission;
        let stream_url = self.stream_url(&session_id);
        Ticket { session_id, stream_url, token }
    }

    /// TerminateSession without the way through HTTP.
    ///
    /// # Errors
    /// When there is no such session, or the service is away.
    pub fn terminate_session(&self, session_id: &str) -> Result<(), ServiceError> {
        self.service()?.terminate_session(session_id, SystemTime::now())
    }

    /// GenerateDataKey without the way through HTTP.
    ///
    /// # Errors
    /// When the key is not the endpoint's, or the system has no random bytes.
    pub fn generate_data_key(
        &self,
        key_id: &str,
        len: usize,
        context: &EncryptionContext,
    ) -> Result<GeneratedKey, KmsError> {
        self.kms.generate_data_key(key_id, len, context)
    }

    /// The stream URL of a session.
    pub fn stream_url(&self, session_id: &str) -> String {
        format!("ws://{}{}{session_id}?role=publish_subscribe", self.address, api::STREAM_PATH)
    }

    fn service(&self) -> Result<MutexGuard<'_, EmbeddedService>, ServiceError> {
        if self.faults.is_away(now()) {
            return Err(ServiceError::Unavailable);
        }
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.settle(SystemTime::now());
        Ok(service)
    }
}

impl Drop for Endpoint {
    /// The connections' tasks end a moment later, or not at all when the process ends first.
    fn drop(&mut self) {
        self.agents.kill();
    }
}

/// The region that its ARNs name; callers may have any.
pub const REGION: &str = "us-east-1";
/// The id of the node that an endpoint has unless told otherwise.
pub const NODE_ID: &str = "i-0123456789abcdef0";
/// New enough for multiplexed forwarding and without multiplexer keepalives.
const AGENT_VERSION: &str = "3.3.3050.0";
