use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::local::{REGION, session::CONNECT_LIMIT};

const NODE: &str = "i-0123456789abcdef0";

fn node(id: &str) -> Node {
    Node {
        id: id.to_owned(),
        name: "local-node".to_owned(),
        agent_version: "3.3.0.0".to_owned(),
        platform_name: "Amazon Linux".to_owned(),
        platform_version: "2023".to_owned(),
        ip: "127.0.0.1".to_owned(),
        ..Node::default()
    }
}

fn service() -> EmbeddedService {
    EmbeddedService::new([node(NODE)]).expect("the system has random bytes")
}

/// The time `seconds` after some beginning.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_282_361 + seconds)
}

fn port_session() -> StartSession {
    StartSession {
        target: NODE.to_owned(),
        document: Some("AWS-StartPortForwardingSession".to_owned()),
        parameters: Parameters::from([("portNumber".to_owned(), vec!["5432".to_owned()])]),
        reason: Some("a look".to_owned()),
    }
}

fn start(service: &mut EmbeddedService, now: SystemTime) -> (String, String) {
    let admission = service.start_session(port_session(), now).expect("started");
    (admission.session_id.clone(), secret(&admission))
}

fn secret(admission: &Admission) -> String {
    admission.token.expose().to_owned()
}

fn refusal(request: StartSession) -> ServiceError {
    let mut service = service();
    let error = service.start_session(request, at(0)).expect_err("refused");
    assert!(service.live.is_empty(), "a refused call leaves nothing");
    error
}

fn only(service: &mut EmbeddedService, history: bool) -> &Session {
    let question = DescribeSessions { history, ..DescribeSessions::default() };
    let page = service.describe_sessions(&question, at(0)).expect("valid");
    assert_eq!(page.items.len(), 1);
    page.items[0]
}

#[test]
fn a_session_goes_from_ticket_to_data_channel() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    assert!(id.starts_with("local-"));

    let session = only(&mut service, false);
    assert_eq!(session.state(), SessionState::Connecting);
    assert_eq!(session.document, "AWS-StartPortForwardingSession");
    assert_eq!(session.reason.as_deref(), Some("a look"));

    let channel = service.open_data_channel(&id, &token, at(1)).expect("opens");
    assert_eq!(channel.session_id, id);
    assert_eq!(channel.target, NODE);
    assert_eq!(channel.opening, 1);
    assert_eq!(channel.workload.handshake().expect("a port").properties["portNumber"], "5432");
    assert_eq!(*channel.state.borrow(), SessionState::Connected);
    assert_eq!(only(&mut service, false).state(), SessionState::Connected);
}

#[test]
fn a_target_that_is_no_node_is_not_connected() {
    let error =
        refusal(StartSession { target: "i-0fffffffffffffff0".to_owned(), ..port_session() });
    assert_eq!(error.code(), "TargetNotConnected");
    assert_eq!(error.to_string(), "i-0fffffffffffffff0 is not connected.");
}

#[cfg(unix)]
#[test]
fn no_document_means_the_shell() {
    let mut service = service();
    let parameters = Parameters::new();
    let request = StartSession { document: None, parameters, ..port_session() };
    let admission = service.start_session(request, at(0)).expect("served");
    let channel = service.open_data_channel(&admission.session_id, admission.token.expose(), at(0));
    assert_eq!(channel.expect("open").workload, Workload::Shell { command: None });
}

#[test]
fn texts_of_the_request_are_bounded() {
    let long = |n: usize| "x".repeat(n);
    let refused = [
        StartSession { target: long(401), ..port_session() },
        StartSession { target: String::new(), ..port_session() },
        StartSession { document: Some(long(129)), ..port_session() },
        StartSession { reason: Some(long(257)), ..port_session() },
        StartSession { reason: Some(String::new()), ..port_session() },
    ];
    for request in refused {
        assert_eq!(refusal(request).code(), "ValidationException");
    }
}

#[test]
fn a_wrong_token_opens_nothing_and_spends_nothing() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    let (_, other) = start(&mut service, at(0));
    for wrong in ["", "no token", other.as_str()] {
        let error = service.open_data_channel(&id, wrong, at(1)).expect_err("wrong");
        assert_eq!(error, ServiceError::WrongToken { session_id: id.clone() });
        assert!(!error.to_string().contains(&token));
    }
    assert!(service.open_data_channel(&id, &token, at(1)).is_ok());
}

#[test]
fn a_token_opens_one_data_channel_only() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    service.open_data_channel(&id, &token, at(1)).expect("opens");
    let again = service.open_data_channel(&id, &token, at(1)).expect_err("spent");
    assert_eq!(again.code(), "AccessDeniedException");
}

