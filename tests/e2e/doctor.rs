//! `ssmport doctor`: each planted fault is found at its link of the chain, with its remedy.
#![cfg(feature = "aws")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use http::Response;
use hyper::body::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    support::{Account, Endpoint, HttpServer, Keys, NODE, Program, REGION, command},
    targets::closed_port,
    tls::{Flaw, TlsProxy},
};

/// What the doctor says of each link.
#[derive(Debug)]
struct Diagnosis {
    code: i32,
    checks: Vec<Value>,
    screen: String,
}

impl Diagnosis {
    fn of(mut doctor: Command) -> Self {
        doctor.arg("--json");
        let ended = Program::run(doctor);
        let lines = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let checks = lines.filter(|line: &Value| line["event"] == "check").collect();
        Self { code: ended.code(), checks, screen: format!("{ended:#?}") }
    }

    /// The check of a link: its state, and what it found with what to do.
    #[track_caller]
    fn check(&self, name: &str) -> (String, String) {
        let found = self.checks.iter().find(|check| check["check"] == name);
        let check = found.unwrap_or_else(|| panic!("no check of {name}: {}", self.screen));
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        (text("state"), format!("{} -> {}", text("found"), text("next")))
    }

    /// The link is broken, in these words and with this remedy.
    #[track_caller]
    fn is_broken(&self, name: &str, parts: &[&str]) {
        assert_eq!(self.code, 1, "{}", self.screen);
        self.is(name, "failure", parts);
    }

    #[track_caller]
    fn is(&self, name: &str, state: &str, parts: &[&str]) {
        let (found, said) = self.check(name);
        assert_eq!(found, state, "{name}: {said}");
        for part in parts {
            assert!(said.contains(part), "{name}: `{part}` in {said}");
        }
    }
}

fn doctor(url: &str, arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["doctor", "--endpoint-url", url]).args(arguments).env("AWS_REGION", REGION);
    ssmport
}

/// An endpoint that takes anybody, and a doctor who has credentials.
fn patient(arguments: &[&str]) -> (Endpoint, Command) {
    let endpoint = Endpoint::start();
    let mut doctor = doctor(&endpoint.url, arguments);
    doctor.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    (endpoint, doctor)
}

fn of_user(account: &Account, keys: &Keys, arguments: &[&str]) -> Command {
    let mut doctor = doctor(&account.endpoint.url, arguments);
    doctor.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
    if let Some(token) = &keys.token {
        doctor.env("AWS_SESSION_TOKEN", token);
    }
    doctor
}

#[test]
fn a_chain_that_holds_is_well() {
    let (_endpoint, doctor) = patient(&[NODE]);
    let diagnosis = Diagnosis::of(doctor);
    assert_eq!(diagnosis.code, 0, "{}", diagnosis.screen);
    for link in ["configuration", "ssm", "ssmmessages", "sts", "clock", "credentials", "identity"] {
        diagnosis.is(link, "ok", &[]);
    }
    diagnosis.is("node", "ok", &[NODE, "Online"]);
    diagnosis.is("data channel", "ok", &["agent 3."]);
}

#[test]
fn the_configuration_is_looked_at_first() {
    let (_endpoint, mut misspelt) = patient(&["--profile", "wrok"]);
    misspelt.env_remove("AWS_ACCESS_KEY_ID");
    let diagnosis = Diagnosis::of(misspelt);
    diagnosis.is_broken("configuration", &["there is no profile `wrok`", "check the profile"]);
    assert_eq!(diagnosis.checks.len(), 1, "{}", diagnosis.screen);

    let (_endpoint, mut nowhere) = patient(&[]);
    nowhere.env_remove("AWS_REGION");
    Diagnosis::of(nowhere).is_broken("configuration", &["no AWS region", "give --region"]);

    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("config.toml");
    fs::write(&file, "target = \"web\"\ntargte = \"db\"\n").expect("a file");
    let (_endpoint, mut broken) = patient(&[]);
    broken.env("SSMPORT_CONFIG", &file);
    Diagnosis::of(broken)
        .is_broken("configuration", &["line 2: unknown key `targte`: did you mean `target`?"]);
}

#[test]
fn each_endpoint_is_tried() {
    let (_endpoint, nameless) =
        patient(&["--ssmmessages-endpoint", "https://ssmmessages.no-such.invalid"]);
    let parts = ["ssmmessages.no-such.invalid has no address", "name servers"];
    Diagnosis::of(nameless).is_broken("ssmmessages", &parts);

    let closed = format!("http://127.0.0.1:{}", closed_port());
    let (_endpoint, closed) = patient(&["--sts-endpoint", &closed]);
    Diagnosis::of(closed).is_broken("sts", &["cannot connect to 127.0.0.1:", "check the network"]);

    let endpoint = Endpoint::with(&["--allow-host", "localhost"]);
    let front = TlsProxy::with(Flaw::SelfSigned, &endpoint);
    let url = format!("https://localhost:{}", front.port);
    let (_endpoint, untrusted) = patient(&["--ssmmessages-endpoint", &url]);
    let parts = ["the certificate of localhost", "AWS_CA_BUNDLE"];
    Diagnosis::of(untrusted).is_broken("ssmmessages", &parts);

    let proxy = format!("http://127.0.0.1:{}", closed_port());
    let (_endpoint, mut proxied) =
        patient(&["--ssmmessages-endpoint", "https://ssmmessages.eu-west-1.amazonaws.com"]);
    proxied.env("HTTPS_PROXY", proxy);
    Diagnosis::of(proxied).is_broken("ssmmessages", &["cannot connect to the proxy 127.0.0.1:"]);
}

