//! What nodes and the service say on its way to the user: it rules no terminal, hides nothing and forges no
//! line. Answers of the service that come at a bad time, or about another session.
#![cfg(feature = "aws")]

use std::{
    process::Command,
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Bytes;
use serde_json::json;
use tokio::net::TcpStream;

use super::{
    raw_frame::*,
    raw_gateway::*,
    support::{DEADLINE, Finished, HttpServer, NODE, Program, REGION, Signal, command},
};

/// The service's API, by hand: sessions lead to a gateway by hand, too.
struct Api {
    server: HttpServer,
    calls: mpsc::Receiver<String>,
}

impl Api {
    /// Answers as `answer` says, which is given the operation.
    fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let (tell, calls) = mpsc::channel();
        let tell = Mutex::new(tell);
        let server = HttpServer::start(move |request: Request<Bytes>| {
            // Other services than SSM tell it otherwise.
            let target =
                request.headers().get("x-amz-target").map(|target| target.to_str().unwrap());
            let operation = target.unwrap_or("none").trim_start_matches("AmazonSSM.").to_owned();
            // The test may be over, and then nobody counts.
            let _ = tell.lock().unwrap().send(operation.clone());
            let (status, body) = answer(&operation);
            Response::builder().status(status).body(body.into()).unwrap()
        });
        Self { server, calls }
    }

    fn ssmport(&self, arguments: &[&str]) -> Program {
        let mut ssmport: Command = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(arguments).args(["--endpoint-url", &self.server.url]);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport.env("AWS_REGION", REGION);
        Program::start(ssmport)
    }

    #[track_caller]
    fn called(&self, operation: &str) {
        assert_eq!(self.calls.recv_timeout(DEADLINE).as_deref(), Ok(operation));
    }
}

fn answer(operation: &str, response: &str) -> (u16, String) {
    match operation {
        "StartSession" => (200, response.to_owned()),
        _ => (200, json!({}).to_string()),
    }
}

/// What an agent asks of the client of a single stream.
fn stream_request() -> String {
    let action = json!({
        "ActionType": "SessionType",
        "ActionParameters": { "SessionType": "Port", "Properties": { "portNumber": "22" } },
    });
    json!({ "AgentVersion": "3.3.3050.0", "RequestedClientActions": [action] }).to_string()
}

#[tokio::test]
async fn a_stream_that_somebody_ends_is_not_at_its_end_and_no_word_rules_the_terminal() {
    let gateway = RawGateway::start().await;
    let response = gateway.response();
    let api = Api::start(move |operation| answer(operation, &response));
    let proxy = api.ssmport(&["proxy", NODE]);
    let mut agent = gateway.accept().await;
    agent.send(HANDSHAKE_REQUEST, stream_request().as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    let greeting = "\u{1b}]0;mine\u{7}hello\u{1b}[2J";
    let complete = json!({ "HandshakeTimeToComplete": 1, "CustomerMessage": greeting });
    agent.send(HANDSHAKE_COMPLETE, complete.to_string().as_bytes()).await;
    agent.send(STREAM, b"SSH-2.0-").await;
    let why = "timed out\u{1b}[1A\nssmport: all is well";
    agent.send_frame(&channel_closed(why)).await;
    let ended = proxy.finish();
    assert_eq!((ended.code(), &*ended.stdout), (6, "SSH-2.0-"), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            " ]0;mine hello [2J",
            &format!("ssmport: the session to {NODE} has ended"),
            "  timed out [1A",
            "  ssmport: all is well",
            "  start it again",
        ]
    );
}

