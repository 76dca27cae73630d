//! `ssmport exec --on`: a command on many nodes.
#![cfg(feature = "aws")]

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{
        Account, Endpoint, Finished, Program, REGION, Signal, Tmux, await_gone, await_running,
        await_that, command, in_shell, mark,
    },
};

/// An endpoint with many nodes: `web-0`, `web-1` and so on.
struct Fleet {
    endpoint: Endpoint,
    folder: TempDir,
}

impl Fleet {
    fn of(count: usize) -> Self {
        Self::with(count, &[])
    }

    fn with(count: usize, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a directory");
        let file = folder.path().join("nodes");
        let lines = (0..count).map(|number| format!("{} web-{number}\n", id(number)));
        fs::write(&file, lines.collect::<String>()).expect("the list");
        let list = ["--nodes-from", file.to_str().expect("text")];
        Self { endpoint: Endpoint::with(&[&list, arguments].concat()), folder }
    }

    fn exec(&self, arguments: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.arg("exec").args(["--endpoint-url", &self.endpoint.url]).args(arguments);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport.env("AWS_REGION", REGION);
        ssmport
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Program::run(self.exec(arguments))
    }
}

fn id(number: usize) -> String {
    format!("i-{number:017x}")
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

#[test]
fn two_hundred_nodes_each_run_it_once() {
    let fleet = Fleet::of(200);
    let ran = fleet.run(&["--on", "web-*", "--parallel", "40", "--", "echo", "hello"]);
    assert_eq!((ran.code(), &*ran.stderr), (0, "200 nodes, all done\n"), "{ran:#?}");
    assert_eq!(ran.stdout.lines().count(), 200);
    let expected: Vec<_> =
        (0..200).map(|number| format!("{:<7} | hello", format!("web-{number}"))).collect();
    assert_eq!(lines(&ran.stdout), expected.iter().map(String::as_str).collect());
    await_active_sessions(&fleet.endpoint, 0);
}

#[test]
fn nodes_are_meant_by_names_patterns_ids_and_files_and_each_is_meant_once() {
    let fleet = Fleet::of(30);
    let file = fleet.folder.path().join("targets");
    fs::write(&file, format!("# some\nweb-1?\n{} # too\n", id(3))).expect("a file");
    let at = format!("@{}", file.display());
    let five = id(5);
    let ran =
        fleet.run(&["--on", &at, "--on", "web-3", "--on", &five, "--on", "web-3", "--", "true"]);
    assert_eq!((ran.code(), &*ran.stderr), (0, "12 nodes, all done\n"), "{ran:#?}");
    let ran = fleet.run(&["--on", "i-*", "--", "true"]);
    assert_eq!((ran.code(), &*ran.stderr), (0, "30 nodes, all done\n"), "{ran:#?}");
    let mut piped = fleet.exec(&["--on", "@-", "--", "echo", "x"]);
    piped = in_shell("printf 'web-1\\nweb-2\\n' | \"$@\"", &piped);
    let ran = Program::run(piped);
    assert_eq!(lines(&ran.stdout), BTreeSet::from(["web-1 | x", "web-2 | x"]), "{ran:#?}");

    for (arguments, code, part) in [
        (&["--on", "web-1", "--on", "nobody-*", "--", "true"][..], 4, "there is no node nobody-*"),
        (&["--on", "wbe-1", "--", "true"], 4, "did you mean web-1?"),
        (&["--on", "@/nowhere", "--", "true"], 5, "cannot read /nowhere"),
        (&["--on", "i-xyz", "--", "true"], 2, "a node's id has 8 or 17 digits"),
        (&["--on", "web-1,web-2", "--", "true"], 2, "--on web-1 --on web-2"),
        (&["--on", "web-1", "web-2", "--", "true"], 2, "for another node: --on web-2 -- true"),
        (&["--on", "@/dev/null", "--", "true"], 2, "there is no target in /dev/null"),
        (&["--on", "web-1", "-t", "--", "true"], 2, "cannot be used with"),
        (&["--on", "web-1", "--parallel", "0", "--", "true"], 2, "not a number from 1"),
        (&["--group", "web-1", "--", "true"], 2, "--on"),
    ] {
        let ran = fleet.run(arguments);
        assert!(ran.code() == code && ran.stderr.contains(part), "{arguments:?}: {ran:#?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

/// Names by the hundred are looked up together, and each is looked for all the same.
#[test]
fn a_file_of_names_means_each_of_them() {
    let fleet = Fleet::of(150);
    let file = fleet.folder.path().join("targets");
    let at = format!("@{}", file.display());
    let names: String = (0..120).map(|number| format!("web-{number}\n")).collect();
    fs::write(&file, &names).expect("a file");
    let ran = fleet.run(&["--on", &at, "--parallel", "40", "--", "echo", "x"]);
    assert_eq!((ran.code(), &*ran.stderr), (0, "120 nodes, all done\n"), "{ran:#?}");
    assert_eq!(lines(&ran.stdout).len(), 120);
    fs::write(&file, names + "web-119x\n").expect("a file");
    let ran = fleet.run(&["--on", &at, "--", "echo", "x"]);
    assert_eq!((ran.code(), &*ran.stdout), (4, ""), "{ran:#?}");
    assert!(ran.stderr.contains("there is no node web-119x"), "{ran:#?}");
}

#[test]
fn the_highest_exit_code_counts_and_every_failure_has_its_nodes() {
    let fleet = Fleet::of(4);
    // The nodes are one machine: who makes the folder first is another one.
    let folder = fleet.folder.path().join("taken");
    let line = format!("echo out; echo err >&2; mkdir {} 2>/dev/null || exit 9", folder.display());
    let ran = fleet.run(&["--on", "web-*", "--", "sh", "-c", &line]);
    assert_eq!(ran.code(), 9, "{ran:#?}");
    assert_eq!(lines(&ran.stdout).len(), 4, "{ran:#?}");
    assert!(lines(&ran.stdout).iter().all(|line| line.ends_with(" | out")), "{ran:#?}");
    let (errors, others): (Vec<_>, Vec<_>) =
        ran.stderr.lines().partition(|line| line.ends_with(" | err"));
    assert_eq!((errors.len(), others.len()), (4, 2), "{ran:#?}");
    assert!(others[0].starts_with("  web-") && others[0].ends_with(": exit code 9"), "{ran:#?}");
    assert_eq!(others[1], "ssmport: 3 of 4 nodes failed");

    let ran = fleet.run(&["--on", "web-1", "--on", "web-2", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(ran.code(), 255, "{ran:#?}");
    assert!(ran.stderr.starts_with("  web-1, web-2: a signal ended it\n"), "{ran:#?}");
}

#[test]
fn with_group_each_nodes_output_is_in_one_piece() {
    let fleet = Fleet::of(5);
    // More than is kept in memory.
    let line = "for i in 1 2 3; do echo part $i; echo error $i >&2; done; \
                head -c 100000 /dev/zero | tr '\\0' x; exit 3";
    let ran = fleet.run(&["--on", "web-*", "--group", "--", "sh", "-c", line]);
    assert_eq!(ran.code(), 3, "{}", ran.stderr);
    let groups: BTreeMap<&str, &str> = ran
        .stdout
        .split("==> ")
        .skip(1)
        .map(|group| group.split_once('\n').expect("a heading"))
        .collect();
    let body = format!("part 1\npart 2\npart 3\n{}\n", "x".repeat(100_000));
    for number in 0..5 {
        let heading = format!("web-{number} ({}): exit code 3", id(number));
        assert!(groups.get(&*heading).is_some_and(|found| **found == body), "{heading}");
    }
    assert_eq!(ran.stderr.matches("error 2\n").count(), 5);
}

#[test]
fn programs_are_told_all_of_it() {
    let fleet = Fleet::of(3);
    let line = "echo text; printf '\\377' >&2; exit 4";
    let ran = fleet.run(&["--on", "web-*", "--json", "--", "sh", "-c", line]);
    assert_eq!(ran.code(), 4, "{ran:#?}");
    let events: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!((of("started").len(), of("output").len(), of("ended").len()), (3, 6, 3));
    assert!(of("output").iter().all(|output| match output["stream"].as_str() {
        Some("stdout") => output["text"] == "text\n" && output["base64"].is_null(),
        _ => output["text"].is_null() && output["base64"] == "/w==",
    }));
    let ended = of("ended")[0];
    assert!(ended["state"] == "failure" && ended["exit_code"] == 4, "{ended}");
    let summary = of("summary")[0];
    assert_eq!((&summary["nodes"], &summary["failed"]), (&3.into(), &3.into()), "{summary}");
    let last = events.last().expect("an end");
    assert_eq!((&last["event"], &last["exit_code"]), (&"error".into(), &4.into()), "{last}");
    let wrong = fleet.run(&["--json", "--on", "web-1", "--prallel", "3", "--", "true"]);
    assert!(wrong.code() == 2 && wrong.stdout.contains("\"error\""), "{wrong:#?}");
}

#[test]
fn a_failure_ends_it_everywhere_if_that_is_wanted() {
    let fleet = Fleet::of(12);
    let mark = mark();
    // All but one of those that run would go on.
    let folder = fleet.folder.path().join("taken");
    let line =
        format!("mkdir {} 2>/dev/null && sleep 1 && exit 7; exec sleep {mark}", folder.display());
    let arguments = ["--on", "web-*", "--parallel", "3", "--fail-fast", "--", "sh", "-c", &line];
    let ran = fleet.run(&arguments);
    assert_eq!(ran.code(), 7, "{ran:#?}");
    let told = "ssmport: 1 of 12 nodes failed, 2 ended from here, 9 not begun\n";
    assert!(ran.stderr.ends_with(told), "{ran:#?}");
    await_gone(&mark);
    await_active_sessions(&fleet.endpoint, 0);
}

#[test]
fn each_node_has_its_own_time() {
    let fleet = Fleet::of(3);
    let mark = mark();
    let folder = fleet.folder.path().join("taken");
    let line = format!("mkdir {} 2>/dev/null && exit 0; exec sleep {mark}", folder.display());
    let ran = fleet.run(&["--on", "web-*", "--timeout", "6s", "--", "sh", "-c", &line]);
    assert_eq!(ran.code(), 124, "{ran:#?}");
    assert!(ran.stderr.contains(": not over within 6s\n"), "{ran:#?}");
    assert!(ran.stderr.ends_with("ssmport: 2 of 3 nodes failed\n"), "{ran:#?}");
    await_gone(&mark);
}

#[test]
fn an_interrupt_ends_it_everywhere() {
    let fleet = Fleet::of(8);
    let mark = mark();
    let line = format!("echo here; exec sleep {mark}");
    let exec = fleet.exec(&["--on", "web-*", "--parallel", "4", "--", "sh", "-c", &line]);
    let ssmport = Program::start(exec);
    for node in 0..4 {
        ssmport.wait_for_stdout(|line| line == format!("web-{node} | here"));
    }
    await_running(&mark);
    ssmport.signal(Signal::INT);
    let ended = ssmport.finish();
    assert_eq!(ended.code(), 130, "{ended:#?}");
    let told = "Of 8 nodes: 4 ended from here, 4 not begun, or not waited for\n";
    assert!(ended.stderr.ends_with(told), "{ended:#?}");
    await_gone(&mark);
    await_active_sessions(&fleet.endpoint, 0);
}

#[test]
fn a_terminal_shows_how_far_it_has_come() {
    let fleet = Fleet::of(3);
    let go = fleet.folder.path().join("go");
    let line = format!("echo here; until [ -e {} ]; do sleep 0.1; done", go.display());
    let terminal = Tmux::start(&fleet.exec(&["--on", "web-*", "--", "sh", "-c", &line]), 80, 24);
    terminal.wait_for(|screen| {
        let has_all = (0..3).all(|node| screen.contains(&format!("web-{node} | here\n")));
        has_all && screen.contains("\n0 of 3 over, 3 running")
    });
    fs::write(&go, "").expect("a file");
    let screen = terminal.wait_for(|screen| screen.contains("3 nodes, all done"));
    assert!(!screen.contains(" of 3 over"), "{screen}");
}

#[test]
fn a_last_line_without_an_end_stays_on_the_terminal() {
    let fleet = Fleet::of(3);
    let printf = fleet.exec(&["--on", "web-*", "--group", "--", "printf", "first\\nand last"]);
    let terminal = Tmux::start(&printf, 80, 24);
    let screen = terminal.wait_for(|screen| screen.contains("3 nodes, all done"));
    assert_eq!(screen.matches("first\nand last\n").count(), 3, "{screen}");
}

/// And of those that are refused each is told of, with what to do.
#[test]
fn of_many_that_are_refused_the_others_run_and_the_memory_is_bounded() {
    let folder = TempDir::new().expect("a directory");
    let mut account = "[users.jane]\npolicies = [\"some.json\"]\n".to_owned();
    for number in 0..200 {
        let group = if number % 10 < 3 { "shut" } else { "open" };
        let id = id(number);
        account +=
            &format!("[nodes.{id}]\nname = \"n-{number:03}\"\ntags = {{ Group = \"{group}\" }}\n");
    }
    fs::write(folder.path().join("some.json"), POLICY).expect("a policy");
    let file = folder.path().join("account.toml");
    fs::write(&file, account).expect("the account");
    let account = Account::with(file.to_str().expect("text"));
    let keys = account.keys("jane");
    let mark = mark();
    let mut exec = command(env!("CARGO_BIN_EXE_ssmport"));
    exec.args(["exec", "--endpoint-url", &account.endpoint.url, "--parallel", "30"]);
    let line = format!("echo ran; case $0 in {mark}) ;; esac");
    exec.args(["--on", "tag:Group=*", "--", "sh", "-c", &line]);
    exec.envs([("AWS_ACCESS_KEY_ID", &keys.id), ("AWS_SECRET_ACCESS_KEY", &keys.secret)]);
    exec.env("AWS_REGION", REGION);
    let ran = Program::run(exec);
    assert_eq!(ran.code(), 3, "{ran:#?}");
    assert_eq!(ran.stdout.lines().filter(|line| line.ends_with(" | ran")).count(), 140);
    let told: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(told.len(), 3, "{ran:#?}");
    for part in ["n-000, n-001, n-002, n-010", " and 40 more: ", "StartSession on NODE was refused"]
    {
        assert!(told[0].contains(part), "{part}: {ran:#?}");
    }
    assert!(told[1].starts_with("    "), "what to do: {ran:#?}");
    assert_eq!(told[2], "ssmport: 60 of 200 nodes failed");
    await_active_sessions_of(&account);
}

#[test]
fn a_service_that_wants_fewer_starts_gets_fewer() {
    let fleet = Fleet::with(20, &["--faults", "throttle=4,seed=1"]);
    let ran = fleet.run(&["--on", "web-*", "--parallel", "20", "--", "echo", "x"]);
    assert_eq!((ran.code(), &*ran.stderr), (0, "20 nodes, all done\n"), "{ran:#?}");
    assert_eq!(lines(&ran.stdout).len(), 20);
}

/// Some MiB are under way in each session; more than that is not taken from the nodes.
#[test]
fn a_slow_reader_holds_all_nodes_back() {
    let fleet = Fleet::of(6);
    let mark = mark();
    let line = format!("yes 0123456789abcdef; exec true {mark}");
    let exec = fleet.exec(&["--on", "web-*", "--", "sh", "-c", &line]);
    // It says its number, and nobody reads what it writes.
    let script = r#"{ echo $$ >&2; exec "$@"; } | { read -r line; echo "first: $line" >&2
        exec sleep "$MARK"; }"#;
    let mut shell = in_shell(script, &exec);
    shell.env("MARK", &mark);
    let ssmport = Program::start(shell);
    let pid: u32 = ssmport.wait_for_stderr(|_| true).parse().expect("a number");
    ssmport.wait_for_stderr(|line| line.starts_with("first: web-"));
    // Without a bound it never stops reading.
    let (used, looks) = (Cell::new(0), Cell::new(0));
    await_that("nothing more is read", || {
        let now = processor_time(pid);
        looks.set(if used.replace(now) == now { looks.get() + 1 } else { 0 });
        looks.get() == 100
    });
    let memory = peak_memory(pid);
    assert!(memory < 120 << 20, "{} MiB", memory >> 20);
    ssmport.signal(Signal::INT);
    await_active_sessions(&fleet.endpoint, 0);
}

/// That a process has had, in ticks.
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its status");
    // Behind the name, which stands in parentheses: field 3 and so on; 14 and 15 are ticks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum()
}

fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

fn await_active_sessions_of(account: &Account) {
    let keys = account.keys("jane");
    let arguments = ["describe-sessions", "--state", "Active"];
    let active = account.ask(&keys, "ssm", &arguments);
    assert_eq!(active["Sessions"].as_array().map(Vec::len), Some(0), "{active}");
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["ssm:*","ec2:DescribeInstances"],"Resource":"*"},
    {"Effect":"Deny","Action":"ssm:StartSession","Resource":"*",
     "Condition":{"StringEquals":{"ssm:resourceTag/Group":"shut"}}}]}"#;
