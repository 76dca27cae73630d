//! The callers of the example's account: what they may, before and after MFA.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::*;
use crate::local::{
    account::{Account, Seed},
    kms::Kms,
    node::Node,
    policy::Policy,
};

const ACCOUNT: &str = "123456789012";
const ALICES: &str = "i-0a11ce00000000001";
const BOBS: &str = "i-0b0b0000000000001";

fn service() -> EmbeddedService {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/account.toml");
    let account = Account::load(&path, &Node::default()).expect("the example is good");
    let service = EmbeddedService::new(account.nodes().to_vec()).expect("random bytes");
    service.with_account(Some(account))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_282_361)
}

fn user(service: &EmbeddedService, name: &str) -> Caller {
    let account = service.account().expect("an account");
    account.user(name).expect("a user").caller()
}

fn with_mfa(service: &EmbeddedService, name: &str) -> Caller {
    user(service, name).with_temporary_keys(Some(now()))
}

/// What `perform` says, of a request with this body by this caller.
fn call<T>(caller: &Caller, body: &str, perform: impl FnOnce(&Call<'_>) -> T) -> T {
    let (method, uri, headers) = (Method::POST, Uri::from_static("/"), HeaderMap::new());
    let request = Request {
        method: &method,
        uri: &uri,
        headers: &headers,
        body: body.as_bytes(),
        id: "1-2-3",
        stream_base: "ws://127.0.0.1:8080",
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        now: now(),
    };
    let identity = Identity { caller: caller.clone(), region: "eu-west-1".to_owned() };
    perform(&Call { request: &request, identity: Some(identity) })
}

fn ssm(
    service: &mut EmbeddedService,
    caller: &Caller,
    operation: &str,
    body: &Value,
) -> Result<Value, String> {
    let performed = call(caller, &body.to_string(), |call| {
        ssm::perform(operation, call, service).expect("an operation")
    });
    performed.map_err(|error| format!("{}: {error}", error.code(Protocol::Json)))
}

fn start(
    service: &mut EmbeddedService,
    caller: &Caller,
    target: &str,
    document: Option<&str>,
) -> Result<String, String> {
    let mut body = json!({ "Target": target });
    if let Some(document) = document {
        body["DocumentName"] = json!(document);
    }
    let started = ssm(service, caller, "StartSession", &body)?;
    Ok(started["SessionId"].as_str().expect("an id").to_owned())
}

fn query(service: &mut EmbeddedService, caller: &Caller, form: &str) -> Result<String, String> {
    let form = Form::read(form.as_bytes());
    let action = form.action().expect("an action");
    let performed = call(caller, "", |call| match iam::perform(action, &form, call, service) {
        Some(answer) => answer,
        None => sts::perform(action, &form, call, service).expect("an operation"),
    });
    performed.map_err(|error| format!("{}: {error}", error.code(Protocol::Query)))
}

/// The text of an element.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name}: {xml}"));
    rest.split_once('<').expect("closed").0
}

/// The caller behind the keys in an answer.
fn holder(service: &EmbeddedService, xml: &str) -> Caller {
    let token = Some(element(xml, "SessionToken"));
    let account = service.account().expect("an account");
    account.key(element(xml, "AccessKeyId"), token, now()).expect("good keys").caller
}

fn code(seed: &str, shift: u64) -> String {
    let step = now().duration_since(UNIX_EPOCH).expect("later").as_secs() / 30;
    Seed::read(seed).expect("base32").code(step + shift)
}

const DEVICE: &str = "SerialNumber=arn:aws:iam::123456789012:mfa/alice";
const SEED: &str = "JBSWY3DPEHPK3PXP";

