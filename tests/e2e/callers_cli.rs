//! The real AWS CLI for everything but port sessions: shells and commands on a terminal and without
//! one, SSH, and containers of ECS.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use http::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{AwsCli, Endpoint, Finished, HttpServer, NODE, Program, REGION, Sshd, Terminal},
};

#[test]
fn a_shell_is_a_terminal_and_ctrl_c_is_for_what_runs_there() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let mut terminal = Terminal::start(&aws.command(&["start-session", "--target", NODE]));
        terminal.wait_for(STARTING);
        let id = terminal.wait_for("\r\n");
        assert_eq!(endpoint.active_sessions(), [&*id]);

        terminal.press("echo $((6 * 7))-it-is; stty size\r");
        terminal.wait_for("\r\n42-it-is\r\n");
        terminal.wait_for("33 101\r\n");
        // Without the terminal's own processing of keys here: the key is for the process there.
        terminal.press("trap 'echo caught-$((1 + 1))' INT; echo ready-$((2 + 2)); read line\r");
        terminal.wait_for("ready-4\r\n");
        terminal.press("\x03");
        terminal.wait_for("caught-2\r\n");
        assert_eq!(endpoint.active_sessions(), [&*id]);

        terminal.press("\rexit\r");
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.ends_with(&format!("\r\n\r\nExiting session with sessionId: {id}.\r\n\r\n"))
        );
        await_active_sessions(&endpoint, 0);
    }
}

#[test]
fn an_interactive_command_talks_with_its_terminal() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let script = "printf 'your name? '; read name; echo \"hello, $name\"";
        let mut terminal = Terminal::start(&command(&aws, "AWS-StartInteractiveCommand", script));
        terminal.wait_for("your name? ");
        terminal.press("Ada\r");
        terminal.wait_for("hello, Ada\r\n");
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("Exiting session with sessionId: "), "{screen}");
        await_active_sessions(&endpoint, 0);
    }
}

#[test]
fn a_command_needs_no_terminal_and_its_failure_is_not_the_plugins() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        // Run without a shell of the agent's own.
        let script = "sh -c 'echo out; echo err >&2; seq 100000; exit 3'";
        let ran = Program::run(command(&aws, "AWS-StartNonInteractiveCommand", script));
        // Another status would have the CLI print a traceback with all of the plugin's arguments.
        assert_eq!((ran.code(), &*ran.stderr), (0, ""), "{ran:#?}");
        let id = session_id(&ran);
        let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
        let said = &ran.stdout[format!("\n{STARTING}{id}\n").len()..];
        let closing = format!("\n\nExiting session with sessionId: {id}.\n\n");
        let output = said.strip_suffix(&closing).unwrap_or_else(|| panic!("{said:.200}"));
        assert!(
            output.starts_with("out\nerr\n") || output.starts_with("err\nout\n"),
            "{output:.80}"
        );
        assert!(output.ends_with(&numbers), "{} bytes", output.len());
    }
}

#[test]
fn ssh_goes_through_the_cli_as_its_proxy_command() {
    let (endpoint, sshd) = (Endpoint::start(), Sshd::start());
    for aws in AwsCli::each(&endpoint) {
        let mut ssh = aws.for_ssh(sshd.client("ssh"));
        ssh.args(["-p", &sshd.port.to_string(), NODE, "cat; echo err >&2; exit 7"]);
        let ran = Program::run(ssh);
        assert_eq!((ran.code(), &*ran.stdout), (7, ""), "{ran:#?}");
        assert!(ran.stderr.ends_with("err\n"), "{ran:#?}");
        await_active_sessions(&endpoint, 0);
    }
}

