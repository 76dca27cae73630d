//! `--json`: what the commands print is what `docs/json.md` and its schema say, and no more.
#![cfg(feature = "aws")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::{
    raw_client::await_active_sessions,
    support::{
        Account, DEADLINE, Endpoint, Forward, NODE, Program, REGION, Signal, Socks, Terminal,
        command, faulty, home::Home, missing, sts::Sts,
    },
    targets::{TcpTarget, closed_port, echoes},
    up::User,
};

/// Each event of the table is printed by a command, and is as the table says.
#[tokio::test]
async fn what_is_printed_is_what_the_schema_says() {
    let mut lines = Lines::default();
    let endpoint = Endpoint::with(&["--faults", "delay=1ms,seed=7"]);
    lines.add("local", &endpoint.program.stdout());
    lines.add("local", &Account::start().endpoint.program.stdout());
    lines.add("forward", &forwarded(&endpoint).await);
    kept_up(&mut lines).await;
    lines.add("socks", &proxied(&endpoint));
    let (_, past) = endpoint.call("DescribeSessions", &json!({ "State": "History" }));
    let over = past["Sessions"][0]["SessionId"].as_str().expect("a session").to_owned();
    for (arguments, code) in [
        (&["ls"][..], 0),
        (&["exec", "--on", NODE, "--on", "i-0fffffffffffffff0", "--", "echo", "x"], 4),
        (&["sessions", "--past"], 0),
        (&["sessions", "stop", &over], 0),
        (&["doctor", NODE], 0),
        (&["doctor", "i-0fffffffffffffff0"], 1),
        (&["ssh-config", "--alias", "web=local"], 0),
        (&["config"], 0),
        (&["demo", "--size", "1"], 0),
        (&["ls", "--profile", "wrok"], 2),
        (&["forward", "0:9", "-t", "nobody"], 4),
        (&["forward", "0:nine", "-t", NODE], 2),
        (&["forward", "--jsn"], 2),
        (&["local", "--account", "absent.toml"], 2),
    ] {
        let mut ssmport = ssmport(arguments, &endpoint);
        if arguments.contains(&"--profile") {
            ssmport.env_remove("AWS_ACCESS_KEY_ID");
        }
        let ended = Program::run(ssmport);
        assert_eq!(ended.code(), code, "{arguments:?}: {ended:#?}");
        let last = ended.stdout.lines().last().unwrap_or_default();
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(last["event"] == "error", code != 0, "{arguments:?}: {ended:#?}");
        if code != 0 {
            assert_eq!(last["exit_code"], code, "{last}");
            let what = last["what"].as_str().expect("a text");
            assert!(ended.stderr.contains(what.lines().next().expect("a line")), "{ended:#?}");
        }
        lines.add(arguments[0], &ended.stdout);
    }
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("config");
    fs::write(&file, "User me\n").expect("a file");
    let file = file.to_str().expect("Unicode");
    let install = ["ssh-config", "--install", "--file", file];
    lines.add("ssh-config", &Program::run(ssmport(&install, &endpoint)).success());
    lines.add("login", &logged_in());
    lines.add("cp", &copied(folder.path()));

    lines.are_valid();
    let told: BTreeSet<_> = lines.0.iter().map(|(key, _)| key.as_str()).collect();
    let described: BTreeSet<_> = schema_events().into_iter().collect();
    let described: BTreeSet<_> = described.iter().map(String::as_str).collect();
    assert_eq!(told, described, "events that are printed, and those of the schema");
}

#[test]
fn the_table_has_what_the_schema_has() {
    let page = fs::read_to_string(docs("json.md")).expect("the page");
    let mut of_page = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, command, event, field, ..] = cells[..] else { panic!("{row}") };
        of_page.insert((key(command, event), field.to_owned()));
    }
    let mut of_schema = BTreeSet::new();
    for event in schema_events() {
        for field in fields(&event).into_iter().filter(|name| !COMMON.contains(&name.as_str())) {
            of_schema.insert((event.clone(), field));
        }
    }
    assert!(of_page.len() > 40, "the table was not found");
    assert_eq!(of_page, of_schema);
}

