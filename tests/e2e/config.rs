//! The configuration files: whose account an alias has, which of two files counts, and `ssmport config`.
#![cfg(feature = "aws")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Account, Finished, Program, command, missing};

/// A machine with its file, a user with his own and two profiles.
struct Machine {
    account: Account,
    folder: TempDir,
}

impl Machine {
    fn with(machine: &str, own: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect(name);
        write("all.json", ALLOW);
        write("account.toml", ACCOUNT);
        let account = Account::with(folder.path().join("account.toml").to_str().expect("text"));
        write("machine.toml", machine);
        write("own.toml", own);
        let profile = |name: &str, user: &str| {
            let keys = account.keys(user);
            format!(
                "[profile {name}]\nregion = eu-west-1\naws_access_key_id = {}\naws_secret_access_key = {}\n",
                keys.id, keys.secret
            )
        };
        write("aws", &(profile("first", "alice") + &profile("second", "bob")));
        write("credentials", "");
        Self { account, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ssmport(&self, arguments: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments).env("AWS_ENDPOINT_URL", &self.account.endpoint.url);
        ssmport.env("AWS_CONFIG_FILE", self.path("aws"));
        ssmport.env("AWS_SHARED_CREDENTIALS_FILE", self.path("credentials"));
        ssmport.env("SSMPORT_CONFIG", self.path("own.toml"));
        ssmport.env("SSMPORT_SYSTEM_CONFIG", self.path("machine.toml"));
        ssmport
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Program::run(self.ssmport(arguments))
    }

    /// As whom a command was run on this target.
    #[track_caller]
    fn owner(&self, arguments: &[&str]) -> String {
        let words = [arguments, &["exec", "-n", "web", "--", "true"]].concat();
        self.run(&words).success();
        let list = self.run(&["sessions", "--past", "--all", "--json", "--profile", "first"]);
        let list = list.success();
        let last: Value =
            serde_json::from_str(list.lines().next().expect("a session")).expect("JSON");
        let owner = last["owner"].as_str().expect("an owner");
        owner.rsplit('/').next().expect("a name").to_owned()
    }

    fn settings(&self, ssmport: Command) -> Vec<(String, String, String)> {
        let printed = Program::run(ssmport).success();
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text
                .strip_prefix(&format!("{}/", self.folder.path().display()))
                .unwrap_or(text)
                .to_owned(),
            other => other.to_string(),
        };
        let setting = |line: &str| {
            let setting: Value = serde_json::from_str(line).expect("JSON");
            let from = ["source", "name", "file", "line"].map(|field| text(&setting[field]));
            (text(&setting["key"]), text(&setting["value"]), from.join(" ").trim().to_owned())
        };
        printed.lines().map(setting).collect()
    }
}

#[test]
fn an_alias_has_the_account_that_it_names() {
    let own = format!(
        "[defaults]\nprofile = \"first\"\n[targets.web]\ntarget = \"{WEB}\"\nprofile = \"second\"\n"
    );
    let machine = Machine::with("", &own);
    assert_eq!(machine.owner(&[]), "bob");
    // Who types it knows better.
    assert_eq!(machine.owner(&["--profile", "first"]), "alice");
    for (words, profile) in
        [(&["doctor", "--json"][..], "first"), (&["doctor", "web", "--json"], "second")]
    {
        let report = machine.run(words).stdout;
        let check: Value =
            serde_json::from_str(report.lines().next().expect("a check")).expect("JSON");
        assert!(check["found"].as_str().is_some_and(|found| found.contains(profile)), "{report}");
    }
    // Where the alias names nobody the default counts, and before that the environment.
    fs::write(machine.path("own.toml"), own.replace("profile = \"second\"\n", "")).expect("a file");
    assert_eq!(machine.owner(&[]), "alice");
    let mut exec = machine.ssmport(&["exec", "-n", "web", "--", "true"]);
    exec.env("AWS_PROFILE", "absent");
    let refused = Program::run(exec);
    assert!(refused.stderr.contains("there is no profile `absent`"), "{refused:#?}");
}

