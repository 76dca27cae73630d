//! Roles, which callers assume for a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::caller::{Caller, Principal, Temporary};
use crate::local::{
    policy::{Policy, TrustPolicy},
    token::Mint,
};

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Unique in its account.
    pub name: String,
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub arn: String,
    /// `AROA` and 17 characters.
    pub id: String,
    /// Who may assume it.
    pub trust: TrustPolicy,
    /// How long its keys may be good.
    pub longest: Duration,
    account: String,
    /// What conditions on `aws:PrincipalTag`, and on `aws:ResourceTag` as it is assumed, are about.
    pub tags: Arc<BTreeMap<String, String>>,
    policies: Arc<[Policy]>,
}

/// What an account file says of a role.
pub(super) struct RoleEntry {
    pub trust: TrustPolicy,
    pub longest: Duration,
    pub tags: BTreeMap<String, String>,
    pub policies: Vec<Policy>,
}

impl Role {
    pub(super) fn new(name: &str, account: &str, entry: RoleEntry, mint: &mut Mint) -> Self {
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:iam::{account}:role/{name}"),
            id: mint.unique_id("AROA"),
            trust: entry.trust,
            longest: entry.longest,
            account: account.to_owned(),
            tags: Arc::new(entry.tags),
            policies: entry.policies.into(),
        }
    }

    /// What whoever has assumed it may do.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Whoever has assumed it under this name.
    pub fn session(&self, name: &str) -> Caller {
        Caller {
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{name}", self.account, self.name),
            user_id: format!("{}:{name}", self.id),
            name: name.to_owned(),
            account: self.account.clone(),
            principal: Principal::Role { arn: self.arn.clone() },
            tags: Arc::clone(&self.tags),
            policies: Arc::clone(&self.policies),
            temporary: Some(Temporary { mfa_at: None }),
        }
    }
}
