//! Roles and sessions with MFA: who is asked, how often, and what the AWS CLI and `ssmport` know of
//! each other's.
#![cfg(feature = "aws")]

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use crate::support::{
    AwsCli, Endpoint, NODE, Program, Terminal,
    home::{Home, aws_identity, hello, ssmport},
    sts::{DEVICE, SECRET, Sts, TOKEN},
};

/// `--profile P ARGUMENTS exec ... echo hello` at home: what it exits with, and says.
fn run(home: &Home, hello: &Command) -> (i32, String) {
    let ended = Program::run(home.without_terminal(hello));
    assert_eq!(ended.stdout, if ended.code() == 0 { "hello\n" } else { "" }, "{ended:#?}");
    for secret in [SECRET, TOKEN, "604125", "719304", KEY] {
        assert!(!ended.stderr.contains(secret), "{secret}: {ended:#?}");
    }
    (ended.code(), ended.stderr)
}

#[test]
fn a_role_with_mfa_is_assumed_once() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let with_code = hello(&endpoint, &sts, &["--profile", "role", "--mfa-code", "604125"]);
    assert_eq!(run(&home, &with_code), (0, String::new()));
    let parameters = sts.last("AssumeRole");
    assert_eq!(parameters["RoleArn"], "arn:aws:iam::123456789012:role/guarded");
    assert_eq!(parameters["SerialNumber"], DEVICE);
    assert_eq!(parameters["DurationSeconds"], "1800");
    assert_eq!(parameters["ExternalId"], "outside");
    assert_eq!(parameters["RoleSessionName"], "alice-at-work");
    // The code was good once, and none is needed.
    let again = hello(&endpoint, &sts, &["--profile", "role"]);
    assert_eq!(run(&home, &again), (0, String::new()));
    // One that is given all the same is not passed over.
    let unused = "warning: the MFA code is not used: the session of before holds, for ";
    let (code, said) = run(&home, &with_code);
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
    assert!(said.starts_with(unused) && said.ends_with("m\n"), "{said}");
    assert_eq!(sts.count("AssumeRole"), 1);
    assert_eq!(home.cached().len(), 1);
}

#[test]
fn keys_of_a_user_get_a_session_once() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let with_code = hello(&endpoint, &sts, &["--profile", "alice", "--mfa-code", "604125"]);
    assert_eq!(run(&home, &with_code), (0, String::new()));
    assert_eq!(sts.last("GetSessionToken")["DurationSeconds"], "43200");
    // The same keys in the environment are the same user.
    let mut by_environment = hello(&endpoint, &sts, &[]);
    by_environment.envs([("AWS_ACCESS_KEY_ID", "AKIAALICE"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    for again in [&hello(&endpoint, &sts, &["--profile", "alice"]), &by_environment] {
        assert_eq!(run(&home, again), (0, String::new()));
    }
    assert_eq!(sts.count("GetSessionToken"), 1);
    // A role that wants MFA is content with the session's.
    assert_eq!(run(&home, &hello(&endpoint, &sts, &["--profile", "role"])), (0, String::new()));
    assert!(!sts.last("AssumeRole").contains_key("TokenCode"));
    assert_eq!(home.cached().len(), 2);
}

#[test]
fn a_chain_of_roles_is_assumed_from_its_first_on() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let chain = ["--profile", "chain", "--mfa-code", "604125"];
    assert_eq!(run(&home, &hello(&endpoint, &sts, &chain)), (0, String::new()));
    assert_eq!(sts.count("AssumeRole"), 2);
    assert_eq!(sts.last("AssumeRole")["RoleArn"], "arn:aws:iam::123456789012:role/last");
    assert_eq!(run(&home, &hello(&endpoint, &sts, &["--profile", "chain"])), (0, String::new()));
    assert_eq!(sts.count("AssumeRole"), 2);
}

#[test]
fn a_role_is_assumed_with_keys_of_the_environment() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(PROFILES));
    let mut named = hello(&endpoint, &sts, &["--profile", "named"]);
    named.envs([("AWS_ACCESS_KEY_ID", "AKIABOB"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    assert_eq!(run(&home, &named), (0, String::new()));
    assert!(sts.last("AssumeRole")["RoleSessionName"].starts_with("ssmport-"));
}

#[test]
fn a_role_is_assumed_with_what_a_program_gives() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let by_process = ["--profile", "by-process", "--mfa-code", "604125"];
    assert_eq!(run(&home, &hello(&endpoint, &sts, &by_process)), (0, String::new()));
    assert_eq!(sts.last("AssumeRole")["SerialNumber"], DEVICE);
}

#[test]
fn a_program_makes_the_code() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125", "719304"]));
    let made =
        Home::with(&format!("{PROFILES}mfa_process = echo touch the key >&2; echo 604125\n"));
    let (code, stderr) = run(&made, &hello(&endpoint, &sts, &["--profile", "alice"]));
    assert_eq!((code, stderr.as_str()), (0, "touch the key\n"));

    let mut by_variable = hello(&endpoint, &sts, &["--profile", "alice"]);
    by_variable.env("SSMPORT_MFA_PROCESS", "echo 719304");
    assert_eq!(run(&Home::with(PROFILES), &by_variable), (0, String::new()));
}

