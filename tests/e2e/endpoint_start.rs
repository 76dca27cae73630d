//! How `ssmport local` tells programs and people that it is there, and what it is given at its start.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Account, Endpoint, NODE, Program, Signal, Terminal, await_that, command, each_installation,
    example, with_programs,
};

#[test]
fn a_file_says_that_it_is_ready_for_as_long_as_it_is() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("ready");
    // Left by somebody else.
    fs::write(&path, "{}").expect("written");
    let endpoint = Endpoint::with(&["--ready-file", path.to_str().expect("Unicode")]);
    let line = endpoint.program.stdout();
    assert_eq!(fs::read_to_string(&path).expect("the file"), line);
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let expected = json!({
        "schema": 1,
        "event": "ready",
        "url": endpoint.url,
        "port": endpoint.address().port(),
        "region": "us-east-1",
        "nodes": [NODE],
        "pid": endpoint.program.pid().as_raw_nonzero(),
        "account": null,
        "users": [{ "name": "local", "access_key_id": "test", "secret_access_key": "test" }],
        "faults_seed": null,
    });
    assert_eq!(ready, expected);

    endpoint.program.signal(Signal::TERM);
    let ended = endpoint.program.finish();
    assert_eq!((ended.code(), ended.stdout), (143, line));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn a_kill_leaves_no_file_behind_that_says_so() {
    let folder = TempDir::new().expect("a folder");
    let mut local = local(&["--json", "--ready-file", "ready"]);
    local.current_dir(folder.path());
    let endpoint = Program::start(local);
    endpoint.wait_for_stdout(|_| true);
    let is_empty = || fs::read_dir(folder.path()).expect("the folder").next().is_none();
    assert!(!is_empty());
    endpoint.signal(Signal::KILL);
    await_that("the file is gone", is_empty);
}

#[test]
fn where_the_file_cannot_be_is_told() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("absent/ready");
    let ended = Program::run(local(&["--ready-file", path.to_str().expect("Unicode")]));
    assert_eq!((ended.code(), ended.stdout.as_str()), (5, ""), "{ended:#?}");
    let expected = format!("ssmport: cannot write the ready file {}\n", path.display());
    assert!(ended.stderr.starts_with(&expected), "{ended:#?}");
}

#[test]
fn what_is_shown_can_be_pasted_into_another_terminal() {
    let endpoint = Program::start(local(&[]));
    endpoint.wait_for_stderr(|line| line.starts_with("    --endpoint-url "));
    let shown = endpoint.stderr();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let (first, block) = shown.split_once('\n').expect("lines");
    assert!(first.starts_with("Embedded endpoint on http://127.0.0.1:"), "{shown}");
    let (aws, forward) = block.split_once("ssmport forward ").expect("both programs");
    let forward = format!("ssmport forward {}", forward.replace("15432:", "0:"));
    for programs in each_installation() {
        let mut shell = with_programs(programs.path(), "sh");
        shell.env("PS1", "next> ");
        let mut shell = Terminal::start(&shell);
        shell.press(aws);
        shell.wait_for("Starting session with SessionId: ");
        shell.press("echo on-the-node-$((6 * 7)); exit\n");
        shell.wait_for("\r\non-the-node-42\r\n");
        shell.wait_for("Exiting session with sessionId: ");
        shell.wait_for("next> ");
        shell.press(&forward);
        shell.wait_for("Forwarding 127.0.0.1:");
        shell.wait_for(&format!(" to localhost:5432 on {NODE}"));
        shell.press("\x03");
        shell.wait_for("next> ");
        shell.press("exit\n");
        shell.await_end();
    }
}

#[test]
fn a_key_that_is_given_is_the_one_that_is_taken() {
    let endpoint = Program::start(given("AKIAIOSFODNN7EXAMPLE", SECRET, &["--json", "-v"]));
    let line = endpoint.wait_for_stdout(|_| true);
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let user = json!({ "name": "local", "access_key_id": "AKIAIOSFODNN7EXAMPLE" });
    assert_eq!(ready["users"], json!([user]));
    let ask = |id: &str, secret: &str| {
        let programs = each_installation().next().expect("an AWS CLI");
        let mut aws = with_programs(programs.path(), "aws");
        aws.args(["ssm", "describe-instance-information", "--output", "json"]);
        aws.args([
            "--region",
            "eu-west-1",
            "--endpoint-url",
            ready["url"].as_str().expect("a URL"),
        ]);
        aws.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        Program::run(aws)
    };
    assert!(ask("AKIAIOSFODNN7EXAMPLE", SECRET).success().contains(NODE));
    let wrong = ask("AKIAIOSFODNN7EXAMPLE", "another");
    assert!(wrong.stderr.contains("(InvalidSignatureException)"), "{wrong:#?}");
    let unknown = ask("test", "test");
    assert!(unknown.stderr.contains("(UnrecognizedClientException)"), "{unknown:#?}");
    assert!(!endpoint.stderr().contains(SECRET), "{}", endpoint.stderr());
}

