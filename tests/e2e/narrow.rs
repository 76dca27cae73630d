//! Terminals that are small: what is listed and asked fits them, whatever nodes are called.
#![cfg(feature = "aws")]

use std::{fs, process::Command};

use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

use crate::support::{Account, REGION, Tmux, command};

/// Nodes with long names, wide names, and one of the many that do not fit a screen.
struct Fleet {
    account: Account,
    _folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let folder = TempDir::new().expect("a directory");
        let node = |(number, name): (usize, &str)| {
            let about = "platform_name = \"Amazon Linux\"\nplatform_version = \"2023.9.20251117\"";
            format!(
                "[nodes.i-00000000000000{number:03}]\nname = \"{name}\"\nip = \"10.20.30.{number}\"\n{about}\n"
            )
        };
        let many: Vec<_> = (10..60).map(|number| format!("worker-{number}")).collect();
        let names = ["web", LONG, WIDE].into_iter().chain(many.iter().map(String::as_str));
        let nodes: String = names.enumerate().map(node).collect();
        let file = folder.path().join("account.toml");
        fs::write(&file, format!("[users.jane]\npolicies = [\"all.json\"]\n{nodes}"))
            .expect("a file");
        fs::write(folder.path().join("all.json"), ALL).expect("a policy");
        let account = Account::with(file.to_str().expect("text"));
        Self { account, _folder: folder }
    }

    fn ssmport(&self, arguments: &[&str]) -> Command {
        let keys = self.account.keys("jane");
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.account.endpoint.url]).args(arguments);
        ssmport.env("AWS_REGION", REGION);
        ssmport.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        ssmport
    }
}

#[test]
fn lists_have_whole_ids_in_whole_lines() {
    let fleet = Fleet::start();
    for cols in [80, 60, 40] {
        let terminal = Tmux::start(&fleet.ssmport(&["ls", "*"]), cols, 70);
        assert_eq!(terminal.finish(), 0);
        let screen = terminal.wait_for(|screen| screen.contains("53 nodes"));
        let lines: Vec<_> = screen.lines().take_while(|line| *line != "53 nodes").collect();
        assert_eq!(lines.len(), 54, "each node has a line:\n{screen}");
        assert!(lines[0].starts_with("NAME ") && lines[0].contains(" ID "), "{screen}");
        let ids = lines[1..].iter().filter(|line| line.contains("  i-00000000000000"));
        assert_eq!(ids.count(), 53, "{screen}");
        assert!(lines.iter().all(|line| line.width() <= cols.into()), "{screen}");
        let column = |line: &str| line.split("i-0000").next().map(UnicodeWidthStr::width);
        assert!(lines[1..].iter().all(|line| column(line) == column(lines[1])), "{screen}");
    }
}

#[test]
fn a_list_to_choose_from_fits_the_screen() {
    let fleet = Fleet::start();
    for (cols, rows) in [(80, 24), (40, 10)] {
        let terminal = Tmux::start(&fleet.ssmport(&["shell"]), cols, rows);
        let screen = terminal.wait_for(|screen| screen.contains("Esc"));
        let lines: Vec<_> = screen.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines[0].starts_with("? Which node?"), "the question is on the screen:\n{screen}");
        assert!(lines.last().expect("lines").starts_with('['), "{screen}");
        let choices = &lines[1..lines.len() - 1];
        let ids = choices.iter().filter(|line| line.contains("  i-00000000000000"));
        assert_eq!(ids.count(), choices.len(), "each choice has a line:\n{screen}");
        assert!(choices.len() >= 5, "{screen}");

        terminal.type_text("*서버");
        // The list is drawn anew, and may be away for a moment.
        let screen = terminal.wait_for(|screen| {
            !screen.contains("worker-") && screen.contains("i-00000000000000002")
        });
        let choices = screen.lines().filter(|line| line.contains("i-00000000000000"));
        assert_eq!(choices.count(), 1, "{screen}");
        (0..3).for_each(|_| terminal.press("BSpace"));
        terminal.type_text("wkr3");
        terminal.wait_for(|screen| screen.contains("worker-30") && !screen.contains("worker-11"));
        terminal.press("Escape");
        assert_eq!(terminal.finish_restored(), 130);
    }
}

/// All that is wrong in it has one cause.
#[test]
fn a_diagnosis_fits_the_screen_and_says_its_cause_once() {
    let account = Account::start();
    let keys = account.keys("alice");
    let mut doctor = command(env!("CARGO_BIN_EXE_ssmport"));
    doctor.args(["doctor", "i-0a11ce00000000001", "--endpoint-url", &account.endpoint.url]);
    doctor.env("AWS_REGION", REGION).env("AWS_ACCESS_KEY_ID", &keys.id);
    doctor.env("AWS_SECRET_ACCESS_KEY", &keys.secret);
    let terminal = Tmux::start(&doctor, 80, 24);
    assert_eq!(terminal.finish(), 1);
    let screen = terminal.wait_for(|screen| screen.contains("1 failure, 3 warnings"));
    assert!(screen.starts_with("ok      configuration region "), "{screen}");
    assert_eq!(screen.matches("most likely all that is done").count(), 1, "{screen}");
    assert_eq!(screen.matches("-> as for nodes").count(), 2, "{screen}");
}

const LONG: &str = "checkout-service-production-eu-west-1-autoscaling-group-member";
const WIDE: &str = "한국어 이름을 가진 운영 환경의 웹 서버";
const ALL: &str = r#"{"Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