#[test]
fn without_mfa_nothing_but_its_set_up_is_allowed() {
    let mut service = service();
    let alice = user(&service, "alice");
    let half = alice.with_temporary_keys(None);
    for caller in [&alice, &half] {
        assert_eq!(
            start(&mut service, caller, ALICES, None).unwrap_err(),
            "AccessDeniedException: User: arn:aws:iam::123456789012:user/alice is not authorized \
             to perform: ssm:StartSession on resource: \
             arn:aws:ec2:eu-west-1:123456789012:instance/i-0a11ce00000000001 with an explicit \
             deny in an identity-based policy"
        );
        let identity = query(&mut service, caller, "Action=GetCallerIdentity").expect("allowed");
        assert_eq!(element(&identity, "Account"), ACCOUNT);
    }
    let devices = query(&mut service, &alice, "Action=ListMFADevices").expect("allowed");
    assert_eq!(element(&devices, "SerialNumber"), "arn:aws:iam::123456789012:mfa/alice");
    let error = query(&mut service, &half, "Action=ListMFADevices").unwrap_err();
    assert_eq!(
        error,
        "InvalidClientTokenId: The security token included in the request is invalid."
    );
    let error = query(&mut service, &alice, "Action=GetUser&UserName=bob").unwrap_err();
    let why = "because no identity-based policy allows the iam:GetUser action";
    assert!(error.contains(why), "{error}");
}

#[test]
fn with_mfa_each_has_the_own_nodes_and_sessions() {
    let mut service = service();
    let (alice, bob) = (with_mfa(&service, "alice"), with_mfa(&service, "bob"));
    let id = start(&mut service, &alice, ALICES, None).expect("her own");
    assert!(id.starts_with("alice-"), "{id}");
    let error = start(&mut service, &alice, BOBS, None).unwrap_err();
    assert!(error.ends_with("instance/i-0b0b0000000000001 because no identity-based policy allows the ssm:StartSession action"), "{error}");
    start(&mut service, &bob, BOBS, None).expect("his own");
    start(&mut service, &bob, ALICES, None).unwrap_err();

    let session = json!({ "SessionId": id });
    for operation in ["ResumeSession", "TerminateSession"] {
        let error = ssm(&mut service, &bob, operation, &session).unwrap_err();
        assert!(
            error.contains(&format!("resource: arn:aws:ssm:eu-west-1:{ACCOUNT}:session/{id} ")),
            "{error}"
        );
        ssm(&mut service, &alice, operation, &session).expect("her own");
    }
    let shown = ssm(&mut service, &bob, "DescribeSessions", &json!({"State": "Active"}));
    let shown = shown.expect("allowed");
    assert_eq!(shown["Sessions"][0]["Owner"], "arn:aws:iam::123456789012:user/bob");
}

#[test]
fn a_document_has_to_be_allowed_when_it_is_named() {
    let mut service = service();
    let (alice, bob) = (with_mfa(&service, "alice"), with_mfa(&service, "bob"));
    let ssh = Some("AWS-StartSSHSession");
    start(&mut service, &alice, ALICES, ssh).expect("hers is not denied");
    let error = start(&mut service, &bob, BOBS, ssh).unwrap_err();
    assert_eq!(
        error,
        "AccessDeniedException: User: arn:aws:iam::123456789012:user/bob is not authorized to \
         perform: ssm:StartSession on resource: \
         arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession with an explicit deny in an \
         identity-based policy"
    );
    let by_arn = Some("arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession");
    assert_eq!(start(&mut service, &bob, BOBS, by_arn).unwrap_err(), error);
    let other = Some("AWS-StartPortForwardingSessionToRemoteHost");
    let error = start(&mut service, &alice, ALICES, other).unwrap_err();
    assert!(error.contains("ToRemoteHost because no identity-based policy"), "{error}");
    // A node that is not there is told from one that is only to those who may start sessions on it.
    assert!(start(&mut service, &alice, "i-0000", None).unwrap_err().starts_with("AccessDenied"));
}

