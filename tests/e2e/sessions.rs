//! Which sessions there are, whose they are, and ending them: two users of an account, and their chief.
#![cfg(feature = "aws")]

use std::{fs, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Account, Endpoint, Finished, NODE, Program, REGION, Terminal, Tmux, command, port_request,
};

struct Company {
    account: Account,
    _folder: TempDir,
}

impl Company {
    fn start() -> Self {
        let folder = TempDir::new().expect("a directory");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file");
        };
        write("own.json", OWN);
        write("blind.json", &OWN.replace("\"ssm:DescribeSessions\", ", ""));
        write("all.json", ALL);
        write("account.toml", ACCOUNT);
        let file = folder.path().join("account.toml");
        let account = Account::with(file.to_str().expect("text"));
        Self { account, _folder: folder }
    }

    fn ssmport(&self, user: &str, arguments: &[&str]) -> Command {
        let keys = self.account.keys(user);
        let mut ssmport = ssmport(&self.account.endpoint, arguments);
        ssmport.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        ssmport
    }

    fn run(&self, user: &str, arguments: &[&str]) -> Finished {
        Program::run(self.ssmport(user, arguments))
    }

    /// A user's session, for as long as the guard is there, and its id.
    fn session(&self, user: &str, reason: &str) -> (Program, String) {
        let before = self.ids("chief", &["--all"]);
        let forward = ["forward", "0:9", "-t", WEB, "--reason", reason];
        let forward = Program::start(self.ssmport(user, &forward));
        forward.wait_for_stderr(|line| line.contains("Forwarding"));
        let new = self.ids("chief", &["--all"]).into_iter().find(|id| !before.contains(id));
        (forward, new.expect("another session"))
    }

    #[track_caller]
    fn list(&self, user: &str, options: &[&str]) -> Vec<Value> {
        let arguments = [&["sessions", "--json"], options].concat();
        lines(&self.run(user, &arguments).success())
    }

    #[track_caller]
    fn ids(&self, user: &str, options: &[&str]) -> Vec<String> {
        let id = |session: &Value| session["id"].as_str().expect("an id").to_owned();
        self.list(user, options).iter().map(id).collect()
    }
}

#[test]
fn everybody_has_their_own_and_all_of_them_if_they_want() {
    let company = Company::start();
    let nobody = company.run("alice", &["sessions"]);
    assert_eq!((nobody.code(), &*nobody.stdout), (0, ""), "{nobody:#?}");
    assert!(nobody.stderr.contains("You have no such sessions"), "{nobody:#?}");

    let reason = "\u{bc30}\u{d3ec} \u{1b}[31mred\u{202e}\r\nnow";
    let (_forward, of_alice) = company.session("alice", reason);
    let (_other, of_bob) = company.session("bob", "nightly");
    assert_eq!(company.ids("alice", &[]), [&*of_alice]);
    assert_eq!(company.ids("alice", &["--all"]), [&*of_bob, &*of_alice]);
    assert_eq!(company.ids("alice", &["-t", "web"]), [&*of_alice]);
    assert_eq!(company.ids("alice", &["-t", "db"]), [""; 0]);
    assert_eq!(company.ids("bob", &["--document", "AWS-StartSSHSession"]), [""; 0]);
    assert_eq!(company.ids("bob", &["--document", FORWARD, "--since", "1h"]), [&*of_bob]);
    assert_eq!(company.ids("bob", &["--past"]), [""; 0]);

    let session = &company.list("alice", &[])[0];
    assert_eq!(session["owner"], "arn:aws:iam::123456789012:user/alice");
    assert_eq!(
        (&session["target"], &session["document"], &session["status"]),
        (&json!(WEB), &json!(FORWARD), &json!("Connected"))
    );
    assert_eq!(session["reason"], "\u{bc30}\u{d3ec} [31mred\u{fffd} now");
    assert_eq!((&session["ended"], &session["details"]), (&Value::Null, &Value::Null));

    let table = company.run("alice", &["sessions", "--all"]).success();
    let row = table.lines().find(|line| line.starts_with(&of_alice)).expect("its row");
    for part in [WEB, "forward", ", for ", "Connected", "user/alice", "[31mred\u{fffd} now"] {
        assert!(row.contains(part), "{part} in {row}");
    }
    let mine = company.run("bob", &["sessions"]).success();
    assert!(!mine.contains("OWNER") && mine.contains("nightly"), "{mine}");

    let wrong = company.run("alice", &["sessions", "--past", "stop", &of_alice]);
    assert_eq!(wrong.code(), 2, "{wrong:#?}");
    let local = company.run("alice", &["sessions", "-t", "local"]);
    assert_eq!(local.code(), 2, "{local:#?}");
}