#[test]
fn a_container_of_ecs_is_reached_by_execute_command() {
    let endpoint = Endpoint::with(&["--node", CONTAINER]);
    let line = "sh -c 'printf \"in the container: \"; read word; echo \"<$word>\"'";
    let request = json!({
        "Target": CONTAINER,
        "DocumentName": "AWS-StartInteractiveCommand",
        "Parameters": {"command": [line]},
    });
    for aws in AwsCli::each(&endpoint) {
        let (status, session) = endpoint.call("StartSession", &request);
        assert_eq!(status, 200, "{session}");
        let ecs = ecs(session);
        let mut terminal = Terminal::start(&aws.command_of(
            "ecs",
            &ecs.url,
            &[
                "execute-command",
                "--cluster",
                "shop",
                "--task",
                "0123456789abcdef",
                "--container",
                "web",
                "--interactive",
                "--command",
                "/bin/sh",
            ],
        ));
        // The CLI's way to see whether there is a plugin.
        terminal.wait_for("\r\nThe Session Manager plugin was installed successfully. ");
        terminal.wait_for(STARTING);
        terminal.wait_for("in the container: ");
        terminal.press("word\r");
        terminal.wait_for("<word>\r\n");
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(0), "{screen}");
        await_active_sessions(&endpoint, 0);
    }
}

/// Newer versions hand the response over by the environment, older ones as an argument.
#[test]
fn both_ways_of_handing_the_response_over_occur() {
    let endpoint = Endpoint::start();
    let mut ways = Vec::new();
    for aws in AwsCli::each(&endpoint) {
        let session = command(&aws, "AWS-StartNonInteractiveCommand", "echo hello");
        let (folder, mut session) = (TempDir::new().expect("a directory"), session);
        let way = folder.path().join("way");
        // What the AWS CLI asks first is its version.
        let script = format!(
            "#!/bin/sh\ncase $1 in --version) ;; AWS_*) echo name ;; *) echo response ;; esac >{}\n\
             exec {} \"$@\"\n",
            way.display(),
            env!("CARGO_BIN_EXE_session-manager-plugin"),
        );
        let plugin = folder.path().join("session-manager-plugin");
        fs::write(&plugin, script).expect("a program");
        fs::set_permissions(&plugin, Permissions::from_mode(0o755)).expect("its mode");
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [folder.path().to_owned()].into_iter().chain(env::split_paths(&path));
        session.env("PATH", env::join_paths(folders).expect("no colon in a temporary directory"));
        let shown = Program::run(session).success();
        assert!(shown.contains("\nhello\n"), "{shown}");
        ways.push(fs::read_to_string(way).expect("it was started"));
    }
    if ways.len() > 1 {
        assert_eq!(ways, ["name\n", "response\n"]);
    }
}

/// As much of ECS as `aws ecs execute-command` asks for.
fn ecs(session: Value) -> HttpServer {
    HttpServer::start(move |request| {
        let operation = request.headers().get("x-amz-target").and_then(|name| name.to_str().ok());
        let arn = |rest: &str| format!("arn:aws:ecs:{REGION}:123456789012:{rest}");
        let answer = match operation.and_then(|name| name.rsplit('.').next()) {
            Some("ExecuteCommand") => json!({
                "clusterArn": arn("cluster/shop"),
                "taskArn": arn("task/shop/0123456789abcdef"),
                "containerArn": arn("container/shop/0123456789abcdef/1"),
                "containerName": "web",
                "interactive": true,
                "session": {
                    "sessionId": session["SessionId"],
                    "streamUrl": session["StreamUrl"],
                    "tokenValue": session["TokenValue"],
                },
            }),
            Some("DescribeTasks") => {
                json!({"tasks": [{"containers": [{"name": "web", "runtimeId": "runtime-1"}]}]})
            }
            operation => panic!("ECS is asked for {operation:?}"),
        };
        let response = Response::builder().header("Content-Type", "application/x-amz-json-1.1");
        response.body(answer.to_string().into()).expect("a response")
    })
}

/// A session with one command.
fn command(aws: &AwsCli, document: &str, script: &str) -> std::process::Command {
    let parameters = json!({ "command": [script] }).to_string();
    aws.command(&[
        "start-session",
        "--target",
        NODE,
        "--document-name",
        document,
        "--parameters",
        &parameters,
    ])
}

fn session_id(ran: &Finished) -> &str {
    let line = ran.stdout.lines().nth(1).unwrap_or_default();
    line.strip_prefix(STARTING).unwrap_or_else(|| panic!("{ran:#?}"))
}

const STARTING: &str = "Starting session with SessionId: ";
const CONTAINER: &str = "ecs:shop_0123456789abcdef_runtime-1";
