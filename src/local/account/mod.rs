//! An AWS account: who may call, with which keys, and what they may do.
//!
//! ```text
//!   file.rs       the account file, read and checked as a whole, with its policies
//!   checked.rs    what may stand in it
//!   kept.rs       a file for the keys that were made up
//!   access_key.rs an account that is one given key
//!   user.rs       users with their keys; mfa.rs their devices
//!   role.rs       roles, and who may assume them
//!   temporary.rs  the keys of STS
//!   slips.rs      what its policies say by mistake
//!   caller.rs     who a key turned out to be
//! ```
//!
//! An endpoint without an account checks nothing and has one nameless caller.

mod access_key;
mod caller;
mod checked;
mod error;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod kept;
mod mfa;
mod role;
mod slips;
mod temporary;
mod user;

#[cfg(test)]
pub use mfa::Seed;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

pub use access_key::{AccessKey, AccessKeyError};
pub use caller::Caller;
pub use error::AccountError;
use file::AccountFile;
use kept::KeptKeys;
pub use role::Role;
pub use temporary::TemporaryKey;
use temporary::TemporaryKeys;
use user::Secret;
pub use user::{MadeUp, User};

use super::{node::Node, signature::SignatureError, task::Task, token::Mint};

/// An account with its users, its roles, its nodes and its tasks.
#[derive(Debug, Clone)]
pub struct Account {
    id: String,
    created: SystemTime,
    /// By name.
    users: BTreeMap<String, User>,
    /// By name.
    roles: BTreeMap<String, Role>,
    nodes: Vec<Node>,
    tasks: Vec<Task>,
    temporary: TemporaryKeys,
    /// Of its policies.
    slips: Vec<String>,
}

impl Account {
    /// Reads an account file and makes up what it leaves open. What it does not say of a node is as
    /// `template` has it.
    ///
    /// # Errors
    /// [`AccountError`]: a file cannot be read, or says something that it cannot mean.
    pub fn load(path: &Path, template: &Node) -> Result<Self, AccountError> {
        Self::of_file(&AccountFile::load(path)?, KeptKeys::default(), template)
    }

    /// As [`load`](Self::load); what was made up for its users before stands in the file `keys`, and
    /// what is made up now goes there.
    ///
    /// # Errors
    /// As [`load`](Self::load); or the keys cannot be kept.
    pub fn load_with_keys(path: &Path, keys: &Path, node: &Node) -> Result<Self, AccountError> {
        let file = AccountFile::load(path)?;
        Self::of_file(&file, KeptKeys::open(keys)?, node)
    }

    fn of_file(
        file: &AccountFile,
        mut kept: KeptKeys,
        template: &Node,
    ) -> Result<Self, AccountError> {
        let mut mint = Mint::seeded_by_system().map_err(AccountError::NoRandom)?;
        let (users, roles) = (file.users(&kept, &mut mint)?, file.roles(&mut mint)?);
        kept.keep(&users)?;
        Ok(Self {
            slips: slips::of(&users, &roles),
            users,
            roles,
            nodes: file.nodes(template),
            tasks: file.tasks(&mut mint),
            id: file.id().to_owned(),
            created: SystemTime::now(),
            temporary: TemporaryKeys::default(),
        })
    }

    /// Twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its policies say and nobody can have meant, a sentence each.
    pub fn slips(&self) -> &[String] {
        &self.slips
    }

    /// When its users came to be, and their devices.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// The nodes of the file, in the order of their ids.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The tasks of ECS, in the order of the file.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The users in the order of their names.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// A role by its ARN.
    pub fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.values().find(|role| role.arn == arn)
    }

    /// The key that a request is signed with.
    ///
    /// # Errors
    /// The key is not known, or has expired.
    pub fn key(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        now: SystemTime,
    ) -> Result<Key, SignatureError> {
        if let Some(token) = token {
            return self.temporary.find(access_key_id, token, now);
        }
        let user = self.users.values().find(|user| user.access_key_id == access_key_id);
        let user = user.ok_or(SignatureError::UnknownKey)?;
        Ok(Key { secret: user.secret.clone(), caller: user.caller() })
    }

    /// Checks the code of a user's device. A code that was good is so once.
    pub fn take_mfa_code(
        &mut self,
        user: &str,
        serial: &str,
        code: &str,
        now: SystemTime,
    ) -> MfaCheck {
        let device = self.users.get_mut(user).and_then(|user| user.mfa.as_mut());
        match device.filter(|device| device.serial == serial) {
            None => MfaCheck::NoSuchDevice,
            Some(device) => match device.take(code, now) {
                true => MfaCheck::Good,
                false => MfaCheck::WrongCode,
            },
        }
    }

    /// Temporary keys for `caller`; none when there are too many already.
    pub fn issue(
        &mut self,
        caller: Caller,
        duration: Duration,
        now: SystemTime,
        mint: &mut Mint,
    ) -> Option<&TemporaryKey> {
        self.temporary.issue(caller, duration, now, mint)
    }
}

/// What became of a device's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MfaCheck {
    /// It is the device's, and was not used before.
    Good,
    /// It is not, or was.
    WrongCode,
    /// The user has no device of this serial number.
    NoSuchDevice,
}

/// A secret, and whose it is.
#[derive(Debug, Clone)]
pub struct Key {
    pub(super) secret: Secret,
    pub(super) caller: Caller,
}