#[test]
fn a_session_token_needs_a_code_that_is_right_and_new() {
    let mut service = service();
    let alice = user(&service, "alice");
    let ask = |service: &mut EmbeddedService, more: &str| {
        query(service, &alice, &format!("Action=GetSessionToken{more}"))
    };
    let wrong =
        "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let right = format!("&{DEVICE}&TokenCode={}", code(SEED, 0));
    assert_eq!(ask(&mut service, &format!("&{DEVICE}&TokenCode=000000")).unwrap_err(), wrong);
    let keys = ask(&mut service, &right).expect("right");
    assert_eq!(element(&keys, "Expiration"), "2026-11-22T05:32:41Z");
    assert_eq!(ask(&mut service, &right).unwrap_err(), wrong, "used");
    let holder = holder(&service, &keys);
    start(&mut service, &holder, ALICES, None).expect("with MFA");
    assert_eq!(
        query(&mut service, &holder, "Action=GetSessionToken").unwrap_err(),
        "AccessDenied: Cannot call GetSessionToken with session credentials"
    );

    ask(&mut service, "").expect("allowed without a code, too");
    for (more, error) in [
        (
            "&TokenCode=123456".to_owned(),
            "must provide both MFA serial number and one time pass code.",
        ),
        (
            "&SerialNumber=x&TokenCode=123456".to_owned(),
            "Please verify your MFA serial number is valid",
        ),
        ("&DurationSeconds=899".to_owned(), "greater than or equal to 900"),
        ("&DurationSeconds=129601".to_owned(), "less than or equal to 129600"),
        ("&DurationSeconds=-1".to_owned(), "must be a number"),
    ] {
        let found = ask(&mut service, &more).unwrap_err();
        assert!(found.contains(error), "{more}: {found}");
    }
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts_and_hands_no_mfa_on() {
    let mut service = service();
    let (alice, bob) = (user(&service, "alice"), user(&service, "bob"));
    let role =
        "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/operator&RoleSessionName=duty";
    let denied = |name: &str| {
        format!(
            "AccessDenied: User: arn:aws:iam::123456789012:user/{name} is not authorized to \
             perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/operator"
        )
    };
    assert_eq!(query(&mut service, &alice, role).unwrap_err(), denied("alice"));
    let bobs = format!(
        "{role}&SerialNumber=arn:aws:iam::123456789012:mfa/bob&TokenCode={}",
        code("KRSXG5CTMVRXEZLU", 0)
    );
    assert_eq!(query(&mut service, &bob, &bobs).unwrap_err(), denied("bob"));
    let unknown = role.replace("operator", "nobody");
    let error = query(&mut service, &alice, &unknown).unwrap_err();
    assert_eq!(error, denied("alice").replace("operator", "nobody"));

    let assumed = format!("{role}&{DEVICE}&TokenCode={}", code(SEED, 0));
    let assumed = query(&mut service, &alice, &assumed).expect("trusted");
    let arn = "arn:aws:sts::123456789012:assumed-role/operator/duty";
    assert_eq!(element(&assumed, "Arn"), arn);
    let holder = holder(&service, &assumed);
    let identity = query(&mut service, &holder, "Action=GetCallerIdentity").expect("allowed");
    assert_eq!(element(&identity, "Arn"), arn);
    assert!(element(&identity, "UserId").ends_with(":duty"));
    assert_eq!(holder.temporary.as_ref().map(|keys| keys.mfa_at), Some(None));

    let id = start(&mut service, &holder, BOBS, Some("AWS-StartSSHSession")).expect("any node");
    assert!(id.starts_with("duty-"), "{id}");
    ssm(&mut service, &holder, "TerminateSession", &json!({ "SessionId": id })).expect("its own");
    let bob = with_mfa(&service, "bob");
    let bobs = start(&mut service, &bob, BOBS, None).expect("his own");
    let error = ssm(&mut service, &holder, "TerminateSession", &json!({ "SessionId": bobs }));
    assert!(error.unwrap_err().starts_with("AccessDeniedException"));

    for (more, error) in [
        ("&DurationSeconds=7200", "exceeds the MaxSessionDuration set for this role."),
        ("&Policy={}", "Policy is not evaluated"),
        ("&PolicyArns.member.1.arn=x", "PolicyArns.member.1.arn is not evaluated"),
        ("&SourceIdentity=alice", "SourceIdentity is not evaluated"),
    ] {
        let form = format!("{role}{more}&{DEVICE}&TokenCode={}", code(SEED, 1));
        let found = query(&mut service, &alice, &form).unwrap_err();
        assert!(found.contains(error), "{more}: {found}");
        service = self::service();
    }
    let short = role.replace("duty", "d");
    assert!(query(&mut service, &alice, &short).unwrap_err().starts_with("ValidationError"));
}

/// A service with the account of this file, beside which the others lie.
fn service_of(account: &str, others: &[(&str, String)]) -> EmbeddedService {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("account.toml");
    std::fs::write(&path, account).expect("written");
    for (name, text) in others {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let account = Account::load(&path, &Node::default()).expect("a good account");
    EmbeddedService::new([]).expect("random bytes").with_account(Some(account))
}

/// A policy of one statement.
fn allowing(action: &str, more: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17",
            "Statement": {{"Effect": "Allow", "Action": "{action}", {more}}}}}"#
    )
}

