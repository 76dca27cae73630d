//! What is asked of a shell's session by escapes, on a real terminal.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use crate::support::{Endpoint, NODE, Tmux, await_that, command};

fn ssmport() -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["shell", "local"]);
    ssmport
}

/// At the node's first prompt.
fn shell() -> Tmux {
    let terminal = Tmux::start(&ssmport(), 80, 24);
    terminal.wait_for_prompt();
    terminal
}

/// The same, at an endpoint that others have.
fn shell_at(endpoint: &Endpoint, cols: u16, rows: u16) -> Tmux {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["shell", NODE, "--endpoint-url", &endpoint.url, "--region", "eu-west-1"]);
    ssmport.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let terminal = Tmux::start(&ssmport, cols, rows);
    terminal.wait_for_prompt();
    terminal
}

/// A shell with job control here, in which `$SSMPORT` is the program.
fn outer_shell() -> Tmux {
    let mut outer = command("sh");
    outer.arg("-i").env("SSMPORT", env!("CARGO_BIN_EXE_ssmport"));
    let terminal = Tmux::start(&outer, 80, 24);
    terminal.wait_for_prompt();
    terminal.type_line("PS1='outer> '");
    terminal.wait_for(is_outer);
    terminal
}

/// Whether the shell here is at its prompt.
fn is_outer(screen: &str) -> bool {
    screen.trim_end().ends_with("outer>")
}

/// Gives each connection its bytes back.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 100];
                while let Ok(len @ 1..) = connection.read(&mut bytes) {
                    let _ = connection.write_all(&bytes[..len]);
                }
            });
        }
    });
    port
}

fn type_command(terminal: &Tmux, line: &str) {
    terminal.type_text("\r~C");
    terminal.wait_for(|screen| screen.trim_end().ends_with("ssmport>"));
    terminal.type_line(line);
}

#[test]
fn forwards_come_and_go_while_the_shell_runs() {
    let (terminal, destination) = (shell(), echo());
    type_command(&terminal, &format!("-L 0:{destination}"));
    let told = format!(" to localhost:{destination}.");
    let screen = terminal.wait_for(|screen| screen.replace('\n', "").contains(&told));
    let screen = screen.replace('\n', "");
    let (_, listening) = screen.split_once("Forwarding port: 127.0.0.1:").expect("an address");
    let port: String = listening.chars().take_while(char::is_ascii_digit).collect();
    let port: u16 = port.parse().expect("a port");

    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    connection.write_all(b"there and back").expect("written");
    let mut back = [0; 14];
    connection.read_exact(&mut back).expect("read");
    assert_eq!(&back, b"there and back");
    // The shell is what it was.
    assert_eq!(terminal.answer_to("expr 6 '*' 7"), ["42"]);

    terminal.type_text("~#");
    let screen = terminal.wait_for(|screen| screen.contains("14 B sent, 14 B received"));
    for line in [
        "The following is open:",
        "  A shell on local (i-0123456789abcdef0)",
        "    1 connection, 1 so far, since ",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    assert!(screen.contains(" typed, ") && screen.contains(", round trip "), "{screen}");
    assert!(screen.lines().any(|line| line.starts_with("    session ")), "{screen}");

    type_command(&terminal, "-KL 1");
    terminal.wait_for_line("Unknown port forwarding.");
    type_command(&terminal, &format!("-KL {port}"));
    terminal.wait_for_line("Canceled forwarding.");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "its port is free");
    assert_eq!(connection.read(&mut back).ok().filter(|len| *len > 0), None, "it is cut off");

    // The shell's end is that of what was added.
    type_command(&terminal, &format!("-L {port}:{destination}"));
    terminal.wait_for(|screen| screen.replace('\n', "").contains(&told));
    terminal.type_line("");
    terminal.type_line("exit");
    assert_eq!(terminal.finish_restored(), 0);
    TcpListener::bind(("127.0.0.1", port)).expect("its port is free");
}

#[test]
fn the_command_line_is_edited_and_holds_the_output_back() {
    let terminal = shell();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    type_command(&terminal, "helpx\u{7f}");
    terminal.wait_for(|screen| screen.contains("-KL[bind_address:]port "));
    for (line, part) in [
        ("-L 99999", "Bad forwarding specification: `99999` is not a port"),
        ("-D 1080", "Not offered: only -L and -KL are"),
        ("exit", "Invalid command"),
        (&format!("-L {port}:80"), "Port forwarding failed: cannot listen on 127.0.0.1:"),
    ] {
        type_command(&terminal, line);
        terminal.wait_for(|screen| screen.replace('\n', "").contains(part));
    }
    // What the node shows in the meantime comes behind the line.
    let folder = tempfile::TempDir::new().expect("a directory");
    let (go, gone) = (folder.path().join("go"), folder.path().join("gone"));
    let (go_on, done) = (go.display(), gone.display());
    terminal.type_line(&format!(
        "clear; (until [ -e {go_on} ]; do sleep 0.1; done; echo out''put; touch {done}) &"
    ));
    terminal.type_text("\r~C");
    terminal.wait_for(|screen| screen.trim_end().ends_with("ssmport>"));
    std::fs::write(&go, "").expect("a file");
    await_that("it is printed there", || gone.exists());
    terminal.type_text("-L");
    let screen = terminal.wait_for(|screen| screen.trim_end().ends_with("ssmport> -L"));
    assert!(!screen.contains("output"), "{screen}");
    terminal.press("C-c");
    // Behind the prompt that was there before.
    terminal.wait_for(|screen| screen.lines().any(|line| line.ends_with("output")));
    terminal.type_text("\r~.");
    assert_eq!(terminal.finish_restored(), 0);
}

