//! A command for many nodes, before it runs.

use std::time::Duration;

use super::{
    run::{self, Run},
    selection::Selected,
};

/// A command that is to be run on many nodes.
#[derive(Clone, Debug)]
pub struct SelectionCommand {
    pub(super) nodes: Vec<Selected>,
    pub(super) words: Vec<String>,
    pub(super) document: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) parallel: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) fails_fast: bool,
}

impl SelectionCommand {
    pub(super) fn new(nodes: Vec<Selected>, words: Vec<String>) -> Self {
        Self {
            nodes,
            words,
            document: None,
            reason: None,
            parallel: PARALLEL,
            timeout: None,
            fails_fast: false,
        }
    }

    /// On no more than so many nodes at a time; 10 without it.
    #[must_use]
    pub fn parallel(self, most: usize) -> Self {
        Self { parallel: most.max(1), ..self }
    }

    /// Ends it on each node after this long.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    /// Ends it on all of them once it has failed on one, and begins on no other.
    #[must_use]
    pub fn fail_fast(self) -> Self {
        Self { fails_fast: true, ..self }
    }

    /// By a session document of one's own, which gets the command as it is.
    #[must_use]
    pub fn document(self, name: impl Into<String>) -> Self {
        Self { document: Some(name.into()), ..self }
    }

    /// With a reason in the records of the sessions.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// Begins. What happens is to be read from the [`Run`]: whoever does not read holds all nodes up.
    pub fn start(self) -> Run {
        run::start(self)
    }
}

/// AWS limits how many sessions an account may start in a second.
pub(crate) const PARALLEL: usize = 10;
