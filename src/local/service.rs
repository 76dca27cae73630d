//! The control plane's state: nodes, sessions, and what may be done with them.
//!
//! Plain data: no I/O, no lock and no clock of its own; time comes as an argument. What a session
//! goes through:
//!
//! ```text
//!   start_session        open_data_channel         leave_data_channel
//!        |                       |                         |
//!   Connecting  ----------> Connected  ------------> Disconnected
//!        |                       |   <------------         |
//!        |                       |   resume_session,       |
//!        |                       |   open_data_channel     |
//!        +-----------------------+-------------------------+
//!          terminate_session, end_session, or never connected
//!                                |
//!                           Terminated        remembered for DescribeSessions
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::account::{Account, Caller, TemporaryKey};
use super::describe::{DescribeNodes, DescribeSessions, Page};
use super::document::{DEFAULT_DOCUMENT, Parameters, Workload, short_name};
use super::error::{ServiceError, check_length};
use super::kms::Kms;
use super::node::{Node, PingStatus, Power};
use super::pushed_keys::PushedKeys;
use super::session::{DataChannel, Owner, Session, SessionState};
use super::task::Task;
use super::token::{Mint, is_same};
use crate::wire::Token;

/// Nodes and sessions of one endpoint.
///
/// At most [`LIVE_LIMIT`] sessions are alive and the last [`ENDED_LIMIT`] ended ones remembered;
/// the texts in each are bounded too, so that callers cannot make it grow without end.
#[derive(Debug)]
pub struct EmbeddedService {
    nodes: BTreeMap<String, Node>,
    /// When the agents of those will be there that were started.
    booting: BTreeMap<String, SystemTime>,
    /// By session id.
    live: BTreeMap<String, Session>,
    /// The last one to end comes last.
    ended: VecDeque<Session>,
    mint: Mint,
    started: u64,
    kms: Option<Arc<Kms>>,
    account: Option<Account>,
    tasks: Vec<Task>,
    pushed_keys: Option<PushedKeys>,
    /// How many sessions may be started in a second.
    throttle: Option<u32>,
    /// Of this second, how many were.
    started_in: (u64, u32),
}

/// The request of StartSession.
#[derive(Debug, Clone, Default)]
pub struct StartSession {
    /// The node's id, 1 to 400 characters.
    pub target: String,
    /// The document's name or ARN; none means a shell.
    pub document: Option<String>,
    /// The document's parameters.
    pub parameters: Parameters,
    /// Why, in the caller's words, 1 to 256 characters.
    pub reason: Option<String>,
}

/// What opens a session's data channel. Under which address the service is reached it does not know.
#[derive(Debug)]
pub struct Admission {
    /// The session's name.
    pub session_id: String,
    /// The secret for the next data channel.
    pub token: Token,
}

