//! IAM's policies: documents, and what they say about a call.
//!
//! ```text
//!   document.rs    JSON -> statements           trust.rs   who may assume a role
//!     pattern.rs     Action, Resource: wildcards and ${variables}
//!     condition.rs   Condition: operators
//!     key.rs         the condition keys that calls here have
//!     slip.rs        names that are nearly one of those
//!   context.rs     what a call tells about itself
//! ```
//!
//! Everything here is a function of documents and a context: no clock, no files. What AWS
//! evaluates and this does not (an operator, a condition key) is an error when the document is
//! read, so that no policy is tried out that would mean something else.

mod condition;
mod context;
mod document;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key;
mod pattern;
mod slip;
mod trust;

pub use context::Context;
pub use document::{Policy, PolicyError};
pub use trust::{Trust, TrustPolicy};

use document::{Effect, Statement};

/// What is to be done to what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `ssm:StartSession`.
    pub action: &'a str,
    /// An ARN, or `*` for operations that are not about one resource.
    pub resource: &'a str,
    /// Who asks, and how.
    pub context: &'a Context,
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it, whatever others allow.
    ExplicitDeny {
        /// Which one, in words.
        statement: String,
    },
    /// No statement speaks of it.
    ImplicitDeny,
}

/// Decides as AWS does: an explicit deny beats every allow, and what nothing allows is denied.
pub fn decide<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    question: Question<'_>,
) -> Decision {
    let mut decision = Decision::ImplicitDeny;
    for policy in policies {
        for statement in policy.statements.iter().filter(|s| applies(s, question)) {
            match statement.effect {
                Effect::Deny => {
                    let statement = format!("{} of {}", statement.label, policy.name);
                    return Decision::ExplicitDeny { statement };
                }
                Effect::Allow => decision = Decision::Allowed,
            }
        }
    }
    decision
}

fn applies(statement: &Statement, question: Question<'_>) -> bool {
    statement.actions.include(|action| action.matches_ignoring_case(question.action))
        && statement.resources.include(|arn| arn.matches(question.resource, question.context))
        && statement.conditions.iter().all(|condition| condition.holds(question.context))
}

#[cfg(test)]
mod tests;
