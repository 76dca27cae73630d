//! `ssmport up --install`: what systems are given to keep tunnels up, by their own readers where those are here.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    support::{NODE, Program, command, find_tool},
    up::{User, to},
};

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let user = User::with(&to("a$b%c", NODE, 80, 0).replace("a$b%c", "'a$b%c'"));
    let wrong = user.run(&["up", "--install", "db"]);
    assert_eq!(wrong.code(), 2, "{wrong:#?}");
    let mut install = user.ssmport(&["--profile", "my prod", "up", "--install", "a$b%c"]);
    install.env("AWS_REGION", "eu-west-1");
    install.env("AWS_CONFIG_FILE", "aws/config").current_dir(user.path(""));
    let config = format!("Environment=AWS_CONFIG_FILE={}", user.path("aws/config").display());
    let printed = Program::run(install);
    assert!(printed.stderr.contains("systemctl --user enable --now ssmport"), "{printed:#?}");
    let unit = printed.success();
    for line in [
        " --profile \"my prod\" up \"a$$b%%c\"",
        "Environment=AWS_REGION=eu-west-1",
        &config,
        "[Service]",
        "WantedBy=default.target",
    ] {
        assert!(unit.lines().any(|found| found.ends_with(line)), "{line}: {unit}");
    }
    // Secrets stay where they are.
    assert!(!unit.contains("AWS_SECRET_ACCESS_KEY"), "{unit}");
    let named = user.run(&["up", "--install=systemd"]).success();
    assert!(named.contains("[Service]"), "{named}");
    let path = user.path("ssmport.service");
    fs::write(&path, unit).expect("written");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("there is no systemd-analyze: the unit is not verified");
        return;
    }
    let mut verify = command(find_tool("systemd-analyze"));
    verify.args(["verify", "--user", "--man=no"]).arg(&path);
    verify.env("XDG_RUNTIME_DIR", user.path("run"));
    let verified = Program::run(verify);
    assert_eq!((verified.code(), &*verified.stderr), (0, ""), "{verified:#?}");
}

/// Read by others' readers of these forms: the words arrive as they are.
#[test]
fn what_other_systems_are_given_is_well_formed() {
    let name = r#"a&b<c>'"%$d"#;
    let config = to("x", NODE, 80, 0).replace("tunnels.x", r#"tunnels."a&b<c>'\"%$d""#);
    let user = User::with(&config);
    let printed = |form: &str| {
        let words = ["--profile", "my \"prod\"", "up", form, name];
        let mut install = user.ssmport(&words);
        install.env("AWS_PROFILE", "a&b").env("USERDOMAIN", "CORP").env("USERNAME", "me&you");
        Program::run(install)
    };
    let read = |script: &str, text: &str| -> Value {
        let path = user.path("printed");
        fs::write(&path, text).expect("written");
        let mut python = command(find_tool("python3"));
        python.args(["-c", script]).arg(&path);
        serde_json::from_str(&Program::run(python).success()).expect("JSON")
    };
    let program = env!("CARGO_BIN_EXE_ssmport");

    let agent = printed("--install=launchd");
    assert!(agent.stderr.contains("launchctl bootstrap "), "{agent:#?}");
    let agent = read(PLIST, &agent.success());
    let words = json!([program, "--profile", "my \"prod\"", "up", name]);
    assert_eq!(agent["ProgramArguments"], words);
    assert_eq!(agent["EnvironmentVariables"]["AWS_PROFILE"], "a&b");
    assert_eq!((&agent["Label"], &agent["RunAtLoad"]), (&json!("ssmport"), &json!(true)));

    let task = printed("--install=task");
    assert!(task.stderr.contains("schtasks /Create "), "{task:#?}");
    assert!(task.stderr.contains("setx AWS_PROFILE a&b"), "{task:#?}");
    let task = read(TASK, &task.success());
    let arguments = r#"--profile "my \"prod\"" up "a&b<c>'\"%$d""#;
    assert_eq!(task, json!([program, arguments, "CORP\\me&you", "InteractiveToken", "PT0S"]));
}

const PLIST: &str = r#"
import json, plistlib, sys
print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))
"#;
const TASK: &str = r#"
import json, sys, xml.etree.ElementTree as tree
names = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
root = tree.parse(sys.argv[1]).getroot()
found = ["Actions/t:Exec/t:Command", "Actions/t:Exec/t:Arguments", "Triggers/t:LogonTrigger/t:UserId",
    "Principals/t:Principal/t:LogonType", "Settings/t:ExecutionTimeLimit"]
print(json.dumps([root.find("t:" + path, names).text for path in found]))
"#;
