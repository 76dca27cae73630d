use proptest::prelude::*;

use super::*;

fn policy(json: &str) -> Policy {
    Policy::read("p.json", json).unwrap()
}

/// A document with these statements.
fn statements(statements: &str) -> Policy {
    policy(&format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#))
}

fn ask(policies: &[Policy], action: &str, resource: &str, context: &Context) -> Decision {
    decide(policies, Question { action, resource, context })
}

const NODE: &str = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1";

#[test]
fn what_nothing_allows_is_denied_and_a_deny_beats_an_allow() {
    let context = Context::default();
    let start = |policies: &[Policy]| ask(policies, "ssm:StartSession", NODE, &context);
    assert_eq!(start(&[]), Decision::ImplicitDeny);
    let allow = statements(r#"{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}"#);
    assert_eq!(start(std::slice::from_ref(&allow)), Decision::Allowed);
    let deny = statements(
        r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
           {"Sid": "No", "Effect": "Deny", "NotAction": "iam:*", "NotResource": "arn:aws:ssm:*"}"#,
    );
    let statement = "statement 2 (No) of p.json".to_owned();
    let denied = Decision::ExplicitDeny { statement };
    assert_eq!(start(&[allow.clone(), deny.clone()]), denied);
    assert_eq!(start(&[deny.clone(), allow.clone()]), denied);
    let document = "arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession";
    assert_eq!(ask(&[deny, allow], "ssm:StartSession", document, &context), Decision::Allowed);
}

/// AWS's own example of "nothing but the set-up of MFA, until MFA is there".
#[test]
fn mfa_can_be_demanded_of_those_who_never_had_it() {
    let policies = [
        statements(
            r#"{"Effect": "Deny", "NotAction": ["iam:ListMFADevices", "sts:GetSessionToken"],
                "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}"#,
        ),
        statements(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#),
    ];
    let long_term = Context::default();
    let without = Context::default().with("aws:MultiFactorAuthPresent", "false");
    let with = Context::default().with("aws:MultiFactorAuthPresent", "true");
    for (context, action, allowed) in [
        (&long_term, "ssm:StartSession", false),
        (&long_term, "iam:ListMFADevices", true),
        (&without, "ssm:StartSession", false),
        (&with, "ssm:StartSession", true),
    ] {
        let decision = ask(&policies, action, NODE, context);
        assert_eq!(decision == Decision::Allowed, allowed, "{action} {context:?}");
    }
}

#[test]
fn documents_that_mean_nothing_are_refused_by_statement() {
    for (json, error) in [
        ("{", "p.json: EOF while parsing an object at line 1 column 1"),
        ("[]", "p.json: not a JSON object"),
        (r#"{"Statement": []}"#, "p.json: \"Version\" must be \"2012-10-17\""),
        (r#"{"Version": "2012-10-17"}"#, "p.json: \"Statement\" must be an object or an array"),
        (
            r#"{"Version": "2012-10-17", "Statement": [], "Staement": []}"#,
            "p.json: no policy has the element \"Staement\"",
        ),
    ] {
        assert_eq!(Policy::read("p.json", json).unwrap_err().to_string(), error);
    }
    for (statement, error) in [
        (
            r#"{"Effect": "allow", "Action": "*", "Resource": "*"}"#,
            "\"Effect\" must be \"Allow\" or \"Deny\"",
        ),
        (r#"{"Effect": "Allow", "Resource": "*"}"#, "it needs one of \"Action\" and \"NotAction\""),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*"}"#,
            "it needs one of \"Resource\" and \"NotResource\"",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Conditions": {}}"#,
            "the element \"Conditions\" has no place here",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}"#,
            "the element \"Principal\" has no place here",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:Nothing": "true"}}}"#,
            "this endpoint does not know the condition key aws:Nothing",
        ),
        (
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAnyValue:Bool": {"aws:SourceIp": "x"}}}"#,
            "this endpoint does not evaluate the set operator ForAnyValue:Bool",
        ),
    ] {
        let json = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "A", {}]}}"#,
            &statement[1..]
        );
        let found = Policy::read("p.json", &json).unwrap_err().to_string();
        assert_eq!(found, format!("p.json, statement 1 (A): {error}"));
    }
    let twice =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Effect": "Allow"}]}"#;
    let error = Policy::read("p.json", twice).unwrap_err().to_string();
    assert!(error.contains("the key \"Effect\" stands twice at line 1"), "{error}");
}

