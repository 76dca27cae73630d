//! What other users of the machine get of ours: nothing, whatever the umask is and whatever they put in
//! our way beforehand.
//!
//! These tests need a second user, and so root, who may become one.
#![cfg(feature = "aws")]

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::getuid;
use tempfile::TempDir;

use crate::{
    raw_frame::{HANDSHAKE_COMPLETE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE},
    raw_gateway::{HANDSHAKE_COMPLETE_TEXT, RawGateway, handshake_request},
    support::{
        Endpoint, Finished, NODE, Program, REGION, Signal, command, find_tool,
        home::{Home, hello, ssmport},
        in_shell,
        sts::Sts,
    },
    targets::closed_port,
};

/// A folder that everybody may write to, and what it takes to push a key from there.
struct Shared {
    folder: TempDir,
    endpoint: Endpoint,
}

impl Shared {
    fn with_mode(mode: u32) -> Self {
        let folder = TempDir::new().expect("a directory");
        for name in ["tmp", "bin", "pushed", "theirs"] {
            fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        let mode_of = |name: &str, mode| {
            let path = folder.path().join(name);
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
        };
        mode_of("", 0o755);
        mode_of("tmp", mode);
        mode_of("theirs", 0o777);
        let pushed = folder.path().join("pushed");
        let endpoint = Endpoint::with(&["--pushed-keys", pushed.to_str().expect("text")]);
        let shared = Self { folder, endpoint };
        shared.other(&format!("{} -q -t ed25519 -N '' -f key", tool("ssh-keygen")));
        shared.program("ssh", "case $1 in -G) echo user jane;; *) echo \"in:$*\";; esac");
        shared
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script in the other user's folder, as that user.
    fn other(&self, script: &str) {
        let mut other = command("setpriv");
        other.args(OTHER).args(["sh", "-c", script]).current_dir(self.path("theirs"));
        assert!(other.status().expect("setpriv of util-linux").success(), "{script}");
    }

    /// A program that goes before the system's own.
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a program");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its mode");
    }

    /// `ssmport ssh --push-key`, and what the other user does at the worst moments: before the key pair is
    /// made in `$d`, and right after.
    fn push_key(&self, before: &str, after: &str) -> Finished {
        for (name, attack) in [("before", before), ("after", after)] {
            let script = format!("cd {}; {attack}", self.path("theirs").display());
            fs::write(self.path(name), script).expect("a script");
        }
        let (keygen, other) = (tool("ssh-keygen"), OTHER.join(" "));
        let here = self.folder.path().display();
        self.program(
            "ssh-keygen",
            &format!(
                "case $* in *-y*) exec {keygen} \"$@\";; esac
                 for key; do :; done; d=$(dirname \"$key\"); export d
                 setpriv {other} sh {here}/before >{here}/said 2>&1
                 {keygen} \"$@\" || exit
                 setpriv {other} sh {here}/after >>{here}/said 2>&1
                 exit 0"
            ),
        );
        Program::run(without_umask(&self.ssh_with_key()))
    }

    fn ssh_with_key(&self) -> Command {
        let mut path = OsString::from(self.path("bin"));
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.endpoint.url, "ssh", "--push-key", NODE]);
        ssmport.env("PATH", path).env("TMPDIR", self.path("tmp")).env("AWS_REGION", REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport
    }

    /// The key that the node has been given, and that of the other user.
    fn keys(&self) -> (Option<String>, String) {
        let pushed = fs::read_to_string(self.path("pushed").join("jane")).ok();
        let theirs = fs::read_to_string(self.path("theirs").join("key.pub")).expect("a key");
        (pushed, theirs.split(' ').nth(1).expect("a key").to_owned())
    }
}

