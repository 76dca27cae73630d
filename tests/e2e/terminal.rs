//! Shells on a real terminal: what is typed arrives, what comes is seen, and the terminal is
//! itself again afterwards.

use std::{fs, path::Path, process::Command};

use serde_json::json;
use ssmport::term::{RawMode, restore_on_panic};

use super::{
    processes::is_alive,
    raw_client::await_active_sessions,
    raw_frame::STREAM,
    raw_gateway::*,
    support::{
        Endpoint, NODE, Plugin, Signal, Tmux, await_gone, await_running, await_that, command,
        file_digest, in_shell, mark,
    },
};

const COLS: u16 = 100;
const ROWS: u16 = 30;

/// `ssmport shell`, and the drop-in with a shell; each on a terminal, at the first prompt.
struct Shells {
    ssmport: Tmux,
    plugin: Tmux,
    endpoint: Endpoint,
}

impl Shells {
    fn start() -> Self {
        let endpoint = Endpoint::start();
        let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
        let plugin = Tmux::start(&plugin, COLS, ROWS);
        let ssmport = ssmport_shell();
        plugin.wait_for_prompt();
        Self { ssmport, plugin, endpoint }
    }

    fn each(&self) -> [&Tmux; 2] {
        [&self.ssmport, &self.plugin]
    }
}

fn ssmport_shell() -> Tmux {
    let terminal = Tmux::start(&ssmport(&["shell", "local"]), COLS, ROWS);
    terminal.wait_for_prompt();
    terminal
}

fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}

#[test]
fn the_remote_terminal_has_the_size_of_ours_from_the_first_command_on() {
    let shells = Shells::start();
    for terminal in shells.each() {
        assert_eq!(terminal.answer_to("stty size"), [format!("{ROWS} {COLS}")]);
        for (cols, rows) in [(72, 20), (160, 45)] {
            terminal.resize(cols, rows);
            let expected = [format!("{rows} {cols}")];
            await_that("the new size arrives", || terminal.answer_to("stty size") == expected);
        }
    }
    let exec = ssmport(&["exec", "-t", "local", "--", "stty", "size"]);
    let terminal = Tmux::start(&exec, COLS, ROWS);
    assert_eq!(terminal.finish_restored(), 0);
    terminal.wait_for_line(&format!("{ROWS} {COLS}"));
}

/// As programs run it that want to see a terminal's output and type by themselves.
#[test]
fn a_terminal_for_the_output_alone_gives_its_size_and_is_left_as_it_is() {
    let endpoint = Endpoint::start();
    let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    for program in [plugin, ssmport(&["shell", "local"])] {
        let script = r#"stty -echo; echo 'stty size; exit' | "$@"
            stty -a | grep -ow -- -echo; stty echo"#;
        let terminal = Tmux::start(&in_shell(script, &program), COLS, ROWS);
        assert_eq!(terminal.finish_restored(), 0);
        let screen = terminal.wait_for_line(&format!("{ROWS} {COLS}"));
        assert!(screen.lines().any(|line| line == "-echo"), "{screen}");
    }
}

#[test]
fn programs_that_draw_the_whole_screen_can_be_used() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let lines: Vec<String> = (1..=200).map(|number| format!("line {number}")).collect();
    fs::write(path("lines"), lines.join("\n") + "\n").unwrap();
    let shells = Shells::start();
    for (index, terminal) in shells.each().into_iter().enumerate() {
        let file = path(&format!("written-{index}"));
        terminal.type_line(&format!("vi -u NONE {file}"));
        terminal.wait_for(|screen| screen.lines().filter(|line| *line == "~").count() > 20);
        terminal.type_text("iGrüße, 世界\rsecond line");
        terminal.press("Escape");
        terminal.type_line("kAx");
        terminal.press("Escape");
        terminal.type_line(":wq");
        terminal.wait_for_prompt();
        assert_eq!(fs::read_to_string(&file).unwrap(), "Grüße, 世界x\n\nsecond line\n");

        terminal.type_line(&format!("less {}", path("lines")));
        terminal.wait_for_line("line 29");
        terminal.press("Space");
        terminal.wait_for_line("line 58");
        terminal.press("G");
        terminal.wait_for_line("line 200");
        terminal.press("q");
        terminal.wait_for_prompt();

        terminal.type_line("top -d 1");
        terminal.wait_for(|screen| screen.contains("PID") && screen.contains("load average"));
        terminal.press("q");
        terminal.wait_for_prompt();

        let inner = format!("tmux -f /dev/null -S {} ", path(&format!("inner-{index}")));
        terminal.type_line(&format!("{inner} new -s inner sh"));
        let bar = |screen: &str| screen.lines().any(|line| line.starts_with("[inner]"));
        terminal.wait_for(|screen| bar(screen) && screen.contains(['$', '#']));
        terminal.type_line("expr 6 '*' 7");
        terminal.wait_for_line("42");
        terminal.type_line("exit");
        terminal.wait_for_line("[exited]");

        assert_eq!(terminal.answer_to("expr 9 '*' 9"), ["81"]);
        terminal.type_line("exit");
        assert_eq!(terminal.finish_restored(), 0);
    }
    await_active_sessions(&shells.endpoint, 0);
}