#[tokio::test]
async fn the_drop_in_passes_on_nothing_that_rules_the_terminal_or_forges_a_line() {
    for quiet in ["0", "1"] {
        let gateway = RawGateway::start().await;
        let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
        let id = format!("s-1{FOREIGN}");
        let response =
            json!({ "SessionId": id, "StreamUrl": gateway.stream_url(), "TokenValue": TOKEN });
        plugin.args([&response.to_string(), REGION, "StartSession"]);
        plugin.env("SSMPORT_LOG", "trace").env("SSMPORT_QUIET", quiet);
        let plugin = Program::start(plugin);
        let mut agent = gateway.accept().await;
        let request = handshake_request(0).replace("3.3.3050.0", "3.3.3050.0 FOREIGN");
        let request = request.replace(" FOREIGN", &escaped(FOREIGN));
        agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
        agent.data_of(HANDSHAKE_RESPONSE).await;
        let greeting = format!("{FOREIGN}{}", "x".repeat(100_000));
        let complete = json!({ "HandshakeTimeToComplete": 1, "CustomerMessage": greeting });
        agent.send(HANDSHAKE_COMPLETE, complete.to_string().as_bytes()).await;
        let is_opened = |line: &str| line.starts_with("Port ");
        match quiet {
            "0" => plugin.wait_for_stdout(is_opened),
            _ => plugin.wait_for_stderr(is_opened),
        };
        agent.send_frame(&channel_closed(FOREIGN)).await;
        let ended = plugin.finish();
        assert_eq!(ended.code(), 0, "{ended:?}");
        let words = if quiet == "0" { &ended.stdout } else { &ended.stderr };
        let told = ["Starting session with SessionId: s-1 ]52;c;eA==", "SessionId: s-1 ]52;c;eA=="];
        assert!(told.iter().all(|told| words.contains(told)), "{ended:?}");
        assert!(words.len() < 20_000, "{}", words.len());
        is_plain(&ended);
    }
}

