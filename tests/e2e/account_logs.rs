//! The logs of shells, as the service stores them.

use std::fs;

use tempfile::TempDir;

use crate::support::{AwsCli, Endpoint, NODE, Program, Terminal, await_that, command};

#[test]
fn a_shells_log_has_its_output_and_its_ends() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("Unicode");
    let endpoint = Endpoint::with(&["--session-logs", path]);
    let aws = AwsCli::new(&endpoint);
    let mut shell = Terminal::start(&aws.command(&["start-session", "--target", NODE]));
    shell.wait_for("Starting session with SessionId: ");
    let id = shell.wait_for("\r\n");
    shell.press("echo $((6 * 7))-logged; exit\n");
    shell.wait_for("42-logged");
    shell.await_end();

    let log = folder.path().join(format!("{id}.log"));
    let read = || fs::read_to_string(&log).unwrap_or_default();
    await_that("the log's last line", || read().contains("\nScript done on "));
    let text = read();
    assert!(text.starts_with("Script started on ") && text.contains("42-logged\r\n"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);

    let command =
        ["--document-name", "AWS-StartNonInteractiveCommand", "--parameters", "command=id"];
    aws.run(&[&["start-session", "--target", NODE][..], &command].concat()).success();
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no log of a command");
}

#[test]
fn a_folder_that_is_not_there_is_told_at_once() {
    let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
    local.args(["local", "--session-logs", "/nonexistent/logs"]);
    let ended = Program::run(local);
    assert_eq!(ended.code(), 5, "{ended:#?}");
    assert!(ended.stderr.contains("/nonexistent/logs is no folder for logs"), "{ended:#?}");
}