#[test]
fn resuming_gives_a_fresh_token_and_voids_the_old_one() {
    let mut service = service();
    let (id, first) = start(&mut service, at(0));
    let admission = service.resume_session(&id).expect("known").expect("alive");
    assert_eq!(admission.session_id, id);
    let second = secret(&admission);
    assert_ne!(first, second);

    assert!(service.open_data_channel(&id, &first, at(1)).is_err());
    let channel = service.open_data_channel(&id, &second, at(1)).expect("opens");
    assert_eq!(channel.opening, 1);

    let third = secret(&service.resume_session(&id).expect("known").expect("alive"));
    let channel = service.open_data_channel(&id, &third, at(2)).expect("opens");
    assert_eq!(channel.opening, 2);
}

#[test]
fn a_lost_data_channel_leaves_the_session_to_be_resumed() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    let lost = service.open_data_channel(&id, &token, at(0)).expect("opens");
    service.leave_data_channel(&id, lost.opening);
    assert_eq!(only(&mut service, false).state(), SessionState::Disconnected);

    let token = secret(&service.resume_session(&id).expect("known").expect("alive"));
    service.open_data_channel(&id, &token, at(0)).expect("opens");
    // The news of the first loss comes late, after the second channel stands.
    service.leave_data_channel(&id, lost.opening);
    assert_eq!(only(&mut service, false).state(), SessionState::Connected);
}

#[test]
fn an_unknown_session_does_not_exist_for_any_operation() {
    let mut service = service();
    let id = "local-0123456789abcdef0";
    let unknown = ServiceError::UnknownSession { session_id: id.to_owned() };
    assert_eq!(unknown.code(), "DoesNotExistException");
    assert_eq!(service.resume_session(id).expect_err("unknown"), unknown);
    assert_eq!(service.terminate_session(id, at(0)), Err(unknown.clone()));
    let error = service.open_data_channel(id, "token", at(0)).expect_err("unknown");
    assert_eq!(error, unknown);
    service.end_session(id, "nothing", at(0));
    service.leave_data_channel(id, 1);
}

#[tokio::test]
async fn terminating_reaches_whoever_serves_the_data_channel() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    let mut channel = service.open_data_channel(&id, &token, at(1)).expect("opens");

    service.terminate_session(&id, at(2)).expect("alive");
    let over = channel.state.wait_for(|state| *state == SessionState::Terminated);
    let over = tokio::time::timeout(Duration::from_secs(10), over).await;
    assert!(matches!(over, Ok(Ok(_))), "{over:?}");

    // What the server of the channel does next changes nothing any more.
    service.leave_data_channel(&id, channel.opening);
    service.end_session(&id, "the agent is done", at(3));
    let session = only(&mut service, true);
    assert_eq!(session.state(), SessionState::Terminated);
    let ending = session.ending.as_ref().expect("over");
    assert_eq!(ending.at, at(2));
    assert_eq!(ending.reason, "Terminated by TerminateSession");
}

#[test]
fn a_session_that_is_over_gives_no_token_and_cannot_be_ended_again() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    service.end_session(&id, "the peer closed", at(1));

    assert!(service.resume_session(&id).expect("remembered").is_none());
    let error = service.terminate_session(&id, at(2)).expect_err("over");
    assert_eq!(error.code(), "ValidationException");
    let error = service.open_data_channel(&id, &token, at(2)).expect_err("over");
    assert_eq!(error, ServiceError::SessionOver);
}

#[test]
fn an_abandoned_session_ends_and_a_connected_one_stays() {
    let mut service = service();
    let limit = CONNECT_LIMIT.as_secs();
    let (kept, token) = start(&mut service, at(0));
    service.open_data_channel(&kept, &token, at(1)).expect("opens");
    let (abandoned, token) = start(&mut service, at(0));

    let error = service.open_data_channel(&abandoned, &token, at(limit));
    assert_eq!(error.expect_err("too late"), ServiceError::SessionOver);
    assert_eq!(only(&mut service, false).id, kept);
    assert_eq!(only(&mut service, true).id, abandoned);
}

#[test]
fn a_clock_set_back_ends_nothing() {
    let mut service = service();
    let (id, token) = start(&mut service, at(1000));
    assert!(service.open_data_channel(&id, &token, at(0)).is_ok());
}

