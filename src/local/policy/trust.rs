//! A role's trust policy: who may assume it.

use super::{
    context::Context,
    document::{Effect, Json, Members, PolicyError, Selection, Statement, read_statements},
    pattern::ArnPattern,
};
use crate::malformed::Malformed;

/// Who may assume a role, under which conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct TrustPolicy {
    name: String,
    statements: Vec<(Statement, Vec<Principal>)>,
}

/// What a trust policy says of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It names the caller, or everyone: that is enough.
    Caller,
    /// It names the caller's account, whose own policies decide.
    Account,
    /// Nothing allows it.
    None,
    /// A statement denies it.
    Denied {
        /// Which one, in words.
        statement: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Everyone,
    /// By its root's ARN, or its number.
    Account(String),
    /// A user, a role, a role's session.
    Arn(String),
    /// A service, or an identity provider, which nobody here is.
    Stranger,
}

impl TrustPolicy {
    /// Reads a document; `name` is for errors.
    ///
    /// # Errors
    /// [`PolicyError`], for everything that AWS would refuse and all that is not evaluated here.
    pub fn read(name: &str, json: &str) -> Result<Self, PolicyError> {
        let statements = read_statements(name, json, |members| {
            let principals = read_principals(members)?;
            // It is about the role that has it.
            let role = Selection::of(vec![ArnPattern::Any]);
            Ok((members.statement(role)?, principals))
        })?;
        Ok(Self { name: name.to_owned(), statements })
    }

    /// As [`Policy::slips`](super::Policy::slips).
    pub fn slips(&self) -> impl Iterator<Item = String> {
        self.statements.iter().flat_map(|(statement, _)| statement.slips(&self.name))
    }

    /// Decides on a caller of `account` that goes by any of these ARNs.
    pub fn decide(&self, account: &str, arns: &[&str], action: &str, context: &Context) -> Trust {
        let mut trust = Trust::None;
        for (statement, principals) in &self.statements {
            let applies = statement.actions.include(|ours| ours.matches_ignoring_case(action))
                && statement.conditions.iter().all(|condition| condition.holds(context));
            if !applies {
                continue;
            }
            let found = principals.iter().filter_map(|principal| match principal {
                Principal::Everyone => Some(Trust::Caller),
                Principal::Arn(arn) => arns.contains(&arn.as_str()).then_some(Trust::Caller),
                Principal::Account(theirs) => (theirs == account).then_some(Trust::Account),
                Principal::Stranger => None,
            });
            for found in found {
                match (statement.effect, found) {
                    (Effect::Deny, _) => {
                        let statement = format!("{} of {}", statement.label, self.name);
                        return Trust::Denied { statement };
                    }
                    (Effect::Allow, Trust::Caller) => trust = Trust::Caller,
                    (Effect::Allow, found) if trust == Trust::None => trust = found,
                    _ => {}
                }
            }
        }
        trust
    }
}

fn read_principals(members: &mut Members) -> Result<Vec<Principal>, Malformed> {
    let malformed = || Malformed::from("\"Principal\" must be \"*\" or {\"AWS\": ARNs}");
    let kinds = match members.take("Principal").ok_or_else(malformed)? {
        Json::Text(text) if text == "*" => return Ok(vec![Principal::Everyone]),
        Json::Object(kinds) => kinds,
        _ => return Err(malformed()),
    };
    let mut principals = Vec::new();
    for (kind, values) in kinds {
        let values = values.texts().ok_or_else(malformed)?;
        match kind.as_str() {
            "AWS" => {
                for value in values {
                    principals.push(principal(&value)?);
                }
            }
            "Service" | "Federated" => principals.push(Principal::Stranger),
            _ => return Err(format!("there is no principal of the kind \"{kind}\"").into()),
        }
    }
    Ok(principals)
}

/// Whether a service has principals of such a name.
fn is_principal(service: &str, name: &str) -> bool {
    match service {
        "iam" => name.starts_with("user/") || name.starts_with("role/"),
        "sts" => name.starts_with("assumed-role/") || name.starts_with("federated-user/"),
        _ => false,
    }
}

fn principal(value: &str) -> Result<Principal, Malformed> {
    if value == "*" {
        return Ok(Principal::Everyone);
    }
    let is_number = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(value) {
        return Ok(Principal::Account(value.to_owned()));
    }
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    // Accounts are here in the partition `aws`, which knows nobody of another.
    match parts[..] {
        ["arn", "aws", "iam", "", account, "root"] if is_number(account) => {
            Ok(Principal::Account(account.to_owned()))
        }
        ["arn", "aws", service, "", account, name]
            if is_number(account) && !name.contains('*') && is_principal(service, name) =>
        {
            Ok(Principal::Arn(value.to_owned()))
        }
        _ => Err(format!("the principal \"{value}\" is no account, user, role or \"*\"").into()),
    }
}
