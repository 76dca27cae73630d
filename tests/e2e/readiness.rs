//! `--start` and `--wait`: nodes that are stopped, or whose agent is on its way.
#![cfg(feature = "aws")]

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use ssmport::{
    Client,
    client::{Kind, Readiness},
    local::{Endpoint, EndpointConfig, Node},
};
use tempfile::TempDir;

use crate::{
    support::{Account, Finished, Program, REGION, Signal, Terminal, command},
    targets::{TcpTarget, closed_port},
};

/// An account with a stopped node, `web`, and one whose agent is lost.
struct Fleet {
    account: Account,
    _folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let folder = TempDir::new().expect("a directory");
        let file = folder.path().join("account.toml");
        fs::write(&file, ACCOUNT).expect("the account file");
        for (name, policy) in [("all", ALL), ("some", SOME), ("start", &of_page())] {
            let path = folder.path().join(name).with_extension("json");
            fs::write(path, policy).expect("a policy");
        }
        Self { account: Account::with(file.to_str().expect("text")), _folder: folder }
    }

    fn ssmport(&self, user: &str, arguments: &[&str]) -> Command {
        let keys = self.account.keys(user);
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.account.endpoint.url]).args(arguments);
        ssmport.env("AWS_REGION", REGION);
        ssmport.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        ssmport
    }

    fn run(&self, user: &str, arguments: &[&str]) -> Finished {
        Program::run(self.ssmport(user, arguments))
    }

    fn ec2(&self, call: &str) {
        let (keys, arguments) = (self.account.keys("jane"), [call, "--instance-ids", WEB]);
        let done = self.account.run(&keys, "ec2", &arguments);
        assert_eq!(done.code(), 0, "{done:#?}");
    }
}

#[test]
fn who_meets_a_stopped_node_is_told_what_would_help() {
    let fleet = Fleet::start();
    for target in ["web", WEB] {
        let ended = fleet.run("jane", &["exec", target, "--", "true"]);
        assert_eq!(ended.code(), 4, "{ended:#?}");
        assert!(ended.stderr.contains("give --wait, or --start if it is stopped"), "{ended:#?}");
    }
    // Nothing is waited for where nothing is started.
    let listed = fleet.run("jane", &["sessions", "-t", "web"]);
    assert!(listed.code() == 4 && !listed.stderr.contains("--wait"), "{listed:#?}");
    let ended = fleet.run("jane", &["exec", "--start", "web", "--", "true"]);
    assert_eq!(ended.code(), 4, "{ended:#?}");
    for part in [&format!("{WEB} is stopped\n")[..], "no terminal to ask on", "give --yes"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:#?}");
    }
    let ended = fleet.run("jane", &["exec", "--start", "--on", "web", "--", "true"]);
    assert!(ended.code() == 2 && ended.stderr.contains("--start --yes"), "{ended:#?}");
    let ended = fleet.run("jane", &["exec", "--wait=soon", "web", "--", "true"]);
    assert!(ended.code() == 2 && ended.stderr.contains("not a time"), "{ended:#?}");
}

