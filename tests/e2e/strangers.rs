//! Hosts that nobody vouches for: a stream URL that leads there is not dialled, and a redirection is
//! not followed, so that neither token nor credentials get there.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    sync::mpsc,
    thread,
};

use serde_json::json;

use crate::{
    raw_gateway::says_nothing_of,
    support::{Finished, Program, REGION, await_that, command, outside_address},
};

#[test]
fn a_stream_url_that_leads_to_a_stranger_is_not_dialled() {
    let stranger = outside_address().map(Silent::at);
    let host = stranger.as_ref().map_or("192.0.2.1:9".to_owned(), Silent::host);
    let ended = Program::run(plugin(&format!("ws://{host}/v1/data-channel/s-1"), "", &[]));
    cannot_start(
        &ended,
        &format!(
            "the stream URL leads to {host}, which is no host of Session Manager and no configured \
             endpoint; if that host is yours, name it: AWS_ENDPOINT_URL_SSMMESSAGES=https://{host}"
        ),
    );
    for url in [
        "wss://ssmmessages.eu-west-1.amazonaws.com.evil.example/v1/data-channel/s-1",
        "wss://ssmmessages.eu-west-1.amazonaws.com@evil.example/v1/data-channel/s-1",
        "wss://ssmmessages.eu-west-1.amazonaws.com.:443/v1/data-channel/s-1",
    ] {
        // Packer passes the stream URL as the endpoint, too: it vouches for nothing.
        for endpoint in ["", url] {
            cannot_start(&Program::run(plugin(url, endpoint, &[])), "the stream URL ");
        }
    }
    let plain = "ws://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/s-1";
    cannot_start(&Program::run(plugin(plain, "", &[])), "without TLS");
    assert!(!stranger.is_some_and(|stranger| stranger.was_contacted()));
}

#[test]
fn an_endpoint_that_is_configured_is_dialled() {
    // Where there is no network, this shows that this machine is dialled.
    let address = outside_address().unwrap_or(Ipv4Addr::LOCALHOST.into());
    for by_environment in [false, true] {
        let own = Silent::at(address);
        let endpoint = format!("http://{}", own.host());
        let url = format!("ws://{}/v1/data-channel/s-1", own.host());
        let plugin = match by_environment {
            true => plugin(&url, "", &[("AWS_ENDPOINT_URL_SSMMESSAGES", &endpoint)]),
            false => plugin(&url, &endpoint, &[]),
        };
        let _plugin = Program::start(plugin);
        await_that("it comes", || own.was_contacted());
    }
}

#[test]
fn a_redirected_upgrade_is_not_followed() {
    for status in REDIRECTIONS {
        let second = Silent::at(Ipv4Addr::LOCALHOST.into());
        let first = Redirector::start(status, format!("ws://{}/second", second.host()));
        let url = format!("ws://127.0.0.1:{}/v1/data-channel/s-1", first.port);
        let ended = Program::run(plugin(&url, "", &[]));
        cannot_start(&ended, &format!("refused the data channel: HTTP {status}"));
        assert!(!second.was_contacted());
        let request = first.request();
        assert!(request.starts_with("GET /v1/data-channel/s-1 "), "{request}");
        assert!(!request.contains(TOKEN), "{request}");
    }
}

/// The drop-in for a crafted response.
fn plugin(url: &str, endpoint: &str, environment: &[(&str, &str)]) -> std::process::Command {
    let response = json!({ "SessionId": "s-1", "StreamUrl": url, "TokenValue": TOKEN });
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.args([&response.to_string(), REGION, "StartSession", "", "{}", endpoint]);
    plugin.envs(environment.iter().copied());
    plugin
}

#[track_caller]
fn cannot_start(ended: &Finished, part: &str) {
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("Cannot perform start session: "), "{ended:?}");
    assert!(last.contains(part), "{ended:?}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{ended:?}");
    says_nothing_of(ended, TOKEN);
}

/// A server that only notes whether anyone comes.
struct Silent {
    listener: TcpListener,
}

impl Silent {
    fn at(ip: IpAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    fn host(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    fn was_contacted(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// A server that sends everyone elsewhere.
struct Redirector {
    port: u16,
    requests: mpsc::Receiver<String>,
}

impl Redirector {
    fn start(status: u16, location: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, requests) = mpsc::channel();
        thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let mut request = vec![0; 16 << 10];
                let read = socket.read(&mut request).unwrap_or(0);
                let _ = tell.send(String::from_utf8_lossy(&request[..read]).into_owned());
                let answer = format!(
                    "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let _ = socket.write_all(answer.as_bytes());
            }
        });
        Self { port, requests }
    }

    fn request(&self) -> String {
        self.requests.try_recv().expect("a request came")
    }
}

#[cfg(feature = "aws")]
mod calls {
    use bytes::Bytes;
    use http::Response;

    use super::*;
    use crate::{
        raw_gateway::{RawGateway, SESSION_ID, opened_port},
        support::{HttpServer, NODE},
    };

    #[test]
    fn a_redirected_call_is_not_followed() {
        for status in REDIRECTIONS {
            let second = Silent::at(Ipv4Addr::LOCALHOST.into());
            let first = Redirector::start(status, format!("http://{}/", second.host()));
            let ended = exec(&format!("http://127.0.0.1:{}", first.port));
            assert_eq!(ended.code(), 3, "{ended:?}");
            assert!(ended.stderr.contains(&format!("HTTP status {status}")), "{ended:?}");
            assert!(!second.was_contacted());
            assert!(first.request().starts_with("POST / "));
        }
    }

    #[test]
    fn a_service_that_sends_the_token_to_a_stranger_is_refused() {
        let service = HttpServer::start(|_| {
            let url = "wss://ssmmessages.eu-west-1.amazonaws.com.evil.example/s";
            ticket("s-1", url)
        });
        let ended = exec(&service.url);
        assert_eq!(ended.code(), 3, "{ended:?}");
        let expected = "ssmport: session s-1: the stream URL leads to \
                        ssmmessages.eu-west-1.amazonaws.com.evil.example, which is no host of \
                        Session Manager and no configured endpoint\n";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("the session's token was not sent there"), "{ended:?}");
        assert!(ended.stderr.contains("AWS_ENDPOINT_URL_SSMMESSAGES=https://"), "{ended:?}");
        says_nothing_of(&ended, TOKEN);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_is_not_resumed_at_a_strangers() {
        let gateway = RawGateway::start().await;
        let service = HttpServer::start(|_| ticket(SESSION_ID, "wss://evil.example/s"));
        let mut plugin = gateway.plugin_command();
        plugin.args(["", "{}", &service.url]);
        plugin.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        let plugin = Program::start(plugin);
        let agent = gateway.accept_and_shake_hands(0).await;
        opened_port(&plugin);
        drop(agent);
        let ended = plugin.finish();
        cannot_start(&ended, "the stream URL leads to evil.example, which is no host");
    }

    fn ticket(session_id: &str, url: &str) -> Response<Bytes> {
        let answer = json!({ "SessionId": session_id, "StreamUrl": url, "TokenValue": TOKEN });
        let response = Response::builder().header("content-type", "application/x-amz-json-1.1");
        response.body(Bytes::from(answer.to_string())).expect("a response")
    }

    fn exec(url: &str) -> Finished {
        let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
        exec.args(["exec", "--endpoint-url", url, NODE, "--", "true"]).env("AWS_REGION", REGION);
        exec.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        Program::run(exec)
    }
}

const TOKEN: &str = "sesame-17c0e5b2-open";
const REDIRECTIONS: [u16; 4] = [301, 302, 307, 308];