#[test]
fn live_sessions_are_bounded_and_room_comes_back() {
    let mut service = service();
    let (first, _) = start(&mut service, at(0));
    for _ in 1..LIVE_LIMIT {
        start(&mut service, at(0));
    }
    let error = service.start_session(port_session(), at(1)).expect_err("full");
    assert_eq!(error.code(), "ServiceQuotaExceededException");
    assert_eq!(service.live.len(), LIVE_LIMIT);

    service.terminate_session(&first, at(1)).expect("alive");
    start(&mut service, at(1));
    // And so does all of it, once nobody has connected for long.
    start(&mut service, at(CONNECT_LIMIT.as_secs()));
    assert_eq!(service.live.len(), 2);
}

#[test]
fn only_the_last_ended_sessions_are_remembered() {
    let mut service = service();
    let mut ids = Vec::new();
    for _ in 0..=ENDED_LIMIT {
        let (id, _) = start(&mut service, at(0));
        service.end_session(&id, "done", at(0));
        ids.push(id);
    }
    assert_eq!(service.ended.len(), ENDED_LIMIT);
    let forgotten = service.resume_session(&ids[0]).expect_err("forgotten");
    assert_eq!(forgotten.code(), "DoesNotExistException");
    assert!(service.resume_session(&ids[1]).is_ok());
}

#[test]
fn a_long_reason_for_the_end_is_cut() {
    let mut service = service();
    let (id, _) = start(&mut service, at(0));
    service.end_session(&id, &"ä".repeat(2000), at(0));
    let ending = only(&mut service, true).ending.as_ref().expect("over");
    assert_eq!(ending.reason.chars().count(), 1024);
}

#[test]
fn sessions_are_described_youngest_first_in_pages() {
    let mut service = service();
    let ids: Vec<String> = (0..5).map(|n| start(&mut service, at(n)).0).collect();
    let mut question = DescribeSessions { max_results: Some(2), ..DescribeSessions::default() };
    let mut seen = Vec::new();
    loop {
        let page = service.describe_sessions(&question, at(9)).expect("valid");
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|session| session.id.clone()));
        question.next_token = page.next_token;
        if question.next_token.is_none() {
            break;
        }
        // A session that starts between two pages disturbs none of them.
        start(&mut service, at(9));
    }
    let youngest_first: Vec<String> = ids.into_iter().rev().collect();
    assert_eq!(seen, youngest_first);
}

#[test]
fn sessions_are_filtered_by_all_filters_together() {
    let mut service = service();
    let (id, token) = start(&mut service, at(0));
    start(&mut service, at(0));
    service.open_data_channel(&id, &token, at(0)).expect("opens");

    let mut found = |filters: &[(&str, &str)]| {
        let question = DescribeSessions {
            filters: filters
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..DescribeSessions::default()
        };
        let page = service.describe_sessions(&question, at(0));
        page.map(|page| page.items.len())
    };
    assert_eq!(found(&[("Target", NODE)]), Ok(2));
    assert_eq!(found(&[("Target", "i-0fffffffffffffff0")]), Ok(0));
    assert_eq!(found(&[("Status", "Connected")]), Ok(1));
    assert_eq!(found(&[("SessionId", &id), ("Status", "Connecting")]), Ok(0));
    assert_eq!(found(&[("Owner", &Owner::default().arn), ("AccessType", "Standard")]), Ok(2));
    let started = humantime::format_rfc3339_seconds(at(0)).to_string();
    let later = humantime::format_rfc3339_seconds(at(1)).to_string();
    assert_eq!(found(&[("InvokedAfter", &started), ("InvokedBefore", &later)]), Ok(2));
    assert_eq!(found(&[("InvokedAfter", &later)]), Ok(0));
    assert_eq!(found(&[("InvokedBefore", &started)]), Ok(0));
    let error = found(&[("InvokedAfter", "yesterday")]).expect_err("no time");
    assert_eq!(error.code(), "ValidationException");
    let error = found(&[("Colour", "red")]).expect_err("no key");
    assert_eq!(error.code(), "InvalidFilterKey");
}

#[test]
fn pages_have_limits_and_tokens_of_our_own() {
    let mut service = service();
    let sessions = |limit, token: Option<&str>| DescribeSessions {
        max_results: limit,
        next_token: token.map(str::to_owned),
        ..DescribeSessions::default()
    };
    let mut code = |question| {
        let error = service.describe_sessions(&question, at(0)).expect_err("refused");
        error.code()
    };
    assert_eq!(code(sessions(Some(0), None)), "ValidationException");
    assert_eq!(code(sessions(Some(201), None)), "ValidationException");
    assert_eq!(code(sessions(None, Some("next"))), "InvalidNextToken");

    let nodes = |limit, token: Option<&str>| DescribeNodes {
        max_results: limit,
        next_token: token.map(str::to_owned),
        ..DescribeNodes::default()
    };
    let code = |question| {
        let error = service.describe_nodes(&question, REGION).expect_err("refused");
        error.code()
    };
    assert_eq!(code(nodes(Some(4), None)), "ValidationException");
    assert_eq!(code(nodes(Some(51), None)), "ValidationException");
    assert_eq!(code(nodes(None, Some("i-0"))), "InvalidNextToken");
}

