//! moto, other people's STS, IAM and EC2: what we understand of them, and whether ours answer alike.
#![cfg(feature = "aws")]

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

use crate::support::{Account, AwsCli, Program, REGION, command, home::Home, missing};

/// A server of moto on a free port.
struct Moto {
    url: String,
    _server: Program,
}

impl Moto {
    fn start() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/bin/moto_server");
        if !path.exists() {
            missing("moto_server");
        }
        let mut moto = command(path);
        moto.args(["-H", "127.0.0.1", "-p", "0"]).env("NO_COLOR", "1");
        let server = Program::start(moto);
        let said = server.wait_for_stderr(|line| line.contains("Running on http://"));
        let url = said.split("Running on ").nth(1).expect("a URL");
        let url = url.split(|c: char| c.is_whitespace() || c.is_control()).next().expect("a word");
        Self { url: url.to_owned(), _server: server }
    }

    /// What the AWS CLI is answered.
    fn ask(&self, aws: &AwsCli, service: &str, arguments: &[&str]) -> Value {
        let answer = Program::run(aws.command_of(service, &self.url, arguments)).success();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
    }

    fn ssmport(&self, arguments: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.url]).args(arguments).env("AWS_REGION", REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport
    }
}

#[test]
fn identities_roles_and_instances_of_another_implementation_are_understood() {
    let (moto, account) = (Moto::start(), Account::start());
    let tags = "ResourceType=instance,Tags=[{Key=Name,Value=web & more},{Key=Env,Value=prod}]";
    let run = ["run-instances", "--image-id", "ami-12c6146b", "--count", "2"];
    moto.ask(account.aws(), "ec2", &[&run[..], &["--tag-specifications", tags]].concat());

    let looked = Program::run(moto.ssmport(&["doctor", "--json"]));
    let check = |name: &str| -> String {
        let lines = looked.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let found: Option<Value> = { lines }.find(|check: &Value| check["check"] == name);
        found.unwrap_or_else(|| panic!("{name}: {looked:#?}"))["found"].to_string()
    };
    assert!(check("identity").contains("arn:aws:sts::123456789012:user/moto"), "{looked:#?}");
    assert!(check("names").contains("of 2 instances"), "{looked:#?}");

    let home = Home::with(PROFILES);
    let login = moto.ssmport(&["login", "--profile", "operator", "--mfa-code", "123456"]);
    let in_it = Program::run(home.without_terminal(&login));
    assert_eq!(in_it.code(), 0, "{in_it:#?}");
    let role = "Logged in as arn:aws:sts::123456789012:assumed-role/operator/";
    assert!(in_it.stderr.starts_with(role), "{in_it:#?}");
    assert_eq!(home.cached().len(), 1);
}

#[test]
fn the_embedded_endpoint_answers_in_the_same_form() {
    let (moto, account) = (Moto::start(), Account::start());
    let run = ["run-instances", "--image-id", "ami-12c6146b", "--count", "1"];
    moto.ask(account.aws(), "ec2", &run);
    let keys = account.with_mfa("alice");
    for (service, operation) in [("sts", "get-caller-identity"), ("ec2", "describe-instances")] {
        let theirs = members(&moto.ask(account.aws(), service, &[operation]));
        let ours = members(&account.ask(&keys, service, &[operation]));
        // Its instance was given no tags.
        let more = ours.difference(&theirs).filter(|path| !path.contains("/Tags"));
        assert_eq!(more.collect::<Vec<_>>(), [""; 0], "{service}: moto has none of these");
    }
    let theirs = members(&moto.ask(account.aws(), "sts", &["get-session-token"]));
    let ours = members(&account.ask(&account.keys("alice"), "sts", &["get-session-token"]));
    assert_eq!(ours, theirs);
}

/// The paths of all members of an answer.
fn members(answer: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![(String::new(), answer)];
    while let Some((path, value)) = left.pop() {
        match value {
            Value::Object(members) => {
                left.extend(members.iter().map(|(name, value)| (format!("{path}/{name}"), value)));
            }
            Value::Array(items) => left.extend(items.iter().map(|item| (path.clone(), item))),
            _ => {}
        }
        found.insert(path);
    }
    found
}

const PROFILES: &str = "[default]
aws_access_key_id = test
aws_secret_access_key = test
[profile operator]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = default
mfa_serial = arn:aws:iam::123456789012:mfa/jane
";
