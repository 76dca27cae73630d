//! What `ls`, `login` and `doctor` tell of an account.

use serde::Serialize;

use super::State;

/// A node of the list.
#[derive(Debug, Serialize)]
pub(crate) struct Node<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) id: &'a str,
    pub(crate) platform: &'a str,
    pub(crate) agent_version: &'a str,
    /// In the words of Session Manager: `Online`, `ConnectionLost`, `Inactive`.
    pub(crate) ping_status: &'a str,
    pub(crate) last_ping: Option<String>,
    pub(crate) address: Option<&'a str>,
    pub(crate) computer_name: Option<&'a str>,
    /// In EC2's words.
    pub(crate) instance_state: Option<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) profile: &'a str,
}

/// As whom, and until when, later calls are made.
#[derive(Debug, Serialize)]
pub(crate) struct Login<'a> {
    pub(crate) arn: &'a str,
    pub(crate) account: &'a str,
    pub(crate) expires: Option<String>,
}

/// A link of the chain.
#[derive(Debug, Serialize)]
pub(crate) struct Check<'a> {
    pub(crate) check: &'a str,
    pub(crate) state: State,
    pub(crate) found: &'a str,
    /// What to do about it.
    pub(crate) next: Option<&'a str>,
}
