//! The real AWS CLI with our plugin, against the embedded endpoint: what people and scripts run.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::{
    postgres::bench,
    support::{AwsCli, Endpoint, Finished, NODE, Postgres, Program, Signal, free_port},
};

#[test]
fn a_port_session_carries_postgres_and_ends_on_ctrl_c() {
    let postgres = Postgres::start();
    let endpoint = Endpoint::start();
    for (index, aws) in AwsCli::each(&endpoint).enumerate() {
        let session =
            PortSession::start(&aws, PORT_FORWARDING, &format!("portNumber={}", postgres.port));
        let (id, port) = (session.id.clone(), session.port);
        let opening = format!(
            "\nStarting session with SessionId: {id}\n\
             Port {port} opened for sessionId {id}.\n\
             Waiting for connections...\n"
        );
        assert_eq!(session.aws.stdout(), opening);
        assert_eq!(sessions(&aws, "Active"), [(id.clone(), "Connected".to_owned())]);

        assert_eq!(Postgres::query(port, "SELECT 6 * 7"), "42\n");
        if index == 0 {
            bench(port);
        }

        session.aws.signal(Signal::INT);
        let ended = session.aws.finish();
        let rest = format!(
            "\nConnection accepted for session [{id}]\n\
             Terminate signal received, exiting.\n\
             \n\nExiting session with sessionId: {id}.\n\n"
        );
        assert_eq!(ended.stdout, opening + &rest);
        assert_eq!(ended.code(), 0, "{ended:#?}");
        TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
        assert_eq!(sessions(&aws, "Active"), []);
        assert!(sessions(&aws, "History").contains(&(id, "Terminated".to_owned())));
    }
}

#[test]
fn a_port_of_a_remote_host_is_reached_through_the_node() {
    let postgres = Postgres::start();
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let parameters = format!("host=127.0.0.1,portNumber={}", postgres.port);
        let session = PortSession::start(&aws, PORT_FORWARDING_TO_REMOTE_HOST, &parameters);

        assert_eq!(Postgres::query(session.port, "SHOW port"), format!("{}\n", postgres.port));

        session.aws.signal(Signal::INT);
        let ended = session.aws.finish();
        let closing = format!(
            "Terminate signal received, exiting.\n\n\nExiting session with sessionId: {}.\n\n",
            session.id
        );
        assert!(ended.stdout.ends_with(&closing), "{ended:#?}");
        assert_eq!(ended.code(), 0, "{ended:#?}");
    }
}

#[test]
fn terminate_session_ends_a_running_plugin() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let session = PortSession::start(&aws, PORT_FORWARDING, "portNumber=9");
        let opening = session.aws.stdout();

        let answer = aws.run(&["terminate-session", "--session-id", &session.id]).success();
        assert_eq!(parse(&answer), json!({ "SessionId": session.id }));

        let ended = session.aws.finish();
        let closing = format!("\n\nExiting session with sessionId: {}.\n\n", session.id);
        assert_eq!(ended.stdout, opening + &closing);
        assert_eq!(ended.code(), 0, "{ended:#?}");

        let again = aws.run(&["terminate-session", "--session-id", &session.id]);
        assert!(is_refusal(&again), "{again:#?}");
    }
}

#[test]
fn resume_session_gives_a_ticket_for_the_same_session() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let session = PortSession::start(&aws, PORT_FORWARDING, "portNumber=9");

        let answer = parse(&aws.run(&["resume-session", "--session-id", &session.id]).success());
        assert_eq!(answer["SessionId"], *session.id);
        assert!(!answer["TokenValue"].as_str().expect("a token").is_empty(), "{answer}");
        let url = answer["StreamUrl"].as_str().expect("a URL");
        let expected = format!("{}/v1/data-channel/{}", endpoint.address(), session.id);
        assert!(url.strip_prefix("ws://").is_some_and(|url| url.starts_with(&expected)), "{url}");
    }
}

#[test]
fn nodes_are_described() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let answer = parse(&aws.run(&["describe-instance-information"]).success());
        let [node] = answer["InstanceInformationList"].as_array().expect("a list").as_slice()
        else {
            panic!("not one node: {answer}")
        };
        assert_eq!(node["InstanceId"], NODE);
        assert_eq!(node["PingStatus"], "Online");

        for (target, status) in [(NODE, "connected"), (NOBODY, "notconnected")] {
            let answer = parse(&aws.run(&["get-connection-status", "--target", target]).success());
            assert_eq!(answer, json!({ "Target": target, "Status": status }));
        }
    }
}

#[test]
fn an_unknown_target_is_told_as_aws_tells_it() {
    let endpoint = Endpoint::start();
    for aws in AwsCli::each(&endpoint) {
        let refused = aws.run(&["start-session", "--target", NOBODY]);
        assert!(is_refusal(&refused), "{refused:#?}");
        let expected = format!(
            "An error occurred (TargetNotConnected) when calling the StartSession operation: \
             {NOBODY} is not connected."
        );
        assert!(refused.stderr.contains(&expected), "{refused:#?}");
        assert_eq!(refused.stdout, "");
    }
}

/// `aws ssm start-session` that waits for connections.
struct PortSession {
    aws: Program,
    id: String,
    port: u16,
}

impl PortSession {
    /// Starts a session of `document` with a local port of our choice.
    fn start(aws: &AwsCli, document: &str, parameters: &str) -> Self {
        let port = free_port();
        let parameters = format!("{parameters},localPortNumber={port}");
        let session = Program::start(aws.command(&[
            "start-session",
            "--target",
            NODE,
            "--document-name",
            document,
            "--parameters",
            &parameters,
        ]));
        let started = session.wait_for_stdout(|line| line.starts_with(STARTING));
        let id = started[STARTING.len()..].to_owned();
        session.wait_for_stdout(|line| line == "Waiting for connections...");
        Self { aws: session, id, port }
    }
}

/// Ids and states, in `aws ssm describe-sessions`.
fn sessions(aws: &AwsCli, state: &str) -> Vec<(String, String)> {
    let answer = parse(&aws.run(&["describe-sessions", "--state", state]).success());
    let sessions = answer["Sessions"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    sessions.map(|session| (text(&session["SessionId"]), text(&session["Status"]))).collect()
}

/// Version 1 of the CLI exits with 255 when the service refuses a call, version 2 with 254.
fn is_refusal(ran: &Finished) -> bool {
    matches!(ran.code(), 254 | 255)
}

fn parse(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
}

const STARTING: &str = "Starting session with SessionId: ";
const PORT_FORWARDING: &str = "AWS-StartPortForwardingSession";
const PORT_FORWARDING_TO_REMOTE_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";
const NOBODY: &str = "i-0fedcba9876543210";
