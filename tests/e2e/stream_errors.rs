//! Shells, commands and streams that cannot be had, or break: a line that says why, an exit code,
//! and nothing left behind.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::{Value, json};

use super::{
    raw_client::await_active_sessions,
    raw_gateway::says_nothing_of,
    support::{Endpoint, Finished, NODE, Plugin, Program, REGION, command, in_shell},
    targets::closed_port,
};

#[test]
fn malformed_arguments_are_wrong_usage() {
    for (arguments, part) in [
        (&["shell"][..], "no target is given"),
        (&["shell", ""], "''"),
        (&["shell", "i-nowhere"], "'i-nowhere'"),
        (&["shell", "local", "more"], "'more'"),
        (&["exec"], "exec has to be told where to run what\n  as in: ssmport exec web -- uptime"),
        (&["exec", "local"], "what to run on local\n"),
        (&["exec", "local", "--"], "what to run on local\n"),
        (&["exec", "--on", "web"], "what to run on web\n  as in: ssmport exec --on web -- uptime"),
        (&["exec", "i-nowhere", "--", "true"], "`i-nowhere`"),
        (&["proxy"], "<TARGET>"),
        (&["proxy", "local", "0"], "'0'"),
        (&["proxy", "local", "65536"], "'65536'"),
        (&["proxy", "local", "ssh"], "'ssh'"),
    ] {
        let ended = ssmport(arguments);
        fails(&ended, 2, part);
    }
}

#[test]
fn an_unknown_document_is_refused_by_its_name() {
    for arguments in [
        &["shell", "local", "--document", "No-Such-Document"][..],
        &["exec", "--document", "No-Such-Document", "local", "--", "true"],
        &["exec", "-t", "--document", "No-Such-Document", "local", "--", "true"],
    ] {
        fails(&ssmport(arguments), 3, "No-Such-Document");
    }
}

/// What a document is does not fit what is asked of it.
#[test]
fn a_session_of_another_kind_is_told_of() {
    let ended = ssmport(&["shell", "local", "--document", "AWS-StartSSHSession"]);
    fails(&ended, 4, "the agent offers a port session, not a shell");
}

#[test]
fn arguments_that_no_command_line_can_hold_are_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["exec", "local", "--", "echo"]).arg(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    fails(&Program::run(ssmport), 2, "UTF-8");
}

#[test]
fn an_ssh_server_that_is_down_is_named() {
    let port = closed_port();
    let ended = ssmport(&["proxy", "local", &port.to_string()]);
    fails(&ended, 4, &format!("nothing answers on port {port} of local"));
}

#[test]
fn broken_json_is_told_of_whatever_the_session() {
    let endpoint = Endpoint::start();
    for document in
        [Value::Null, json!("AWS-StartInteractiveCommand"), json!("AWS-StartSSHSession")]
    {
        let mut request = json!({ "Target": NODE, "DocumentName": document });
        if document.is_null() {
            request.as_object_mut().unwrap().remove("DocumentName");
        } else if document == "AWS-StartInteractiveCommand" {
            request["Parameters"] = json!({ "command": ["true"] });
        }
        let (status, response) = endpoint.call("StartSession", &request);
        assert_eq!(status, 200, "{response}");
        let (response, request) = (response.to_string(), request.to_string());
        for (broken_response, broken_request) in [
            (&response[..response.len() - 1], &*request),
            (&*response, &request[..request.len() - 1]),
            (&*response, "[7]"),
            ("null", &*request),
        ] {
            let ended = plugin(&[broken_response, REGION, "StartSession", "", broken_request, ""]);
            cannot_start(&ended, "JSON object");
        }
    }
}

#[test]
fn a_stream_url_that_leads_to_no_websocket_is_told_of() {
    let token = "sesame-5b1f";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let sever = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for (answer, part) in [
        (ok, "200"),
        (not_found, "404"),
        (sever, "503"),
        ("SSH-2.0-OpenSSH_9.2\r\n", ""),
        ("\0\u{1}\u{2}garbage without an end", ""),
        ("", ""),
    ] {
        let port = answers(answer);
        for document in ["SSM-SessionManagerRunShell", "AWS-StartSSHSession"] {
            let response = json!({
                "SessionId": "s-1",
                "StreamUrl": format!("ws://127.0.0.1:{port}/v1/data-channel/s-1"),
                "TokenValue": token,
            });
            let request = json!({ "Target": NODE, "DocumentName": document });
            let ended = plugin(&[
                &response.to_string(),
                REGION,
                "StartSession",
                "",
                &request.to_string(),
                "",
            ]);
            cannot_start(&ended, part);
            says_nothing_of(&ended, token);
        }
    }
    let response = json!({
        "SessionId": "s-1",
        "StreamUrl": format!("ws://127.0.0.1:{}/", closed_port()),
        "TokenValue": token,
    });
    let ended = plugin(&[&response.to_string(), REGION, "StartSession"]);
    cannot_start(&ended, "127.0.0.1");
    says_nothing_of(&ended, token);
}

/// The drop-in's exit code is 0 whatever happens; what it could not write is in the log.
#[test]
fn a_full_disk_ends_the_drop_ins_session() {
    let endpoint = Endpoint::start();
    let request = json!({
        "Target": NODE,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": { "command": ["seq 1000000"], "separateOutputStream": ["true"] },
    });
    let (_, client) = Plugin::session(&endpoint, &request);
    let ended = Program::run(in_shell(r#""$@" >/dev/full"#, &client));
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("No space left on device"), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    await_active_sessions(&endpoint, 0);
}

/// A server that has the same answer for everyone.
fn answers(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            // A request is one read; what is unread at the close would reset the connection.
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    port
}

fn ssmport(arguments: &[&str]) -> Finished {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    Program::run(ssmport)
}

fn plugin(arguments: &[&str]) -> Finished {
    let mut plugin = command(env!("CARGO_BIN_EXE_session-manager-plugin"));
    plugin.args(arguments);
    Program::run(plugin)
}

#[track_caller]
fn fails(ended: &Finished, code: i32, part: &str) {
    assert_eq!(ended.code(), code, "{ended:?}");
    assert!(ended.stderr.contains(part), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

/// One line behind the first words, if it came so far.
#[track_caller]
fn cannot_start(ended: &Finished, part: &str) {
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| !line.is_empty()).collect();
    let ([.., last], 1..=2) = (&lines[..], lines.len()) else { panic!("{ended:?}") };
    assert!(last.starts_with("Cannot perform start session: "), "{ended:?}");
    assert!(last.contains(part), "{ended:?}");
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{ended:?}");
}
