//! `ssmport demo`.

use std::{env, path::Path};

use serde_json::Value;

use crate::support::{Program, command};

#[test]
fn every_step_of_the_demo_is_shown_and_ends_well() {
    let mut demo = command(env!("CARGO_BIN_EXE_ssmport"));
    demo.args(["demo", "--size", "4", "--json"]);
    let report = Program::run(demo).success();

    let steps: Vec<Value> =
        report.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    for step in &steps {
        assert_eq!(step["state"], "ok", "{step}");
    }
    let names: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(
        names,
        [
            "port: upload, one connection",
            "port: download, one connection",
            "port: 50 connections, both ways",
            "port: one byte there and back",
            "port: new connections, one by one",
            "port of another host, both ways",
            "port: reply after client's end of file",
            "port: nobody listens at the destination",
            "port: old agent, one connection a time",
            "single stream (ssh), both ways",
            "command: output, errors, exit code",
            "command on a terminal: exit code",
            "shell: a key there and back",
            "command: encrypted with a key of KMS",
        ]
    );
}

#[test]
fn people_get_a_table_instead_and_what_to_try_next() {
    let mut demo = command(env!("CARGO_BIN_EXE_ssmport"));
    demo.args(["demo", "--size", "1"]);
    let shown = Program::run(demo);
    let rows: Vec<&str> = shown.stdout.lines().skip(1).collect();
    assert_eq!(rows.len(), 14, "{shown:#?}");
    assert!(rows.iter().all(|row| row.contains(" ok")), "{shown:#?}");
    // With the line that was typed, and the next prompt, on a terminal of 24 rows.
    assert!(shown.stdout.lines().count() + shown.stderr.lines().count() <= 22, "{shown:#?}");

    let commands = commands(&shown.stderr);
    let [shell, exec, forward, local] = &commands[..] else { panic!("{shown:#?}") };
    assert_eq!(Program::run(pasted(shell)).code(), 0);
    assert_eq!(Program::run(pasted(exec)).success(), Program::run(pasted("uname -a")).success());
    // A port that is free.
    let forward = Program::start(pasted(&forward.replace("15432:", "0:")));
    forward.wait_for_stderr(|line| line.starts_with("Forwarding "));
    Program::start(pasted(local)).wait_for_stderr(|line| line.starts_with("Embedded endpoint on"));
}

/// The commands that are shown behind the table.
fn commands(shown: &str) -> Vec<String> {
    let lines = shown.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// A line as somebody's shell runs it.
fn pasted(line: &str) -> std::process::Command {
    let mut shell = command("sh");
    shell.args(["-c", line]);
    shell
}

#[test]
fn commands_are_as_short_as_they_can_be() {
    let program = Path::new(env!("CARGO_BIN_EXE_ssmport"));
    let folder = program.parent().expect("a folder");
    let of = |here: &Path, on_path: &str| {
        let mut demo = command(program);
        let path = env::var("PATH").expect("a PATH");
        demo.args(["demo", "--size", "1"])
            .current_dir(here)
            .env("PATH", format!("{on_path}:{path}"));
        commands(&Program::run(demo).stderr).remove(0)
    };
    let name = folder.to_str().expect("text");
    assert_eq!(of(Path::new("/"), name), "ssmport shell -t local");
    assert_eq!(of(folder, "/none"), "./ssmport shell -t local");
}
