//! Policies that demand MFA and tell users and nodes apart, tried with the AWS CLI: those of
//! `examples/`.

use std::fs;

use tempfile::TempDir;

use crate::support::{Account, Keys, Terminal, example, free_port, mfa_code, mfa_serial};

const ALICES: &str = "i-0a11ce00000000001";
const BOBS: &str = "i-0b0b0000000000001";

#[test]
fn nothing_is_allowed_before_mfa_and_ones_own_node_after_it() {
    let account = Account::start();
    let alice = account.keys("alice");
    assert_eq!(
        account.refusal(&alice, "ssm", &["start-session", "--target", ALICES]),
        "An error occurred (AccessDeniedException) when calling the StartSession operation: User: \
         arn:aws:iam::123456789012:user/alice is not authorized to perform: ssm:StartSession on \
         resource: arn:aws:ec2:eu-west-1:123456789012:instance/i-0a11ce00000000001 with an \
         explicit deny in an identity-based policy"
    );
    let alice = account.with_mfa("alice");
    assert_eq!(echo(&account, &alice, ALICES), "hello\n");
    let denied = account.refusal(&alice, "ssm", &["start-session", "--target", BOBS]);
    assert!(
        denied.ends_with(
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-0b0b0000000000001 because no \
             identity-based policy allows the ssm:StartSession action"
        ),
        "{denied}"
    );
    assert_eq!(echo(&account, &account.with_mfa("bob"), BOBS), "hello\n");
    let history = account.ask(&alice, "ssm", &["describe-sessions", "--state", "History"]);
    let ids: Vec<_> = history["Sessions"].as_array().expect("a list").iter().collect();
    let of = |name: &str| {
        let owner = format!("arn:aws:iam::123456789012:user/{name}");
        let id = ids.iter().find(|session| session["Owner"] == *owner).map(|it| &it["SessionId"]);
        id.and_then(|id| id.as_str()).expect("the session").to_owned()
    };
    assert!(of("alice").starts_with("alice-") && of("bob").starts_with("bob-"));
    let denied = account.refusal(&alice, "ssm", &["resume-session", "--session-id", &of("bob")]);
    assert!(denied.contains("to perform: ssm:ResumeSession on resource"), "{denied}");
}

#[test]
fn with_v_the_endpoint_tells_what_has_denied_a_call_or_that_nothing_allows_it() {
    let account = Account::with_options(&example(), &["-v"]);
    let start = |keys: &Keys| account.refusal(keys, "ssm", &["start-session", "--target", BOBS]);
    start(&account.keys("alice"));
    let is_denied = |line: &str| line.contains("denied by statement 1 (NothingButTheSetUp");
    account.endpoint.program.wait_for_stderr(is_denied);
    start(&account.with_mfa("alice"));
    account.endpoint.program.wait_for_stderr(|line| {
        line.contains("no policy allows it action=\"ssm:StartSession\"") && line.contains(BOBS)
    });
    // What needs no permission is no refusal.
    let told = account.endpoint.program.stderr();
    assert!(!told.contains("\"sts:"), "{told}");
}

#[test]
fn a_code_is_good_once() {
    let account = Account::start();
    let (alice, serial) = (account.keys("alice"), mfa_serial("alice"));
    let ask = |code: &str| {
        ["get-session-token", "--serial-number", &serial, "--token-code", code].map(str::to_owned)
    };
    let wrong = "An error occurred (AccessDenied) when calling the GetSessionToken operation: \
                 MultiFactorAuthentication failed with invalid MFA one time pass code.";
    let call = |code: &str| {
        let words = ask(code);
        account.run(&alice, "sts", &words.each_ref().map(String::as_str))
    };
    let code = mfa_code("alice", "now");
    // One of the three codes that are good now is six zeros once in a third of a million.
    assert_eq!(call("000000").stderr.trim(), wrong);
    let keys = Keys::of(&serde_json::from_str(&call(&code).success()).expect("JSON"));
    assert_eq!(call(&code).stderr.trim(), wrong);
    let identity = account.ask(&keys, "sts", &["get-caller-identity"]);
    assert_eq!(identity["Arn"], "arn:aws:iam::123456789012:user/alice");
}

#[test]
fn one_user_may_use_ssh_and_another_not() {
    let account = Account::start();
    // Nobody listens there: the session starts, and is over.
    let port = format!("portNumber={}", free_port());
    let start = |keys: &Keys, node: &str| {
        let document = ["--document-name", "AWS-StartSSHSession", "--parameters", &port];
        let arguments = [&["start-session", "--target", node][..], &document].concat();
        account.run(keys, "ssm", &arguments)
    };
    let denied = start(&account.with_mfa("bob"), BOBS);
    assert!(
        denied.stderr.contains(
            "ssm:StartSession on resource: arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession \
             with an explicit deny in an identity-based policy"
        ),
        "{denied:#?}"
    );
    let allowed = start(&account.with_mfa("alice"), ALICES);
    assert!(!allowed.stderr.contains("AccessDenied"), "{allowed:#?}");
}

/// The CLI asks for the code, as people see it.
#[test]
fn a_profile_assumes_a_role_with_mfa() {
    let account = Account::start();
    let folder = TempDir::new().expect("a folder");
    let (config, alice) = (folder.path().join("config"), account.keys("alice"));
    let text = format!(
        "[profile alice]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile operator]\nrole_arn = arn:aws:iam::123456789012:role/operator\n\
         source_profile = alice\nmfa_serial = {}\nrole_session_name = duty\n",
        alice.id,
        alice.secret,
        mfa_serial("alice"),
    );
    fs::write(&config, text).expect("written");
    let session =
        ["start-session", "--target", BOBS, "--document-name", COMMAND, "--parameters", HELLO];
    let mut aws =
        account.command(&alice, "ssm", &[&["--profile", "operator"][..], &session].concat());
    aws.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    aws.env("AWS_CONFIG_FILE", &config);
    let mut terminal = Terminal::start(&aws);
    terminal.wait_for("Enter MFA code for arn:aws:iam::123456789012:mfa/alice: ");
    terminal.press(&format!("{}\n", mfa_code("alice", "now")));
    terminal.wait_for("Starting session with SessionId: duty-");
    terminal.wait_for("hello");
    terminal.await_end();
}

/// The output of a command on the node, by the plugin.
#[track_caller]
fn echo(account: &Account, keys: &Keys, node: &str) -> String {
    let arguments =
        ["start-session", "--target", node, "--document-name", COMMAND, "--parameters", HELLO];
    let output = account.run(keys, "ssm", &arguments).success();
    let output = output.lines().filter(|line| !line.contains("ession") && !line.is_empty());
    output.map(|line| format!("{line}\n")).collect()
}

const COMMAND: &str = "AWS-StartNonInteractiveCommand";
const HELLO: &str = "command=echo hello";
