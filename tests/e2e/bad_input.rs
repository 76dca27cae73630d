//! What goes wrong: each mishap is a line that names its cause and an exit code, and nothing is
//! left behind.

use std::{
    fs,
    net::{TcpListener, TcpStream as StdTcpStream},
    os::unix::process::CommandExt,
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use super::{
    raw_peer::PATIENCE,
    support::{Endpoint, Finished, Forward, Program, Signal, command},
    targets::*,
};

#[test]
fn malformed_arguments_are_wrong_usage() {
    for (arguments, part) in [
        (&["forward", "", "-t", "local"][..], "is not a port"),
        (&["forward", "x", "-t", "local"], "`x` is not a port"),
        (&["forward", "65536", "-t", "local"], "`65536` is not a port"),
        (&["forward", "-t", "local", "--", "-1"], "<SPEC>"),
        (&["forward", "+1", "-t", "local"], "`+1` is not a port"),
        (&["forward", "0", "-t", "local"], "cannot be 0"),
        (&["forward", "1:0", "-t", "local"], "cannot be 0"),
        (&["forward", "1::2", "-t", "local"], "`1::2` is empty"),
        (&["forward", "1:h:2:3:4", "-t", "local"], "`1:h:2:3:4` is not of the form"),
        (&["forward", "nowhere:1:h:2", "-t", "local"], "`nowhere` is not an address"),
        (&["forward", "::1:1:h:2", "-t", "local"], "an IPv6 address stands in brackets"),
        (&["forward", "[::1:1:h:2", "-t", "local"], "is not of the form"),
        (&["forward", "0:80", "99999:80", "-t", "local"], "`99999` is not a port"),
        (&["forward", "-t", "local"], "<SPEC>"),
        (&["forward", "0:80"], "no target is given"),
        (&["forward", "0:80", "-t", ""], "--target <TARGET>"),
        (&["forward", "0:80", "-t", "i-"], "'i-'"),
        (&["forward", "0:80", "-t", "i-nothex00"], "'i-nothex00'"),
        (&["forward", "0:80", "-t", "ecs:cluster"], "'ecs:cluster'"),
        (&["forward", "0:80", "-t", "local", "--no-such"], "--no-such"),
        (&["local", "--listen", "nonsense"], "'nonsense'"),
        (&["local", "--pace", "fast"], "'fast'"),
        (&["demo", "--size", "0"], "'0'"),
        (&["no-such-command"], "no-such-command"),
        (&[], "Usage"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code(), 2, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(part), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_taken_port_names_its_holder() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let holder = format!("(process {}) holds it", std::process::id());
    let forward = run(&["forward", &format!("{port}:80"), "-t", "local"]);
    fails(&forward, 5, &format!("ssmport: cannot listen on 127.0.0.1:{port}\n"));
    assert!(forward.stderr.contains(&holder), "{}", forward.stderr);

    let local = run(&["local", "--listen", &format!("127.0.0.1:{port}")]);
    fails(&local, 5, &format!("ssmport: cannot listen on 127.0.0.1:{port}\n"));
    assert!(local.stderr.contains(&holder), "{}", local.stderr);

    // The second of two is as good as the first, which is free again.
    let free = super::support::free_port();
    let specs = [format!("{free}:80"), format!("{port}:81")];
    let second = run(&["forward", &specs[0], &specs[1], "-t", "local"]);
    fails(&second, 5, &format!("ssmport: cannot listen on 127.0.0.1:{port}\n"));
    TcpListener::bind(("127.0.0.1", free)).expect("the port is free again");

    let twice = run(&["forward", &specs[0], &specs[0], "-t", "local"]);
    fails(&twice, 2, &format!("ssmport: {free}:localhost:80 and {free}:localhost:80 would listen"));
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    let ended = run(&["forward", "192.0.2.1:0:h:80", "-t", "local"]);
    fails(&ended, 5, "ssmport: cannot listen on 192.0.2.1:0\n");
}

#[test]
fn a_privileged_port_is_refused_with_advice() {
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first_free.is_ok_and(|port| port.trim().parse::<u16>().unwrap() <= 80) {
        return;
    }
    // Nobody may not be able to go where the build is.
    let folder = tempfile::TempDir::new().unwrap();
    let program = folder.path().join("ssmport");
    fs::copy(env!("CARGO_BIN_EXE_ssmport"), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let mut ssmport = command(program);
    ssmport.args(["forward", "80:80", "-t", "local"]);
    if rustix::process::getuid().is_root() {
        ssmport.uid(65534);
    }
    let ended = Program::run(ssmport);
    fails(&ended, 5, "ssmport: cannot listen on 127.0.0.1:80\n");
    assert!(ended.stderr.contains("ports below 1024 need privileges"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_refuses_is_named_and_works_once_it_is_there() {
    // Held, so that nobody else takes it; nobody listens on it.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let forward = Forward::start(&[&format!("0:{port}")], "local", &[]);
    for _ in 0..5 {
        let mut refused = TcpStream::connect(forward.address()).await.unwrap();
        let end = timeout(PATIENCE, refused.read(&mut [0])).await.expect("it is closed");
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    }
    forward.program.wait_for_stderr(|line| {
        line.contains(&format!("warning: local cannot connect to localhost:{port}"))
    });
    let _target = TcpTarget::on(held.listen(16).unwrap(), echo);
    echoes(&mut TcpStream::connect(forward.address()).await.unwrap(), b"now it is there").await;
    forward.program.signal(Signal::INT);
    let ended = forward.program.finish();
    assert_eq!(ended.code(), 130);
    // Not once a connection: programs that try again and again would fill the screen.
    assert_eq!(ended.stderr.matches("warning:").count(), 1, "{}", ended.stderr);
}

#[test]
fn signals_end_a_forward_with_their_own_codes_and_free_its_port() {
    for (signal, code) in
        [(Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143), (Signal::HUP, 129)]
    {
        let forward = Forward::start(&["0:80"], "local", &[]);
        let address = forward.address();
        let _idle = StdTcpStream::connect(address).unwrap();
        let before = Instant::now();
        forward.program.signal(signal);
        let ended = forward.program.finish();
        assert_eq!(ended.code(), code);
        assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
        TcpListener::bind(address).expect("the port is free again");
        assert!(!ended.stderr.contains("ssmport:"), "{}", ended.stderr);

        let endpoint = Endpoint::start();
        let address = endpoint.address();
        endpoint.program.signal(signal);
        assert_eq!(endpoint.program.finish().code(), code);
        TcpListener::bind(address).expect("the port is free again");
    }
}

#[test]
fn output_that_nobody_reads_is_no_mishap() {
    for arguments in ["--json local", "--json forward 0:80 -t local", "--help", "completions bash"]
    {
        let mut shell = command("sh");
        let script = r#"{ "$0" "$@"; echo "code $?" >&3; } 3>&2 2>&1 | true"#;
        shell.args(["-c", script, env!("CARGO_BIN_EXE_ssmport")]).args(arguments.split(' '));
        let shell = Program::start(shell);
        let serves = arguments.starts_with("--json");
        if serves {
            // It has said what it had to say, in vain, and goes on; only then it is ended.
            std::thread::sleep(Duration::from_millis(500));
            shell.signal(Signal::INT);
            let _ = shell.finish();
        } else {
            assert_eq!(shell.finish().stderr, "code 0\n", "{arguments}");
        }
    }
}

#[cfg(feature = "aws")]
mod with_a_service {
    use super::{super::support::NODE, *};

    #[test]
    fn a_taken_port_starts_no_session() {
        let endpoint = Endpoint::start();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let ended = Program::run(forward(&format!("{port}:80"), NODE, &endpoint.url));
        assert_eq!(ended.code(), 5);
        assert_eq!(endpoint.active_sessions(), [""; 0]);
        assert_eq!(super::super::raw_client::ended_sessions(&endpoint), [""; 0]);
    }

    #[test]
    fn an_unknown_target_is_not_found() {
        let endpoint = Endpoint::start();
        let ended = Program::run(forward("0:80", "i-00000000000000000", &endpoint.url));
        fails(&ended, 4, "i-00000000000000000");
    }

    #[test]
    fn an_endpoint_that_is_not_there_is_named() {
        let url = format!("http://127.0.0.1:{}", closed_port());
        let ended = Program::run(forward("0:80", NODE, &url));
        fails(&ended, 7, url.strip_prefix("http://").unwrap());
    }

    #[test]
    fn a_signal_ends_the_session_at_the_service_too() {
        let endpoint = Endpoint::start();
        let forward = Forward::start(&["0:80"], NODE, &["--endpoint-url", &endpoint.url]);
        assert_eq!(endpoint.active_sessions().len(), 1);
        forward.program.signal(Signal::INT);
        assert_eq!(forward.program.finish().code(), 130);
        super::super::raw_client::await_active_sessions(&endpoint, 0);
    }

    #[test]
    fn an_endpoint_that_dies_leaves_a_forward_that_a_signal_ends() {
        let endpoint = Endpoint::start();
        let arguments = ["--endpoint-url", &endpoint.url.clone(), "-v"];
        let forward = Forward::start(&["0:80"], NODE, &arguments);
        endpoint.program.signal(Signal::KILL);
        endpoint.program.finish();
        forward.program.wait_for_stderr(|line| line.contains("resuming"));
        let before = Instant::now();
        forward.program.signal(Signal::INT);
        assert_eq!(forward.program.finish().code(), 130);
        assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    }

    fn forward(spec: &str, target: &str, url: &str) -> std::process::Command {
        let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
        forward.args(["forward", spec, "-t", target, "--endpoint-url", url]);
        forward.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        forward.env("AWS_REGION", super::super::support::REGION);
        forward
    }
}

fn run(arguments: &[&str]) -> Finished {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    Program::run(ssmport)
}

#[track_caller]
fn fails(ended: &Finished, code: i32, part: &str) {
    assert_eq!(ended.code(), code, "{ended:?}");
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