#[test]
fn a_stopped_node_is_started_and_waited_for() {
    let fleet = Fleet::start();
    let ran = fleet.run("jane", &["exec", "--start", "--yes", "web", "--", "echo", "hello"]);
    assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{ran:#?}");
    let told: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(told[0], format!("{WEB} was stopped, and starts now"));
    assert_eq!(told[1], format!("{WEB} is not connected: waiting until it is, for 5m at most"));
    assert!(told[2].starts_with(&format!("{WEB} is connected, after ")), "{told:?}");
    // Of one that runs nothing is said, nor asked.
    let ran = fleet.run("jane", &["exec", "--start", "--wait", "web", "--", "echo", "again"]);
    assert_eq!((ran.code(), &*ran.stdout, &*ran.stderr), (0, "again\n", ""), "{ran:#?}");
}

#[test]
fn a_terminal_is_asked() {
    let fleet = Fleet::start();
    for (answer, code, part) in [("n\r", 4, "it was not to be started"), ("y\r", 0, "hello")] {
        let exec = fleet.ssmport("jane", &["exec", "--start", WEB, "--", "echo", "hello"]);
        let mut terminal = Terminal::start(&exec);
        terminal.wait_for(&format!("{WEB} is stopped. Start it?"));
        terminal.press(answer);
        let (ended, screen) = terminal.finish();
        assert!(ended == Some(code) && screen.contains(part), "{answer:?}: {screen}");
    }
}

#[test]
fn a_node_that_comes_back_is_waited_for() {
    let fleet = Fleet::start();
    let waiting = |arguments: &[&str]| {
        let program = Program::start(fleet.ssmport("jane", arguments));
        program.wait_for_stderr(|line| line.contains("waiting until it is, for 10m at most"));
        program
    };
    let exec = waiting(&["exec", "--wait=10m", "web", "--", "echo", "hello"]);
    fleet.ec2("start-instances");
    assert_eq!(exec.finish().success(), "hello\n");
    fleet.ec2("reboot-instances");
    let ran = fleet.run("jane", &["exec", "--wait=10m", WEB, "--", "echo", "again"]);
    assert_eq!(ran.success(), "again\n");
    // Its sessions do not outlive the machine.
    let shell =
        Program::start(fleet.ssmport("jane", &["exec", WEB, "--", "sh", "-c", "echo x; sleep 60"]));
    shell.wait_for_stdout(|line| line == "x");
    fleet.ec2("stop-instances");
    assert_eq!(shell.finish().code(), 6);

    let late = fleet.run("jane", &["exec", "--wait=1s", "lost", "--", "true"]);
    assert_eq!(late.code(), 4, "{late:#?}");
    assert!(late.stderr.contains("was not connected within 1s"), "{late:#?}");
    assert!(late.stderr.contains("`ssmport doctor "), "{late:#?}");
    let ended = waiting(&["exec", "--wait=10m", "lost", "--", "true"]);
    ended.signal(Signal::INT);
    assert_eq!(ended.finish().code(), 130);
    await_active_sessions_of(&fleet);
}

#[tokio::test]
async fn every_command_with_a_session_waits() {
    let fleet = Fleet::start();
    let target = TcpTarget::echo().await;
    let port = target.port.to_string();
    let spec = format!("0:{port}");
    let forward = ["forward", &spec, "-t", "web", "--json", "--start", "--yes"];
    let forward = Program::start(fleet.ssmport("jane", &forward));
    forward.wait_for_stdout(|line| line.contains("\"ready\""));
    forward.signal(Signal::INT);
    let ended = forward.finish();
    assert!(ended.stderr.contains("was stopped, and starts now"), "{ended:#?}");

    for arguments in [
        &["proxy", "--start", "--yes", "web", &closed_port().to_string()][..],
        &["shell", "--start", "--yes", "web"],
        &["ssh", "--start", "--yes", "-F", "none", "-o", "BatchMode=yes", "-p", "1", "web"],
        &["exec", "--start", "--yes", "--on", "web", "--on", "other", "--", "true"],
    ] {
        fleet.ec2("stop-instances");
        let ended = fleet.run("jane", arguments);
        assert!(ended.stderr.contains("was stopped, and starts now"), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains("is connected, after "), "{arguments:?}: {ended:#?}");
    }
}

#[test]
fn who_may_not_start_it_is_told_of_the_permission() {
    let fleet = Fleet::start();
    let ended = fleet.run("sam", &["exec", "--start", "--yes", WEB, "--", "true"]);
    assert_eq!(ended.code(), 3, "{ended:#?}");
    assert!(ended.stderr.contains("ec2:StartInstances"), "{ended:#?}");
    // The policy of docs/roll-out.md: those of one's own team.
    for (node, code) in [(WEB, 0), ("i-00000000000000004", 3)] {
        let ended = fleet.run("sally", &["exec", "--start", "--yes", node, "--", "true"]);
        assert_eq!(ended.code(), code, "{ended:#?}");
    }
}

/// A policy that a page has.
fn of_page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/roll-out.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, policy) = page.split_once("```json\n").expect("a policy");
    policy.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn a_program_waits_as_well() {
    let config = EndpointConfig::default();
    let node = Node { boot: Duration::from_millis(300), ..config.nodes[0].clone() }.stopped();
    let config = EndpointConfig { nodes: vec![node], ..config };
    let endpoint = Arc::new(Endpoint::in_process(config).await.unwrap());
    let client = Client::local(Arc::clone(&endpoint)).unwrap();
    let node = client.node("local").await.unwrap();
    let error = node.command(["true"]).output().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Target, "{error}");
    let client = client.with_readiness(Readiness::new().start_unasked());
    let node = client.node("local").await.unwrap();
    assert_eq!(node.command(["echo", "x"]).output().await.unwrap().stdout, b"x\n");
}

fn await_active_sessions_of(fleet: &Fleet) {
    let keys = fleet.account.keys("jane");
    let arguments = ["describe-sessions", "--state", "Active"];
    let active = fleet.account.ask(&keys, "ssm", &arguments);
    assert_eq!(active["Sessions"].as_array().map(Vec::len), Some(0), "{active}");
}

const WEB: &str = "i-00000000000000001";
const ACCOUNT: &str = r#"
[users.jane]
policies = ["all.json"]
[users.sam]
policies = ["some.json"]
[users.sally]
policies = ["some.json", "start.json"]
tags = { Team = "web" }
[nodes.i-00000000000000001]
name = "web"
tags = { Team = "web" }
state = "stopped"
boot = "400ms"
[nodes.i-00000000000000002]
name = "other"
[nodes.i-00000000000000003]
name = "lost"
ping_status = "ConnectionLost"
[nodes.i-00000000000000004]
name = "db"
tags = { Team = "db" }
state = "stopped"
"#;
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const SOME: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["ssm:*","ec2:DescribeInstances"],"Resource":"*"}]}"#;
