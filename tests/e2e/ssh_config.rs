//! `ssmport ssh` and `ssmport ssh-config`, as OpenSSH understands them.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Finished, NODE, Program, command, find_tool};

#[test]
fn ssh_is_given_what_was_meant_for_it_and_its_exit_code_is_ours() {
    let folder = TempDir::new().expect("a directory");
    let ssh = folder.path().join("ssh");
    fs::write(&ssh, "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 77\n").expect("a script");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("an executable");

    let settings = ["--profile", "my dev", "--endpoint-url", "http://h/?a=%20"];
    let words = ["-p", "2222", "-tt", "me@local", "-v", "--", "echo  'a b'", "$HOME"];
    let mut ssmport = ssmport();
    ssmport.args(settings).args(["-v", "ssh"]).args(words).env("PATH", folder.path());
    let ran = Program::run(ssmport);
    assert_eq!((ran.code(), &*ran.stderr), (77, ""));
    let proxy = format!(
        "ProxyCommand={} --profile 'my dev' --endpoint-url 'http://h/?a=%%20' -v proxy local %p",
        env!("CARGO_BIN_EXE_ssmport")
    );
    let expected = ["-o", &proxy].into_iter().chain(words).collect::<Vec<_>>();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn openssh_takes_the_proxy_command_before_any_other() {
    let mut ssmport = ssmport();
    ssmport.args(["ssh", "-F", "none", "-G", "-o", "ProxyCommand=none", "-l", "me", NODE]);
    let settings = Settings::parse(&Program::run(ssmport).success());
    let expected = format!("{} proxy {NODE} %p", env!("CARGO_BIN_EXE_ssmport"));
    assert_eq!(settings.get("proxycommand"), Some(&*expected));
    assert_eq!((settings.get("user"), settings.get("hostname")), (Some("me"), Some(NODE)));
}

#[test]
fn without_ssh_or_a_target_it_says_so() {
    for (arguments, code, words) in [
        (&["local"][..], 5, "cannot run ssh\n  there is no program of this name on the PATH\n"),
        (&["-p", "22"], 2, "there is no target\n"),
        (&["i-web"], 2, "`i-web` is not a target\n"),
        (&[], 2, "[USER@]TARGET"),
    ] {
        let mut ssmport = ssmport();
        ssmport.arg("ssh").args(arguments).env("PATH", "/nonexistent");
        let ran = Program::run(ssmport);
        assert_eq!(ran.code(), code, "{ran:#?}");
        assert!(ran.stderr.contains(words), "{ran:#?}");
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn the_printed_block_is_the_installed_one() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("config");
    let arguments = ["ssh-config", "--region", "eu-west-1", "--alias", "web=local"];
    let mut print = ssmport();
    print.args(arguments);
    let printed = Program::run(print).success();
    install(env!("CARGO_BIN_EXE_ssmport"), &path, &arguments[1..]).success();
    assert_eq!(fs::read_to_string(&path).expect("the file"), printed);

    let mut print = ssmport();
    print.args(arguments).arg("--json");
    let report: Value = serde_json::from_str(&Program::run(print).success()).expect("JSON");
    assert_eq!(report, json!({"event": "ssh_config", "block": printed}));
}

#[test]
fn the_users_own_configuration_is_created_for_the_user_alone() {
    let mut shell = command("sh");
    let script = r#"umask 0; "$1" ssh-config --install && stat -c %a ~/.ssh ~/.ssh/config &&
        "$1" ssh-config --install --json && cmp ~/.ssh/config ~/.ssh/config.before-ssmport"#;
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_ssmport")]);
    let ran = Program::run(shell);
    let second = ran.stdout.strip_prefix("700\n600\n").expect("the modes");
    let report: Value = serde_json::from_str(second).expect("JSON");
    assert_eq!((&report["changed"], &report["backup"]), (&json!(false), &Value::Null));
    assert!(ran.stderr.contains("has this block already; nothing is changed"), "{ran:#?}");
    assert!(ran.stderr.contains("config.before-ssmport: No such file"), "{ran:#?}");
}

/// Whatever the file holds: our hosts go through ssmport, and everything else is as before.
#[test]
fn the_block_holds_whatever_else_stands_in_the_file() {
    let folder = TempDir::new().expect("a directory");
    let program = program_at(&folder.path().join("it's 100% my (tools)!"));
    let path = folder.path().join("config");
    for (index, before) in FILES.iter().enumerate() {
        fs::write(&path, before).expect("a file");
        let others = ["web", "example.org", "i"].map(|host| Settings::of(&path, host));
        let users = OURS.map(|host| Settings::of(&path, host).get("user").map(str::to_owned));
        let alias = "db=i-0fedcba9876543210";
        install(&program, &path, &["--alias", alias, "--profile", "my dev"]).success();

        let words = quoted(&program) + " --profile 'my dev' proxy";
        let any = format!("{words} '%h' %p");
        let db = format!("{words} i-0fedcba9876543210 %p");
        let expected = [(OURS[0], &any), (OURS[1], &any), ("i-0fedcba9876543210", &db)];
        for ((host, (hostname, expected)), user) in OURS.iter().zip(expected).zip(users) {
            let settings = Settings::of(&path, host);
            assert_eq!(settings.get("proxycommand"), Some(&**expected), "file {index}");
            assert_eq!(settings.get("proxyjump"), None, "file {index}");
            assert_eq!(settings.get("hostname"), Some(hostname), "file {index}");
            assert_eq!(settings.get("user"), user.as_deref(), "file {index}");
        }
        for (host, settings) in ["web", "example.org", "i"].iter().zip(&others) {
            assert_eq!(&Settings::of(&path, host), settings, "file {index}");
        }

        let after = fs::read_to_string(&path).expect("the file");
        assert!(after.ends_with(before), "file {index}");
        let again = install(&program, &path, &["--alias", alias, "--profile", "my dev"]);
        assert!(again.stderr.contains("nothing is changed"), "{again:#?}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), after);

        // Another block, in the place of the first one.
        fs::write(&path, format!("{before}\n{after}\nHost below\n")).expect("a file");
        install(&program, &path, &[]).success();
        let changed = fs::read_to_string(&path).expect("the file");
        assert!(changed.starts_with(&format!("{before}\n# >>> ssmport >>>\n")), "file {index}");
        assert!(changed.ends_with(&format!("{before}\nHost below\n")), "file {index}");
        assert!(!changed.contains("HostName i-0fedcba9876543210"), "file {index}");
    }
}

#[test]
fn a_linked_file_is_changed_behind_its_link_and_reported() {
    let folder = TempDir::new().expect("a directory");
    let (real, link) = (folder.path().join("real"), folder.path().join("config"));
    fs::write(&real, "User me\n").expect("a file");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("permissions");
    symlink("real", &link).expect("a link");
    let ran = install(env!("CARGO_BIN_EXE_ssmport"), &link, &["--json"]);
    let report: Value = serde_json::from_str(&ran.success()).expect("JSON");
    let backup = format!("{}.before-ssmport", real.display());
    let expected = json!({
        "event": "ssh_config", "file": link.display().to_string(), "changed": true,
        "backup": backup,
    });
    assert_eq!(report, expected);
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    assert_eq!(fs::read_to_string(backup).expect("the backup"), "User me\n");
    assert_eq!(fs::metadata(&real).expect("the file").permissions().mode() & 0o777, 0o640);
}

#[test]
fn what_cannot_be_edited_is_left_as_it_is() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("config");
    let refused: [(&[u8], &str); 3] = [
        (b"Host a\n# >>> ssmport >>>\nHost b\n", "line 2 begins a block that has no end"),
        (b"# <<< ssmport <<<\n", "line 1 ends a block that has no beginning"),
        (b"Host caf\xe9\n", "line 1 is not UTF-8"),
    ];
    for (before, words) in refused {
        fs::write(&path, before).expect("a file");
        let ran = install(env!("CARGO_BIN_EXE_ssmport"), &path, &[]);
        assert_eq!(ran.code(), 5, "{ran:#?}");
        assert!(ran.stderr.contains(words), "{ran:#?}");
        assert_eq!(fs::read(&path).expect("the file"), before);
    }
    let entries = fs::read_dir(folder.path()).expect("the folder");
    assert_eq!(entries.count(), 1, "nothing but the file itself");
}

fn ssmport() -> Command {
    command(env!("CARGO_BIN_EXE_ssmport"))
}

/// `ssmport ssh-config --install` into the file at `path`.
pub fn install(program: impl AsRef<Path>, path: &Path, arguments: &[&str]) -> Finished {
    let mut ssmport = command(program.as_ref());
    ssmport.args(["ssh-config", "--install", "--file"]).arg(path).args(arguments);
    Program::run(ssmport)
}

/// ssmport itself, in another folder.
pub fn program_at(folder: &Path) -> PathBuf {
    fs::create_dir(folder).expect("a directory");
    let program = folder.join("ssmport");
    let original = env!("CARGO_BIN_EXE_ssmport");
    if fs::hard_link(original, &program).is_err() {
        fs::copy(original, &program).expect("a copy");
    }
    program
}

/// As it stands in a ProxyCommand; the names of temporary directories are plain.
fn quoted(program: &Path) -> String {
    let program = program.to_str().expect("Unicode");
    let special = program.replace('\'', r"'\''").replace('!', r"'\!'").replace('%', "%%");
    format!("'{special}'")
}

/// What `ssh -G` says.
#[derive(PartialEq, Eq, Debug)]
struct Settings(Vec<(String, String)>);

impl Settings {
    /// For a host, with the file at `path`.
    fn of(path: &Path, host: &str) -> Self {
        let mut ssh = command(find_tool("ssh"));
        ssh.arg("-F").arg(path).args(["-G", host]);
        Self::parse(&Program::run(ssh).success())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        // The home directory is another one each time.
        let lasting = lines.filter(|(_, value)| !value.contains(".ssh/"));
        Self(lasting.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str())
    }
}

/// Hosts that the block is for; the last is an alias.
const OURS: [&str; 3] = [NODE, "mi-0123456789abcdef0", "db"];
/// Settings for all hosts outside of a section, in one, in `Match` ones; without a last line feed.
const FILES: [&str; 6] = [
    "",
    "User everyone\nProxyJump bastion\n",
    "# mine\nHost web\n    User web\n    Port 2222\n\nHost *\n    ProxyCommand none\n    User rest",
    "Match host web\n    User matched\nMatch all\n    ProxyJump bastion\n    User rest\n",
    "User first\r\nHost *\r\n\tProxyCommand /bin/false\r\nHost i-* mi-* db\r\n\tProxyCommand x\r\n",
    "Host !web *\n    ProxyJump bastion\n    User not-web\nMatch final host *.org\n    Port 7\n",
];
