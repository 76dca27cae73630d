//! Tokens and keys show nowhere: not in what the programs write, however much is asked for and
//! whatever goes wrong, not in the arguments of processes, and not in the environment of children.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::json;
use tempfile::TempDir;

#[cfg(feature = "aws")]
use crate::support::Relay;
use crate::{
    raw_gateway::opened_port,
    support::{
        Endpoint, Finished, Forward, NODE, Plugin, Program, REGION, Signal, command, in_shell,
        port_request,
    },
    targets::closed_port,
};

#[test]
fn nothing_that_ssmport_writes_has_a_secret_in_it() {
    let endpoint = Endpoint::telling_all(&["-vv"]);
    for target in targets(&endpoint) {
        let exec = ssmport("exec", &target, &["--", "echo", "hello"]);
        let ended = shows_no_secret(Program::run(exec));
        assert_eq!((ended.code(), &*ended.stdout), (0, "hello\n"), "{ended:?}");

        let shell = ssmport("shell", &target, &[]);
        let ended = shows_no_secret(Program::run(in_shell("echo exit | \"$@\"", &shell)));
        assert_eq!(ended.code(), 0, "{ended:?}");

        let proxy = ssmport("proxy", &target, &[&closed_port().to_string()]);
        assert_eq!(shows_no_secret(Program::run(proxy)).code(), 4);

        let unknown = ssmport("shell", &target, &["--document", "No-Such-Document"]);
        assert_eq!(shows_no_secret(Program::run(unknown)).code(), 3);

        let mut forward = ssmport("forward", &[], &["0:9"]);
        forward.arg("-t").args(&target);
        let forward = Program::start(forward);
        forward.wait_for_stderr(|line| line.contains("127.0.0.1:"));
        forward.signal(Signal::INT);
        assert_eq!(shows_no_secret(forward.finish()).code(), 130);
    }
    endpoint.program.signal(Signal::INT);
    shows_no_secret(endpoint.program.finish());
}

#[test]
fn nothing_that_the_drop_in_writes_has_a_secret_in_it() {
    let endpoint = Endpoint::start();
    let response = endpoint.start_port_session(9);
    let token = response["TokenValue"].as_str().expect("a token").to_owned();
    let plugin = Program::start(plugin(&endpoint, &response));
    opened_port(&plugin);
    plugin.signal(Signal::INT);
    let ended = shows_no_secret(plugin.finish());
    assert!(!pieces(&token).any(|piece| shown(&ended).contains(piece)), "{ended:?}");
}

#[test]
fn a_refused_token_is_not_shown() {
    let endpoint = Endpoint::start();
    let mut response = endpoint.start_port_session(9);
    response["TokenValue"] = json!(OTHER_TOKEN);
    // Or the session would be resumed, with a token that is good.
    endpoint.call("TerminateSession", &json!({ "SessionId": response["SessionId"] }));
    let ended = shows_no_secret(Program::run(plugin(&endpoint, &response)));
    assert!(ended.stdout.contains("Cannot perform start session: "), "{ended:?}");
    assert!(!pieces(OTHER_TOKEN).any(|piece| shown(&ended).contains(piece)), "{ended:?}");
}

/// Resuming brings new tokens and errors of its own.
#[cfg(feature = "aws")]
#[test]
fn a_lost_service_brings_no_secret_to_light() {
    let endpoint = Endpoint::start();
    let response = endpoint.start_port_session(9);
    let plugin = Program::start(plugin(&endpoint, &response));
    opened_port(&plugin);
    let mut forward = ssmport("forward", &[], &["0:9", "-t", NODE]);
    forward.args(["--endpoint-url", &endpoint.url]);
    let forward = Program::start(forward);
    forward.wait_for_stderr(|line| line.contains("127.0.0.1:"));
    drop(endpoint);
    for program in [plugin, forward] {
        program.wait_for_stderr(|line| line.contains("resuming"));
        program.wait_for_stderr(|line| line.contains("not resumed yet"));
        program.signal(Signal::INT);
        shows_no_secret(program.finish());
    }
}

#[test]
fn resuming_within_one_process_brings_no_secret_to_light() {
    let mut exec = ssmport("exec", &["local".to_owned()], &["--", "sh", "-c", SLOW]);
    exec.env("SSMPORT_LOCAL_FAULTS", FAULTS);
    let ended = shows_no_secret(Program::run(exec));
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("resumed"), "{ended:?}");
}