#[test]
fn ones_own_end_without_a_question_and_are_past_then() {
    let company = Company::start();
    let (forward, id) = company.session("alice", "a");
    let (_second, second) = company.session("alice", "b");
    let (_other, of_bob) = company.session("bob", "c");
    let ended = company.run("alice", &["sessions", "stop", &id, &id]);
    assert_eq!(ended.code(), 0, "{ended:#?}");
    assert_eq!(ended.stderr, format!("{id}: ended\n"));
    forward.wait_for_stderr(|line| line.contains("ended") || line.contains("lost"));
    let again = company.run("alice", &["sessions", "stop", &id, "--json"]);
    assert!(again.stderr.contains(": was over"), "{again:#?}");
    assert_eq!(lines(&again.success())[0]["state"], "was_over");

    let past = company.list("alice", &["--past"]);
    assert_eq!(past.len(), 1);
    assert!(past[0]["ended"].is_string() && past[0]["details"].is_string(), "{past:?}");
    let table = company.run("alice", &["sessions", "--past"]).success();
    assert!(table.contains(" ago  Terminated") && table.contains(", for "), "{table}");

    let young = company.run("alice", &["sessions", "stop", "--older-than", "1h"]);
    assert_eq!((young.code(), &*young.stderr), (0, "There are no such sessions.\n"));
    let mine = company.run("alice", &["sessions", "stop", "--mine"]);
    assert_eq!((mine.code(), mine.stderr), (0, format!("{second}: ended\n")));
    assert_eq!(company.ids("alice", &["--all"]), [of_bob]);
}

#[test]
fn others_are_not_ended_without_a_yes_and_a_policy() {
    let company = Company::start();
    let (_other, id) = company.session("bob", "nightly");
    let stop = ["sessions", "stop", &id];
    let unasked = company.run("chief", &stop);
    assert_eq!(unasked.code(), 2, "{unasked:#?}");
    for part in ["would end 1 session that is not your own", &id, "user/bob", "--yes"] {
        assert!(unasked.stderr.contains(part), "{part} in {unasked:#?}");
    }
    let refused = company.run("alice", &["sessions", "stop", &id, "--yes", "--json"]);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    for part in ["ask for a policy that allows ssm:TerminateSession", "a session of user/bob"] {
        assert!(refused.stderr.contains(part), "{part} in {refused:#?}");
    }
    let told = lines(&refused.stdout);
    assert_eq!((&told[0]["state"], &told[1]["event"]), (&json!("failure"), &json!("error")));

    let unknown = company.run("alice", &["sessions", "stop", "alice-00000000000000000"]);
    assert_eq!(unknown.code(), 4, "{unknown:#?}");
    assert!(unknown.stderr.contains("there is no session alice-0"), "{unknown:#?}");
    let both = company.run("alice", &["sessions", "stop", "--yes", &id, "x-0"]);
    assert_eq!(both.code(), 4, "{both:#?}");
    assert!(both.stderr.contains("2 of 2 sessions are not ended"), "{both:#?}");
    assert_eq!(both.stderr.matches("warning: ").count(), 2, "{both:#?}");

    let mut no = Terminal::start(&company.ssmport("chief", &stop));
    no.wait_for("End 1 session that is not your own?");
    no.press("n\r");
    let (code, screen) = no.finish();
    assert!(code == Some(1) && screen.contains("Nothing was ended."), "{screen}");
    let mut left = Terminal::start(&company.ssmport("chief", &stop));
    left.wait_for("End 1 session that is not your own?");
    left.press("\x03");
    assert_eq!(left.finish().0, Some(130));
    assert_eq!(company.ids("bob", &[]), [&*id]);

    let mut yes = Terminal::start(&company.ssmport("chief", &stop));
    yes.wait_for("user/bob");
    yes.wait_for("End 1 session that is not your own?");
    yes.press("y\r");
    yes.wait_for(": ended");
    assert_eq!(yes.finish().0, Some(0));
    assert_eq!(company.ids("bob", &[]), [""; 0]);
}

