//! An AWS account: who may call, and with which keys.
//!
//! ```text
//!   file.rs       the account file, read and checked as a whole
//!   user.rs       users with their keys
//!   caller.rs     who a key turned out to be
//! ```
//!
//! An endpoint without an account checks nothing and has one nameless caller.

mod caller;
mod file;
mod user;

use std::{collections::BTreeMap, path::Path, time::SystemTime};

pub use caller::Caller;
pub use file::AccountError;
use file::AccountFile;
use user::Secret;
pub use user::{MadeUp, User};

use super::{node::Node, signature::SignatureError, token::Mint};

/// An account with its users and its nodes.
#[derive(Debug, Clone)]
pub struct Account {
    id: String,
    /// By name.
    users: BTreeMap<String, User>,
    nodes: Vec<Node>,
}

impl Account {
    /// Reads an account file and makes up what it leaves open.
    ///
    /// # Errors
    /// [`AccountError`]: the file cannot be read, or says something that it cannot mean.
    pub fn load(path: &Path, template: &Node) -> Result<Self, AccountError> {
        let file = AccountFile::load(path)?;
        let mut mint = Mint::seeded_by_system().map_err(AccountError::NoRandom)?;
        let users = file.users(&mut mint);
        Ok(Self { users, nodes: file.nodes(template), id: file.id.0 })
    }

    /// Twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The nodes of the file, in the order of their ids.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The key that a request is signed with.
    ///
    /// # Errors
    /// [`SignatureError::UnknownKey`].
    pub fn key(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        _: SystemTime,
    ) -> Result<Key, SignatureError> {
        // No token goes with a long-term key.
        let mut users = self.users.values().filter(|_| token.is_none());
        let user = users.find(|user| user.access_key_id == access_key_id);
        let user = user.ok_or(SignatureError::UnknownKey)?;
        Ok(Key { secret: user.secret.clone(), caller: user.caller() })
    }

    /// The users in the order of their names.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }
}

/// A secret, and whose it is.
#[derive(Debug, Clone)]
pub struct Key {
    pub(super) secret: Secret,
    pub(super) caller: Caller,
}