#[test]
fn what_the_aws_cli_was_given_is_used_here() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let mut aws = Terminal::start(&home.of(&aws_identity(&AwsCli::new(&endpoint), &sts, "role")));
    aws.wait_for(&format!("Enter MFA code for {DEVICE}: "));
    aws.press("604125\n");
    let (code, screen) = aws.finish();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("assumed-role/guarded/alice-at-work"), "{screen}");

    assert_eq!(run(&home, &hello(&endpoint, &sts, &["--profile", "role"])), (0, String::new()));
    assert_eq!(sts.count("AssumeRole"), 1);
}

#[test]
fn what_was_given_here_is_used_by_the_aws_cli() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let login = ssmport(&["login", "--profile", "role", "--mfa-code", "604125"], &sts);
    assert_eq!(Program::run(home.of(&login)).code(), 0);

    for aws in AwsCli::each(&endpoint) {
        let aws = Program::run(home.without_terminal(&aws_identity(&aws, &sts, "role")));
        let identity: Value = serde_json::from_str(&aws.success()).expect("JSON");
        let expected = "arn:aws:sts::123456789012:assumed-role/guarded/alice-at-work";
        assert_eq!(identity["Arn"], expected);
    }
    assert_eq!(sts.count("AssumeRole"), 1);
}

#[test]
fn entries_that_cannot_be_read_are_replaced() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125", "719304"]));
    let home = Home::with(PROFILES);
    let with_code = |code| hello(&endpoint, &sts, &["--profile", "role", "--mfa-code", code]);
    assert_eq!(run(&home, &with_code("604125")), (0, String::new()));
    let entry = home.cached().pop().expect("an entry");
    fs::write(&entry, "{\"Credentials\": {\"AccessKeyId\": \"AS").expect("half an entry");
    assert_eq!(run(&home, &with_code("719304")), (0, String::new()));
    assert_eq!(run(&home, &hello(&endpoint, &sts, &["--profile", "role"])), (0, String::new()));
    assert_eq!(sts.count("AssumeRole"), 2);
}

#[test]
fn a_home_that_cannot_be_written_to_costs_the_cache_alone() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125"]));
    let home = Home::with(PROFILES);
    // Where a folder is to be, there is a file: so it is for root, too.
    fs::write(home.path().join(".aws/cli"), "").expect("a file");
    let with_code = hello(&endpoint, &sts, &["--profile", "role", "--mfa-code", "604125"]);
    assert_eq!(run(&home, &with_code), (0, String::new()));
    let explained = hello(&endpoint, &sts, &["--profile", "role", "-vv"]);
    let (code, stderr) = run(&home, &explained);
    assert_eq!(code, 3);
    assert!(stderr.contains("debug: ") && stderr.contains("/.aws/cli/cache/"), "{stderr}");
}

#[test]
fn no_code_and_no_key_is_told_however_much_is_asked_for() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    for _ in 0..2 {
        let arguments = ["--profile", "role", "--mfa-code", "604125", "-vv"];
        let mut talkative = hello(&endpoint, &sts, &arguments);
        talkative.env("SSMPORT_LOG", "trace");
        let (code, stderr) = run(&home, &talkative);
        assert_eq!((code, stderr.is_empty()), (0, false), "{stderr}");
    }
}

#[test]
fn ssh_hands_the_code_on_by_the_environment() {
    let (sts, home) = (Sts::start(&[]), Home::with(PROFILES));
    let ssh = home.path().join("ssh");
    fs::write(&ssh, "#!/bin/sh\necho \"$SSMPORT_MFA_CODE\"\necho \"$@\"\n").expect("a program");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("its mode");
    let options = ["--mfa-code", "604125", "--mfa-serial", "m", "ssh", NODE];
    let mut ssmport = ssmport(&options, &sts);
    ssmport.env("PATH", home.path());
    let spoken = Program::run(home.of(&ssmport)).success();
    let (code, arguments) = spoken.split_once('\n').expect("two lines");
    assert_eq!(code, "604125");
    assert!(arguments.contains("--mfa-serial m") && !arguments.contains("604125"), "{arguments}");
}

/// The user's own secret key.
const KEY: &str = "the-users-own-key";
/// The last one ends with the profile of keys, for more to be put behind it.
const PROFILES: &str = "\
[profile role]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
duration_seconds = 1800
external_id = outside
role_session_name = alice-at-work
[profile chain]
role_arn = arn:aws:iam::123456789012:role/last
source_profile = role
[profile named]
role_arn = arn:aws:iam::123456789012:role/open
credential_source = Environment
[profile by-process]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = process
mfa_serial = arn:aws:iam::123456789012:mfa/alice
[profile process]
credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIAALICE\", \"SecretAccessKey\": \"k\"}'
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = the-users-own-key
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
