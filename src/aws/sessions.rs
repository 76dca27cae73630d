//! The sessions that an account has, and had within the last thirty days.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ssm::types::{Session, SessionFilter, SessionFilterKey, SessionState};
use aws_smithy_types::{DateTime, date_time::Format};

use super::{
    account::Account,
    error::AwsError,
    operation::{Operation, one_line},
    pages::Pages,
    service::Service,
};
use crate::malformed::Malformed;

/// A session as the account's records have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRecord {
    /// As ResumeSession and TerminateSession know it.
    pub id: String,
    /// The node or container.
    pub target: String,
    /// The name of its document.
    pub document: String,
    /// The ARN of whoever has started it: a user's, or a role's session's.
    pub owner: String,
    /// In AWS's words: `Connected`, `Connecting`, `Disconnected`, `Terminated`, `Terminating`, `Failed`.
    pub status: String,
    /// Why it was started, in its owner's words.
    pub reason: Option<String>,
    /// When it was started.
    pub started: Option<SystemTime>,
    /// When it was over.
    pub ended: Option<SystemTime>,
    /// How it ended, in the service's words.
    pub details: Option<String>,
}

impl SessionRecord {
    /// Whether it has ended for good.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() || matches!(&*self.status, "Terminated" | "Failed")
    }
}

/// Which sessions are meant; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions<'a> {
    /// Those that are over, instead of those that are not.
    pub are_over: bool,
    /// The one with this id.
    pub id: Option<&'a str>,
    /// The ARN of whoever has started them.
    pub owner: Option<&'a str>,
    /// The node's or container's id.
    pub target: Option<&'a str>,
    /// When they were started at the earliest.
    pub since: Option<SystemTime>,
}

impl Sessions<'_> {
    /// As SSM has them, or what cannot be put into one.
    fn filters(&self) -> Result<Vec<SessionFilter>, Malformed> {
        let whole_second = |time| DateTime::from_secs(DateTime::from(time).secs());
        let since = self.since.map(|since| whole_second(since).fmt(Format::DateTime));
        let since = since.transpose().map_err(|error| error.to_string())?;
        let given = [
            (SessionFilterKey::SessionId, self.id),
            (SessionFilterKey::Owner, self.owner),
            (SessionFilterKey::TargetId, self.target),
            (SessionFilterKey::InvokedAfter, since.as_deref()),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given
            .map(|(key, value)| SessionFilter::builder().key(key).value(value).build())
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string().into())
    }

    fn state(&self) -> SessionState {
        if self.are_over { SessionState::History } else { SessionState::Active }
    }
}

impl From<Session> for SessionRecord {
    fn from(session: Session) -> Self {
        // Its owner has said some of it, and a terminal will show it.
        let text = |text: Option<String>| one_line(&text.unwrap_or_default());
        let given = |given| Some(text(given)).filter(|text| !text.is_empty());
        let time = |time: Option<DateTime>| {
            let seconds = u64::try_from(time?.secs()).ok()?;
            UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        Self {
            id: text(session.session_id),
            target: text(session.target),
            document: text(session.document_name),
            owner: text(session.owner),
            status: text(session.status.map(|status| status.to_string())),
            reason: given(session.reason),
            started: time(session.start_date),
            ended: time(session.end_date),
            details: given(session.details),
        }
    }
}

impl Account {
    /// `ssm:DescribeSessions`: the sessions that are meant, the youngest first.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn sessions(&self, wanted: &Sessions<'_>) -> Result<Vec<SessionRecord>, AwsError> {
        let subject = wanted.id.unwrap_or_default();
        let operation = Operation::new(Service::Ssm, "DescribeSessions", subject);
        let filters = wanted
            .filters()
            .map_err(|why| AwsError::Configuration { why: format!("{operation}: {why}") })?;
        self.need_credentials().await?;
        let mut found: Vec<SessionRecord> = Vec::new();
        let (mut pages, mut next) = (Pages::at_most(MOST / PAGE as usize), None);
        loop {
            let call = self
                .ssm
                .describe_sessions()
                .state(wanted.state())
                .set_filters(Some(filters.clone()).filter(|filters| !filters.is_empty()))
                .max_results(PAGE)
                .set_next_token(next);
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => return Err(self.failure(operation, &error)),
            };
            let sessions = page.sessions.unwrap_or_default();
            found.extend(sessions.into_iter().map(SessionRecord::from));
            next = pages.behind(page.next_token);
            if next.is_none() || found.len() >= MOST {
                return Ok(found);
            }
        }
    }
}

/// The most that SSM gives at a time.
const PAGE: i32 = 200;
/// So that a service that never comes to an end does not fill the memory.
const MOST: usize = 100_000;
