//! What policies say by mistake, without being wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::UNIX_EPOCH,
};

use super::{role::Role, user::User};
use crate::local::policy::{Decision, Question, decide};

/// A sentence for each.
pub(super) fn of(users: &BTreeMap<String, User>, roles: &BTreeMap<String, Role>) -> Vec<String> {
    let of_users = users.values().flat_map(|user| user.caller().policies.to_vec());
    let of_roles = roles.values().flat_map(|role| role.policies().to_vec());
    let policies = of_users.chain(of_roles).flat_map(|policy| policy.slips().collect::<Vec<_>>());
    let trust = roles.values().flat_map(|role| role.trust.slips());
    // Several users may have one policy.
    let names: BTreeSet<String> = policies.chain(trust).collect();
    names.into_iter().chain(mistaken_sessions(users)).collect()
}

/// Sessions that a user may end because their owner's name begins with that user's and a hyphen.
fn mistaken_sessions(users: &BTreeMap<String, User>) -> Vec<String> {
    let mut found = Vec::new();
    for user in users.values() {
        let begin = format!("{}-", user.name);
        let others = users.values().filter(|other| other.name.starts_with(&begin));
        for other in others.filter(|other| may_end(user, other)) {
            found.push(format!(
                "{0}'s policies let {0} end or resume the sessions of {1}, whose name begins like an \
                 id of {0}'s: compare ssm:resourceTag/aws:ssmmessages:session-id with \
                 ${{aws:userid}} instead of session/${{aws:username}}-*",
                user.name, other.name
            ));
        }
    }
    found
}

/// Whether it is a matter of names: who may end everybody's sessions does so on purpose.
fn may_end(user: &User, other: &User) -> bool {
    let caller = user.caller().with_temporary_keys(Some(UNIX_EPOCH));
    let may = |action: &str, owner: &str, owner_id: &str| {
        let context = caller
            .context(UNIX_EPOCH)
            .with("ssm:resourceTag/aws:ssmmessages:session-id", owner_id)
            .with("aws:ResourceTag/aws:ssmmessages:session-id", owner_id);
        let account = &caller.account;
        let resource = format!("arn:aws:ssm:us-east-1:{account}:session/{owner}-00000000000000000");
        let question = Question { action, resource: &resource, context: &context };
        decide(caller.policies.iter(), question) == Decision::Allowed
    };
    ["ssm:TerminateSession", "ssm:ResumeSession"].into_iter().any(|action| {
        may(action, &other.name, &other.id) && !may(action, NOBODY, "AIDANOBODY00000000000")
    })
}

/// No user can have this name.
const NOBODY: &str = "#";

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::local::{Account, Node};

    /// Of users with these names, who have this policy.
    fn slips(users: &[&str], statement: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        fs::write(folder.path().join("p.json"), policy).expect("written");
        let users = users.iter().map(|name| format!("[users.{name}]\npolicies = [\"p.json\"]\n"));
        let path = folder.path().join("account.toml");
        fs::write(&path, users.collect::<String>()).expect("written");
        let account = Account::load(&path, &Node::default()).expect("a good file");
        account.slips().to_vec()
    }

    fn statement(actions: &str, resource: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect": "Allow", "Action": [{actions}], "Resource": "{resource}"{condition}}}"#
        )
    }

    #[test]
    fn an_action_that_nobody_has_is_told_once() {
        let actions = statement(r#""ssm:StartSesion", "ssm:GetParameter""#, "*", "");
        let told = "p.json, statement 1: AWS has no action `ssm:StartSesion`; did you mean \
                    ssm:StartSession?";
        assert_eq!(slips(&["alice", "bob"], &actions), [told]);
    }

    #[test]
    fn a_name_that_begins_like_anothers_session_is_told() {
        let actions = r#""ssm:ResumeSession", "ssm:TerminateSession""#;
        let own = "arn:aws:ssm:*:*:session/${aws:username}-*";
        let mfa = r#", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}"#;
        let by_id = r#", "Condition": {"StringEquals":
            {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}}"#;
        let names = ["bob", "bob-2", "bobby"];
        let told = slips(&names, &statement(actions, own, mfa));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("let bob end or resume the sessions of bob-2"), "{told:?}");
        assert!(slips(&["bob", "alice"], &statement(actions, own, "")).is_empty());
        assert!(slips(&names, &statement(actions, own, by_id)).is_empty());
        let everybodys = "arn:aws:ssm:*:*:session/*";
        assert!(slips(&names, &statement(actions, everybodys, "")).is_empty(), "it is on purpose");
    }
}