#[test]
fn who_may_not_list_sessions_ends_their_own_all_the_same() {
    let company = Company::start();
    let (_forward, id) = company.session("sam", "x");
    let refused = company.run("sam", &["sessions"]);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    assert!(refused.stderr.contains("ssm:DescribeSessions"), "{refused:#?}");
    let unasked = company.run("sam", &["sessions", "stop", &id]);
    assert!(unasked.code() == 2 && unasked.stderr.contains("you may not see"), "{unasked:#?}");
    let ended = company.run("sam", &["sessions", "stop", &id, "--yes"]);
    assert_eq!((ended.code(), ended.stderr), (0, format!("{id}: ended\n")));
}

#[test]
fn pages_are_followed_and_many_end_at_once() {
    let endpoint = Endpoint::start();
    for _ in 0..MANY {
        endpoint.start_port_session(9);
    }
    let run = |arguments: &[&str]| Program::run(ssmport(&endpoint, arguments));
    let listed = run(&["sessions", "--json"]);
    assert!(listed.stderr.ends_with(&format!("{MANY} sessions\n")), "{}", listed.stderr);
    assert_eq!(lines(&listed.success()).len(), MANY);
    let ended = run(&["sessions", "stop", "--mine"]);
    assert_eq!(ended.code(), 0, "{ended:#?}");
    assert_eq!(ended.stderr.matches(": ended\n").count(), MANY);
    assert_eq!(endpoint.active_sessions(), [""; 0]);
    assert_eq!(lines(&run(&["sessions", "--past", "--json"]).success()).len(), MANY);
}

#[test]
fn a_terminal_of_80_columns_has_whole_ids_and_the_reason() {
    let endpoint = Endpoint::start();
    let mut request = port_request(9);
    request["Reason"] = json!("\u{bc30}\u{d3ec} ".repeat(30).trim());
    let (status, started) = endpoint.call("StartSession", &request);
    assert_eq!(status, 200, "{started}");
    let id = started["SessionId"].as_str().expect("an id");
    let terminal = Tmux::start(&ssmport(&endpoint, &["sessions"]), 80, 24);
    let screen = terminal.wait_for(|screen| screen.contains("1 session\n"));
    let row = screen.lines().find(|line| line.starts_with(id)).expect("its row");
    for part in [NODE, ", for ", "\u{bc30}\u{d3ec}"] {
        assert!(row.contains(part), "{part} in\n{screen}");
    }
    assert!(row.trim_end().ends_with('\u{2026}'), "{screen}");
}

#[test]
fn the_help_of_stop_fits_a_terminal() {
    let mut help = command(env!("CARGO_BIN_EXE_ssmport"));
    help.args(["sessions", "stop", "-h"]);
    let text = Program::run(help).success();
    assert!(text.lines().count() <= 22 && text.contains("More: ssmport help sessions"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let mut bare = command(env!("CARGO_BIN_EXE_ssmport"));
    bare.args(["sessions", "stop"]);
    let bare = Program::run(bare);
    assert!(bare.code() == 2 && bare.stderr.contains("--older-than TIME"), "{bare:#?}");
    assert!(!text.contains("--profile") && text.contains("--older-than"), "{text}");
}

fn ssmport(endpoint: &Endpoint, arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["--endpoint-url", &endpoint.url]).args(arguments);
    ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    ssmport.env("AWS_REGION", REGION);
    ssmport
}

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// More than SSM gives at a time.
const MANY: usize = 250;
const WEB: &str = "i-0a11ce00000000001";
const FORWARD: &str = "AWS-StartPortForwardingSession";
const ACCOUNT: &str = r#"
id = "123456789012"
[users.alice]
policies = ["own.json"]
[users.bob]
policies = ["own.json"]
[users.sam]
policies = ["blind.json"]
[users.chief]
policies = ["all.json"]
[nodes.i-0a11ce00000000001]
name = "web"
[nodes.i-0b0b0000000000001]
name = "db"
"#;
const OWN: &str = r#"{ "Version": "2012-10-17", "Statement": [
    { "Effect": "Allow", "Resource": "*", "Action": ["ssm:StartSession", "ssm:DescribeSessions", "ssm:DescribeInstanceInformation"] },
    { "Effect": "Allow", "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*", "Action": "ssm:TerminateSession" }
] }"#;
const ALL: &str = r#"{ "Version": "2012-10-17", "Statement": [
    { "Effect": "Allow", "Resource": "*", "Action": "*" }
] }"#;
