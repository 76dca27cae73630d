//! What `sessions` and `sessions stop` tell.

use serde::Serialize;

/// A session of the list.
#[derive(Debug, Serialize)]
pub(crate) struct Session<'a> {
    pub(crate) id: &'a str,
    pub(crate) target: &'a str,
    pub(crate) document: &'a str,
    pub(crate) owner: &'a str,
    /// In the words of Session Manager: `Connected`, `Disconnected`, `Terminated` and so on.
    pub(crate) status: &'a str,
    pub(crate) reason: Option<&'a str>,
    pub(crate) started: Option<String>,
    pub(crate) ended: Option<String>,
    pub(crate) details: Option<&'a str>,
}

/// What became of a session that was to be ended.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped<'a> {
    pub(crate) id: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) owner: Option<&'a str>,
    pub(crate) state: StoppedState,
    /// Of a failure.
    pub(crate) why: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoppedState {
    Ended,
    /// It was over before.
    WasOver,
    Failure,
}
