use std::time::{Duration, UNIX_EPOCH};

use http::HeaderName;
use serde_json::{Value, json};

use super::*;
use crate::local::node::Node;

const BASE: &str = "ws://127.0.0.1:8080";
const NODE: &str = "i-0123456789abcdef0";

fn service() -> EmbeddedService {
    let node = Node {
        id: NODE.to_owned(),
        name: "local-node".to_owned(),
        agent_version: "3.3.0.0".to_owned(),
        platform_name: "Amazon Linux".to_owned(),
        platform_version: "2023".to_owned(),
        ip: "127.0.0.1".to_owned(),
        ..Node::default()
    };
    EmbeddedService::new([node]).expect("the system has random bytes")
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_282_361_721)
}

fn call(service: &mut EmbeddedService, operation: &str, body: &str) -> Reply {
    call_target(service, Some(&format!("AmazonSSM.{operation}")), body.as_bytes())
}

fn call_target(service: &mut EmbeddedService, target: Option<&str>, body: &[u8]) -> Reply {
    let named = target.map(|target| (HeaderName::from_static(TARGET), target.parse().unwrap()));
    let headers = HeaderMap::from_iter(named);
    answer(&request(&Method::POST, &Uri::from_static("/"), &headers, body), service)
}

fn request<'a>(
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a [u8],
) -> Request<'a> {
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    Request { method, uri, headers, body, id: "1-2-3", stream_base: BASE, peer, now: now() }
}

fn parse(reply: &Reply) -> Value {
    assert_eq!(reply.content_type, "application/x-amz-json-1.1");
    serde_json::from_str(&reply.body).expect("JSON")
}

fn accepted(service: &mut EmbeddedService, operation: &str, body: &str) -> Value {
    let reply = call(service, operation, body);
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(reply.refused, None);
    parse(&reply)
}

fn refused(operation: &str, body: &str) -> (String, String) {
    let reply = call(&mut service(), operation, body);
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    let answer = parse(&reply);
    let text = |name: &str| answer[name].as_str().expect("a string").to_owned();
    assert_eq!(reply.refused, Some(text("__type").as_str()));
    (text("__type"), text("message"))
}

/// As botocore sends it for `aws ssm start-session`.
const START: &str = r#"{"Target": "i-0123456789abcdef0", "DocumentName": "AWS-StartPortForwardingSession", "Parameters": {"portNumber": ["5432"], "localPortNumber": ["15432"]}, "Reason": "a look"}"#;

#[test]
fn start_session_answers_id_token_and_stream_url() {
    let mut service = service();
    let started = accepted(&mut service, "StartSession", START);
    let id = started["SessionId"].as_str().expect("a string");
    let token = started["TokenValue"].as_str().expect("a string");
    assert_eq!(started["StreamUrl"], format!("{BASE}/v1/data-channel/{id}?role=publish_subscribe"));
    let channel = service.open_data_channel(id, token, now()).expect("opens");
    assert_eq!(
        channel.workload.handshake().expect("a port").properties["localPortNumber"],
        "15432"
    );
}

