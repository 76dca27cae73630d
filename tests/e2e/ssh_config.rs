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
    let expected = json!({
        "schema": 1, "event": "ssh_config", "block": printed,
        "file": null, "changed": false, "backup": null,
    });
    assert_eq!(report, expected);
}

#[test]
fn connections_wait_for_a_node_where_the_block_says_so() {
    for (typed, written) in [("--wait", "--wait=5m"), ("--wait=90s", "--wait=1m30s")] {
        let mut print = ssmport();
        print.args(["ssh-config", "--alias", "web=local", typed]);
        let printed = Program::run(print).success();
        assert!(printed.contains(&format!(" proxy {written} local %p\n")), "{printed}");
        assert!(printed.contains(&format!(" proxy {written} '%h' %p\n")), "{printed}");
    }
    let mut proxy = ssmport();
    proxy.args(["proxy", "--wait=1m30s", "--help"]);
    Program::run(proxy).success();
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

        // Another block of the profile's, in the place of the first one.
        fs::write(&path, format!("{before}\n{after}\nHost below\n")).expect("a file");
        install(&program, &path, &["--profile", "my dev"]).success();
        let changed = fs::read_to_string(&path).expect("the file");
        let block = format!("{before}\n# >>> ssmport my dev >>>\n");
        assert!(changed.starts_with(&block), "file {index}");
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
    let mut report: Value = serde_json::from_str(&ran.success()).expect("JSON");
    let block = report["block"].take();
    assert!(block.as_str().is_some_and(|block| block.contains("ProxyCommand")), "{block}");
    let backup = format!("{}.before-ssmport", real.display());
    let expected = json!({
        "schema": 1, "event": "ssh_config", "block": null, "file": link.display().to_string(),
        "changed": true, "backup": backup,
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

/// Hosts of several accounts in one file.
#[test]
fn blocks_of_several_profiles_stand_side_by_side_and_hold_the_settings_aliases() {
    let folder = TempDir::new().expect("a directory");
    let (path, config) = (folder.path().join("config"), folder.path().join("ssmport.toml"));
    fs::write(&path, "User me\n").expect("a file");
    let aliases = "[targets]\ndb = \"tag:Role=db\"\nweb = \"i-0fedcba9876543210\"\n";
    fs::write(&config, aliases).expect("the aliases");
    for (profile, alias) in [("prod", "prod-web=i-0123456789abcdef0"), ("dev", "web=local")] {
        let mut ssmport = ssmport();
        ssmport.args(["--profile", profile, "ssh-config", "--install", "--alias", alias, "--file"]);
        ssmport.arg(&path).env("SSMPORT_CONFIG", &config);
        Program::run(ssmport).success();
    }
    for (host, expected) in [
        ("prod-web", "--profile prod proxy i-0123456789abcdef0 %p"),
        ("web", "--profile dev proxy local %p"),
        ("db", "--profile dev proxy db %p"),
    ] {
        let settings = Settings::of(&path, host);
        let command = settings.get("proxycommand").expect("a command");
        assert!(command.ends_with(expected), "{host}: {command}");
    }
    let first = fs::read_to_string(folder.path().join("config.before-ssmport"));
    assert_eq!(first.expect("the first backup"), "User me\n");
}

/// ssh with ControlPersist gives its ProxyCommand no standard error.
#[test]
#[cfg(feature = "aws")]
fn why_a_connection_failed_is_kept_where_nobody_sees_it() {
    let folder = TempDir::new().expect("a directory");
    let log = folder.path().join("state/ssmport/failures.log");
    let proxy = |redirection: &str, variable: &str, value: &Path| {
        let mut shell = command("sh");
        let script = format!("exec \"$1\" proxy i-0123456789abcdef0 {redirection}");
        shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_ssmport")]);
        shell.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_PROFILE", "nobody");
        shell.env("AWS_REGION", "eu-west-1").env(variable, value);
        Program::run(shell)
    };
    let state = folder.path().join("state");
    assert_ne!(proxy("", "XDG_STATE_HOME", &state).code(), 0);
    assert!(!log.exists(), "it was shown");
    assert_ne!(proxy("2>/dev/null", "XDG_STATE_HOME", &state).code(), 0);
    let kept = fs::read_to_string(&log).expect("the log");
    assert!(kept.contains("there is no profile `nobody`"), "{kept}");
    assert_eq!(fs::metadata(&log).expect("it").permissions().mode() & 0o777, 0o600);

    let named = folder.path().join("mine.log");
    assert_ne!(proxy("", "SSMPORT_FAILURE_LOG", &named).code(), 0);
    assert!(fs::read_to_string(&named).expect("the log").contains("nobody"));
}

#[test]
#[cfg(feature = "aws")]
fn host_keys_are_known_by_the_nodes_id() {
    for (words, alias) in [
        (&[NODE][..], Some(NODE)),
        (&["root@i-0123456789abcdef0--eu-west-1"], Some(NODE)),
        (&["-o", "HostKeyAlias=mine", NODE], Some("mine")),
        (&["local"], None),
    ] {
        let mut ssmport = ssmport();
        ssmport.args(["ssh", "-F", "none", "-G"]).args(words);
        let settings = Settings::parse(&Program::run(ssmport).success());
        assert_eq!(settings.get("hostkeyalias"), alias, "{words:?}");
        if words[0].contains("--") {
            let command = settings.get("proxycommand").expect("a command");
            assert!(command.ends_with(&format!("--region eu-west-1 proxy {NODE} %p")), "{command}");
        }
    }
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