#[test]
fn users_and_roles_may_be_known_by_their_tags() {
    let tagged = |stage: &str| {
        format!(r#""Condition": {{"StringEquals": {{"aws:ResourceTag/Stage": "{stage}"}}}}"#)
    };
    let alice = r#""Principal": {"AWS": "arn:aws:iam::123456789012:user/alice"}"#;
    let mut service = service_of(
        "id = '123456789012'\n[users.alice]\npolicies = ['of-alice.json']\n\
         [users.bob]\ntags = { Stage = 'test' }\n[users.carol]\ntags = { Stage = 'prod' }\n\
         [roles.test]\ntrust = 'all.json'\ntags = { Stage = 'test' }\n\
         [roles.prod]\ntrust = 'all.json'\ntags = { Stage = 'prod' }\n\
         [roles.audit]\ntrust = 'alice.json'\ntags = { Stage = 'prod' }\n",
        &[
            ("of-alice.json", allowing("*", &format!(r#""Resource": "*", {}"#, tagged("test")))),
            ("all.json", allowing("sts:AssumeRole", r#""Principal": {"AWS": "123456789012"}"#)),
            ("alice.json", allowing("sts:AssumeRole", &format!("{alice}, {}", tagged("prod")))),
        ],
    );
    let alice = user(&service, "alice");
    let mut ask = |form: &str| query(&mut service, &alice, form);
    let role = "Action=AssumeRole&RoleSessionName=duty&RoleArn=arn:aws:iam::123456789012:role";
    ask(&format!("{role}/test")).expect("her policy allows it");
    let error = ask(&format!("{role}/prod")).unwrap_err();
    assert!(error.starts_with("AccessDenied: User: "), "{error}");
    ask(&format!("{role}/audit")).expect("its own policy trusts her");
    ask("Action=GetUser&UserName=bob").expect("her policy allows it");
    let error = ask("Action=GetUser&UserName=carol").unwrap_err();
    assert!(error.starts_with("AccessDenied: User: "), "{error}");
}

/// Who may not list tasks is not told which there are; no filter is passed over.
#[test]
fn tasks_are_listed_for_whoever_may_and_by_filters_that_count() {
    let mut service = service_of(
        "[users.alice]\npolicies = ['tasks.json']\n[users.bob]\n\
         [[tasks]]\ncluster = 'prod'\nservice = 'shop'\ncontainers = ['app']\n",
        &[("tasks.json", allowing("ecs:ListTasks", r#""Resource": "*""#))],
    );
    let mut list = |user: &str, body: Value| {
        let caller = self::user(&service, user);
        let answer = call(&caller, &body.to_string(), |call| {
            ecs::perform("ListTasks", call, &mut service).expect("an operation")
        });
        let answer = answer.map_err(|error| format!("{}: {error}", error.code(Protocol::Json)))?;
        Ok::<_, String>(answer["taskArns"].as_array().expect("a list").len())
    };
    for cluster in ["prod", "none"] {
        let error = list("bob", json!({ "cluster": cluster })).unwrap_err();
        assert!(error.starts_with("AccessDeniedException"), "{cluster}: {error}");
    }
    let mut found = |key: &str, value: &str| list("alice", json!({"cluster": "prod", key: value}));
    assert_eq!(found("serviceName", "shop"), Ok(1));
    assert_eq!(found("desiredStatus", "RUNNING"), Ok(1));
    assert_eq!(found("desiredStatus", "STOPPED"), Ok(0));
    let error = found("serviceName", "other").unwrap_err();
    assert!(error.starts_with("ServiceNotFoundException"), "{error}");
    for filter in ["family", "containerInstance", "startedBy", "launchType"] {
        let error = found(filter, "x").unwrap_err();
        assert!(error.contains("cluster, service and desiredStatus"), "{filter}: {error}");
    }
}

/// `ssm:SessionDocumentAccessCheck` makes AWS ask for the default document, too.
#[test]
fn the_default_document_is_asked_for_on_demand() {
    let mut service = service();
    let statements = |resource: &str| {
        let json = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
                "Action": "ssm:StartSession", "Resource": {resource},
                "Condition": {{"BoolIfExists": {{"ssm:SessionDocumentAccessCheck": "true"}}}}}}]}}"#
        );
        std::sync::Arc::from([Policy::read("p", &json).expect("good")])
    };
    let mut caller = user(&service, "alice");
    caller.policies = statements(r#""arn:aws:ec2:*:*:instance/*""#);
    let error = start(&mut service, &caller, ALICES, None).unwrap_err();
    assert!(error.contains("123456789012:document/SSM-SessionManagerRunShell because"), "{error}");
    caller.policies =
        statements(r#"["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:document/SSM-*"]"#);
    start(&mut service, &caller, ALICES, None).expect("allowed");
}

#[test]
fn a_key_needs_a_permission_of_its_own() {
    let service = service();
    let kms = Kms::new(Some("1234")).expect("random bytes").of_account(ACCOUNT);
    let ask = |caller: &Caller| {
        let asked = call(caller, "", |call| kms::authorize("GenerateDataKey", call, &kms));
        asked.map_err(|denial| denial.to_string())
    };
    let mut alice = with_mfa(&service, "alice");
    assert_eq!(
        ask(&alice).unwrap_err(),
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: \
         kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:123456789012:key/1234 because no \
         identity-based policy allows the kms:GenerateDataKey action"
    );
    let json = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Action": "kms:GenerateDataKey", "Resource": "arn:aws:kms:*:123456789012:key/1234"}}"#;
    alice.policies = std::sync::Arc::from([Policy::read("p", json).expect("good")]);
    assert_eq!(ask(&alice), Ok(()));
}

/// Old clients do not sign the upgrade: the token counts. Whoever signs must do it well.
#[test]
fn an_upgrade_is_refused_for_a_wrong_signature_and_not_for_want_of_one() {
    let service = service();
    let (method, uri) = (Method::GET, Uri::from_static("/v1/data-channel/alice-0"));
    let refuse = |service: &EmbeddedService, authorization: Option<&'static str>| {
        let signature = authorization.map(|text| (AUTHORIZATION, HeaderValue::from_static(text)));
        let mut headers = HeaderMap::from_iter(signature);
        headers.insert("x-amz-date", HeaderValue::from_static("20261122T000000Z"));
        let request = Request {
            method: &method,
            uri: &uri,
            headers: &headers,
            body: b"",
            id: "1-2-3",
            stream_base: "ws://127.0.0.1:8080",
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
            now: UNIX_EPOCH + Duration::from_secs(1_795_305_600),
        };
        refuse_upgrade(&request, service).map(|reply| (reply.status, reply.refused))
    };
    let wrong = Some(
        "AWS4-HMAC-SHA256 Credential=AKIAAAAAAAAAAAAAAAAA/20261122/eu-west-1/ssmmessages/\
         aws4_request, SignedHeaders=host, Signature=00",
    );
    assert_eq!(refuse(&service, None), None);
    let refused = Some((StatusCode::FORBIDDEN, Some("UnrecognizedClientException")));
    assert_eq!(refuse(&service, wrong), refused);
    let no_account = EmbeddedService::new([]).expect("random bytes");
    assert_eq!(refuse(&no_account, wrong), None);
}

#[test]
fn targets_have_the_arns_of_their_services() {
    let service = service();
    let caller = user(&service, "alice");
    call(&caller, "", |call| {
        for (target, arn) in [
            ("i-1", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"),
            ("mi-1", "arn:aws:ssm:eu-west-1:123456789012:managed-instance/mi-1"),
            ("ecs:my_cluster_0a_0a-1", "arn:aws:ecs:eu-west-1:123456789012:task/my_cluster/0a"),
        ] {
            assert_eq!(resource::Resource::target(target, call, &service).arn, arn);
        }
    });
}

mod arns;
