//! The reader of policies, for the fuzz target `policies`.

use super::{Context, Decision, Policy, Question, Trust, TrustPolicy};

/// What policies say of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It may be.
    Allowed,
    /// A statement is against it.
    Denied,
    /// No statement is for it.
    Unmentioned,
}

/// Has these documents decide on Alice's start of a session.
///
/// # Errors
/// What is wrong with one of them.
pub fn decide(documents: &[&str]) -> Result<Decided, String> {
    let policies = documents.iter().map(|json| Policy::read("p.json", json));
    let policies = policies.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let _ = policies.iter().flat_map(Policy::slips).count();
    let question = Question { action: ACTION, resource: NODE, context: &context() };
    Ok(match super::decide(&policies, question) {
        Decision::Allowed => Decided::Allowed,
        Decision::ExplicitDeny { .. } => Decided::Denied,
        Decision::ImplicitDeny => Decided::Unmentioned,
    })
}

/// Whether a role with this trust policy may be assumed by Alice, if her own policies allow it.
///
/// # Errors
/// What is wrong with it.
pub fn decide_trust(json: &str) -> Result<bool, String> {
    let trust = TrustPolicy::read("t.json", json).map_err(|error| error.to_string())?;
    let _ = trust.slips().count();
    let alice = "arn:aws:iam::123456789012:user/alice";
    let said = trust.decide("123456789012", &[alice], "sts:AssumeRole", &context());
    Ok(matches!(said, Trust::Caller | Trust::Account))
}

fn context() -> Context {
    Context::default()
        .with("aws:username", "alice")
        .with("aws:userid", "AIDA0")
        .with("aws:MultiFactorAuthPresent", "true")
        .with("aws:MultiFactorAuthAge", "60")
        .with("aws:SourceIp", "127.0.0.1")
        .with("aws:CurrentTime", "2026-01-01T00:00:00Z")
        .with("ssm:resourceTag/Owner", "alice")
}

const ACTION: &str = "ssm:StartSession";
const NODE: &str = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1";