#[test]
fn commands_that_carry_something_have_nothing_else_on_standard_output() {
    let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
    exec.args(["exec", "--json", "local", "--document", "No-Such-Document", "--", "true"]);
    let ended = Program::run(exec);
    assert_eq!((ended.code(), ended.stdout.as_str()), (3, ""), "{ended:#?}");
    let mut proxy = command(env!("CARGO_BIN_EXE_ssmport"));
    proxy.args(["proxy", "--json", "local", &closed_port().to_string()]);
    let ended = Program::run(proxy);
    assert_eq!((ended.code(), ended.stdout.as_str()), (4, ""), "{ended:#?}");
    // Nor have those that show what is in a file.
    for (arguments, code) in [
        (["play", "--json", "/nowhere/cast"], 5),
        (["play", "--json", "--jsn"], 2),
        (["decode", "--json", "/nowhere/trace"], 5),
        (["decode", "--json", "--svgg"], 2),
    ] {
        let mut shown = command(env!("CARGO_BIN_EXE_ssmport"));
        shown.args(arguments);
        let ended = Program::run(shown);
        assert_eq!((ended.code(), ended.stdout.as_str()), (code, ""), "{ended:#?}");
        assert!(!ended.stderr.is_empty(), "{ended:#?}");
    }
}

fn ssmport(arguments: &[&str], endpoint: &Endpoint) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["--json", "--endpoint-url", &endpoint.url]).args(arguments);
    ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    ssmport.env("AWS_REGION", REGION);
    ssmport
}

/// What `forward` prints while nobody listens at its destination, and then its session is ended.
async fn forwarded(endpoint: &Endpoint) -> String {
    let target = TcpTarget::echo().await;
    let closed = closed_port();
    let specs = [format!("0:{}", target.port), format!("0:{closed}")];
    let (folder, log) = log();
    let arguments = ["--endpoint-url", &endpoint.url, "--log", &log, "--lanes", "2"];
    let forward = Forward::start(&[&specs[0], &specs[1]], NODE, &arguments);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut socket =
            TcpStream::connect(("127.0.0.1", forward.port_to(target.port))).await.unwrap();
        echoes(&mut socket, b"hello").await;
        open.push(socket);
    }
    forward.program.wait_for_stdout(|line| line.contains("\"lane\""));
    let mut refused = TcpStream::connect(("127.0.0.1", forward.port_to(closed))).await.unwrap();
    // It is closed one way or the other.
    let _ = timeout(DEADLINE, refused.read(&mut [0])).await.expect("an end");
    forward.program.wait_for_stdout(|line| line.contains("\"warning\""));
    for session in endpoint.active_sessions() {
        endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
    await_active_sessions(endpoint, 0);
    forward.program.wait_for_stdout(|line| line.contains("\"event\":\"lost\""));
    forward.program.signal(Signal::INT);
    let ended = forward.program.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    let printed = ended.stdout + &fs::read_to_string(log).expect("the log");
    drop(folder);
    printed
}

/// The same of a proxy, where nothing is reached and somebody says nothing sensible.
fn proxied(endpoint: &Endpoint) -> String {
    let (folder, log) = log();
    let socks = Socks::start(endpoint, NODE, &["--log", &log]);
    socks.fetch("socks5h", &format!("http://127.0.0.1:{}/", closed_port()));
    socks.fetch("https", "http://127.0.0.1/");
    socks.program.wait_for_stdout(|line| line.contains("TLS"));
    socks.program.signal(Signal::INT);
    let ended = socks.program.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    let printed = ended.stdout + &fs::read_to_string(log).expect("the log");
    drop(folder);
    printed
}

fn log() -> (TempDir, String) {
    let folder = TempDir::new().expect("a directory");
    let log = folder.path().join("log").display().to_string();
    (folder, log)
}

