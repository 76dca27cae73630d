//! The sessions of an account: which there are, whose they are, and ending them.

use std::time::SystemTime;

use super::error::{Error, Kind, Setting};
use crate::aws::{Account, AwsError, SessionRecord, Sessions};

/// Which sessions are listed: the caller's own that are not over, unless more is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionQuery {
    are_over: bool,
    are_everybodys: bool,
    target: Option<String>,
    document: Option<String>,
    since: Option<SystemTime>,
}

impl SessionQuery {
    /// The caller's own that are not over.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that are over, instead; AWS remembers them for thirty days.
    #[must_use]
    pub fn past(self) -> Self {
        Self { are_over: true, ..self }
    }

    /// Everybody's.
    #[must_use]
    pub fn everybodys(self) -> Self {
        Self { are_everybodys: true, ..self }
    }

    /// Only those that go to this node or container, by its id.
    #[must_use]
    pub fn target(self, id: impl Into<String>) -> Self {
        Self { target: Some(id.into()), ..self }
    }

    /// Only those of this document.
    #[must_use]
    pub fn document(self, name: impl Into<String>) -> Self {
        Self { document: Some(name.into()), ..self }
    }

    /// Only those that were started then or later.
    #[must_use]
    pub fn since(self, since: SystemTime) -> Self {
        Self { since: Some(since), ..self }
    }
}

/// The sessions that are meant, the youngest first.
pub(crate) async fn list(
    account: &Account,
    query: &SessionQuery,
) -> Result<Vec<SessionRecord>, Error> {
    let owner = if query.are_everybodys { None } else { Some(caller(account).await?) };
    let wanted = Sessions {
        are_over: query.are_over,
        owner: owner.as_deref(),
        target: query.target.as_deref(),
        since: query.since,
        id: None,
    };
    let mut sessions = account.sessions(&wanted).await?;
    // There is no filter for it.
    sessions.retain(|session| query.document.as_ref().is_none_or(|name| session.document == *name));
    sessions.sort_by_key(|session| std::cmp::Reverse(session.started));
    Ok(sessions)
}

/// As whom sessions are started: what they have for an owner.
pub(crate) async fn caller(account: &Account) -> Result<String, Error> {
    account.identity().await.map(|identity| identity.arn).map_err(|error| {
        let is_out_of_reach = matches!(error, AwsError::Unreachable { .. });
        let error = Error::from(error);
        if is_out_of_reach { error.with(Setting::Everybody) } else { error }
    })
}

/// The session with this id, alive or over.
pub(crate) async fn find(account: &Account, id: &str) -> Result<Option<SessionRecord>, Error> {
    for are_over in [false, true] {
        let wanted = Sessions { are_over, id: Some(id), ..Sessions::default() };
        let found = account.sessions(&wanted).await?.into_iter().find(|found| found.id == id);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Ends a session; `false` when it was over already.
pub(crate) async fn end(account: &Account, id: &str) -> Result<bool, Error> {
    match account.terminate_session(id).await {
        Ok(()) => Ok(true),
        Err(error @ (AwsError::Rejected { .. } | AwsError::NotFound { .. })) => {
            // AWS rejects what is over, and does not say that it is.
            match find(account, id).await {
                Ok(Some(found)) if found.is_over() => Ok(false),
                Ok(Some(_)) => Err(error.into()),
                Ok(None) => Err(unknown(id)),
                Err(untold) => {
                    tracing::debug!("{untold}");
                    Err(error.into())
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// There is no such session.
pub(crate) fn unknown(id: &str) -> Error {
    let what = format!("there is no session {id} in this account and region");
    Error::new(Kind::Target, what)
        .next("check id, profile and region; AWS remembers sessions for thirty days")
}