#[test]
fn a_key_that_is_none_is_told_without_its_secret() {
    let account = example();
    for (command, expected) in [
        (given(SECRET, "AKIAIOSFODNN7EXAMPLE", &[]), "an access key's id has 16 to 128 letters"),
        (given("AKIAIOSFODNN7EXAMPLE", "", &[]), "SSMPORT_LOCAL_ACCESS_KEY_ID alone is set"),
        (given("", SECRET, &[]), "SSMPORT_LOCAL_SECRET_ACCESS_KEY alone is set"),
        (
            given("AKIAIOSFODNN7EXAMPLE", SECRET, &["--account", &account]),
            "unset SSMPORT_LOCAL_ACCESS_KEY_ID, or write the key into the account file",
        ),
        (local(&["--keys", "/nonexistent"]), "--account <FILE>"),
        (
            local(&["--account", &account, "--keys", &account]),
            "the account's keys cannot be kept\n",
        ),
    ] {
        let ended = Program::run(command);
        assert_eq!((ended.code(), ended.stdout.as_str()), (2, ""), "{ended:#?}");
        assert!(ended.stderr.contains(expected), "{expected}: {ended:#?}");
        assert!(!ended.stderr.contains(SECRET), "{ended:#?}");
    }
}

#[test]
fn keys_that_are_kept_are_good_at_the_next_start() {
    let folder = TempDir::new().expect("a folder");
    let keys = folder.path().join("keys.toml");
    let keys = ["--keys", keys.to_str().expect("Unicode")];
    let first = Account::with_options(&example(), &keys).keys("alice");
    let again = Account::with_options(&example(), &keys);
    let told = again.told("alice");
    assert_eq!(told["access_key_id"], first.id);
    assert_eq!(told["secret_access_key"], first.secret);
    let identity = again.ask(&first, "sts", &["get-caller-identity"]);
    assert_eq!(identity["Arn"], "arn:aws:iam::123456789012:user/alice");
}

#[test]
fn nodes_come_from_a_file_which_is_wrong_with_its_line() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("nodes");
    let nodes = ["--nodes-from", path.to_str().expect("Unicode")];
    fs::write(&path, "# ours\ni-0a11ce00000000001 web\nmi-0b0b0000000000001\n").expect("written");
    let endpoint = Endpoint::with(&[&nodes[..], &["--node", NODE]].concat());
    let (_, answer) = endpoint.call("DescribeInstanceInformation", &json!({}));
    let found = answer["InstanceInformationList"].as_array().expect("a list").iter();
    let found: Vec<_> = found.map(|node| (&node["InstanceId"], &node["ComputerName"])).collect();
    let expected = [
        (&json!(NODE), &json!("local")),
        (&json!("i-0a11ce00000000001"), &json!("web")),
        (&json!("mi-0b0b0000000000001"), &json!("local")),
    ];
    assert_eq!(found, expected);

    fs::write(&path, "i-0a11ce00000000001\nweb\n").expect("written");
    let ended = Program::run(local(&nodes));
    assert_eq!(ended.code(), 2, "{ended:#?}");
    assert!(ended.stderr.contains("/nodes:2: a node's id is i- or mi- and"), "{ended:#?}");
    let ended = Program::run(local(&["--node", "web"]));
    assert_eq!(ended.code(), 2, "{ended:#?}");
    assert!(ended.stderr.contains("`web` is no node: a node's id is"), "{ended:#?}");
}

fn local(options: &[&str]) -> Command {
    let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
    local.arg("local").args(options);
    local
}

fn given(id: &str, secret: &str, options: &[&str]) -> Command {
    let mut local = local(options);
    local.env("SSMPORT_LOCAL_ACCESS_KEY_ID", id).env("SSMPORT_LOCAL_SECRET_ACCESS_KEY", secret);
    local
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
