//! `ssmport demo`.

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
fn people_get_a_table_instead() {
    let mut demo = command(env!("CARGO_BIN_EXE_ssmport"));
    demo.args(["demo", "--size", "1"]);
    let table = Program::run(demo).success();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), 14, "{table}");
    assert!(rows.iter().all(|row| row.contains(" ok")), "{table}");
}
