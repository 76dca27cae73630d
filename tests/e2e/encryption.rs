//! Sessions that their agent wants encrypted with a key of KMS, through the real control plane's
//! client.
#![cfg(feature = "aws")]

use std::process::Command;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{
    bulk::Destination,
    raw_client::await_active_sessions,
    support::{
        AwsCli, Endpoint, Forward, HttpServer, NODE, Plugin, Program, REGION, Relay, Terminal,
        command, in_shell,
    },
    targets::{TcpTarget, echoes},
};

#[test]
fn a_commands_outputs_and_exit_code_arrive_and_are_nowhere_in_the_clear() {
    for challenge in [&[][..], &["--kms-challenge"]] {
        let endpoint = encrypting(challenge);
        let relay = Relay::to(endpoint.address());
        let script = "echo very-secret-output; echo very-secret-error >&2; exit 7";
        let exec = ssmport(&relay.url, &endpoint.url, &["exec", NODE, "--", "sh", "-c", script]);
        let ended = Program::run(exec);
        assert_eq!((ended.code(), &*ended.stdout), (7, "very-secret-output\n"), "{ended:?}");
        assert_eq!(ended.stderr, format!("{ENCRYPTED}\nvery-secret-error\n"));
        for text in ["very-secret", "EXIT_CODE"] {
            assert!(!relay.has_heard(text), "{text}");
        }
        assert!(relay.has_heard("\"KMSEncryption\""), "there was something to hear");
    }
}

/// What the test above relies on.
#[test]
fn without_a_key_everything_is_in_the_clear_to_the_relay() {
    let endpoint = Endpoint::start();
    let relay = Relay::to(endpoint.address());
    let exec = ssmport(&relay.url, &endpoint.url, &["exec", NODE, "--", "echo", "very-secret"]);
    assert_eq!(Program::run(exec).success(), "very-secret\n");
    assert!(relay.has_heard("very-secret") && relay.has_heard("EXIT_CODE"));
}

/// The session of the companion is encrypted, that of its port never is.
#[test]
fn a_proxy_with_turbo_shows_what_its_user_is_to_read() {
    let endpoint = encrypting(&[]);
    let destination = Destination::start();
    let port = destination.port.to_string();
    let words = ["proxy", "--turbo", NODE, &port];
    let ended = Program::run(ssmport(&endpoint.url, &endpoint.url, &words));
    assert_eq!((ended.code(), ended.stderr), (0, format!("{ENCRYPTED}\n")));
}

#[test]
fn a_command_on_a_terminal_has_its_exit_code_too() {
    let endpoint = encrypting(&["--kms-challenge"]);
    let words = ["exec", "-t", NODE, "--", "sh", "-c", "echo hello; exit 5"];
    let ended = Program::run(ssmport(&endpoint.url, &endpoint.url, &words));
    assert_eq!((ended.code(), &*ended.stdout), (5, "hello\r\n"), "{ended:?}");
    assert_eq!(ended.stderr, format!("{ENCRYPTED}\n"));
}

#[test]
fn a_shell_goes_on_after_its_connection_was_cut() {
    let endpoint = encrypting(&["--kms-challenge"]);
    let relay = Relay::to(endpoint.address());
    let mut shell = Terminal::start(&ssmport(&relay.url, &endpoint.url, &["shell", NODE]));
    shell.wait_for(ENCRYPTED);
    for round in 1..=3 {
        shell.press(&format!("echo very-''secret-{round}\r"));
        shell.wait_for(&format!("very-secret-{round}"));
        assert!(relay.cut() > 0);
    }
    shell.press("exit\r");
    assert_eq!(shell.finish().0, Some(0));
    assert!(!relay.has_heard("very-secret"));
    await_active_sessions(&endpoint, 0);
}

#[test]
fn no_line_of_output_is_lost_or_repeated_by_cuts() {
    let endpoint = encrypting(&[]);
    let relay = Relay::to(endpoint.address());
    let script = "for i in $(seq 1 400); do echo line $i; sleep 0.005; done; exit 9";
    let words = ["exec", NODE, "--", "sh", "-c", script];
    let exec = Program::start(ssmport(&relay.url, &endpoint.url, &words));
    for line in ["line 50", "line 150", "line 250"] {
        exec.wait_for_stdout(|shown| shown == line);
        assert!(relay.cut() > 0);
    }
    let ended = exec.finish();
    let expected: String = (1..=400).map(|i| format!("line {i}\n")).collect();
    assert!(ended.stdout == expected, "{ended:?}");
    assert_eq!(ended.code(), 9);
}

#[test]
fn the_drop_in_gets_its_target_from_the_request_or_looks_it_up() {
    for challenge in [&[][..], &["--kms-challenge"]] {
        let endpoint = encrypting(challenge);
        for tells_target in [true, false] {
            let request = json!({ "Target": NODE });
            let (id, plugin) = plugin(&endpoint, &request, tells_target);
            let shell = in_shell("echo 'echo h''i; exit' | \"$@\"", &plugin);
            let ended = Program::run(shell);
            let starting = format!("\nStarting session with SessionId: {id}\n{ENCRYPTED}\n");
            assert!(ended.stdout.starts_with(&starting), "{ended:?}");
            assert!(ended.stdout.contains("\nhi\r\n"), "{ended:?}");
            let exiting = format!("\n\nExiting session with sessionId: {id}.\n\n");
            assert!(ended.stdout.ends_with(&exiting), "{ended:?}");
            assert_eq!((ended.code(), &*ended.stderr), (0, ""));
        }
    }
}