#[test]
fn text_of_all_the_world_goes_both_ways() {
    let folder = tempfile::TempDir::new().unwrap();
    let text = "äöüß Ελληνικά עברית 世界 한국어 😀";
    let shells = Shells::start();
    for (index, terminal) in shells.each().into_iter().enumerate() {
        let file = folder.path().join(format!("text-{index}"));
        terminal.type_line(&format!("printf '%s\\n' '{text}' >{}", file.display()));
        await_that("the line is carried out", || is_line(&file));
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{text}\n"));
        assert_eq!(terminal.answer_to(&format!("cat {}", file.display())), [text]);
    }
}

fn is_line(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| content.ends_with(b"\n"))
}

#[test]
fn a_large_paste_arrives_whole() {
    const LEN: usize = 100 * 1024;
    let folder = tempfile::TempDir::new().unwrap();
    let source = folder.path().join("source");
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/\r";
    let paste: Vec<u8> = (0..LEN).map(|_| letters[rand::random_range(0..letters.len())]).collect();
    fs::write(&source, paste).unwrap();
    let shells = Shells::start();
    for (index, terminal) in shells.each().into_iter().enumerate() {
        let target = folder.path().join(format!("target-{index}"));
        let read = format!("head -c {LEN} >{}", target.display());
        terminal.type_line(&format!("stty raw -echo; echo go''on; {read}; stty sane; echo do''ne"));
        terminal.wait_for(|screen| screen.contains("goon"));
        terminal.paste(&source);
        terminal.wait_for(|screen| screen.contains("done"));
        assert_eq!(file_digest(&target), file_digest(&source));
    }
}

#[test]
fn control_characters_are_for_the_node() {
    let shells = Shells::start();
    for terminal in shells.each() {
        for (key, said) in [("C-c", ""), ("C-\\", "Quit")] {
            let mark = mark();
            terminal.type_line(&format!("sleep {mark}"));
            await_running(&mark);
            terminal.press(key);
            await_gone(&mark);
            terminal.wait_for(|screen| screen.contains(said));
        }
        let mark = mark();
        terminal.type_line(&format!("sleep {mark}"));
        await_running(&mark);
        terminal.press("C-z");
        terminal.wait_for(|screen| screen.contains("Stopped"));
        assert_eq!(terminal.answer_to("kill -KILL %1; echo alive"), ["alive"]);
        await_gone(&mark);
        // From elsewhere they are no less for the node.
        let mark = self::mark();
        terminal.type_line(&format!("sleep {mark}"));
        await_running(&mark);
        terminal.signal(Signal::INT);
        await_gone(&mark);
        assert_eq!(terminal.answer_to("echo alive"), ["alive"]);
        terminal.press("C-d");
        assert_eq!(terminal.finish_restored(), 0);
    }
}

#[test]
fn escapes_are_heard_at_the_beginning_of_a_line_alone() {
    let shells = Shells::start();
    for (index, terminal) in shells.each().into_iter().enumerate() {
        terminal.type_line("echo a~.b; cat");
        terminal.wait_for_line("a~.b");
        terminal.type_text("~?");
        let help = terminal.wait_for_line(" ~.  end the session");
        assert!(help.contains(" ~~  send ~ itself\n"), "{help}");
        terminal.type_line("~~. and ~? are text");
        terminal.wait_for(|screen| twice(screen, "~. and ~? are text"));
        terminal.type_text("x");
        terminal.press("C-c");
        terminal.type_line("");
        terminal.type_text("~.");
        assert_eq!(terminal.finish_restored(), 0);
        let farewell = ["Connection to local closed.", "Exiting session with sessionId: "][index];
        terminal.wait_for(|screen| screen.lines().any(|line| line.starts_with(farewell)));
    }
    await_active_sessions(&shells.endpoint, 0);
}

#[test]
fn escapes_can_be_turned_off() {
    let terminal = ssmport_shell();
    terminal.type_text("~-");
    terminal.type_line("cat");
    terminal.type_line("~. is text");
    terminal.wait_for(|screen| twice(screen, "~. is text"));
}

/// Echoed and printed.
fn twice(screen: &str, line: &str) -> bool {
    screen.lines().filter(|found| *found == line).count() == 2
}