/// Type at a shell with job control what its user would.
#[test]
fn a_shell_is_suspended_and_goes_on_where_it_was() {
    let terminal = outer_shell();
    terminal.type_line("clear; $SSMPORT shell local");
    terminal.wait_for_prompt();
    terminal.type_line("KEPT=where-it-was");

    terminal.type_text("~");
    terminal.press("C-z");
    terminal.wait_for(|screen| screen.contains("Stopped") && is_outer(screen));
    terminal.type_line("clear; stty -a | grep -ow -- '-*icanon'");
    terminal.wait_for_line("icanon");
    terminal.resize(90, 20);
    terminal.type_line("fg");
    terminal.type_line("");
    terminal.wait_for_prompt();
    assert_eq!(terminal.answer_to("echo $KEPT"), ["where-it-was"]);
    await_that("the new size arrives", || terminal.answer_to("stty size") == ["20 90"]);

    // A program that has the whole screen draws it again.
    let folder = tempfile::TempDir::new().expect("a directory");
    let file = folder.path().join("text");
    std::fs::write(&file, "the text\nmore of it\n").expect("a file");
    terminal.type_line(&format!("vi -u NONE {}", file.display()));
    terminal.wait_for_line("the text");
    terminal.press("Enter");
    terminal.type_text("~");
    terminal.press("C-z");
    let screen = terminal.wait_for(is_outer);
    assert!(!screen.contains("the text"), "{screen}");
    assert!(terminal.modes().starts_with("screen 0 "), "{}", terminal.modes());
    terminal.type_line("fg");
    terminal.wait_for_line("the text");
    assert!(terminal.modes().starts_with("screen 1 "), "{}", terminal.modes());
    terminal.type_line(":q");
    terminal.wait_for_prompt();
    assert_eq!(terminal.answer_to("echo $KEPT"), ["where-it-was"]);

    terminal.type_line("exit");
    terminal.wait_for(is_outer);
    terminal.type_line("exit");
    assert_eq!(terminal.finish_restored(), 0);
}

/// As `ssh` and whatever else runs on a terminal.
#[test]
fn a_command_is_suspended_by_its_key() {
    let terminal = outer_shell();
    terminal.type_line("clear; $SSMPORT exec local -- sh -c 'echo be\"\"gun; exec sleep 100'");
    terminal.wait_for_line("begun");
    terminal.press("C-z");
    terminal.wait_for(|screen| screen.contains("Stopped") && is_outer(screen));
    terminal.type_line("clear; fg");
    terminal.wait_for(|screen| screen.contains("exec local"));
    terminal.press("C-c");
    terminal.wait_for(is_outer);
    terminal.type_line("echo it was $?");
    terminal.wait_for_line("it was 130");
}

#[test]
fn what_is_lost_is_told_where_it_is_asked_for() {
    let endpoint = Endpoint::start();
    let terminal = shell_at(&endpoint, 200, 50);
    drop(endpoint);
    terminal.wait_for(|screen| screen.contains("resuming fails so far"));
    terminal.type_text("\r~#");
    terminal.wait_for(|screen| {
        screen.contains("The following is open:")
            && screen.matches("resuming fails so far").count() == 2
    });
    terminal.type_text("\r~.");
    terminal.wait_for(|screen| screen.contains(&format!("Connection to {NODE} closed.")));
}

#[test]
fn an_end_from_elsewhere_is_told() {
    let endpoint = Endpoint::start();
    let terminal = shell_at(&endpoint, 80, 24);
    for session in endpoint.active_sessions() {
        endpoint.call("TerminateSession", &serde_json::json!({ "SessionId": session }));
    }
    terminal.wait_for(|screen| screen.contains(&format!("Connection to {NODE} closed.")));
    assert_eq!(terminal.finish_restored(), 0);
}

/// A terminal's first program has nobody to go back to.
#[test]
fn without_a_shell_it_is_not_suspended() {
    let terminal = shell();
    terminal.type_text("~");
    terminal.press("C-z");
    terminal.wait_for(|screen| screen.contains("Cannot be suspended: no shell with job control"));
    assert_eq!(terminal.answer_to("expr 6 '*' 7"), ["42"]);
}
