//! The question for an MFA code: on the terminal, whatever the standard streams are.
#![cfg(feature = "aws")]

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Endpoint, NODE, Plugin, Program, Relay, Signal, Terminal, Tmux,
    home::{Home, hello, ssmport},
    in_shell,
    sts::{DEVICE, Sts, WRONG_CODE},
};

fn question() -> String {
    format!("MFA code for {DEVICE}: ")
}

#[test]
fn a_code_is_asked_for_until_it_is_right() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let mut terminal = Terminal::start(&home.of(&hello(&endpoint, &sts, &["--profile", "alice"])));
    assert_eq!(terminal.wait_for(&question()), "");
    terminal.press("000000\n");
    // Not shown as it is typed.
    assert_eq!(terminal.wait_for(&format!("Not accepted. {}", question())), "\r\n");
    terminal.press("604125\n");
    let (code, screen) = terminal.finish();
    assert_eq!((code, screen.ends_with("\r\nhello\r\n")), (Some(0), true), "{screen}");
    assert_eq!(sts.count("GetSessionToken"), 2);
}

#[test]
fn three_wrong_codes_are_enough() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(PROFILES));
    let mut terminal = Terminal::start(&home.of(&hello(&endpoint, &sts, &["--profile", "role"])));
    for wrong in ["111111\n", "22\n", "333333\n"] {
        terminal.wait_for(&question());
        terminal.press(wrong);
    }
    let (code, screen) = terminal.finish();
    assert_eq!(code, Some(3), "{screen}");
    let said = format!("the MFA code of {DEVICE} was not accepted: {}\r\n", WRONG_CODE.trim_end());
    assert!(screen.contains(&said), "{screen}");
    // What is no code was not sent.
    assert_eq!(sts.count("AssumeRole"), 2);
    assert!(home.cached().is_empty());
}

#[test]
fn ctrl_c_and_signals_at_the_question_give_the_terminal_back() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&[]), Home::with(PROFILES));
    let exec = hello(&endpoint, &sts, &["--profile", "alice"]);
    let mut forward = ssmport(&["forward", "0:9", "-t", NODE, "--profile", "alice"], &sts);
    forward.env("AWS_ENDPOINT_URL_SSM", &endpoint.url);
    let login = ssmport(&["login", "--profile", "alice"], &sts);
    for program in [exec, forward, login] {
        let mut terminal = Terminal::start(&home.of(&program));
        terminal.wait_for(&question());
        terminal.press("12\x03");
        let (code, screen) = terminal.finish();
        assert_eq!(code, Some(130), "{program:?}: {screen}");

        let tmux = Tmux::start(&home.of(&program), 100, 30);
        tmux.wait_for(|screen| screen.contains(question().trim_end()));
        tmux.signal(Signal::TERM);
        assert_eq!(tmux.finish_restored(), 143, "{program:?}");
    }
    assert_eq!(sts.count("GetSessionToken"), 0);
}

/// As ssh runs its ProxyCommand.
#[test]
fn standard_input_and_output_are_not_touched() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let proxy = ssmport(&["proxy", NODE, "9", "--profile", "role"], &sts);
    let mut proxy = home.of(&proxy);
    proxy.env("AWS_ENDPOINT_URL_SSM", &endpoint.url);
    let script = r#"echo 999999 | "$@" | sed 's/^/stdout: /'"#;
    let mut terminal = Terminal::start(&in_shell(script, &proxy));
    terminal.wait_for(&question());
    terminal.press("604125\n");
    // Nothing listens there, but so far it has come.
    terminal.wait_for("nothing answers on port 9");
    let (_, screen) = terminal.finish();
    assert!(!screen.contains("stdout: "), "{screen}");
    assert_eq!(sts.count("AssumeRole"), 1);
}

#[test]
fn ten_at_a_time_ask_once() {
    let (endpoint, sts, home) = (Endpoint::start(), Sts::start(&["604125"]), Home::with(PROFILES));
    let hello = home.of(&hello(&endpoint, &sts, &["-q", "--profile", "alice"]));
    let script = r#"for i in 1 2 3 4 5 6 7 8 9 10; do "$@" & done; wait; echo all done"#;
    let mut terminal = Terminal::start(&in_shell(script, &hello));
    terminal.wait_for(&question());
    terminal.press("604125\n");
    terminal.wait_for("all done");
    let (code, screen) = terminal.finish();
    assert_eq!((code, screen.matches("hello").count()), (Some(0), 10), "{screen}");
    assert_eq!((screen.matches("MFA code").count(), sts.count("GetSessionToken")), (1, 1));
}

#[test]
fn a_running_session_asks_nobody_and_finds_the_new_login() {
    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125", "719304"]));
    let home = Home::with(PROFILES);
    let relay = Relay::to(endpoint.address());
    let mut shell = ssmport(&["shell", NODE, "--profile", "alice"], &sts);
    shell.env("AWS_ENDPOINT_URL_SSM", &relay.url);
    let lifetime = Duration::from_secs(6);
    sts.issue_next_for(lifetime);
    let mut terminal = Terminal::start(&home.of(&shell));
    terminal.wait_for(&question());
    terminal.press("604125\n");
    terminal.press("echo so''far\n");
    terminal.wait_for("sofar");
    // It expires while the session runs.
    std::thread::sleep(lifetime);
    relay.cut();
    terminal.wait_for("the MFA session has expired; run `ssmport login` in another terminal");

    let login = ssmport(&["login", "--profile", "alice", "--mfa-code", "719304"], &sts);
    assert_eq!(Program::run(home.of(&login)).code(), 0);
    terminal.press("echo resu''med; exit\n");
    terminal.wait_for("resumed");
    let (code, screen) = terminal.finish();
    assert_eq!((code, screen.matches("MFA code").count()), (Some(0), 1), "{screen}");
}

/// Its session has the terminal. One that has to be resumed waits for a login elsewhere.
#[test]
fn the_drop_in_never_asks() {
    let (mut endpoint, sts) = (Endpoint::start(), Sts::start(&["604125"]));
    let home = Home::with(PROFILES);
    let relay = Relay::to(endpoint.address());
    endpoint.url.clone_from(&relay.url);
    let (_, mut plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    plugin.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    plugin.env("AWS_PROFILE", "role").env("AWS_ENDPOINT_URL_STS", &sts.url);
    let mut terminal = Terminal::start(&home.of(&plugin));
    terminal.press("echo so''far\n");
    terminal.wait_for("sofar");
    relay.cut();
    terminal.wait_for(&format!("an MFA code of {DEVICE} is needed, and there is no terminal"));

    let login = ssmport(&["login", "--profile", "role", "--mfa-code", "604125"], &sts);
    assert_eq!(Program::run(home.of(&login)).code(), 0);
    terminal.press("echo resu''med; exit\n");
    terminal.wait_for("resumed");
    let (code, screen) = terminal.finish();
    assert_eq!((code, screen.contains("MFA code for")), (Some(0), false), "{screen}");
}

const PROFILES: &str = "\
[profile role]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