/// Each resumption brings another token, and encryption brings a key in the clear.
#[cfg(feature = "aws")]
#[test]
fn neither_resuming_nor_encrypting_brings_a_secret_to_light() {
    let endpoint = Endpoint::telling_all(&["-vv", "--faults", FAULTS, "--kms-key", "the-key"]);
    let relay = Relay::to(endpoint.address());
    let away = [NODE, "--endpoint-url", &relay.url].map(str::to_owned);
    let exec = ssmport("exec", &away, &["--", "sh", "-c", SLOW]);
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": { "command": [SLOW] },
    });
    let (_, mut plugin) = Plugin::session(&endpoint, &request);
    with_secrets(&mut plugin);
    plugin.env("AWS_ENDPOINT_URL_KMS", &relay.url);

    let mut all = Vec::new();
    for client in [exec, plugin] {
        let ended = shows_no_secret(Program::run(client));
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stderr.contains("resumed"), "{ended:?}");
        all.push(ended);
    }
    let (tokens, keys) = (relay.heard_of("TokenValue"), relay.heard_of("Plaintext"));
    assert!(tokens.len() >= 2 && tokens[0] != tokens[1], "that of the start, and one more");
    assert_eq!(keys.len(), 2, "one of each client");
    drop(relay);
    endpoint.program.signal(Signal::INT);
    all.push(shows_no_secret(endpoint.program.finish()));

    for secret in tokens.into_iter().chain(keys.iter().flat_map(|key| spellings(key))) {
        for ended in &all {
            let shown = shown(ended);
            assert!(!pieces(&secret).any(|piece| shown.contains(piece)), "{secret}: {shown}");
        }
    }
}

/// A key in base64, and as a program could show it otherwise.
#[cfg(feature = "aws")]
fn spellings(key: &str) -> [String; 4] {
    let bytes = data_encoding::BASE64.decode(key.as_bytes()).expect("base64");
    let lower = data_encoding::HEXLOWER.encode(&bytes);
    [key.to_owned(), lower.to_ascii_uppercase(), lower, format!("{bytes:?}")]
}

#[test]
fn a_token_that_was_handed_over_is_in_no_argument() {
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, 9);
    let forward = Forward::start(&["0:9"], "local", &[]);
    let mut seen = 0;
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { continue };
        let arguments = String::from_utf8_lossy(&arguments);
        if arguments.contains(env!("CARGO_BIN_EXE_ssmport"))
            || arguments
                .contains(&format!("{}\0AWS_SSM_", env!("CARGO_BIN_EXE_session-manager-plugin")))
        {
            seen += 1;
            assert!(hex_run(&arguments) < TOKEN_DIGITS, "{arguments}");
        }
    }
    assert!(seen >= 3, "the endpoint, the plugin and the forward were looked at");
    drop((plugin, forward));
}

/// What a program was started with is shown to every process of the same user.
#[test]
fn a_token_that_was_handed_over_is_in_no_environment() {
    let endpoint = Endpoint::start();
    let response = endpoint.start_port_session(9);
    let mut plugin = Plugin::command(&endpoint, &response, &port_request(9));
    let other = json!({ "TokenValue": OTHER_TOKEN }).to_string();
    plugin.env("AWS_SSM_START_SESSION_RESPONSE_7", &other).env("MARK", "seen");
    let plugin = Plugin::run(plugin, &response);
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", "0:9", "-t", "local"]);
    forward.env("AWS_SSM_START_SESSION_RESPONSE", &other).env("MARK", "seen");
    let forward = Program::start(forward);
    forward.wait_for_stderr(|line| line.contains("127.0.0.1:"));
    let token = response["TokenValue"].as_str().expect("a token");
    for program in [&plugin.program, &forward] {
        let path = format!("/proc/{}/environ", program.pid().as_raw_nonzero());
        let environment = fs::read(&path).expect("an environment");
        let environment = String::from_utf8_lossy(&environment);
        assert!(environment.contains("MARK=seen"), "{environment}");
        for secret in [token, OTHER_TOKEN, "TokenValue"] {
            assert!(!environment.contains(secret), "{environment}");
        }
    }
}

#[test]
fn no_child_inherits_a_response() {
    let secret = json!({ "TokenValue": OTHER_TOKEN }).to_string();
    let responses = [
        ("AWS_SSM_START_SESSION_RESPONSE", &secret),
        ("AWS_SSM_START_SESSION_RESPONSE_7", &secret),
    ];

    let mut exec = ssmport("exec", &["local".to_owned()], &["--", "env"]);
    exec.envs(responses).env("MARK", "inherited");
    inherits_no_response(&Program::run(exec).success());

    // The ssh that becomes of `ssmport ssh`.
    let folder = TempDir::new().expect("a directory");
    script(&folder.path().join("ssh"), "#!/bin/sh\nexec /usr/bin/env\n");
    let mut ssh = command(env!("CARGO_BIN_EXE_ssmport"));
    ssh.args(["ssh", "local"]).envs(responses).env("MARK", "inherited");
    ssh.env("PATH", folder.path());
    inherits_no_response(&Program::run(ssh).success());
}