#[test]
fn a_trust_policy_names_users_accounts_or_everyone() {
    let alice = "arn:aws:iam::123456789012:user/alice";
    let decide = |principal: &str, more: &str, context: &Context| {
        let json = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
                "Principal": {principal}, "Action": "sts:AssumeRole"{more}}}}}"#
        );
        let trust = TrustPolicy::read("t.json", &json).unwrap();
        trust.decide("123456789012", &[alice], "sts:AssumeRole", context)
    };
    let none = Context::default();
    for (principal, expected) in [
        (r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#, Trust::Caller),
        (r#"{"AWS": ["arn:aws:iam::123456789012:user/bob"]}"#, Trust::None),
        (r#"{"AWS": "arn:aws:iam::123456789012:root"}"#, Trust::Account),
        (r#"{"AWS": "123456789012"}"#, Trust::Account),
        (r#"{"AWS": ["123456789012", "*"]}"#, Trust::Caller),
        (r#"{"AWS": "210987654321"}"#, Trust::None),
        (r#"{"Service": "ec2.amazonaws.com"}"#, Trust::None),
        (r#""*""#, Trust::Caller),
    ] {
        assert_eq!(decide(principal, "", &none), expected, "{principal}");
    }
    let mfa = r#", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}"#;
    assert_eq!(decide(r#""*""#, mfa, &none), Trust::None);
    let with = Context::default().with("aws:MultiFactorAuthPresent", "true");
    assert_eq!(decide(r#""*""#, mfa, &with), Trust::Caller);
    for principal in [
        r#"{"AWS": "arn:aws-cn:iam::123456789012:root"}"#,
        r#"{"AWS": "arn:aws-cn:iam::123456789012:user/alice"}"#,
        r#"{"AWS": "arn:aws:sts::123456789012:user/alice"}"#,
        r#"{"AWS": "arn:aws:iam::123456789012:group/all"}"#,
        r#""alice""#,
        r#"{"AWS": "alice"}"#,
        r#"{"Nobody": "*"}"#,
        "5",
        "[]",
    ] {
        let json = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "*"}}}}"#
        );
        assert!(TrustPolicy::read("t.json", &json).is_err(), "{principal}");
    }
    let denied = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "sts:*"},
        {"Effect": "Deny", "Principal": {"AWS": "123456789012"}, "Action": "*"}]}"#;
    let trust = TrustPolicy::read("t.json", denied).unwrap();
    let statement = "statement 2 of t.json".to_owned();
    let decision = trust.decide("123456789012", &[alice], "sts:AssumeRole", &none);
    assert_eq!(decision, Trust::Denied { statement });
}

/// A statement's JSON out of parts that meet often.
fn any_statement(effect: &'static str) -> impl Strategy<Value = String> {
    let action =
        prop::sample::select(vec!["*", "ssm:*", "ssm:Start*", "ec2:*", "ssm:StartSession"]);
    let resource = prop::sample::select(vec!["*", "arn:aws:ec2:*", "arn:aws:ssm:*", NODE]);
    let not = || prop::sample::select(vec!["", "Not"]);
    let condition = prop::sample::select(vec![
        "",
        r#", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}"#,
        r#", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}"#,
        r#", "Condition": {"StringNotLike": {"aws:username": "a*"}}"#,
    ]);
    (action, resource, not(), not(), condition).prop_map(move |(action, resource, a, r, condition)| {
        format!(r#"{{"Effect": "{effect}", "{a}Action": "{action}", "{r}Resource": "{resource}"{condition}}}"#)
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let statement = prop_oneof![any_statement("Allow"), any_statement("Deny")];
    prop::collection::vec(statement, 0..4).prop_map(|list| statements(&list.join(",")))
}

fn any_context() -> impl Strategy<Value = Context> {
    let mfa = prop::sample::select(vec![None, Some("true"), Some("false")]);
    let name = prop::sample::select(vec![None, Some("alice"), Some("bob")]);
    (mfa, name).prop_map(|(mfa, name)| {
        let mut context = Context::default();
        mfa.inspect(|mfa| context.set("aws:MultiFactorAuthPresent", *mfa));
        name.inspect(|name| context.set("aws:username", *name));
        context
    })
}

proptest! {
    #[test]
    fn an_explicit_deny_wins_wherever_it_stands(
        mut policies in prop::collection::vec(any_policy(), 0..4),
        at in any::<prop::sample::Index>(),
        context in any_context(),
    ) {
        let deny = statements(r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#);
        policies.insert(at.index(policies.len() + 1), deny);
        let decision = ask(&policies, "ssm:StartSession", NODE, &context);
        let is_denied = matches!(decision, Decision::ExplicitDeny { .. });
        prop_assert!(is_denied);
    }

    #[test]
    fn another_allow_never_denies(
        mut policies in prop::collection::vec(any_policy(), 0..4),
        allow in any_statement("Allow"),
        at in any::<prop::sample::Index>(),
        context in any_context(),
    ) {
        let before = ask(&policies, "ssm:StartSession", NODE, &context);
        policies.insert(at.index(policies.len() + 1), statements(&allow));
        let after = ask(&policies, "ssm:StartSession", NODE, &context);
        prop_assert!(after == before || before == Decision::ImplicitDeny && after == Decision::Allowed);
    }

    #[test]
    fn a_deny_among_statements_beats_the_allows(
        policies in prop::collection::vec(any_policy(), 1..4),
        context in any_context(),
    ) {
        let question = |policy: &Policy| decide([policy], Question {
            action: "ssm:StartSession", resource: NODE, context: &context,
        });
        let alone: Vec<_> = policies.iter().map(question).collect();
        let together = ask(&policies, "ssm:StartSession", NODE, &context);
        let denied = alone.iter().find(|d| matches!(d, Decision::ExplicitDeny { .. }));
        let allowed = alone.iter().find(|d| **d == Decision::Allowed);
        prop_assert_eq!(&together, denied.or(allowed).unwrap_or(&Decision::ImplicitDeny));
    }
}
