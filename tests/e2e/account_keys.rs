//! An endpoint with an account knows its callers, by the AWS CLI's own signatures.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Account, Keys, Program, command, example};

#[test]
fn the_cli_is_told_who_it_is() {
    let account = Account::start();
    let identity = account.ask(&account.keys("alice"), "sts", &["get-caller-identity"]);
    assert_eq!(identity["Account"], "123456789012");
    assert_eq!(identity["Arn"], "arn:aws:iam::123456789012:user/alice");
    assert!(identity["UserId"].as_str().is_some_and(|id| id.starts_with("AIDA")), "{identity}");
    let user = account.ask(&account.keys("bob"), "iam", &["get-user"]);
    assert_eq!(user["User"]["Arn"], "arn:aws:iam::123456789012:user/bob");
    let devices = account.ask(&account.keys("bob"), "iam", &["list-mfa-devices"]);
    assert_eq!(devices["MFADevices"][0]["SerialNumber"], "arn:aws:iam::123456789012:mfa/bob");
}

#[test]
fn whoever_is_not_known_is_refused_in_aws_words() {
    let account = Account::start();
    let alice = account.keys("alice");
    let wrong = Keys { secret: "wrong".to_owned(), ..alice.clone() };
    let unknown = Keys { id: "AKIAAAAAAAAAAAAAAAAA".to_owned(), ..alice.clone() };
    let token = Keys { token: Some("made-up".to_owned()), ..alice.clone() };
    let (sts, ssm) = (["get-caller-identity"], ["describe-instance-information"]);
    for (keys, service, call, expected) in [
        (
            &wrong,
            "sts",
            &sts,
            "(SignatureDoesNotMatch) when calling the GetCallerIdentity operation: The request signature we calculated",
        ),
        (
            &unknown,
            "sts",
            &sts,
            "(InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the request is invalid.",
        ),
        (&token, "sts", &sts, "(InvalidClientTokenId)"),
        (
            &wrong,
            "ssm",
            &ssm,
            "(InvalidSignatureException) when calling the DescribeInstanceInformation operation: The request signature we calculated",
        ),
        (
            &unknown,
            "ssm",
            &ssm,
            "(UnrecognizedClientException) when calling the DescribeInstanceInformation operation: The security token included in the request is invalid.",
        ),
    ] {
        let said = account.refusal(keys, service, call);
        assert!(said.contains(expected), "{said}");
    }
    let unsigned = account.refusal(&alice, "sts", &["get-caller-identity", "--no-sign-request"]);
    assert!(unsigned.contains("(MissingAuthenticationToken)"), "{unsigned}");
    let (status, answer) = account.endpoint.call("DescribeInstanceInformation", &json!({}));
    assert_eq!((status, &answer["__type"]), (400, &json!("MissingAuthenticationTokenException")));
}

#[test]
fn keys_of_the_file_are_not_shown_and_made_up_ones_can_be_pasted() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("account.toml");
    let text = "[users.given]\naccess_key_id = 'AKIAGIVEN00000000000'\n\
                secret_access_key = 'the-secret-of-the-file'\n[users.other]\n";
    fs::write(&file, text).expect("written");
    let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
    local.args(["local", "--account"]).arg(&file);
    let program = Program::start(local);
    program.wait_for_stderr(|line| line.starts_with("export AWS_SECRET_ACCESS_KEY="));
    program.wait_for_stderr(|line| line.starts_with("    --endpoint-url "));
    let said = program.stderr();
    assert!(!said.contains("the-secret-of-the-file"), "{said}");
    assert!(said.contains("# other\nexport AWS_ACCESS_KEY_ID=AKIA"), "{said}");
    assert!(said.contains("# given: the access key that was given\n"), "{said}");

    let account = Account::with(file.to_str().expect("Unicode"));
    assert_eq!(
        *account.told("given"),
        json!({ "name": "given", "access_key_id": "AKIAGIVEN00000000000" })
    );
    let (id, secret) = ("AKIAGIVEN00000000000".to_owned(), "the-secret-of-the-file".to_owned());
    let given = Keys { id, secret, token: None };
    let identity = account.ask(&given, "sts", &["get-caller-identity"]);
    assert_eq!(identity["Arn"], "arn:aws:iam::000000000000:user/given");
}

#[test]
fn a_file_that_is_wrong_ends_it_before_it_listens() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("account.toml");
    let policy = example().replace("account.toml", "policies/mfa-required.json");
    let policy = fs::read_to_string(policy).expect("the example");
    fs::write(folder.path().join("p.json"), policy.replace("BoolIfExists", "ForAnyValue:Bool"))
        .expect("written");
    for (text, expected) in [
        ("[users.alice]\nkey = 'x'\n", "account.toml:2: key: unknown field `key`"),
        (
            "[users.alice]\npolicies = ['p.json']\n",
            "account.toml:2: policies: p.json, statement 1 (NothingButTheSetUpOfMfaWithoutMfa): \
             this endpoint does not evaluate the set operator ForAnyValue:Bool",
        ),
    ] {
        fs::write(&file, text).expect("written");
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.args(["local", "--json", "--account"]).arg(&file);
        let ended = Program::run(local);
        assert_eq!(ended.code(), 2, "{ended:#?}");
        assert!(ended.stdout.contains("\"event\":\"error\""), "{ended:#?}");
        assert!(ended.stderr.contains(expected), "{ended:#?}");
    }
}