#[test]
fn an_escape_is_the_first_thing_that_ssmport_hears_and_not_the_drop_in() {
    let shells = Shells::start();
    shells.ssmport.type_text("~.");
    assert_eq!(shells.ssmport.finish_restored(), 0);

    shells.plugin.type_line("~.");
    shells.plugin.wait_for(|screen| screen.contains("~.: not found"));
    shells.plugin.type_text("~.");
    assert_eq!(shells.plugin.finish_restored(), 0);
    await_active_sessions(&shells.endpoint, 0);
}

#[test]
fn signals_that_end_it_leave_a_sane_terminal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let shells = Shells::start();
        let mark = mark();
        for (terminal, code) in shells.each().into_iter().zip([code, 0]) {
            terminal.type_line(&format!("sleep {mark}"));
            await_running(&mark);
            terminal.signal(signal);
            assert_eq!(terminal.finish_restored(), code);
            await_gone(&mark);
        }
        // On what line depends on whether the echo of the last key was there first.
        let words = "Terminate signal received, exiting.";
        shells.plugin.wait_for(|screen| screen.contains(words));
        await_active_sessions(&shells.endpoint, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_leaves_a_sane_terminal() {
    let gateway = RawGateway::start().await;
    let terminal = Tmux::start(&gateway.plugin_command(), COLS, ROWS);
    let mut agent = gateway.accept().await;
    agent.send(STREAM, b"first words\r\n").await;
    terminal.wait_for_line("first words");
    drop((agent, gateway));
    assert_eq!(terminal.finish_restored(), 0);
    terminal.wait_for(|screen| {
        screen.lines().any(|line| {
            line.starts_with("Cannot perform start session: session ") && line.contains("lost")
        })
    });
}

#[test]
fn an_endpoint_that_dies_leaves_a_way_out_and_a_sane_terminal() {
    let shells = Shells::start();
    shells.endpoint.program.signal(Signal::KILL);
    drop(shells.endpoint);
    // With credentials it is tried to have the session again, and keys are still heard.
    if cfg!(feature = "aws") {
        shells.plugin.wait_for(|screen| screen.replace('\n', "").contains("resuming fails"));
        shells.plugin.type_text("\r~.");
    }
    assert_eq!(shells.plugin.finish_restored(), 0);
}

#[test]
fn a_refusal_leaves_a_sane_terminal() {
    let endpoint = Endpoint::start();
    let request = json!({ "Target": NODE });
    let (_, mut response) = endpoint.call("StartSession", &request);
    response["TokenValue"] = json!("0".repeat(64));
    // Or the session would be resumed, with a token that is good.
    endpoint.call("TerminateSession", &json!({ "SessionId": response["SessionId"] }));
    let plugin = Plugin::command(&endpoint, &response, &request);
    let terminal = Tmux::start(&plugin, COLS, ROWS);
    assert_eq!(terminal.finish_restored(), 0);
    terminal.wait_for(|screen| screen.contains("\nCannot perform start session: "));

    let shell = ssmport(&["shell", "local", "--document", "No-Such-Document"]);
    let terminal = Tmux::start(&shell, COLS, ROWS);
    assert_eq!(terminal.finish_restored(), 3);
    terminal.wait_for(|screen| screen.contains("ssmport: ") && screen.contains("No-Such-Document"));
}

#[test]
fn a_terminal_that_vanishes_ends_the_session() {
    let mut shells = Shells::start();
    let marks = [mark(), mark()];
    for (terminal, mark) in shells.each().into_iter().zip(&marks) {
        terminal.type_line(&format!("sleep {mark}"));
        await_running(mark);
    }
    let pids = shells.each().map(|terminal| terminal.pid().as_raw_nonzero().get().unsigned_abs());
    shells.ssmport.vanish();
    shells.plugin.vanish();
    for (pid, mark) in pids.into_iter().zip(&marks) {
        await_that("the program ends", || !is_alive(pid));
        await_gone(mark);
    }
    await_active_sessions(&shells.endpoint, 0);
}

/// This very program, told by a variable to panic on the terminal.
#[test]
fn a_panic_leaves_a_sane_terminal_and_a_legible_message() {
    let mut ourselves = command(std::env::current_exe().unwrap());
    ourselves.args(["--exact", "terminal::panics_when_told_to", "--nocapture"]);
    ourselves.env(PANICS, "1").env("RUST_BACKTRACE", "0");
    let terminal = Tmux::start(&ourselves, COLS, ROWS);
    assert_ne!(terminal.finish_restored(), 0);
    // Each at the beginning of its line: the terminal was itself again before they came.
    terminal.wait_for_line("told to");
}

#[test]
fn panics_when_told_to() {
    if std::env::var_os(PANICS).is_some() {
        restore_on_panic();
        let raw_mode = RawMode::enable().expect("it lets itself be switched");
        // What its guard would do does not count.
        std::mem::forget(raw_mode.expect("there is a terminal"));
        panic!("above the message\ntold to");
    }
}

const PANICS: &str = "SSMPORT_TEST_PANICS";