/// The one child that the drop-in has.
#[cfg(feature = "aws")]
#[test]
fn a_credential_process_inherits_no_response() {
    let (endpoint, folder) = (Endpoint::start(), TempDir::new().expect("a directory"));
    let (program, seen) = (folder.path().join("credentials"), folder.path().join("seen"));
    let keys = r#"{"Version":1,"AccessKeyId":"test","SecretAccessKey":"test"}"#;
    // It may be asked again while we read.
    let path = seen.display();
    script(
        &program,
        &format!("#!/bin/sh\nenv >\"{path}.$$\"; mv \"{path}.$$\" '{path}'\necho '{keys}'\n"),
    );
    let config = folder.path().join("config");
    let text = format!("[profile asks]\ncredential_process = {}\n", program.display());
    fs::write(&config, text).expect("a configuration");
    let response = endpoint.start_port_session(9);
    let mut plugin = Plugin::command(&endpoint, &response, &port_request(9));
    plugin.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    plugin.env("AWS_CONFIG_FILE", &config).env("AWS_PROFILE", "asks").env("MARK", "inherited");
    plugin.env("AWS_SSM_START_SESSION_RESPONSE_OF_ANOTHER", response.to_string());
    let plugin = Program::start(plugin);
    opened_port(&plugin);
    // Credentials are needed to resume with.
    drop(endpoint);
    crate::support::await_that("the credentials are asked for", || seen.exists());
    plugin.wait_for_stderr(|line| line.contains("resuming"));
    plugin.signal(Signal::INT);
    plugin.finish();
    inherits_no_response(&fs::read_to_string(seen).expect("an environment"));
}

#[track_caller]
fn inherits_no_response(environment: &str) {
    assert!(environment.contains("MARK=inherited"), "{environment}");
    assert!(!environment.contains("AWS_SSM_START_SESSION_RESPONSE"), "{environment}");
    assert!(!environment.contains(OTHER_TOKEN), "{environment}");
}

/// The embedded endpoint in the same process, and, where calls can be made, that of another one.
fn targets(endpoint: &Endpoint) -> Vec<Vec<String>> {
    let local = vec!["local".to_owned()];
    let away = vec![NODE.to_owned(), "--endpoint-url".to_owned(), endpoint.url.clone()];
    if cfg!(feature = "aws") { vec![local, away] } else { vec![local] }
}

/// A command of `ssmport` that tells all that it can.
fn ssmport(name: &str, target: &[String], arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args([name, "-vv"]).args(target).args(arguments);
    with_secrets(&mut ssmport);
    ssmport
}

fn plugin(endpoint: &Endpoint, response: &serde_json::Value) -> Command {
    let mut plugin = Plugin::command(endpoint, response, &port_request(9));
    with_secrets(&mut plugin);
    plugin
}

fn with_secrets(program: &mut Command) {
    program.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE").env("AWS_REGION", REGION);
    program.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).env("AWS_SESSION_TOKEN", SESSION_TOKEN);
    // Of other people's crates too, by name and by the name of their innermost parts.
    let filter = "trace,aws_smithy_runtime::client::orchestrator=trace,aws_sigv4=trace,hyper=trace";
    program.env("SSMPORT_LOG", filter);
}

/// What was written, given that no secret is in it: none of the keys, nothing that is as long as a
/// token of the endpoint's.
#[track_caller]
fn shows_no_secret(ended: Finished) -> Finished {
    let shown = shown(&ended);
    for secret in [SECRET_KEY, SESSION_TOKEN] {
        let piece = pieces(secret).find(|piece| shown.contains(piece));
        assert_eq!(piece, None, "{ended:?}");
    }
    assert!(hex_run(&shown) < TOKEN_DIGITS, "{ended:?}");
    assert!(!shown.contains("panicked"), "{ended:?}");
    ended
}

fn shown(ended: &Finished) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

/// Every part of a secret that is long enough to be of use.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    (0..=secret.len() - PIECE).map(move |from| &secret[from..from + PIECE])
}

/// The length of the longest run of hexadecimal digits.
fn hex_run(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0)
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an executable");
}

/// Breaks a connection several times while [`SLOW`] runs.
const FAULTS: &str = "cut=300ms,seed=1";
const SLOW: &str = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEJr//////////wEaDEXAMPLEdGhpcyBpcyBhIHRva2Vu";
const OTHER_TOKEN: &str = "open-sesame-of-another-session";
const PIECE: usize = 12;
/// Half a token of the endpoint; ids of sessions have 17 digits, those of messages runs of 12.
const TOKEN_DIGITS: usize = 32;
