//! Who calls: a user or a role's session, by long-term or by temporary keys.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::local::{
    policy::{Context, Policy},
    session::Owner,
};

/// A caller whose signature was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As GetCallerIdentity tells it.
    pub arn: String,
    /// As GetCallerIdentity tells it.
    pub user_id: String,
    /// The user's name, or that of the role's session: what its sessions' ids begin with.
    pub name: String,
    /// Twelve digits.
    pub account: String,
    /// A user or a role.
    pub principal: Principal,
    /// Of the user or the role.
    pub tags: Arc<BTreeMap<String, String>>,
    /// What the caller may do.
    pub policies: Arc<[Policy]>,
    /// What its temporary keys say; none with long-term ones.
    pub temporary: Option<Temporary>,
}

/// Whose policies hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The user that `name` names.
    User,
    /// A role.
    Role {
        /// The role's, not the session's.
        arn: String,
    },
}

/// What temporary keys say of how they were got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temporary {
    /// When their holder showed an MFA device's code for them. AWS does not hand this on to the
    /// keys of a role.
    pub mfa_at: Option<SystemTime>,
}

impl Caller {
    /// As the owner of sessions.
    pub fn owner(&self) -> Owner {
        Owner {
            arn: self.arn.clone().into(),
            name: self.name.clone().into(),
            user_id: self.user_id.clone().into(),
        }
    }

    /// The same caller, with temporary keys.
    #[must_use]
    pub fn with_temporary_keys(&self, mfa_at: Option<SystemTime>) -> Self {
        Self { temporary: Some(Temporary { mfa_at }), ..self.clone() }
    }

    /// The user's name; none for a role's session.
    pub fn user(&self) -> Option<&str> {
        (self.principal == Principal::User).then_some(self.name.as_str())
    }

    /// Whether it is a user with temporary keys that were got without an MFA device's code.
    pub fn is_session_without_mfa(&self) -> bool {
        let without = self.temporary.as_ref().is_some_and(|keys| keys.mfa_at.is_none());
        without && self.principal == Principal::User
    }

    /// The ARNs by which a trust policy can name it.
    pub fn trusted_as(&self) -> Vec<&str> {
        match &self.principal {
            Principal::User => vec![&self.arn],
            Principal::Role { arn } => vec![&self.arn, arn],
        }
    }

    /// The condition keys that depend on who calls.
    pub fn context(&self, now: SystemTime) -> Context {
        let mut context = Context::default()
            .with("aws:userid", &self.user_id)
            .with("aws:PrincipalAccount", &self.account);
        match &self.principal {
            Principal::User => {
                context.set("aws:username", &self.name);
                context.set("aws:PrincipalArn", &self.arn);
                context.set("aws:PrincipalType", "User");
            }
            Principal::Role { arn } => {
                context.set("aws:PrincipalArn", arn);
                context.set("aws:PrincipalType", "AssumedRole");
            }
        }
        for (key, value) in self.tags.iter() {
            context.set(&format!("aws:PrincipalTag/{key}"), value);
        }
        // With long-term keys the key is absent, not false: policies have to expect that.
        if let Some(temporary) = &self.temporary {
            context.set("aws:MultiFactorAuthPresent", temporary.mfa_at.is_some().to_string());
            if let Some(at) = temporary.mfa_at {
                let age = now.duration_since(at).unwrap_or(Duration::ZERO).as_secs();
                context.set("aws:MultiFactorAuthAge", age.to_string());
            }
        }
        context
    }
}