#[test]
fn what_counts_is_shown_with_where_it_comes_from() {
    let machine = Machine::with(
        "[defaults]\nprofile = \"first\"\nregion = \"us-east-1\"\n[tunnels.db]\nport = 5432\n",
        "target = \"web\"\n\n[targets]\nweb = \"tag:Role=web\"\n\n[tunnels.db]\nlocal = 0\n",
    );
    let row =
        |key: &str, value: &str, from: &str| (key.to_owned(), value.to_owned(), from.to_owned());
    let files = [
        row("targets.web.target", "tag:Role=web", "file  own.toml 4"),
        row("tunnels.db.local", "0", "file  own.toml 7"),
        row("tunnels.db.port", "5432", "file  machine.toml 5"),
    ];
    let found = machine.settings(machine.ssmport(&["config", "--json"]));
    assert_eq!(
        found[..3],
        [
            row("defaults.target", "web", "file  own.toml 1"),
            row("defaults.profile", "first", "file  machine.toml 2"),
            row("defaults.region", "us-east-1", "file  machine.toml 3"),
        ]
    );
    let endpoint = &machine.account.endpoint.url;
    let others = [row("endpoint_url", endpoint, "environment AWS_ENDPOINT_URL")];
    assert_eq!(found[3..], [&files[..], &others].concat());

    let mut other = machine.ssmport(&["config", "--json", "--profile", "second"]);
    other.env("SSMPORT_TARGET", "db");
    let found = machine.settings(other);
    assert_eq!(
        found[..3],
        [
            row("defaults.target", "db", "environment SSMPORT_TARGET"),
            row("defaults.profile", "second", "option --profile"),
            row("defaults.region", "eu-west-1", "aws"),
        ]
    );
    assert_eq!(found[3..], [&files[..], &others].concat());

    // Addresses that take the place of AWS's are in no file of ours.
    let mut other = machine.ssmport(&["config", "--json", "--ssm-endpoint", "http://a:1"]);
    other.env("AWS_ENDPOINT_URL", "http://user:secret@b:2/?x").env_remove("SSMPORT_TARGET");
    let found = machine.settings(other);
    assert_eq!(
        found[6..],
        [
            row("endpoint_url", "http://b:2/", "environment AWS_ENDPOINT_URL"),
            row("ssm.endpoint_url", "http://a:1", "option --ssm-endpoint"),
        ]
    );

    let shown = machine.run(&["config"]);
    assert!(shown.stderr.contains("6 settings of "), "{shown:#?}");
    let shown = shown.success();
    let line = shown.lines().find(|line| line.starts_with("tunnels.db.port")).expect("a line");
    assert!(line.ends_with("machine.toml:5"), "{shown}");
}

#[test]
fn a_key_that_there_is_not_is_named_with_its_file_and_line() {
    let machine = Machine::with("", "[tunnels.db]\nprot = 5432\n");
    for words in [&["config"][..], &["exec", "web", "--", "true"], &["ls"]] {
        let refused = machine.run(words);
        assert_eq!(refused.code(), 2, "{refused:#?}");
        for part in
            ["own.toml cannot be used", "line 2: unknown key `prot`", "did you mean `port`?"]
        {
            assert!(refused.stderr.contains(part), "{part}: {refused:#?}");
        }
    }
    // What asks nobody goes on.
    machine.run(&["completions", "bash"]).success();
    let mut absent = machine.ssmport(&["config"]);
    absent.env("SSMPORT_SYSTEM_CONFIG", machine.path("absent.toml"));
    let refused = Program::run(absent);
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert!(refused.stderr.contains("check SSMPORT_SYSTEM_CONFIG"), "{refused:#?}");
}

/// The schema for editors takes what we take, and refuses the same slips.
#[test]
fn the_schema_for_editors_says_the_same() {
    let machine = Machine::with("", "");
    let page = fs::read_to_string(docs("config.md")).expect("the page");
    let blocks = page.split("```toml\n").skip(1);
    let blocks: Vec<_> = blocks.filter_map(|block| block.split("```").next()).collect();
    assert_eq!(blocks.len(), 3, "the blocks of the page");
    let partial = ["[targets.a]\nregion = \"b\"\n", "target = \"a\"\n[targets]\nb = \"c\"\n"];
    let slips = [
        "[defaults]\nprofil = \"a\"\n",
        "[defaults]\nrecord = \"here\"\n",
        "[targets]\nweb = 5\n",
        "[targets.web]\nport = 5\n",
        "[tunnels.db]\nport = 0\n",
        "[tunnels.db]\nport = \"80\"\n",
        "[tunnels.db]\nlane = 2\n",
        "[tunnels.db]\nport = 1\nlanes = 0\n",
        "[tunnels.db]\nport = 1\nlanes = \"many\"\n",
        "[tunnels.'a b']\nport = 1\n",
        "servers = 1\n",
    ];
    let whole = [blocks[0], blocks[2]];
    let cases = blocks.iter().chain(&partial).map(|text| (*text, true));
    for (number, (text, is_right)) in cases.chain(slips.map(|text| (text, false))).enumerate() {
        let path = machine.path(&format!("{number}.toml"));
        fs::write(&path, text).expect("written");
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/bin/python");
        if !python.exists() {
            missing("moto, with jsonschema");
        }
        let mut validate = command(python);
        validate.args(["-c", VALIDATE]).arg(docs("config.schema.json")).arg(&path);
        let found = Program::run(validate);
        assert_eq!(found.code(), i32::from(!is_right), "{text}: {found:#?}");
        // Parts need another file's.
        if whole.contains(&text) || !is_right {
            let mut config = machine.ssmport(&["config"]);
            config.env("SSMPORT_CONFIG", &path);
            let found = Program::run(config);
            assert_eq!(found.code(), if is_right { 0 } else { 2 }, "{text}: {found:#?}");
        }
    }
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

const WEB: &str = "i-00000000000000001";
const ACCOUNT: &str = r#"
[users.alice]
policies = ["all.json"]
[users.bob]
policies = ["all.json"]
[nodes.i-00000000000000001]
name = "node-1"
"#;
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const VALIDATE: &str = r#"
import json, sys, tomllib
from jsonschema import Draft202012Validator as Validator
schema = json.load(open(sys.argv[1]))
Validator.check_schema(schema)
sys.exit(0 if Validator(schema).is_valid(tomllib.load(open(sys.argv[2], "rb"))) else 1)
"#;