#[test]
fn the_drop_in_that_others_find_is_told_from_the_official_one() {
    let folder = TempDir::new().expect("a directory");
    let plugin = folder.path().join("session-manager-plugin");
    let told = || {
        let (_endpoint, mut doctor) = patient(&[]);
        doctor.env("PATH", folder.path());
        Diagnosis::of(doctor)
    };
    told().is("drop-in", "skipped", &["none on the PATH"]);

    symlink(env!("CARGO_BIN_EXE_ssmport"), &plugin).expect("a link");
    told().is("drop-in", "ok", &["session-manager-plugin is ssmport "]);

    fs::remove_file(&plugin).expect("it was there");
    // What the official one says of an operation that it does not know.
    let official = "#!/bin/sh\necho; echo \"Unknown operation $1. \"\n";
    fs::write(&plugin, official).expect("a program");
    fs::set_permissions(&plugin, Permissions::from_mode(0o755)).expect("its mode");
    let place = folder.path().display().to_string();
    told().is("drop-in", "warning", &["is not ssmport's", "put ", &place, " on the PATH"]);
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let late = HttpServer::start(|_| {
        let answer =
            Response::builder().status(404).header("date", "Sun, 22 Nov 2020 12:00:00 GMT");
        answer.body(Bytes::new()).expect("an answer")
    });
    let (_endpoint, doctor) = patient(&["--ssm-endpoint", &late.url]);
    Diagnosis::of(doctor)
        .is_broken("clock", &["years", "ahead of AWS's", "set this computer's clock"]);
}

#[test]
fn credentials_that_are_not_there_or_not_good_are_told_apart() {
    let (_endpoint, mut nobody) = patient(&[]);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    Diagnosis::of(nobody).is_broken("credentials", &["no AWS credentials", "aws configure"]);

    let account = Account::start();
    let mut keys = account.keys("alice");
    keys.secret = "wrong".to_owned();
    let diagnosis = Diagnosis::of(of_user(&account, &keys, &[]));
    diagnosis.is_broken("identity", &["SignatureDoesNotMatch", "check the secret access key"]);

    keys.token = Some("forgotten".to_owned());
    let diagnosis = Diagnosis::of(of_user(&account, &keys, &[]));
    diagnosis.is_broken("identity", &["GetCallerIdentity was refused", "AWS_SESSION_TOKEN"]);
}

/// The setting of the examples: nothing without MFA, one's own nodes with it, no SSH for Bob.
#[test]
fn what_policies_forbid_is_told_with_what_to_ask_for() {
    let account = Account::start();
    let without = Diagnosis::of(of_user(&account, &account.keys("alice"), &[OF_ALICE]));
    without.is("identity", "warning", &["without MFA", "ssmport login"]);
    without.is("nodes", "warning", &["explicit deny", "ssmport login"]);
    without.is_broken("data channel", &["explicit deny", "ssmport login"]);

    let alice = account.with_mfa("alice");
    let own = Diagnosis::of(of_user(&account, &alice, &["web"]));
    own.is("data channel", "ok", &[]);
    let others = Diagnosis::of(of_user(&account, &alice, &["db"]));
    let asked_for = format!("instance/{OF_BOB}");
    others.is_broken("data channel", &["not among those allowed to you", &asked_for]);

    let bob = account.with_mfa("bob");
    let no_ssh = Diagnosis::of(of_user(&account, &bob, &[OF_BOB]));
    assert_eq!(no_ssh.code, 0, "{}", no_ssh.screen);
    no_ssh.is("data channel", "ok", &[]);
    no_ssh.is("ssh document", "warning", &["AWS-StartSSHSession", "be taken out of the denial"]);
}

#[test]
fn a_node_that_cannot_be_reached_is_told_apart_from_one_that_is_not_there() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("account.toml");
    fs::write(&file, NODES).expect("the account file");
    fs::write(folder.path().join("all.json"), ALL).expect("a policy");
    let account = Account::with(file.to_str().expect("text"));
    let keys = account.keys("jane");
    let of = |target: &str| Diagnosis::of(of_user(&account, &keys, &[target]));
    of("i-00000000000000001").is_broken("node", &["ConnectionLost", "amazon-ssm-agent runs"]);
    of("i-0000000000000000f").is_broken("node", &["nor does EC2", "check the id"]);
    of("gone").is_broken("target", &["gone is i-00000000000000001", "ConnectionLost"]);
    of("nobody").is_broken("target", &["there is no node nobody", "ssmport ls"]);
    of("old").is("node", "warning", &["agent 2.3.1.0", "too old"]);
}

const OF_ALICE: &str = "i-0a11ce00000000001";
const OF_BOB: &str = "i-0b0b0000000000001";

const NODES: &str = r#"
[users.jane]
policies = ["all.json"]
[nodes.i-00000000000000001]
name = "gone"
ping_status = "ConnectionLost"
[nodes.i-00000000000000002]
name = "old"
agent_version = "2.3.1.0"
"#;
const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
