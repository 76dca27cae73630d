//! Whether a caller may do what it asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::USER_AGENT;
use thiserror::Error;

use super::{Call, resource::Resource};
use crate::local::policy::{Context, Decision, Question, decide};

/// A refusal for want of permission, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("User: {arn} is not authorized to perform: {action} on resource: {resource}{}", why(action, *explicit))]
pub struct Denial {
    /// Who asked.
    pub arn: String,
    /// What was asked for.
    pub action: String,
    /// On what.
    pub resource: String,
    /// Whether a statement denies it. None where AWS does not tell.
    pub explicit: Option<bool>,
}

fn why(action: &str, explicit: Option<bool>) -> String {
    match explicit {
        Some(true) => " with an explicit deny in an identity-based policy".to_owned(),
        Some(false) => format!(" because no identity-based policy allows the {action} action"),
        None => String::new(),
    }
}

impl Call<'_> {
    /// Whether the caller's policies allow an action on a resource.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn authorize(&self, action: &str, resource: &Resource) -> Result<(), Denial> {
        self.authorize_with(action, resource, &[])
    }

    /// As [`authorize`](Self::authorize), with more condition keys.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn authorize_with(
        &self,
        action: &str,
        resource: &Resource,
        keys: &[(&str, &str)],
    ) -> Result<(), Denial> {
        match self.decide(action, resource, keys) {
            Decision::Allowed => Ok(()),
            Decision::ExplicitDeny { statement } => {
                Err(self.denied_by(&statement, action, resource))
            }
            Decision::ImplicitDeny => {
                tracing::info!(action, resource = resource.arn, "no policy allows it");
                Err(self.denial(action, resource, Some(false)))
            }
        }
    }

    /// That no statement denies an action which needs no permission.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn check_not_denied(&self, action: &str, resource: &Resource) -> Result<(), Denial> {
        self.check_not_denied_with(action, resource, &[])
    }

    /// As [`check_not_denied`](Self::check_not_denied), with more condition keys.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn check_not_denied_with(
        &self,
        action: &str,
        resource: &Resource,
        keys: &[(&str, &str)],
    ) -> Result<(), Denial> {
        match self.decide(action, resource, keys) {
            Decision::ExplicitDeny { statement } => {
                Err(self.denied_by(&statement, action, resource))
            }
            Decision::Allowed | Decision::ImplicitDeny => Ok(()),
        }
    }

    /// AWS does not tell its caller which statement it was; whoever runs the endpoint may see it.
    fn denied_by(&self, statement: &str, action: &str, resource: &Resource) -> Denial {
        tracing::info!(action, resource = resource.arn, "denied by {statement}");
        self.denial(action, resource, Some(true))
    }

    /// Whether the caller's policies allow an action, where a refusal is not the last word.
    pub fn allows(&self, action: &str, resource: &Resource, keys: &[(&str, &str)]) -> bool {
        self.decide(action, resource, keys) == Decision::Allowed
    }

    /// What the caller's policies say; everything is allowed where nobody is told apart.
    fn decide(&self, action: &str, resource: &Resource, keys: &[(&str, &str)]) -> Decision {
        let Some(identity) = &self.identity else { return Decision::Allowed };
        let context = self.context(resource, keys);
        let question = Question { action, resource: &resource.arn, context: &context };
        decide(identity.caller.policies.iter(), question)
    }

    /// The condition keys of a call that is about this, and `keys`.
    pub fn context(&self, resource: &Resource, keys: &[(&str, &str)]) -> Context {
        let mut context = self.keys_of_all_calls();
        for (key, value) in &resource.tags {
            context.set(&format!("aws:ResourceTag/{key}"), value);
            context.set(&format!("ssm:resourceTag/{key}"), value);
        }
        for (key, value) in keys {
            context.set(key, *value);
        }
        context
    }

    fn keys_of_all_calls(&self) -> Context {
        let now = self.request.now;
        let Some(identity) = &self.identity else { return Context::default() };
        let mut context = identity.caller.context(now);
        context.set("aws:RequestedRegion", &identity.region);
        context.set("aws:SourceIp", self.request.peer.to_canonical().to_string());
        // What stands here for AWS's own endpoints is reached without TLS; those never are.
        context.set("aws:SecureTransport", "true");
        context.set("aws:ViaAWSService", "false");
        let now = now.max(UNIX_EPOCH);
        context.set("aws:CurrentTime", humantime::format_rfc3339_seconds(now).to_string());
        context.set("aws:EpochTime", epoch_seconds(now).to_string());
        let agent = self.request.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        if let Some(agent) = agent {
            context.set("aws:UserAgent", agent);
        }
        context
    }

    /// The refusal of an action.
    pub fn denial(&self, action: &str, resource: &Resource, explicit: Option<bool>) -> Denial {
        let caller = self.identity.as_ref().map(|identity| identity.caller.arn.clone());
        Denial {
            arn: caller.unwrap_or_default(),
            action: action.to_owned(),
            resource: resource.arn.clone(),
            explicit,
        }
    }
}

fn epoch_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