impl EmbeddedService {
    /// An endpoint with these nodes and no sessions.
    ///
    /// # Errors
    /// When the system gives no random bytes to seed tokens from.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> io::Result<Self> {
        Ok(Self {
            nodes: nodes.into_iter().map(|node| (node.id.clone(), node)).collect(),
            booting: BTreeMap::new(),
            live: BTreeMap::new(),
            ended: VecDeque::new(),
            mint: Mint::seeded_by_system()?,
            started: 0,
            kms: None,
            account: None,
            tasks: Vec::new(),
            pushed_keys: None,
            throttle: None,
            started_in: (0, 0),
        })
    }

    /// With a key service at the same address.
    pub fn with_kms(self, kms: Arc<Kms>) -> Self {
        Self { kms: Some(kms), ..self }
    }

    /// The key service at the same address.
    pub fn kms(&self) -> Option<&Kms> {
        self.kms.as_deref()
    }

    /// With an account, to which all its callers belong, and its tasks of ECS.
    pub fn with_account(self, account: Option<Account>) -> Self {
        let tasks = account.as_ref().map(|account| account.tasks().to_vec());
        Self { account, tasks: tasks.unwrap_or_default(), ..self }
    }

    /// With a place for the keys of EC2 Instance Connect.
    pub fn with_pushed_keys(self, pushed_keys: Option<PushedKeys>) -> Self {
        Self { pushed_keys, ..self }
    }

    /// Taking no more than so many starts of sessions a second.
    pub fn with_throttle(self, throttle: Option<u32>) -> Self {
        Self { throttle, ..self }
    }

    /// Where keys of EC2 Instance Connect go.
    pub fn pushed_keys(&self) -> Option<&PushedKeys> {
        self.pushed_keys.as_ref()
    }

    /// The running tasks of ECS.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The nodes, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Has a node's machine run, in EC2's words; its agent is there when it has booted. Gives what it
    /// was before.
    pub fn start_node(&mut self, id: &str, now: SystemTime) -> Option<Power> {
        let node = self.nodes.get_mut(id)?;
        let before = node.power;
        if before == Power::Stopped {
            node.power = Power::Pending;
            self.booting.insert(id.to_owned(), now + node.boot);
        }
        Some(before)
    }

    /// Has it stopped, with all of its sessions.
    pub fn stop_node(&mut self, id: &str, now: SystemTime) -> Option<Power> {
        let node = self.nodes.get_mut(id)?;
        let before = node.power;
        *node = node.clone().stopped();
        self.booting.remove(id);
        self.end_sessions_of(id, now);
        Some(before)
    }

    /// Has it start anew, if it runs.
    pub fn reboot_node(&mut self, id: &str, now: SystemTime) -> Option<Power> {
        let node = self.nodes.get_mut(id)?;
        let before = node.power;
        if before == Power::Running {
            node.ping_status = PingStatus::ConnectionLost;
            self.booting.insert(id.to_owned(), now + node.boot);
            self.end_sessions_of(id, now);
        }
        Some(before)
    }

    /// What time has brought: machines that were started are there.
    pub fn settle(&mut self, now: SystemTime) {
        let nodes = &mut self.nodes;
        self.booting.retain(|id, ready| {
            let is_ready = *ready <= now;
            if let Some(node) = nodes.get_mut(id).filter(|_| is_ready) {
                (node.power, node.ping_status) = (Power::Running, PingStatus::Online);
            }
            !is_ready
        });
    }

    /// Ends the sessions of a node that goes away.
    fn end_sessions_of(&mut self, target: &str, now: SystemTime) {
        let of_target = self.live.values().filter(|session| session.target == target);
        let ids: Vec<_> = of_target.map(|session| session.id.clone()).collect();
        ids.iter().for_each(|id| self.end_session(id, "The node has gone away", now));
    }

    /// The account, if callers are told apart.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Temporary keys for a caller; none without an account, or when there are too many.
    pub fn issue_key(
        &mut self,
        caller: Caller,
        duration: Duration,
        now: SystemTime,
    ) -> Option<&TemporaryKey> {
        self.account.as_mut()?.issue(caller, duration, now, &mut self.mint)
    }

    /// The account, to use up a code.
    pub fn account_mut(&mut self) -> Option<&mut Account> {
        self.account.as_mut()
    }

    /// A node by its id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// A session that is alive or remembered.
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.live.get(id).or_else(|| self.ended.iter().find(|session| session.id == id))
    }

    /// Those that have not ended.
    pub fn active_sessions(&self) -> usize {
        self.live.len()
    }

    /// As [`start_session_of`](Self::start_session_of), for the caller that has no name.
    ///
    /// # Errors
    /// As there.
    pub fn start_session(
        &mut self,
        request: StartSession,
        now: SystemTime,
    ) -> Result<Admission, ServiceError> {
        self.start_session_of(Owner::default(), request, now)
    }

    /// Starts a session: it waits for its data channel from now on.
    ///
    /// # Errors
    /// The target is no node of this endpoint, the document or its parameters are refused, a text
    /// is empty or too long, or too many sessions are alive.
    pub fn start_session_of(
        &mut self,
        owner: Owner,
        request: StartSession,
        now: SystemTime,
    ) -> Result<Admission, ServiceError> {
        self.throttle(now)?;
        check_length("target", &request.target, TARGET_LIMIT)?;
        let document = request.document.as_deref().unwrap_or(DEFAULT_DOCUMENT);
        check_length("documentName", document, DOCUMENT_LIMIT)?;
        if let Some(reason) = &request.reason {
            check_length("reason", reason, REASON_LIMIT)?;
        }
        if !self.has_connected(&request.target) {
            return Err(ServiceError::TargetNotConnected { target: request.target });
        }
        let workload = Workload::from_document(document, &request.parameters)?;

        self.end_abandoned(now);
        if self.live.len() >= LIVE_LIMIT {
            return Err(ServiceError::TooManySessions { limit: LIVE_LIMIT });
        }
        let session_id = self.mint.session_id(&owner.name);
        let token = self.mint.token();
        let session = Session {
            id: session_id.clone(),
            target: request.target,
            document: short_name(document).to_owned(),
            owner,
            reason: request.reason,
            started: now,
            ending: None,
            serial: self.started,
            workload,
            token: Some(token.clone()),
            openings: 0,
            state: watch::Sender::new(SessionState::Connecting),
        };
        self.started += 1;
        self.live.insert(session_id.clone(), session);
        Ok(Admission { session_id, token })
    }

    /// Counts a start, unless there were as many as may be in this second.
    fn throttle(&mut self, now: SystemTime) -> Result<(), ServiceError> {
        let Some(most) = self.throttle else { return Ok(()) };
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.started_in.0 != second {
            self.started_in = (second, 0);
        }
        if self.started_in.1 >= most {
            return Err(ServiceError::Throttled);
        }
        self.started_in.1 += 1;
        Ok(())
    }

    /// Gives a fresh token for a session that is alive; the one given before is void. For a session
    /// that is over there is none: AWS answers with an empty `TokenValue` then, and clients say that it
    /// timed out.
    ///
    /// # Errors
    /// [`ServiceError::UnknownSession`].
    pub fn resume_session(&mut self, session_id: &str) -> Result<Option<Admission>, ServiceError> {
        if self.is_ended(session_id) {
            return Ok(None);
        }
        let session = self.live.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
        let token = session.token.insert(self.mint.token()).clone();
        Ok(Some(Admission { session_id: session_id.to_owned(), token }))
    }

    /// Ends a session at its owner's wish. Whoever serves its data channel learns it from
    /// [`DataChannel::state`].
    ///
    /// # Errors
    /// [`ServiceError::UnknownSession`]; [`ServiceError::SessionOver`] for a session that has ended,
    /// as AWS answers it.
    pub fn terminate_session(
        &mut self,
        session_id: &str,
        now: SystemTime,
    ) -> Result<(), ServiceError> {
        if !self.live.contains_key(session_id) {
            return Err(self.gone(session_id));
        }
        self.end_session(session_id, "Terminated by TerminateSession", now);
        Ok(())
    }

    /// Opens a data channel with the token of the last ticket, which is void afterwards. A wrong
    /// token changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::UnknownSession`], [`ServiceError::SessionOver`],
    /// [`ServiceError::WrongToken`].
    pub fn open_data_channel(
        &mut self,
        session_id: &str,
        token: &str,
        now: SystemTime,
    ) -> Result<DataChannel, ServiceError> {
        self.end_abandoned(now);
        let Some(session) = self.live.get_mut(session_id) else {
            return Err(self.gone(session_id));
        };
        if session
            .token
            .take_if(|ours| is_same(ours.expose().as_bytes(), token.as_bytes()))
            .is_none()
        {
            return Err(ServiceError::WrongToken { session_id: session_id.to_owned() });
        }
        session.openings = session.openings.saturating_add(1);
        session.state.send_replace(SessionState::Connected);
        Ok(DataChannel {
            session_id: session.id.clone(),
            number: session.serial,
            target: session.target.clone(),
            workload: session.workload.clone(),
            opening: session.openings,
            state: session.state.subscribe(),
        })
    }

    /// Notes that a data channel is lost while its session goes on. Does nothing when a later one
    /// was opened meanwhile, or the session is over.
    pub fn leave_data_channel(&mut self, session_id: &str, opening: u32) {
        if let Some(session) = self.live.get_mut(session_id)
            && session.openings == opening
        {
            session.state.send_replace(SessionState::Disconnected);
        }
    }

    /// Ends a session for a reason of the endpoint's own. Does nothing when it is over already.
    pub fn end_session(&mut self, session_id: &str, reason: &str, now: SystemTime) {
        let Some(mut session) = self.live.remove(session_id) else {
            return;
        };
        session.end(reason, now);
        if self.ended.len() >= ENDED_LIMIT {
            self.ended.pop_front();
        }
        self.ended.push_back(session);
    }

    /// Sessions alive, or remembered ones, youngest first.
    ///
    /// # Errors
    /// A filter key is not evaluated here, the page is too large, or its token is not of ours.
    pub fn describe_sessions(
        &mut self,
        question: &DescribeSessions,
        now: SystemTime,
    ) -> Result<Page<'_, Session>, ServiceError> {
        self.end_abandoned(now);
        let mut sessions: Vec<&Session> = if question.history {
            self.ended.iter().collect()
        } else {
            self.live.values().collect()
        };
        sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.serial));
        question.page(sessions.into_iter())
    }

    /// The nodes of a region, in the order of their ids.
    ///
    /// # Errors
    /// A filter key is unknown, the page is too large or too small, or its token is not of ours.
    pub fn describe_nodes(
        &self,
        question: &DescribeNodes,
        region: &str,
    ) -> Result<Page<'_, Node>, ServiceError> {
        question.page(self.nodes.values().filter(|node| node.is_in(region)))
    }

    /// Whether `target` is a node of this endpoint, and its agent there.
    ///
    /// # Errors
    /// [`ServiceError::Constraint`] for an empty or too long target.
    pub fn is_connected(&self, target: &str) -> Result<bool, ServiceError> {
        check_length("target", target, TARGET_LIMIT)?;
        Ok(self.has_connected(target))
    }

    fn has_connected(&self, target: &str) -> bool {
        let is_container = || {
            let mut tasks = self.tasks.iter().filter(|task| task.execute_command);
            tasks.any(|task| task.containers.iter().any(|one| task.target(one) == target))
        };
        self.nodes.get(target).is_some_and(Node::is_connected) || is_container()
    }

    /// Callers that never come back must not use up [`LIVE_LIMIT`].
    fn end_abandoned(&mut self, now: SystemTime) {
        let abandoned: Vec<String> = self
            .live
            .values()
            .filter(|session| session.was_abandoned(now))
            .map(|session| session.id.clone())
            .collect();
        for session_id in abandoned {
            self.end_session(&session_id, "The data channel was never opened", now);
        }
    }

    fn is_ended(&self, session_id: &str) -> bool {
        self.ended.iter().any(|session| session.id == session_id)
    }

    /// Why a session is not among those alive.
    fn gone(&self, session_id: &str) -> ServiceError {
        if self.is_ended(session_id) { ServiceError::SessionOver } else { unknown(session_id) }
    }
}

/// An id longer than AWS's 96 characters is cut in the message.
fn unknown(session_id: &str) -> ServiceError {
    ServiceError::UnknownSession { session_id: session_id.chars().take(96).collect() }
}

/// How many sessions may be alive at a time.
pub const LIVE_LIMIT: usize = 1024;

/// How many ended sessions are remembered.
pub const ENDED_LIMIT: usize = 1024;

// AWS's limits in characters.
const TARGET_LIMIT: usize = 400;
const DOCUMENT_LIMIT: usize = 128;
const REASON_LIMIT: usize = 256;

#[cfg(test)]
mod tests;