#[test]
fn nodes_are_described_in_pages() {
    let ids: Vec<String> = (0..12).map(|n| format!("mi-{n:017x}")).collect();
    let service = EmbeddedService::new(ids.iter().map(|id| node(id))).expect("random bytes");
    let mut question = DescribeNodes { max_results: Some(6), ..DescribeNodes::default() };
    let first = service.describe_nodes(&question, REGION).expect("valid");
    question.next_token = first.next_token;
    assert_eq!(question.next_token.as_ref(), Some(&ids[5]));
    let second = service.describe_nodes(&question, REGION).expect("valid");
    assert_eq!(second.next_token, None);

    let all = first.items.iter().chain(&second.items);
    let seen: Vec<&String> = all.map(|node| &node.id).collect();
    assert_eq!(seen, ids.iter().collect::<Vec<_>>());
    assert_eq!(first.items[0].resource_type(), "ManagedInstance");
}

#[test]
fn nodes_are_filtered_by_one_of_the_values_of_every_key() {
    let service =
        EmbeddedService::new([node(NODE), node("mi-0123456789abcdef0")]).expect("random bytes");
    let found = |filters: &[(&str, &[&str])]| {
        let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        let question = DescribeNodes {
            filters: filters
                .iter()
                .map(|(key, values)| ((*key).to_owned(), owned(values)))
                .collect(),
            ..DescribeNodes::default()
        };
        service.describe_nodes(&question, REGION).map(|page| page.items.len())
    };
    assert_eq!(found(&[("InstanceIds", &[NODE])]), Ok(1));
    assert_eq!(found(&[("InstanceIds", &["i-none", NODE])]), Ok(1));
    assert_eq!(found(&[("PingStatus", &["Online"])]), Ok(2));
    assert_eq!(found(&[("PlatformTypes", &["Windows"])]), Ok(0));
    assert_eq!(found(&[("ResourceType", &["ManagedInstance"])]), Ok(1));
    assert_eq!(found(&[("tag:Name", &["local-node"])]), Ok(2));
    assert_eq!(found(&[("tag:Stage", &["live"])]), Ok(0));
    let both: &[(&str, &[&str])] =
        &[("ResourceType", &["EC2Instance"]), ("InstanceIds", &["mi-0123456789abcdef0"])];
    assert_eq!(found(both), Ok(0));
    let error = found(&[("Colour", &["red"])]).expect_err("no such key");
    assert_eq!(error.code(), "InvalidFilterKey");
}

#[test]
fn the_connection_status_tells_nodes_from_others() {
    let service = service();
    assert_eq!(service.is_connected(NODE), Ok(true));
    assert_eq!(service.is_connected("i-0fffffffffffffff0"), Ok(false));
    assert!(service.is_connected("").is_err());
}

#[test]
fn no_token_shows_in_debug_output() {
    let mut service = service();
    let (_, token) = start(&mut service, at(0));
    assert!(!format!("{service:?}").contains(&token));
}

#[test]
fn a_machine_that_is_started_is_there_when_it_has_booted() {
    let node =
        Node { id: "i-01234567".to_owned(), boot: Duration::from_secs(10), ..Node::default() };
    let mut service = EmbeddedService::new([node.stopped()]).expect("a service");
    let mut state =
        |seconds: u64, change: fn(&mut EmbeddedService, &str, SystemTime) -> Option<Power>| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            service.settle(now);
            change(&mut service, "i-01234567", now).expect("a node");
            let node = service.node("i-01234567").expect("a node");
            (node.power, node.is_connected())
        };
    let look = |service: &mut EmbeddedService, id: &str, _| service.node(id).map(|node| node.power);
    assert_eq!(state(5, look), (Power::Stopped, false));
    assert_eq!(state(10, EmbeddedService::start_node), (Power::Pending, false));
    // Whoever starts it once more changes nothing.
    assert_eq!(state(19, EmbeddedService::start_node), (Power::Pending, false));
    assert_eq!(state(20, look), (Power::Running, true));
    assert_eq!(state(30, EmbeddedService::reboot_node), (Power::Running, false));
    assert_eq!(state(40, look), (Power::Running, true));
    assert_eq!(state(50, EmbeddedService::stop_node), (Power::Stopped, false));
}