/// What `up` prints of a tunnel at whose end nobody listens, and what those do who ask it.
async fn kept_up(lines: &mut Lines) {
    let closed = closed_port();
    let tunnel = format!("[tunnels.db]\ntarget = \"{NODE}\"\nport = {closed}\nlocal = 0\n");
    let user = User::with(&tunnel);
    let up = user.start(&["up", "--json"]);
    let ready = up.wait_for_stdout(|line| line.contains("\"up\""));
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    let port = ready["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
    let mut refused = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // It is closed one way or the other.
    let _ = timeout(DEADLINE, refused.read(&mut [0])).await.expect("an end");
    up.wait_for_stdout(|line| line.contains("\"warning\""));
    for command in ["status", "logs", "down"] {
        lines.add(command, &user.run(&[command, "--json"]).success());
    }
    lines.add("up", &up.finish().success());
}

/// Of a copy that takes some seconds.
fn copied(folder: &Path) -> String {
    let file = folder.join("file");
    fs::write(&file, vec![0; 3_000_000]).expect("a file");
    let mut ssmport = faulty("rate=1MB,seed=7");
    ssmport
        .args(["cp", "--json"])
        .arg(file)
        .arg(format!("local:{}", folder.join("copy").display()));
    Program::run(ssmport).success()
}

fn logged_in() -> String {
    let (sts, home) = (Sts::start(&["604125"]), Home::with(""));
    let login = ["login", "--json", "--mfa-code", "604125"];
    let mut login = crate::support::home::ssmport(&login, &sts);
    login.envs([("AWS_ACCESS_KEY_ID", "AKIAALICE"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    let (code, screen) = Terminal::start(&home.of(&login)).finish();
    assert_eq!(code, Some(0), "{screen}");
    screen.lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n")).collect()
}

/// Lines with the names that the schema has for them.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    #[track_caller]
    fn add(&mut self, command: &str, printed: &str) {
        assert!(!printed.is_empty(), "{command} prints nothing");
        for line in printed.lines() {
            let object: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{command}: {line}: {error}"));
            assert_eq!(object["schema"], 1, "{line}");
            let event = object["event"].as_str().unwrap_or_else(|| panic!("{line}"));
            let command = if event == "error" { ANY } else { command };
            self.0.push((key(command, event), line.to_owned()));
        }
    }

    /// By other people's validator; and there is no field that is not described.
    fn are_valid(&self) {
        let folder = TempDir::new().expect("a directory");
        let path = folder.path().join("lines");
        let lines: Vec<_> =
            self.0.iter().map(|(key, line)| json!([key, line]).to_string()).collect();
        fs::write(&path, lines.join("\n")).expect("a file");
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/bin/python");
        if !python.exists() {
            missing("moto, with jsonschema");
        }
        let mut validate = command(python);
        validate.args(["-c", VALIDATE]).arg(docs("json.schema.json")).arg(path);
        let found = Program::run(validate);
        assert_eq!((found.code(), found.stdout.as_str()), (0, ""), "{found:#?}");
        for (key, line) in &self.0 {
            let object: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
            let printed: BTreeSet<_> = object.keys().cloned().collect();
            assert_eq!(printed, fields(key), "{key}: {line}");
        }
    }
}

fn key(command: &str, event: &str) -> String {
    if command == ANY { event.to_owned() } else { format!("{command}.{event}") }
}

fn schema() -> Value {
    let text = fs::read_to_string(docs("json.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

/// The names of the events that it takes.
fn schema_events() -> Vec<String> {
    let schema = schema();
    let events = schema["anyOf"].as_array().expect("events").iter();
    let name = |event: &Value| event["$ref"].as_str()?.strip_prefix("#/$defs/").map(str::to_owned);
    events.map(|event| name(event).expect("a name")).collect()
}

fn fields(event: &str) -> BTreeSet<String> {
    let schema = schema();
    let of_event = &schema["$defs"][event];
    let fields: BTreeSet<_> =
        of_event["properties"].as_object().expect("fields").keys().cloned().collect();
    let required = of_event["required"].as_array().expect("required ones").iter();
    let required: BTreeSet<_> =
        required.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    assert_eq!(fields, required, "{event}: what is described is always there");
    fields
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

const ANY: &str = "any";
/// Of every object.
const COMMON: [&str; 2] = ["event", "schema"];
/// Each line is `[name, text]`: one of all events by the schema, and that one by its own part.
const VALIDATE: &str = r##"
import json, sys
from jsonschema import Draft202012Validator as Validator
schema = json.load(open(sys.argv[1]))
Validator.check_schema(schema)
for line in open(sys.argv[2]):
    name, text = json.loads(line)
    part = {**schema, "$ref": f"#/$defs/{name}"}
    for error in Validator(part).iter_errors(json.loads(text)):
        print(name, error.json_path, error.message, text)
"##;
