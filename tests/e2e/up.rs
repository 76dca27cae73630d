//! `ssmport up`: tunnels that are kept up, and those who look at them from outside.
#![cfg(feature = "aws")]

use std::{fs, net::TcpListener, os::unix::net::UnixListener, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    raw_client::await_active_sessions,
    support::{
        Endpoint, Finished, NODE, Program, REGION, Reserved, Signal, await_that, command, free_port,
    },
    targets::{TcpTarget, echoes},
};

/// Somebody with a configuration file, at an endpoint.
pub struct User {
    pub endpoint: Endpoint,
    folder: TempDir,
}

impl User {
    pub fn with(config: &str) -> Self {
        let user = Self { endpoint: Endpoint::start(), folder: TempDir::new().expect("a folder") };
        user.write(config);
        fs::create_dir(user.path("run")).expect("a folder");
        user
    }

    pub fn write(&self, config: &str) {
        fs::write(self.path("config.toml"), config).expect("the configuration");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ssmport(&self, words: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(words).env("SSMPORT_CONFIG", self.path("config.toml"));
        ssmport.env("XDG_RUNTIME_DIR", self.path("run"));
        ssmport.env("AWS_ENDPOINT_URL", &self.endpoint.url).env("AWS_REGION", REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport
    }

    pub fn start(&self, words: &[&str]) -> Program {
        Program::start(self.ssmport(words))
    }

    pub fn run(&self, words: &[&str]) -> Finished {
        Program::run(self.ssmport(words))
    }

    /// How the tunnels are that are kept up.
    pub fn status(&self, name: &str) -> Value {
        let found = self.run(&["status", name, "--json"]);
        let line = found.stdout.lines().next().unwrap_or_else(|| panic!("{found:#?}"));
        serde_json::from_str(line).expect("JSON")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("run/ssmport/up.sock")
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // What a test has left in the background.
        let _ = self.ssmport(&["down", "-q"]).status();
    }
}

/// Waits until a tunnel is told to be in this state; gives what is told.
pub fn tunnel(up: &Program, name: &str, state: &str) -> Value {
    event(up, |event| {
        event["event"] == "tunnel" && event["name"] == name && event["state"] == state
    })
}

fn event(up: &Program, wanted: impl Fn(&Value) -> bool) -> Value {
    let line = up.wait_for_stdout(|line| wanted(&serde_json::from_str(line).expect("JSON")));
    serde_json::from_str(&line).expect("JSON")
}

pub async fn connect(tunnel: &Value) -> TcpStream {
    let port = tunnel["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
    TcpStream::connect(("127.0.0.1", port)).await.expect("it listens")
}

/// A tunnel to this port, on a free one or on `local`.
pub fn to(name: &str, target: &str, port: u16, local: u16) -> String {
    format!("[tunnels.{name}]\ntarget = \"{target}\"\nport = {port}\nlocal = {local}\n")
}

#[tokio::test]
async fn what_cannot_stand_is_tried_again_and_the_others_stand() {
    let echo = TcpTarget::echo().await;
    let others = TcpListener::bind("127.0.0.1:0").expect("it listens");
    let taken = others.local_addr().expect("an address");
    let config = [
        to("a", NODE, echo.port, 0),
        to("b", NODE, echo.port, taken.port()),
        to("lost", "i-0fffffffffffffff0", echo.port, 0),
    ];
    let user = User::with(&config.concat());
    let up = user.start(&["up", "--json"]);
    echoes(&mut connect(&tunnel(&up, "a", "up")).await, b"hello").await;
    let lost = tunnel(&up, "lost", "waiting");
    assert!(lost["why"].as_str().is_some_and(|why| why.contains("not connected")), "{lost}");
    assert!((1..=2).contains(&lost["again_in"].as_u64().expect("a time")), "{lost}");
    let taken = format!("cannot listen on {taken}");
    event(&up, |event| event["why"].as_str().is_some_and(|why| why.contains(&taken)));

    // It is tried again, later each time.
    event(&up, |event| event["name"] == "lost" && event["again_in"].as_u64() >= Some(3));
    // Once the port is free it is taken.
    drop(others);
    echoes(&mut connect(&tunnel(&up, "b", "up")).await, b"hello").await;

    up.signal(Signal::TERM);
    let ended = up.finish();
    assert_eq!(ended.code(), 143, "{ended:#?}");
    await_active_sessions(&user.endpoint, 0);
    assert!(!user.socket().exists());
}

#[tokio::test]
async fn a_changed_file_is_taken_up_and_what_did_not_change_goes_on() {
    let echo = TcpTarget::echo().await;
    let (stays, goes) = (to("stays", NODE, echo.port, 0), to("goes", NODE, echo.port, 0));
    let changes = |target| to("changes", target, echo.port, 0);
    let user = User::with(&[&*stays, &goes, &changes("i-0fffffffffffffff0")].concat());
    let up = user.start(&["up", "--json"]);
    let mut connection = connect(&tunnel(&up, "stays", "up")).await;
    echoes(&mut connection, b"before").await;
    tunnel(&up, "goes", "up");
    tunnel(&up, "changes", "waiting");

    user.write("[tunnels.stays\n");
    up.wait_for_stderr(|line| line.contains("what was there stays") && line.contains("line 1"));
    let comes = to("comes", NODE, echo.port, 0);
    user.write(&[&*comes, &stays, &changes(NODE)].concat());
    event(&up, |event| event["event"] == "ended" && event["name"] == "goes");
    for name in ["comes", "changes"] {
        echoes(&mut connect(&tunnel(&up, name, "up")).await, b"hello").await;
    }
    echoes(&mut connection, b"behind").await;
    let status = user.status("stays");
    assert_eq!((&status["connections"], &status["taken"]), (&json!(1), &json!(1)), "{status}");
    assert_eq!((&status["bytes_sent"], &status["bytes_received"]), (&json!(12), &json!(12)));
    assert!(status["round_trip_ms"].as_f64() > Some(0.0), "{status}");
    await_active_sessions(&user.endpoint, 3);
    up.signal(Signal::INT);
    assert_eq!(up.finish().code(), 130);
    await_active_sessions(&user.endpoint, 0);
}

#[tokio::test]
async fn a_session_that_is_over_gives_way_to_another_when_somebody_comes() {
    let echo = TcpTarget::echo().await;
    let user = User::with(&to("db", NODE, echo.port, 0));
    let up = user.start(&["up", "--json"]);
    let told = tunnel(&up, "db", "up");
    let mut cut = connect(&told).await;
    echoes(&mut cut, b"hello").await;
    for session in user.endpoint.active_sessions() {
        user.endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
    tunnel(&up, "db", "idle");
    up.wait_for_stderr(|line| line.contains("db: ") && line.contains("one connection was cut off"));
    await_active_sessions(&user.endpoint, 0);
    echoes(&mut connect(&told).await, b"again").await;
    await_active_sessions(&user.endpoint, 1);
}

#[tokio::test]
async fn a_service_that_was_away_is_found_again() {
    let (echo, reserved) = (TcpTarget::echo().await, Reserved::port());
    let mut user = User::with(&to("db", NODE, echo.port, 0));
    user.endpoint = Endpoint::at(reserved.address(), &[]);
    let up = user.start(&["up", "--json"]);
    let told = tunnel(&up, "db", "up");
    for session in user.endpoint.active_sessions() {
        user.endpoint.call("TerminateSession", &json!({ "SessionId": session }));
    }
    tunnel(&up, "db", "idle");
    user.endpoint = Endpoint::start();
    // Nobody is there to begin another session; its program sees that.
    let mut turned_away = connect(&told).await;
    tunnel(&up, "db", "waiting");
    let read = turned_away.read(&mut [0]).await;
    assert!(read.is_err() || read.is_ok_and(|len| len == 0));
    user.endpoint = Endpoint::at(reserved.address(), &[]);
    // By itself, for nobody comes.
    await_active_sessions(&user.endpoint, 1);
    echoes(&mut connect(&told).await, b"hello").await;
}

/// The service is away for longer than a look at it takes, and then has the session still.
#[tokio::test]
async fn a_connection_that_cannot_be_had_again_is_told_until_it_can() {
    let echo = TcpTarget::echo().await;
    let mut user = User::with(&to("db", NODE, echo.port, 0));
    user.endpoint = Endpoint::with(&["--faults", "restart=4s/3s,seed=1"]);
    let up = user.start(&["up", "--json"]);
    let told = tunnel(&up, "db", "up");
    let mut connection = connect(&told).await;
    echoes(&mut connection, b"before").await;
    let resuming = tunnel(&up, "db", "resuming");
    assert!(resuming["why"].as_str().is_some_and(|why| why.contains("resuming")), "{resuming}");
    let status = user.run(&["status"]);
    if status.stdout.contains(" resuming ") {
        assert_eq!(status.code(), 1, "{status:#?}");
    }
    let resumed = tunnel(&up, "db", "up");
    assert_eq!(resumed["why"], Value::Null);
    echoes(&mut connection, b"behind").await;
}

#[tokio::test]
async fn in_the_background_they_stand_when_the_command_returns() {
    let echo = TcpTarget::echo().await;
    let config = [to("a", NODE, echo.port, 0), to("b", NODE, echo.port, 0)];
    let user = User::with(&config.concat());
    let none = user.run(&["status"]);
    assert_eq!(none.code(), 1, "{none:#?}");
    assert!(none.stderr.contains("no tunnels are kept up"), "{none:#?}");

    let up = user.run(&["up", "a", "--background", "--json"]);
    assert_eq!(up.code(), 0, "{up:#?}");
    let a: Value = serde_json::from_str(&up.stdout).expect("one line");
    assert_eq!((&a["name"], &a["state"]), (&json!("a"), &json!("up")));
    let mut connection = connect(&a).await;
    echoes(&mut connection, b"hello").await;
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(user.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Another joins it, and its end ends nothing.
    let joined = user.start(&["up", "b", "--json"]);
    let b = tunnel(&joined, "b", "up");
    joined.wait_for_stderr(|line| line.starts_with("Another ssmport keeps the tunnels up"));
    joined.signal(Signal::INT);
    assert_eq!(joined.finish().code(), 130);
    echoes(&mut connect(&b).await, b"hello").await;
    echoes(&mut connection, b"still").await;
    await_active_sessions(&user.endpoint, 2);
    let shown = user.run(&["status"]).success();
    let line = shown.lines().find(|line| line.starts_with("a ")).expect("a line");
    for part in [" up ", &format!("127.0.0.1:{}", a["port"]), &format!("on {NODE}"), "1 open"] {
        assert!(line.contains(part), "{part}: {shown}");
    }

    let logs = user.run(&["logs", "a", "--json"]).success();
    let entries: Vec<Value> =
        logs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(entries.iter().all(|entry| entry["name"] == "a"), "{logs}");
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["starting", "up"]);
    let following = user.start(&["logs", "-n", "0", "--follow"]);

    for command in ["down", "status", "logs"] {
        let wrong = user.run(&[command, "aa"]);
        assert_eq!((wrong.code(), &*wrong.stdout), (2, ""), "{wrong:#?}");
        assert!(wrong.stderr.contains("there is no tunnel `aa`"), "{wrong:#?}");
    }
    let down = user.run(&["down", "b"]);
    assert_eq!((down.code(), &*down.stderr), (0, "Ended: b\n"), "{down:#?}");
    following.wait_for_stdout(|line| line.ends_with(" b: ended"));
    assert_eq!(user.run(&["status", "b"]).code(), 1);
    user.run(&["down"]).success();
    assert_eq!(following.finish().code(), 0);
    await_active_sessions(&user.endpoint, 0);
    await_that("the socket goes", || !user.socket().exists());
    let down = user.run(&["down"]);
    assert_eq!((down.code(), &*down.stderr), (0, "No tunnels are kept up\n"), "{down:#?}");
}

#[tokio::test]
async fn what_does_not_stand_is_told_by_the_command_that_returns() {
    let echo = TcpTarget::echo().await;
    let config = [to("a", NODE, echo.port, 0), to("lost", "i-0fffffffffffffff0", 80, 0)];
    let user = User::with(&config.concat());
    let up = user.run(&["up", "-b"]);
    assert_eq!(up.code(), 6, "{up:#?}");
    for part in ["not up yet, and tried again in the background: lost", "ssmport status"] {
        assert!(up.stderr.contains(part), "{part}: {up:#?}");
    }
    assert_eq!(user.run(&["status", "a"]).code(), 0);
    let status = user.run(&["status"]);
    assert_eq!(status.code(), 1, "{status:#?}");
    assert!(
        status.stderr.contains("lost: ") && status.stderr.contains("another try in"),
        "{status:#?}"
    );
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_started() {
    let user = User::with(&to("database", NODE, 5432, 0));
    for words in [&["up", "databse"][..], &["up", "-b", "databse"]] {
        let refused = user.run(words);
        assert_eq!(refused.code(), 2, "{refused:#?}");
        for part in ["ssmport: there is no tunnel `databse`\n", "did you mean database?"] {
            assert!(refused.stderr.contains(part), "{part}: {refused:#?}");
        }
        assert!(!user.socket().exists());
    }
    user.write("target = \"x\"\n");
    let refused = user.run(&["up"]);
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert!(refused.stderr.contains("no tunnel is configured"), "{refused:#?}");
    await_active_sessions(&user.endpoint, 0);
}

#[tokio::test]
async fn what_a_kill_leaves_is_replaced_and_of_two_at_once_one_keeps_them_up() {
    let echo = TcpTarget::echo().await;
    let port = free_port();
    let user = User::with(&to("db", NODE, echo.port, port));
    fs::create_dir_all(user.path("run/ssmport")).expect("a folder");
    fs::set_permissions(
        user.path("run/ssmport"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .expect("its mode");
    drop(UnixListener::bind(user.socket()).expect("a socket"));
    assert_eq!(user.run(&["status"]).code(), 1);
    user.run(&["down"]).success();

    let both = [user.start(&["up", "--json"]), user.start(&["up", "--json"])];
    for up in &both {
        tunnel(up, "db", "up");
    }
    await_active_sessions(&user.endpoint, 1);
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    echoes(&mut connection, b"hello").await;
    // Whoever shows them ends with who keeps them up.
    user.run(&["down"]).success();
    for up in both {
        let ended = up.finish();
        assert_eq!(ended.code(), 0, "{ended:#?}");
    }
    await_active_sessions(&user.endpoint, 0);

    // And says so where that was nobody's wish.
    let keeping = user.start(&["up", "--json"]);
    tunnel(&keeping, "db", "up");
    let showing = user.start(&["up", "--json"]);
    tunnel(&showing, "db", "up");
    keeping.signal(Signal::KILL);
    let ended = showing.finish();
    assert_eq!(ended.code(), 6, "{ended:#?}");
    assert!(ended.stderr.contains("the ssmport that kept the tunnels up is gone"), "{ended:#?}");
}

#[tokio::test]
async fn a_file_that_is_away_for_a_moment_ends_nothing() {
    let echo = TcpTarget::echo().await;
    let (db, more) = (to("db", NODE, echo.port, 0), to("more", NODE, echo.port, 0));
    let user = User::with(&db);
    let up = user.start(&["up", "--json"]);
    let mut connection = connect(&tunnel(&up, "db", "up")).await;
    // Never the same for two looks of a second.
    for size in 0..20 {
        user.write(&"#".repeat(size));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    user.write(&[db, more].concat());
    tunnel(&up, "more", "up");
    echoes(&mut connection, b"hello").await;
    assert!(!up.stdout().contains("\"ended\""), "{}", up.stdout());
}

#[tokio::test]
async fn the_program_of_a_tunnel_finds_it_open() {
    let echo = TcpTarget::echo().await;
    let local = free_port();
    let open = "open = \"sh -c 'echo {host} $SSMPORT_HOST {port} $SSMPORT_PORT; exit 7'\"\n";
    let config =
        [&*to("db", NODE, echo.port, local), open, &to("bare", NODE, echo.port, 0)].concat();
    let user = User::with(&config);
    let words = |ran: &Finished| -> Vec<String> {
        ran.stdout.split_whitespace().map(str::to_owned).collect()
    };
    // By itself it is on a port of its own.
    let ran = user.run(&["connect", "db"]);
    assert_eq!(ran.code(), 7, "{ran:#?}");
    let said = words(&ran);
    assert_eq!((&*said[0], &*said[1], &said[2]), ("127.0.0.1", "127.0.0.1", &said[3]), "{ran:#?}");
    assert_ne!(said[2], local.to_string());
    await_active_sessions(&user.endpoint, 0);
    // What is kept up is used.
    user.run(&["up", "-b", "db"]).success();
    let ran = user.run(&["connect", "db", "--", "echo", "{port}"]);
    assert_eq!((ran.code(), words(&ran)), (0, vec![local.to_string()]), "{ran:#?}");
    await_active_sessions(&user.endpoint, 1);

    let refused = user.run(&["connect", "bare"]);
    assert_eq!(refused.code(), 2, "{refused:#?}");
    assert!(refused.stderr.contains("the tunnel bare has no program"), "{refused:#?}");
    assert_eq!(user.run(&["connect", "absent"]).code(), 2);
}