#[tokio::test]
async fn why_the_drop_in_fails_is_one_line() {
    let gateway = RawGateway::start().await;
    let plugin = gateway.plugin();
    let mut agent = gateway.accept().await;
    let action = json!({
        "ActionType": "SessionType",
        "ActionParameters": { "SessionType": FOREIGN, "Properties": {} },
    });
    let request = json!({ "AgentVersion": "3.3.3050.0", "RequestedClientActions": [action] });
    agent.send(HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    let ended = plugin.finish();
    assert!(
        ended.stdout.contains("Cannot perform start session: the session is of type"),
        "{ended:?}"
    );
    is_plain(&ended);
}

/// Errors, lists, reports and log lines of `ssmport`.
#[test]
fn what_others_have_named_and_said_is_shown_and_no_more() {
    let refusal = json!({ "__type": "AccessDeniedException", "message": FOREIGN }).to_string();
    let api = Api::start(move |operation| match operation {
        "DescribeInstanceInformation" => {
            let node = json!({
                "InstanceId": format!("mi-{FOREIGN}"), "PingStatus": FOREIGN, "Name": FOREIGN,
                "ComputerName": FOREIGN, "PlatformName": FOREIGN, "AgentVersion": FOREIGN,
                "IPAddress": FOREIGN, "ResourceType": "ManagedInstance",
            });
            (200, json!({ "InstanceInformationList": [node] }).to_string())
        }
        "none" => {
            let error =
                format!("<Error><Code>AccessDenied</Code><Message>{FOREIGN}</Message></Error>");
            (403, format!("<ErrorResponse>{error}</ErrorResponse>"))
        }
        _ => (400, refusal.clone()),
    });
    for (arguments, code) in [
        (&["shell", NODE][..], 3),
        (&["forward", "0:9", "-t", NODE, "--json"], 3),
        (&["ls"], 0),
        (&["ls", "--json"], 0),
        (&["doctor", "mi-0123456789abcdef0"], 1),
        (&["doctor", "mi-0123456789abcdef0", "--json"], 1),
    ] {
        let ended = api.ssmport(&[arguments, &["-vv"]].concat()).finish();
        assert_eq!(ended.code(), code, "{arguments:?}: {ended:?}");
        is_plain(&ended);
    }
}

/// ssh would take the one for an option, and its shell the other for a command.
#[test]
fn what_is_no_nodes_id_goes_into_no_command_line() {
    for id in ["--endpoint-url=https://evil.example", "i-';reboot;'"] {
        let api = Api::start(move |operation| match operation {
            "DescribeInstanceInformation" => {
                let node = json!({ "InstanceId": id, "PingStatus": "Online", "Name": "web" });
                (200, json!({ "InstanceInformationList": [node] }).to_string())
            }
            _ => (400, json!({ "__type": "AccessDeniedException" }).to_string()),
        });
        let mut ssh: Command = command(env!("CARGO_BIN_EXE_ssmport"));
        ssh.args(["--endpoint-url", &api.server.url, "ssh", "web", "true"]);
        ssh.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssh.env("AWS_REGION", REGION);
        let ended = Program::run(ssh);
        assert_eq!(ended.code(), 4, "{ended:?}");
        let what = format!("the service calls web `{id}`, which is no node's id");
        assert!(ended.stderr.contains(&what), "{ended:?}");
    }
}

/// Whether a text of others was shown, and shown as a text.
#[track_caller]
fn is_plain(ended: &Finished) {
    for text in [&ended.stdout, &ended.stderr] {
        let obeyed = |c: char| c.is_control() && !"\n\t".contains(c);
        let hidden = |c: char| "\u{202e}\u{2066}\u{200b}\u{2028}".contains(c);
        assert!(!text.contains(|c| obeyed(c) || hidden(c)), "{text:?}");
        let forged = text.lines().find(|line| line.starts_with("Port 1 opened"));
        assert_eq!(forged, None, "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(format!("{ended:?}").contains("Port 1 opened"), "{ended:?}");
}

/// As it stands in a string of JSON.
fn escaped(text: &str) -> String {
    json!(text).to_string().trim_matches('"').to_owned()
}

/// OSC 52 writes the clipboard, U+009B is another ESC [, then come characters that hide and turn round
/// what follows, and each end of a line with what could be ours.
const FOREIGN: &str = "\u{1b}]52;c;eA==\u{7}\u{9b}2J\u{202e}\u{2066}\u{200b}\
    \rPort 1 opened\u{2028}Port 1 opened\nPort 1 opened";

#[tokio::test]
async fn a_ticket_of_another_session_is_not_taken() {
    let gateway = RawGateway::start().await;
    let response = gateway.response();
    let api = Api::start(move |operation| match operation {
        "ResumeSession" => (200, response.replace(SESSION_ID, "mallory-0123456789abcdef0")),
        operation => answer(operation, &response),
    });
    let shell = api.ssmport(&["shell", NODE]);
    let mut agent = gateway.accept().await;
    agent.send(STREAM, b"$ ").await;
    agent.data_of(SIZE).await;
    drop(agent);
    let ended = shell.finish();
    assert_eq!(ended.code(), 6, "{ended:?}");
    let why = "the service answered with another session, mallory-0123456789abcdef0";
    assert!(ended.stderr.contains(why), "{ended:?}");
    let dialled = tokio::time::timeout(Duration::ZERO, gateway.listener.accept()).await;
    assert!(dialled.is_err(), "its token is shown to nobody");
}

#[tokio::test]
async fn a_session_that_starts_as_the_user_stops_is_ended() {
    for arguments in [&["shell", NODE][..], &["proxy", NODE], &["forward", "0:9", "-t", NODE]] {
        let gateway = RawGateway::start().await;
        let response = gateway.response();
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let api = Api::start(move |operation| {
            if operation == "StartSession" {
                may_go_on.lock().unwrap().recv_timeout(DEADLINE).expect("the signal");
                // The signal is on its way while the answer is.
                thread::sleep(Duration::from_millis(200));
            }
            answer(operation, &response)
        });
        let program = api.ssmport(arguments);
        api.called("StartSession");
        program.signal(Signal::INT);
        go_on.send(()).unwrap();
        api.called("TerminateSession");
        assert_eq!(program.finish().code(), 130, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_forward_outlives_a_login_that_has_expired() {
    let gateway = RawGateway::start().await;
    let response = gateway.response();
    let starts = Mutex::new(0);
    let api = Api::start(move |operation| {
        let mut starts = starts.lock().unwrap();
        *starts += usize::from(operation == "StartSession");
        if operation == "StartSession" && *starts == 2 {
            let error = json!({ "__type": "ExpiredTokenException", "message": "expired" });
            return (400, error.to_string());
        }
        answer(operation, &response)
    });
    let forward = api.ssmport(&["forward", "0:9", "-t", NODE, "--json"]);
    let mut agent = gateway.accept_and_shake_hands(0).await;
    let ready = forward.wait_for_stdout(|line| line.contains("ready"));
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    let connect = async || TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let _used = connect().await;
    agent.data_of(STREAM).await;
    agent.send_frame(&channel_closed("ended by an administrator")).await;
    forward.wait_for_stderr(|line| line.contains("the next connection starts another session"));

    let _refused = connect().await;
    let line = forward.wait_for_stderr(|line| line.contains("no session for this connection"));
    assert!(line.contains("expired"), "{line}");

    let _served = connect().await;
    gateway.accept_and_shake_hands(0).await;
    forward.signal(Signal::INT);
    assert_eq!(forward.finish().code(), 130);
}
