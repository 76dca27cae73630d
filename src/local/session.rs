//! One session as the control plane sees it: who started it, what it carries, how far it got.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::document::Workload;
use crate::wire::Token;

/// A session from StartSession until it is forgotten.
#[derive(Debug)]
pub struct Session {
    /// `USER-` and 17 hexadecimal digits.
    pub id: String,
    /// The node that the session goes to.
    pub target: String,
    /// The name of the session's document.
    pub document: String,
    /// Whose it is.
    pub owner: Owner,
    /// Why it was started, in the caller's words.
    pub reason: Option<String>,
    /// When StartSession was answered.
    pub started: SystemTime,
    /// How it ended; none while it is alive.
    pub ending: Option<Ending>,
    pub(super) serial: u64,
    pub(super) workload: Workload,
    pub(super) token: Option<Token>,
    pub(super) openings: u32,
    pub(super) state: watch::Sender<SessionState>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What DescribeSessions shows.
    pub arn: Cow<'static, str>,
    /// A user's name, or that of a role's session: what session ids begin with.
    pub name: Cow<'static, str>,
    /// Unique for ever, unlike the name.
    pub user_id: Cow<'static, str>,
}

impl Default for Owner {
    /// The one caller of an endpoint without an account.
    fn default() -> Self {
        let arn = Cow::Borrowed("arn:aws:iam::000000000000:user/local");
        Self { arn, name: Cow::Borrowed("local"), user_id: Cow::Borrowed("AIDALOCALLOCALLOCAL00") }
    }
}

/// When and why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When the endpoint learned of it.
    pub at: SystemTime,
    /// Why, at most 1024 characters.
    pub reason: String,
}

impl Session {
    /// How far the session got.
    pub fn state(&self) -> SessionState {
        *self.state.borrow()
    }

    /// Whether nobody opened a data channel within [`CONNECT_LIMIT`] of the start.
    pub(super) fn was_abandoned(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.started).unwrap_or_default();
        self.state() == SessionState::Connecting && age >= CONNECT_LIMIT
    }

    /// Marks the session as over and tells everyone who watches it.
    pub(super) fn end(&mut self, reason: &str, now: SystemTime) {
        self.token = None;
        self.ending =
            Some(Ending { at: now, reason: reason.chars().take(DETAILS_LIMIT).collect() });
        self.state.send_replace(SessionState::Terminated);
    }
}

/// How far a session got, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Started, but no data channel was opened yet.
    Connecting,
    /// A data channel is open.
    Connected,
    /// The data channel was lost; the session can be resumed.
    Disconnected,
    /// Over for good.
    Terminated,
}

impl SessionState {
    /// The state as DescribeSessions writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::Disconnected => "Disconnected",
            Self::Terminated => "Terminated",
        }
    }
}

/// What opening a data channel gives to whoever serves it.
#[derive(Debug)]
pub struct DataChannel {
    /// The session that the channel belongs to.
    pub session_id: String,
    /// How many sessions the endpoint had before it.
    pub number: u64,
    /// The session's node.
    pub target: String,
    /// What the session carries.
    pub workload: Workload,
    /// 1 for the session's first data channel, one more for each resumed one.
    pub opening: u32,
    /// Follows the session. [`SessionState::Terminated`] is its last word; a closed watch means
    /// that the endpoint itself is gone.
    pub state: watch::Receiver<SessionState>,
}

/// A session whose data channel is not opened for this long is ended: its caller is gone.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(300);

/// AWS's limit for `Details`, in characters.
const DETAILS_LIMIT: usize = 1024;