#[test]
fn the_key_that_is_pushed_is_ours_whatever_others_do() {
    if !is_root() {
        return;
    }
    let replace = "cp key.pub new; mv -f new \"$d/key.pub\"; cp key new; mv -f new \"$d/key\"";
    // Without the sticky bit our folder can be moved away, but not entered.
    let exchange = "mv \"$d\" \"$d.away\"; mkdir -m 777 \"$d\"; cp key key.pub \"$d\"";
    let lead_away = "mv \"$d\" \"$d.away\"; ln -s \"$PWD\" \"$d\"";
    for (mode, before, after, code) in [
        (0o1777, "", replace, 0),
        (0o777, "", replace, 0),
        (0o777, "", exchange, 0),
        (0o777, "", lead_away, 0),
        (0o777, "mv \"$d\" \"$d.away\"; mkdir -m 777 \"$d\"", replace, 5),
        (0o777, lead_away, "", 5),
    ] {
        let shared = Shared::with_mode(mode);
        let ended = shared.push_key(before, after);
        let said = fs::read_to_string(shared.path("said")).expect("the attack was tried");
        let (pushed, theirs) = shared.keys();
        let what = format!("{mode:o} {before} {after}: {said} {pushed:?} {ended:?}");
        assert_eq!((ended.code(), pushed.is_some()), (code, code == 0), "{what}");
        assert!(!pushed.is_some_and(|key| key.contains(&theirs)), "{what}");
        let advice = "ssmport: cannot make a key with ssh-keygen\n";
        assert!(code == 0 || ended.stderr.starts_with(advice), "{what}");
    }
}

#[test]
fn a_socket_is_used_and_replaced_by_nobody_else_and_replaces_nothing_of_theirs() {
    if !is_root() {
        return;
    }
    let shared = Shared::with_mode(0o1777);
    let (socket, precious) = (shared.path("tmp").join("s"), shared.path("precious"));
    fs::write(&precious, "precious").expect("a file");
    let at = socket.display();
    let forward = || {
        let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
        forward.args(["forward", &format!("{at}:9"), "-t", "local"]);
        Program::start(without_umask(&forward))
    };
    for trap in ["ln -s ../precious", "ln -s ../new", "mkdir", "touch", "mkfifo"] {
        shared.other(&format!("{trap} {at}"));
        let refused = forward().finish();
        assert_eq!(refused.code(), 5, "{trap}: {refused:?}");
        assert!(refused.stderr.contains(&format!("cannot listen on {at}")), "{refused:?}");
        shared.other(&format!("rm -r {at}"));
    }
    assert_eq!(fs::read_to_string(&precious).expect("a file"), "precious");
    assert!(!shared.path("new").exists());

    let forward = forward();
    forward.wait_for_stderr(|line| line.contains("Forwarding"));
    for attack in ["test -w S", "rm -f S", "mv S S.old", "ln S S.too", "chmod 777 S"] {
        shared.other(&format!("! {}", attack.replace('S', &at.to_string())));
    }
    forward.signal(Signal::INT);
    forward.finish();
    assert!(!socket.exists());
}

