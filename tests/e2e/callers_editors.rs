//! Callers that pass three arguments, as before there were profiles and endpoints: the AWS Toolkit
//! for VS Code and Copilot. What they do is imitated from their sources.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    raw_client::await_active_sessions,
    support::{Endpoint, NODE, Program, REGION, Sshd, Terminal, command},
};

/// The Toolkit's ProxyCommand is a script that builds the response from the environment. It gives
/// the token for the session's id, too, so nothing may depend on the id.
#[test]
fn the_toolkits_remote_ssh_has_a_clean_stream() {
    let (endpoint, sshd) = (Endpoint::start(), Sshd::start());
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartSSHSession",
        "Parameters": {"portNumber": [sshd.port.to_string()]},
    });
    let session = start(&endpoint, &request);
    let folder = tempfile::TempDir::new().expect("a directory");
    let script = folder.path().join("ec2_connect");
    std::fs::write(&script, CONNECT).expect("a script");

    let mut ssh = sshd.client("ssh");
    let variable = |name: &str| session[name].as_str().expect("a text").to_owned();
    ssh.env("AWS_SSM_CLI", env!("CARGO_BIN_EXE_session-manager-plugin"));
    ssh.env("AWS_REGION", REGION).env("STREAM_URL", variable("StreamUrl"));
    ssh.env("TOKEN", variable("TokenValue")).env("SESSION_ID", variable("SessionId"));
    ssh.arg("-o").arg(format!("ProxyCommand=sh '{}' '%h'", script.display()));
    ssh.args(["aws-ec2-test", "printf out; printf err >&2; exit 7"]);
    let ran = Program::run(ssh);
    assert_eq!((ran.code(), &*ran.stdout, &*ran.stderr), (7, "out", "err"), "{ran:#?}");
    await_active_sessions(&endpoint, 0);
}

#[test]
fn the_toolkits_terminal_and_copilots_have_their_shell() {
    let camel_case = |session: &Value| {
        json!({
            "sessionId": session["SessionId"],
            "streamUrl": session["StreamUrl"],
            "tokenValue": session["TokenValue"],
        })
    };
    // Copilot writes down a structure of the Go SDK: capitals, and no order of the service's.
    let capitals = |session: &Value| {
        json!({
            "SessionId": session["SessionId"],
            "StreamUrl": session["StreamUrl"],
            "TokenValue": session["TokenValue"],
        })
    };
    let endpoint = Endpoint::start();
    let shapes: [fn(&Value) -> Value; 2] = [camel_case, capitals];
    for shape in shapes {
        let session = start(&endpoint, &json!({ "Target": NODE }));
        let mut terminal = Terminal::start(&plugin(&shape(&session)));
        let id = session["SessionId"].as_str().expect("an id");
        terminal.wait_for(&format!("\r\nStarting session with SessionId: {id}\r\n"));
        terminal.press("echo $((6 * 7))-it-is; exit 9\r");
        terminal.wait_for("\r\n42-it-is\r\n");
        // Copilot takes any other status for an error of its own.
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(0), "{screen}");
        await_active_sessions(&endpoint, 0);
    }
}

fn start(endpoint: &Endpoint, request: &Value) -> Value {
    let (status, session) = endpoint.call("StartSession", request);
    assert_eq!(status, 200, "{session}");
    session
}

fn plugin(response: &Value) -> Command {
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.args([&response.to_string(), REGION, "StartSession"]);
    plugin
}

const CONNECT: &str = r#"
response="{\"streamUrl\":\"$STREAM_URL\",\"tokenValue\":\"$TOKEN\",\"sessionId\":\"$TOKEN\"}"
exec "$AWS_SSM_CLI" "$response" "$AWS_REGION" StartSession
"#;
