//! Who calls.

use crate::local::session::Owner;

/// A caller whose signature was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Of the user, as GetCallerIdentity tells it.
    pub arn: String,
    /// The user's name: what its sessions' ids begin with.
    pub name: String,
}

impl Caller {
    /// As the owner of sessions.
    pub fn owner(&self) -> Owner {
        Owner { arn: self.arn.clone().into(), name: self.name.clone().into() }
    }
}