/// The commands that write anything, and everything that they write.
#[tokio::test]
async fn under_an_umask_of_nothing_all_that_is_written_is_the_users_alone() {
    let home = Home::with(PROFILES);
    let (state, scratch) = (home.path().join("state"), home.path().join("scratch"));
    let socket = home.path().join("s");
    fs::create_dir(&scratch).expect("a directory");
    fs::create_dir(home.path().join(".ssh")).expect("a directory");
    fs::write(home.path().join(".ssh/config"), "").expect("a file");
    fs::set_permissions(home.path().join(".ssh/config"), Permissions::from_mode(0o600)).unwrap();
    let made_by_us = entries(home.path());
    let at_home = |program: &mut Command| {
        program.env("TMPDIR", &scratch).env("SSMPORT_FAILURE_LOG", state.join("failures.log"));
        home.of(&without_umask(program))
    };
    let nothing_is_open = |what: &str| {
        let written = entries(home.path());
        let written: Vec<_> = written.difference(&made_by_us).collect();
        let is_open = |path: &&&PathBuf| {
            let mode = fs::symlink_metadata(path).map_or(0, |found| found.mode());
            mode & 0o077 != 0
        };
        let open: Vec<_> = written.iter().filter(is_open).collect();
        assert!(open.is_empty(), "{what}: {open:?}");
        written.len()
    };

    let (endpoint, sts) = (Endpoint::start(), Sts::start(&["604125", "719304"]));
    let mut login = ssmport(&["login", "--profile", "alice", "--mfa-code", "604125"], &sts);
    let mut role = hello(&endpoint, &sts, &["--profile", "role", "--mfa-code", "719304"]);
    let mut install = ssmport(&["ssh-config", "--install"], &sts);
    let mut fails = ssmport(&["proxy", "local", &closed_port().to_string()], &sts);
    let mut count = 0;
    for (program, code) in [(&mut login, 0), (&mut role, 0), (&mut install, 0), (&mut fails, 4)] {
        let ended = Program::run(at_home(program));
        assert_eq!(ended.code(), code, "{ended:?}");
        let so_far = nothing_is_open(&format!("{program:?}"));
        assert!(so_far > count, "{program:?} writes something");
        count = so_far;
    }

    let spec = format!("{}:9", socket.display());
    let forward = Program::start(at_home(&mut ssmport(&["forward", &spec, "-t", "local"], &sts)));
    forward.wait_for_stderr(|line| line.contains("Forwarding"));
    assert_eq!(nothing_is_open("forward"), count + 1);
    forward.signal(Signal::INT);
    forward.finish();

    let gateway = RawGateway::start().await;
    let plugin = Program::start(at_home(&mut gateway.plugin_command()));
    let mut agent = gateway.accept().await;
    let properties =
        format!("{{\"localConnectionType\":\"unix\",\"localUnixSocket\":\"{}\",", socket.display());
    let request = handshake_request(0).replace("{\"localPortNumber\":\"0\",", &properties);
    agent.send(HANDSHAKE_REQUEST, request.as_bytes()).await;
    agent.data_of(HANDSHAKE_RESPONSE).await;
    agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
    plugin.wait_for_stdout(|line| line.starts_with("Unix socket"));
    assert_eq!(nothing_is_open("the drop-in"), count + 1);
    drop(plugin);

    let script = "echo ready; exec sleep 5000";
    let mut exec = ssmport(&["exec", "local", "--", "sh", "-c", script], &sts);
    let exec = Program::start(at_home(&mut exec));
    exec.wait_for_stdout(|line| line == "ready");
    nothing_is_open("exec");
    drop(exec);
}

/// While ssh runs with a key, too.
#[test]
fn under_an_umask_of_nothing_a_key_is_the_users_alone() {
    if !is_root() {
        return;
    }
    let shared = Shared::with_mode(0o1777);
    shared.program("ssh", "case $1 in -G) echo user jane;; *) echo ready; exec sleep 5000;; esac");
    let ssh = Program::start(without_umask(&shared.ssh_with_key()));
    ssh.wait_for_stdout(|line| line == "ready");
    let written = entries(&shared.path("tmp"));
    let modes: BTreeSet<_> =
        written.iter().map(|path| fs::symlink_metadata(path).unwrap().mode() & 0o777).collect();
    // The folder, and in it the private key and the public one.
    assert_eq!((written.len(), modes.contains(&0o700)), (3, true), "{written:?} {modes:?}");
    let folder = written.first().expect("the folder");
    shared.other(&format!("! ls {0} && ! cat {0}/key.pub", folder.display()));
}

/// Everything below a folder.
fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a directory").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(entries(&entry.path()));
        }
        all.insert(entry.path());
    }
    all
}

fn without_umask(program: &Command) -> Command {
    in_shell("umask 000; exec \"$@\"", program)
}

fn is_root() -> bool {
    let is_root = getuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can become another user");
    }
    is_root
}

fn tool(name: &str) -> String {
    find_tool(name).display().to_string()
}

const OTHER: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
const PROFILES: &str = "\
[profile alice]
aws_access_key_id = AKIAALICE
aws_secret_access_key = s
mfa_serial = arn:aws:iam::123456789012:mfa/alice
[profile role]
role_arn = arn:aws:iam::123456789012:role/guarded
source_profile = alice
mfa_serial = arn:aws:iam::123456789012:mfa/alice
";