#[test]
fn start_session_refuses_what_the_service_refuses() {
    let (code, message) = refused("StartSession", r#"{"Target": "i-0fffffffffffffff0"}"#);
    assert_eq!(code, "TargetNotConnected");
    assert_eq!(message, "i-0fffffffffffffff0 is not connected.");

    let (code, message) = refused("StartSession", r#"{"Target": null}"#);
    assert_eq!(code, "ValidationException");
    assert!(message.contains("Value at 'target'") && message.contains("must not be null"));

    let body = r#"{"Target": "i-0123456789abcdef0", "DocumentName": "Mine"}"#;
    assert_eq!(refused("StartSession", body).0, "InvalidDocument");

    let body = r#"{"Target": "i-0123456789abcdef0", "DocumentName": "AWS-StartPortForwardingSession", "Parameters": {"port": ["1"]}}"#;
    let (code, message) = refused("StartSession", body);
    assert_eq!(code, "InvalidParameters");
    assert!(message.contains("parameters: port."), "{message}");
}

#[test]
fn resume_session_answers_a_fresh_token_or_an_empty_one() {
    let mut service = service();
    let started = accepted(&mut service, "StartSession", START);
    let body = json!({ "SessionId": started["SessionId"] }).to_string();

    let resumed = accepted(&mut service, "ResumeSession", &body);
    assert_eq!(resumed["SessionId"], started["SessionId"]);
    assert_eq!(resumed["StreamUrl"], started["StreamUrl"]);
    assert_ne!(resumed["TokenValue"], started["TokenValue"]);

    let ended = accepted(&mut service, "TerminateSession", &body);
    assert_eq!(ended, json!({ "SessionId": started["SessionId"] }));
    let resumed = accepted(&mut service, "ResumeSession", &body);
    assert_eq!(resumed["TokenValue"], "");
}

#[test]
fn sessions_must_be_named_and_known() {
    for operation in ["ResumeSession", "TerminateSession"] {
        let (code, message) = refused(operation, "{}");
        assert_eq!(code, "ValidationException");
        assert!(message.contains("'sessionId'"));
        let (code, _) = refused(operation, r#"{"SessionId": "local-0"}"#);
        assert_eq!(code, "DoesNotExistException");
    }
}

#[test]
fn describe_sessions_shows_the_living_and_the_dead() {
    let mut service = service();
    let started = accepted(&mut service, "StartSession", START);
    let shown = accepted(&mut service, "DescribeSessions", r#"{"State": "Active"}"#);
    let expected = json!({ "Sessions": [{
        "SessionId": started["SessionId"],
        "Target": NODE,
        "Status": "Connecting",
        "StartDate": 1_795_282_361.721,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Owner": "arn:aws:iam::000000000000:user/local",
        "Reason": "a look",
        "AccessType": "Standard",
        "OutputUrl": {},
    }] });
    assert_eq!(shown, expected);

    let body = json!({ "SessionId": started["SessionId"] }).to_string();
    accepted(&mut service, "TerminateSession", &body);
    let shown = accepted(&mut service, "DescribeSessions", r#"{"State": "Active"}"#);
    assert_eq!(shown, json!({ "Sessions": [] }));
    let body = r#"{"State": "History", "Filters": [{"key": "Status", "value": "Terminated"}]}"#;
    let shown = accepted(&mut service, "DescribeSessions", body);
    assert_eq!(shown["Sessions"][0]["EndDate"], 1_795_282_361.721);
    assert_eq!(shown["Sessions"][0]["Details"], "Terminated by TerminateSession");
}

#[test]
fn describe_sessions_pages_and_refuses() {
    let mut service = service();
    accepted(&mut service, "StartSession", START);
    let second = accepted(&mut service, "StartSession", START);
    let body = r#"{"State": "Active", "MaxResults": 1}"#;
    let page = accepted(&mut service, "DescribeSessions", body);
    assert_eq!(page["Sessions"][0]["SessionId"], second["SessionId"]);
    let body = json!({ "State": "Active", "NextToken": page["NextToken"] }).to_string();
    let page = accepted(&mut service, "DescribeSessions", &body);
    assert_eq!(page["Sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(page.get("NextToken"), None);

    assert_eq!(refused("DescribeSessions", "{}").0, "ValidationException");
    let (code, message) = refused("DescribeSessions", r#"{"State": "All"}"#);
    assert_eq!(code, "ValidationException");
    assert!(message.contains("[Active, History]"));
    let body = r#"{"State": "Active", "Filters": [{"key": "Colour", "value": "red"}]}"#;
    assert_eq!(refused("DescribeSessions", body).0, "InvalidFilterKey");
    let body = r#"{"State": "Active", "NextToken": "?"}"#;
    assert_eq!(refused("DescribeSessions", body).0, "InvalidNextToken");
}

#[test]
fn describe_instance_information_shows_nodes_under_both_kinds_of_filter() {
    let mut service = service();
    let expected = json!({ "InstanceInformationList": [{
        "InstanceId": NODE,
        "PingStatus": "Online",
        "LastPingDateTime": 1_795_282_361.721,
        "AgentVersion": "3.3.0.0",
        "IsLatestVersion": true,
        "PlatformType": "Linux",
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
        "ResourceType": "EC2Instance",
        "IPAddress": "127.0.0.1",
        "ComputerName": "local-node",
    }] });
    for body in [
        "{}",
        r#"{"InstanceInformationFilterList": [{"key": "InstanceIds", "valueSet": ["i-0123456789abcdef0"]}]}"#,
        r#"{"Filters": [{"Key": "InstanceIds", "Values": ["i-0123456789abcdef0"]}], "MaxResults": 5}"#,
    ] {
        let shown = accepted(&mut service, "DescribeInstanceInformation", body);
        assert_eq!(shown, expected, "{body}");
    }
    let body = r#"{"Filters": [{"Key": "InstanceIds", "Values": ["i-0fffffffffffffff0"]}]}"#;
    let shown = accepted(&mut service, "DescribeInstanceInformation", body);
    assert_eq!(shown, json!({ "InstanceInformationList": [] }));
}

#[test]
fn get_connection_status_answers_in_aws_words() {
    let mut service = service();
    for (target, status) in [(NODE, "connected"), ("i-0fffffffffffffff0", "notconnected")] {
        let body = json!({ "Target": target }).to_string();
        let shown = accepted(&mut service, "GetConnectionStatus", &body);
        assert_eq!(shown, json!({ "Target": target, "Status": status }));
    }
    assert_eq!(refused("GetConnectionStatus", "{}").0, "ValidationException");
}

#[test]
fn unknown_operations_are_refused_as_such() {
    let mut service = service();
    let targets = [
        None,
        Some("AmazonSSM.SendCommand"),
        Some("AmazonEC2.StartSession"),
        Some("StartSession"),
        Some(""),
    ];
    for target in targets {
        let reply = call_target(&mut service, target, b"{}");
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(parse(&reply)["__type"], "UnknownOperationException", "{target:?}");
    }
}

#[test]
fn a_body_that_is_not_the_operations_json_is_refused() {
    for body in ["", "{", "[]", "\"x\"", "{\"Target\": 5}", "\u{0}", "{} {}"] {
        let (code, _) = refused("StartSession", body);
        assert_eq!(code, "SerializationException", "{body:?}");
    }
    let body = r#"{"State": "Active", "MaxResults": -1}"#;
    assert_eq!(refused("DescribeSessions", body).0, "SerializationException");
    let target = Some("AmazonSSM.GetConnectionStatus");
    let reply = call_target(&mut service(), target, &[0xff, 0xfe]);
    assert_eq!(parse(&reply)["__type"], "SerializationException");
}

#[test]
fn an_unknown_action_is_refused_in_the_services_form() {
    let form = HeaderMap::from_iter([(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
    )]);
    let ask = |body: &str| {
        let uri = Uri::from_static("/");
        let reply = answer(&request(&Method::POST, &uri, &form, body.as_bytes()), &mut service());
        assert_eq!((reply.content_type, reply.status), ("text/xml", StatusCode::BAD_REQUEST));
        assert_eq!(reply.refused, Some("InvalidAction"));
        reply.body
    };
    assert_eq!(
        ask("Action=A%3Cb&Version=2011-06-15"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse><Error><Type>Sender</Type>\
         <Code>InvalidAction</Code><Message>Could not find operation A&lt;b for version \
         2011-06-15</Message></Error><RequestId>1-2-3</RequestId></ErrorResponse>"
    );
    let ec2 = ask("Action=DescribeNothing&Version=2016-11-15");
    assert!(ec2.contains("<Response><Errors><Error><Code>InvalidAction</Code>"), "{ec2}");
    assert!(ec2.ends_with("<RequestID>1-2-3</RequestID></Response>"), "{ec2}");
}

#[test]
fn a_query_without_a_body_is_a_request_too() {
    let uri = Uri::from_static("/?Action=Nothing&Version=2010-05-08");
    assert!(is_request(&uri));
    assert!(!is_request(&Uri::from_static("/?Version=2010-05-08")));
    let headers = HeaderMap::new();
    let reply = answer(&request(&Method::GET, &uri, &headers, b""), &mut service());
    assert!(reply.body.contains("Could not find operation Nothing"), "{}", reply.body);
}
