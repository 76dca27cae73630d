//! `ssmport up` on a terminal: the table, its keys, and what is asked before it.
#![cfg(feature = "aws")]

use tokio::net::TcpStream;

use crate::{
    raw_client::await_active_sessions,
    support::{
        NODE, Terminal, Tmux, free_port,
        home::{self, Home},
        sts::Sts,
    },
    targets::{TcpTarget, echoes},
    up::{User, to},
};

#[tokio::test]
async fn a_terminal_shows_a_table_and_takes_keys() {
    let echo = TcpTarget::echo().await;
    let (port, local) = (echo.port, free_port());
    let lost = to("lost", "i-0fffffffffffffff0", 80, 0);
    let user = User::with(&[to("db", NODE, port, local), lost].concat());
    for (cols, rows) in [(80, 24), (200, 50)] {
        let mut tmux = Tmux::start(&user.ssmport(&["up"]), cols, rows);
        let row = |screen: &str, name: &str| {
            let start = format!(" {name} ");
            screen
                .lines()
                .find(|line| line.get(1..).is_some_and(|line| line.starts_with(&start)))
                .map(str::to_owned)
        };
        let is = |screen: &str, name: &str, parts: &[&str]| {
            row(screen, name).is_some_and(|row| parts.iter().all(|part| row.contains(part)))
        };
        let address = format!("127.0.0.1:{local}");
        tmux.wait_for(|screen| {
            is(screen, "db", &[" up ", &local.to_string(), " 0 ", "-"])
                && is(screen, "lost", &[" waiting "])
        });
        let mut connection = TcpStream::connect(&*address).await.expect("it listens");
        echoes(&mut connection, &[b'x'; 2048]).await;
        let screen = tmux.wait_for(|screen| {
            screen.contains("1 connection open, 1 so far; 2.0 kB sent, 2.0 kB received, round trip")
                && is(screen, "db", &[" 1 "])
        });
        assert!(screen.starts_with("ssmport up   2 tunnels: 1 up, 1 waiting"), "{screen}");
        assert!(is(&screen, "db", &["2.0 kB / 2.0 kB"]), "{screen}");
        let in_row = is(&screen, "db", &[&address, NODE, "forwarding 127.0.0.1"]);
        assert_eq!(in_row, cols == 200, "{screen}");

        tmux.press("Down");
        tmux.wait_for(|screen| {
            screen.contains("> lost")
                && screen.contains("waits: ")
                && screen.contains("TargetNotConnected")
        });
        tmux.type_text("e");
        tmux.wait_for(|screen| {
            screen.contains("What has become of lost") && screen.contains("another try in")
        });
        tmux.type_text("e");
        tmux.press("Up");
        tmux.wait_for(|screen| screen.contains("> db"));
        tmux.type_text("r");
        tmux.wait_for(|screen| screen.contains("db begins another session"));
        tmux.wait_for(|screen| is(screen, "db", &[" up ", " 0 "]));
        if cols == 80 {
            tmux.resize(40, 12);
            tmux.wait_for(|screen| {
                screen.lines().all(|line| line.chars().count() <= 40) && screen.contains("> db")
            });
        }
        tmux.type_text(if cols == 80 { "q" } else { "\x03" });
        assert_eq!(tmux.finish_restored(), if cols == 80 { 0 } else { 130 });
        assert_eq!(tmux.modes(), "screen 0 mouse 00 cursor 1 keys 00");
        await_active_sessions(&user.endpoint, 0);
        tmux.vanish();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_told_on_the_table_and_by_status() {
    let db = to("db", NODE, 1, 0);
    let user = User::with(&db);
    let table = Tmux::start(&user.ssmport(&["up"]), 80, 24);
    table.wait_for(|screen| screen.contains("1 up"));
    user.write(&format!("{db}\nrubbish = ["));
    table.wait_for(|screen| screen.contains("what was there stays"));
    let status = user.run(&["status"]);
    assert!(status.stderr.contains("what was there stays"), "{status:#?}");
    assert_eq!(status.code(), 0, "{status:#?}");
    user.write(&db);
    table.type_text("e");
    table.wait_for(|screen| screen.contains("the file can be used again"));
    let status = user.run(&["status"]);
    assert!(!status.stderr.contains("stays"), "{status:#?}");
    table.type_text("q");
    assert_eq!(table.finish_restored(), 0);
}

#[test]
fn an_address_is_copied_by_way_of_the_terminal() {
    let local = free_port();
    let user = User::with(&to("db", NODE, 80, local));
    let mut terminal = Terminal::start(&user.ssmport(&["up"]));
    let address = format!("127.0.0.1:{local}");
    terminal.wait_for(&address);
    terminal.press("c");
    let text = data_encoding::BASE64.encode(address.as_bytes());
    terminal.wait_for(&format!("\x1b]52;c;{text}\x07"));
    terminal.press("q");
    assert_eq!(terminal.finish().0, Some(0));
}

#[test]
fn codes_of_mfa_are_asked_for_before_the_tunnels_begin() {
    let (sts, home) = (Sts::start(&["604125"]), Home::with(MFA_PROFILES));
    let tunnel = |name| to(name, NODE, 80, 0) + "profile = \"role\"\n";
    let user = User::with(&[tunnel("a"), tunnel("b")].concat());
    let mut up = home::ssmport(&["up"], &sts);
    up.env("AWS_ENDPOINT_URL_SSM", &user.endpoint.url).env("XDG_RUNTIME_DIR", user.path("run"));
    up.env("SSMPORT_CONFIG", user.path("config.toml"));
    let given_up = Tmux::start(&home.of(&up), 80, 24);
    given_up.wait_for(|screen| screen.contains("MFA code for"));
    given_up.type_text("\x03");
    assert_eq!(given_up.finish_restored(), 130);
    let tmux = Tmux::start(&home.of(&up), 80, 24);
    tmux.wait_for(|screen| screen.contains("MFA code for"));
    tmux.type_line("604125");
    tmux.wait_for(|screen| screen.contains("2 tunnels: 2 up"));
    assert_eq!(sts.count("AssumeRole"), 1);
    tmux.type_text("q");
    assert_eq!(tmux.finish_restored(), 0);
    await_active_sessions(&user.endpoint, 0);
}

const MFA_PROFILES: &str = "\
[profile role]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
";
