//! What nodes and the service say on its way to the user; answers of the service that come at a bad
//! time.
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
    support::{DEADLINE, HttpServer, NODE, Program, REGION, Signal, command},
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
            let target = request.headers().get("x-amz-target").expect("an operation");
            let operation = target.to_str().unwrap().trim_start_matches("AmazonSSM.").to_owned();
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