#[test]
fn the_aws_cli_has_its_sessions_encrypted_too() {
    let endpoint = encrypting(&["--kms-challenge"]);
    let parameters = json!({ "command": ["echo hello"] }).to_string();
    for aws in AwsCli::each(&endpoint) {
        let mut aws = aws.command(&[
            "start-session",
            "--target",
            NODE,
            "--document-name",
            "AWS-StartNonInteractiveCommand",
            "--parameters",
            &parameters,
        ]);
        aws.env("AWS_ENDPOINT_URL_KMS", &endpoint.url);
        let shown = Program::run(aws).success();
        assert!(shown.contains(&format!("\n{ENCRYPTED}\nhello\n")), "{shown}");
    }
}

/// A second opinion on the endpoint's KMS.
#[test]
fn the_aws_cli_generates_and_decrypts_data_keys() {
    let endpoint = encrypting(&[]);
    let aws = AwsCli::new(&endpoint);
    let run = |arguments: &[&str]| Program::run(aws.command_of("kms", &endpoint.url, arguments));
    let context = "--encryption-context=aws:ssm:SessionId=s-1,aws:ssm:TargetId=i-1";
    let generated = run(&["generate-data-key", "--key-id", KEY, "--number-of-bytes=64", context]);
    let generated: Value = serde_json::from_str(&generated.success()).expect("JSON");
    assert_eq!(generated["KeyId"], KEY);
    let blob = std::env::temp_dir().join(format!("ssmport-blob-{}", std::process::id()));
    let text = generated["CiphertextBlob"].as_str().expect("base64");
    std::fs::write(&blob, data_encoding::BASE64.decode(text.as_bytes()).unwrap()).unwrap();
    let file = format!("fileb://{}", blob.display());
    let decrypted = run(&["decrypt", "--ciphertext-blob", &file, context]);
    let wrong = run(&["decrypt", "--ciphertext-blob", &file]);
    let unknown = run(&["generate-data-key", "--key-id=other", "--number-of-bytes=64"]);
    std::fs::remove_file(&blob).unwrap();

    let decrypted: Value = serde_json::from_str(&decrypted.success()).expect("JSON");
    assert_eq!(decrypted["Plaintext"], generated["Plaintext"]);
    assert!(wrong.stderr.contains("(InvalidCiphertextException)"), "{wrong:?}");
    assert!(unknown.stderr.contains("(NotFoundException)"), "{unknown:?}");
}

#[test]
fn a_key_that_is_not_there_ends_the_session_before_it_begins() {
    let (endpoint, another) = (encrypting(&[]), Endpoint::start());
    let why = format!("GenerateDataKey on {KEY} was rejected: Key '{KEY}' does not exist");
    for words in [&["shell", NODE][..], &["exec", NODE, "--", "true"]] {
        let ended = Program::run(ssmport(&endpoint.url, &another.url, words));
        assert_eq!((ended.code(), &*ended.stdout), (3, ""), "{ended:?}");
        assert!(ended.stderr.contains(&why), "{ended:?}");
        assert!(ended.stderr.contains("which key is meant"), "{ended:?}");
    }
    let (_, mut plugin) = plugin(&endpoint, &json!({ "Target": NODE }), true);
    plugin.env("AWS_ENDPOINT_URL_KMS", &another.url);
    let ended = Program::run(plugin);
    let lost = "Cannot perform start session: session ";
    assert!(ended.stdout.contains(lost) && ended.stdout.contains(&why), "{ended:?}");
    assert_eq!(ended.code(), 0);
    await_active_sessions(&endpoint, 0);
}

#[test]
fn a_caller_without_the_permission_is_told_which_one() {
    let endpoint = encrypting(&[]);
    let forbidding = HttpServer::start(|_| {
        let error = json!({"__type": "AccessDeniedException", "message": "not authorized"});
        let mut response = Response::new(error.to_string().into());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    });
    let ended = Program::run(ssmport(&endpoint.url, &forbidding.url, &["shell", NODE]));
    assert_eq!(ended.code(), 3, "{ended:?}");
    let step = format!("ask for a policy that allows kms:GenerateDataKey on {KEY}");
    assert!(ended.stderr.contains(&step), "{ended:?}");
    await_active_sessions(&endpoint, 0);
}

#[tokio::test]
async fn ports_are_not_encrypted() {
    let endpoint = encrypting(&["--kms-challenge"]);
    let target = TcpTarget::echo().await;
    let nobody = ["--endpoint-url", &endpoint.url, "--kms-endpoint", "http://127.0.0.1:1"];
    let forward = Forward::start(&[&format!("0:{}", target.port)], NODE, &nobody);
    let mut socket = tokio::net::TcpStream::connect(forward.address()).await.unwrap();
    echoes(&mut socket, b"hello").await;
}

fn encrypting(arguments: &[&str]) -> Endpoint {
    Endpoint::with(&[&["--kms-key", KEY][..], arguments].concat())
}

fn ssmport(endpoint_url: &str, kms_url: &str, words: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["--endpoint-url", endpoint_url, "--kms-endpoint", kms_url]).args(words);
    ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    ssmport.env("AWS_REGION", REGION);
    ssmport
}

/// The drop-in with six arguments, or with the three of older callers.
fn plugin(endpoint: &Endpoint, request: &Value, tells_target: bool) -> (String, Command) {
    let (status, response) = endpoint.call("StartSession", request);
    assert_eq!(status, 200, "{response}");
    let id = response["SessionId"].as_str().expect("an id").to_owned();
    let mut plugin = if tells_target {
        Plugin::command(endpoint, &response, request)
    } else {
        let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
        plugin.args([&response.to_string(), REGION, "StartSession"]);
        plugin.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        plugin.env("AWS_ENDPOINT_URL", &endpoint.url);
        plugin
    };
    plugin.env("AWS_ENDPOINT_URL_KMS", &endpoint.url);
    (id, plugin)
}

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d";
const ENCRYPTED: &str = "This session is encrypted using AWS KMS.";
