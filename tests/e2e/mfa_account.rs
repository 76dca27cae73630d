//! MFA as an account of AWS demands it: policies, devices with seeds, codes that are good once.
#![cfg(feature = "aws")]

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    AwsCli, Endpoint, Finished, Program, REGION, Terminal, command, find_tool, home::Home,
};

/// The embedded endpoint with the policies of the examples, and Alice's home.
struct Account {
    endpoint: Endpoint,
    home: Home,
    _folder: TempDir,
}

impl Account {
    fn start() -> Self {
        let folder = TempDir::new().expect("a directory");
        let file = folder.path().join("account.toml");
        let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies");
        fs::write(&file, ACCOUNT.replace("POLICIES", policies)).expect("the account file");
        let file = file.to_str().expect("text");
        let endpoint = Endpoint::with(&["--account", file]);
        Self { endpoint, home: Home::with(PROFILES), _folder: folder }
    }

    fn ssmport(&self, arguments: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.endpoint.url]).args(arguments);
        ssmport.env("AWS_REGION", REGION);
        self.home.without_terminal(&ssmport)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Program::run(self.ssmport(arguments))
    }

    fn hello(&self, profile: &str, node: &str) -> Finished {
        self.run(&["--profile", profile, "exec", node, "--", "echo", "hello"])
    }
}

/// The code that the device shows at a time that `date` understands.
fn code(at: &str) -> String {
    let mut oathtool = command(find_tool("oathtool"));
    oathtool.args(["--totp", "--base32", "--now", at, SEED]);
    Program::run(oathtool).success().trim().to_owned()
}

#[test]
fn a_login_opens_what_policies_keep_shut() {
    let account = Account::start();
    let refused = account.hello("alice", OWN_NODE);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert!(refused.stderr.contains("explicit deny"), "{refused:#?}");

    // Neither the profile nor an option names the device.
    let mut login = command(env!("CARGO_BIN_EXE_ssmport"));
    login.args(["--endpoint-url", &account.endpoint.url, "login", "--profile", "alice"]);
    login.env("AWS_REGION", REGION);
    let mut terminal = Terminal::start(&account.home.of(&login));
    terminal.wait_for("MFA code for arn:aws:iam::123456789012:mfa/alice: ");
    let first = code("now");
    terminal.press(&format!("{first}\n"));
    terminal.wait_for("Logged in as arn:aws:iam::123456789012:user/alice until ");
    assert_eq!(terminal.finish().0, Some(0));

    assert_eq!(account.hello("alice", OWN_NODE).success(), "hello\n");
    let refused = account.hello("alice", OTHER_NODE);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert!(refused.stderr.contains("ssm:StartSession"), "{refused:#?}");

    let again = account.run(&["login", "--profile", "alice", "--mfa-code", &first]);
    assert_eq!(again.code(), 3, "{again:#?}");
    assert!(again.stderr.contains("invalid MFA one time pass code"), "{again:#?}");
    let next = code("30 seconds");
    let again = account.run(&["login", "--profile", "alice", "--mfa-code", &next]);
    assert_eq!(again.code(), 0, "{again:#?}");
}

#[test]
fn a_role_is_assumed_with_a_code_for_us_and_the_aws_cli() {
    let account = Account::start();
    let code = code("now");
    let exec = ["exec", OTHER_NODE, "--", "echo", "hello"];
    let with_code = [&["--profile", "operator", "--mfa-code", &code][..], &exec].concat();
    assert_eq!(account.run(&with_code).success(), "hello\n");
    assert_eq!(account.hello("operator", OTHER_NODE).success(), "hello\n");

    let url = &account.endpoint.url;
    let arguments = ["get-caller-identity", "--profile", "operator"];
    let mut identity = AwsCli::new(&account.endpoint).command_of("sts", url, &arguments);
    identity.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let identity = Program::run(account.home.without_terminal(&identity)).success();
    let identity: Value = serde_json::from_str(&identity).expect("JSON");
    let arn = "arn:aws:sts::123456789012:assumed-role/operator/alice-at-work";
    assert_eq!(identity["Arn"], arn);
}

#[test]
fn a_session_with_mfa_assumes_roles_without_another_code() {
    let account = Account::start();
    let login = account.run(&["login", "--profile", "alice", "--mfa-code", &code("now")]);
    assert_eq!(login.code(), 0, "{login:#?}");
    assert_eq!(account.hello("operator", OTHER_NODE).success(), "hello\n");
}

#[test]
fn the_mfa_of_the_source_serves_the_role() {
    let account = Account::start();
    let oathtool = format!("mfa_process = oathtool --totp --base32 {SEED}\n");
    let write = |of_source: &str| {
        let device = "mfa_serial = arn:aws:iam::123456789012:mfa/alice\n";
        let profiles = PROFILES.replace(device, "");
        let profiles =
            profiles.replace("[profile operator]", &format!("{of_source}[profile operator]"));
        fs::write(account.home.path().join(".aws/config"), profiles).expect("a file");
    };
    let device = "mfa_serial = arn:aws:iam::123456789012:mfa/alice\n";
    write(device);
    let refused = account.hello("operator", OTHER_NODE);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert!(refused.stderr.contains("AssumeRole on arn:"), "{refused:#?}");
    assert!(refused.stderr.contains("ssmport login"), "{refused:#?}");

    let code = code("now");
    let exec = ["exec", OTHER_NODE, "--", "echo", "hello"];
    let with_code = [&["--profile", "operator", "--mfa-code", &code][..], &exec].concat();
    assert_eq!(account.run(&with_code).success(), "hello\n");
    // The session holds: the code that comes along is not needed, which is not passed over.
    let unused = account.run(&with_code);
    assert_eq!((unused.code(), &*unused.stdout), (0, "hello\n"), "{unused:#?}");
    assert!(unused.stderr.contains("the MFA code is not used: "), "{unused:#?}");

    let other = Account::start();
    fs::write(
        other.home.path().join(".aws/config"),
        PROFILES.replace("[profile operator]", &format!("{oathtool}[profile operator]")),
    )
    .expect("a file");
    assert_eq!(other.hello("operator", OTHER_NODE).success(), "hello\n");
}

const OWN_NODE: &str = "i-0a11ce00000000001";
const OTHER_NODE: &str = "i-0b0b0000000000001";
const SEED: &str = "JBSWY3DPEHPK3PXP";

const ACCOUNT: &str = r#"
id = "123456789012"
[users.alice]
access_key_id = "AKIAALICE00000000000"
secret_access_key = "alices-secret-access-key"
mfa_seed = "JBSWY3DPEHPK3PXP"
policies = ["POLICIES/mfa-required.json", "POLICIES/sessions-own-nodes.json"]
[roles.operator]
trust = "POLICIES/operator-trust.json"
policies = ["POLICIES/operator.json"]
[nodes.i-0a11ce00000000001]
tags = { Owner = "alice" }
[nodes.i-0b0b0000000000001]
tags = { Owner = "bob" }
"#;

const PROFILES: &str = "\
[profile alice]
aws_access_key_id = AKIAALICE00000000000
aws_secret_access_key = alices-secret-access-key
[profile operator]
role_arn = arn:aws:iam::123456789012:role/operator
role_session_name = alice-at-work
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
