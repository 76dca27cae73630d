//! `ssmport forward --turbo`: what comes from the node comes by a command's output.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::symlink,
    process::Command,
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    bulk::{Destination, exchange},
    postgres,
    support::{
        Account, DEADLINE, Endpoint, Forward, NODE, Postgres, Program, Signal, await_that, command,
        faulty, find_tool, in_shell,
    },
    targets::closed_port,
};

#[test]
fn bulk_goes_both_ways_on_one_connection_and_on_many() {
    for interpreter in ["python3", "perl"] {
        let destination = Destination::start();
        let node = Node::with(&[interpreter]);
        let forward = node.forward(destination.port, &[]);
        exchange(forward.address(), 16 << 20, 1);
        carry(forward.address(), 40, 256 << 10);
        let text = forward.program.stderr();
        assert!(!text.contains("without turbo"), "{text}");
    }
}

#[test]
fn a_database_is_asked_and_twenty_clients_lose_no_transaction() {
    let server = Postgres::start();
    let forward = forward(server.port, &[]);
    let answer = Postgres::query(forward.port(), postgres::MUCH_TEXT);
    assert_eq!(answer.trim_end().split_once('|').expect("two columns").1.len(), 32 * 32_768);
    postgres::bench(forward.port());
}

/// The agent itself would end both directions.
#[test]
fn each_direction_ends_by_itself() {
    let destination = Serving::start(|mut socket| {
        let mut all = Vec::new();
        socket.read_to_end(&mut all)?;
        // Behind the end of the request, and not at once.
        thread::sleep(Duration::from_millis(300));
        socket.write_all(&Sha256::digest(&all))
    });
    let forward = forward(destination.port, &[]);
    let mut socket = connect(forward.address());
    let request = vec![7; 3 << 20];
    socket.write_all(&request).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, Sha256::digest(&request).to_vec());

    let destination = Serving::start(|mut socket| {
        socket.write_all(b"no more")?;
        socket.shutdown(Shutdown::Write)?;
        let mut all = Vec::new();
        socket.read_to_end(&mut all)?;
        assert_eq!(all, b"the request");
        Ok(())
    });
    let forward = self::forward(destination.port, &["-v"]);
    let mut socket = connect(forward.address());
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"no more");
    socket.write_all(b"the request").unwrap();
    drop(socket);
    let closed = forward.program.wait_for_stderr(|line| line.contains(" sent, "));
    assert!(closed.contains("11 B sent, 7 B received"), "{closed}");
}

#[test]
fn who_does_not_read_holds_up_nobody_else() {
    let endless = Serving::start(|mut socket| {
        loop {
            socket.write_all(&[0; 1 << 16])?;
        }
    });
    let deaf = Serving::start(|socket| {
        thread::sleep(DEADLINE);
        drop(socket);
        Ok(())
    });
    let destination = Destination::start();
    let specs = [endless.port, deaf.port, destination.port].map(|port| format!("0:{port}"));
    // One companion a SPEC; three of one are in one test, too.
    let forward = Forward::start(&specs.each_ref().map(String::as_str), "local", &["--turbo"]);
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], forward.port_to(port)));
    let _unread: Vec<_> = (0..3).map(|_| connect(at(endless.port))).collect();
    let unheard: Vec<_> = (0..3).map(|_| connect(at(deaf.port))).collect();
    for mut socket in unheard {
        socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while socket.write(&[0; 1 << 16]).is_ok() {}
    }
    exchange(at(destination.port), 4 << 20, 1);
    let mut late = connect(at(endless.port));
    let mut part = vec![1; 8 << 20];
    late.read_exact(&mut part).unwrap();
    let peak = forward.program.peak_memory();
    assert!(peak < 250 << 20, "{peak} bytes of memory");
}

#[test]
fn what_is_lost_repeated_overtaken_or_cut_off_on_the_way_does_not_show() {
    for faults in [
        "drop=1%,dup=1%,reorder=1%,delay=1ms,seed=1",
        "cut=700ms,delay=5ms,seed=2",
        "agent-cut=500ms,delay=2ms,seed=3",
        "bye=600ms,pause=700ms/200ms,delay=5ms,seed=4",
    ] {
        let destination = Destination::start();
        let spec = format!("0:{}", destination.port);
        let forward = Forward::run(faulty(faults), &[&spec], "local", &["-v", "--turbo"]);
        for _ in 0..3 {
            carry(forward.address(), 4, 1 << 20);
        }
    }
}

/// A pause in the midst of output ends it for good with the real agent. Much output, as the service takes and keeps
/// some of it.
#[test]
fn an_output_that_has_ended_in_a_pause_goes_on_in_another_session() {
    for interpreter in ["python3", "perl"] {
        let destination = Destination::start();
        let folder = folder_of(&[interpreter]);
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.env("PATH", folder.path());
        let endpoint = Endpoint::of(
            ssmport,
            &["--quirks", "real", "--faults", "pause=1s/300ms,delay=2ms,seed=5"],
        );
        let spec = format!("0:{}", destination.port);
        let arguments = ["--endpoint-url", &endpoint.url, "-v", "--turbo"];
        let forward = Forward::start(&[&spec], NODE, &arguments);
        let moved = || forward.program.stderr().matches("goes on in another session").count();
        await_that("it has moved", || {
            exchange(forward.address(), 20 << 20, 1);
            moved() > 0
        });
        let text = forward.program.stderr();
        assert!(!text.contains("cut off") && !text.contains("was lost:"), "{text}");
    }
}

/// A line that is slower than the agent: what waits on it is no more than half a second's worth.
#[test]
fn what_is_asked_for_beside_a_download_does_not_wait_behind_all_that_may_be_under_way() {
    let destination = Serving::start(|mut socket| {
        let mut word = [0];
        socket.read_exact(&mut word)?;
        if word == *b"s" {
            return socket.write_all(b"short");
        }
        loop {
            socket.write_all(&[7; 1 << 16])?;
        }
    });
    let endpoint = Endpoint::with(&["--quirks", "real", "--faults", "rate=1MB,delay=20ms"]);
    let arguments = ["--endpoint-url", &endpoint.url, "--turbo"];
    let forward = Forward::start(&[&format!("0:{}", destination.port)], NODE, &arguments);
    let mut download = connect(forward.address());
    download.write_all(b"long").unwrap();
    let mut piece = vec![0; 1 << 16];
    for _ in 0..48 {
        download.read_exact(&mut piece).unwrap();
    }
    let mut other = connect(forward.address());
    let asking = thread::spawn(move || {
        other.write_all(b"s").unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).unwrap();
        answer
    });
    let mut meanwhile = 0;
    while !asking.is_finished() {
        meanwhile += download.read(&mut piece).unwrap();
    }
    assert_eq!(asking.join().unwrap(), "short");
    assert!(meanwhile < 2 << 20, "{meanwhile}");
}

#[test]
fn a_destination_that_is_not_there_is_told_and_reset() {
    let forward = forward(closed_port(), &[]);
    let mut socket = connect(forward.address());
    let error = socket.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let line = forward.program.wait_for_stderr(|line| line.contains("cannot connect"));
    assert!(line.contains("Connection refused; is the service running"), "{line}");
}

#[test]
fn a_node_without_an_interpreter_is_told_and_forwarded_to_in_the_plain_way() {
    // Nor is what else might listen one.
    for programs in [&[][..], &["socat", "bash", "dd", "head", "od"]] {
        let destination = Destination::start();
        let node = Node::with(programs);
        let forward = node.forward(destination.port, &["--lanes", "2"]);
        let line = forward.program.wait_for_stderr(|line| line.contains("without turbo"));
        assert!(line.contains("neither python3 nor perl"), "{line}");
        exchange(forward.address(), 1 << 20, 1);
        let _two = [connect(forward.address()), connect(forward.address())];
        forward.program.wait_for_stdout(|line| line.contains("\"lane\""));
    }
}

#[test]
fn an_account_that_refuses_the_document_is_told_so_and_forwards_in_the_plain_way() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("account.toml", "id = \"123456789012\"\n[users.carol]\npolicies = [\"policy.json\"]\n");
    file("policy.json", POLICY);
    let account = Account::with(folder.path().join("account.toml").to_str().unwrap());
    let keys = account.keys("carol");
    let destination = Destination::start();
    let mut forward = command(env!("CARGO_BIN_EXE_ssmport"));
    forward.args(["forward", "--turbo", "--json", "-t", NODE]);
    forward.arg(format!("0:{}", destination.port)).args(["--endpoint-url", &account.endpoint.url]);
    forward.envs([("AWS_ACCESS_KEY_ID", keys.id), ("AWS_SECRET_ACCESS_KEY", keys.secret)]);
    let forward = Program::start({
        forward.env("AWS_REGION", "eu-west-1");
        forward
    });
    let ready = forward.wait_for_stdout(|line| line.contains("\"ready\""));
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
    exchange(SocketAddr::from(([127, 0, 0, 1], port)), 1 << 20, 1);
    let line = forward.wait_for_stderr(|line| line.contains("without turbo"));
    assert!(line.contains("AWS-StartNonInteractiveCommand"), "{line}");
}

#[test]
fn a_companion_goes_with_its_forward_however_that_ends() {
    for signal in [Signal::TERM, Signal::KILL] {
        for has_connection in [false, true] {
            let destination = Serving::start(|mut socket| {
                loop {
                    socket.write_all(&[0; 1 << 10])?;
                }
            });
            let mark = format!("{:032x}", rand::random::<u128>());
            let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
            ssmport.env("SSMPORT_TEST_MARK", &mark);
            let spec = format!("0:{}", destination.port);
            let forward = Forward::run(ssmport, &[&spec], "local", &["--turbo"]);
            assert_eq!(companions(&mark), 1);
            let _socket = has_connection.then(|| {
                let mut socket = connect(forward.address());
                socket.read_exact(&mut [0; 4096]).unwrap();
                socket
            });
            forward.program.signal(signal);
            forward.program.finish();
            await_that("no companion is left", || companions(&mark) == 0);
        }
    }
}

/// When the companion is gone its connections are, and no end is made up.
#[test]
fn connections_of_a_companion_that_is_killed_are_reset_and_the_next_one_has_another() {
    let destination = Serving::start(|mut socket| {
        socket.write_all(b"hello")?;
        thread::sleep(DEADLINE);
        Ok(())
    });
    let mark = format!("{:032x}", rand::random::<u128>());
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.env("SSMPORT_TEST_MARK", &mark);
    let spec = format!("0:{}", destination.port);
    let forward = Forward::run(ssmport, &[&spec], "local", &["--turbo"]);
    let mut socket = connect(forward.address());
    socket.read_exact(&mut [0; 5]).unwrap();
    for pid in pids(&mark) {
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
    let error = socket.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    forward.program.wait_for_stderr(|line| line.contains("one connection was cut off"));
    let mut socket = connect(forward.address());
    socket.read_exact(&mut [0; 5]).unwrap();
}

#[test]
fn a_proxy_carries_one_stream_and_its_end() {
    let destination = Serving::start(|mut socket| {
        let mut all = Vec::new();
        socket.read_to_end(&mut all)?;
        socket.write_all(format!("{} bytes\n", all.len()).as_bytes())
    });
    let proxied = |ssmport: Command, port: u16| {
        let mut proxy = ssmport;
        proxy.args(["proxy", "--turbo", "local", &port.to_string()]);
        Program::run(in_shell(r#"printf 'a request' | "$@""#, &proxy))
    };
    let ssmport = || command(env!("CARGO_BIN_EXE_ssmport"));
    let ended = proxied(ssmport(), destination.port);
    assert_eq!((ended.code(), &*ended.stdout), (0, "9 bytes\n"), "{ended:?}");
    assert_eq!(ended.stderr, "");

    let ended = proxied(ssmport(), closed_port());
    assert_eq!((ended.code(), &*ended.stdout), (4, ""), "{ended:?}");
    assert!(ended.stderr.contains("nothing answers on port"), "{ended:?}");
    assert!(ended.stderr.contains("Connection refused"), "{ended:?}");

    // In the plain way the end of the input is not passed on.
    let hasty = Serving::start(|mut socket| {
        socket.read_exact(&mut [0; 9])?;
        socket.write_all(b"an answer\n")
    });
    let without = Node::with(&["printf"]);
    let mut by_path = ssmport();
    by_path.env("PATH", without.0.path());
    let ended = proxied(by_path, hasty.port);
    assert_eq!((ended.code(), &*ended.stdout), (0, "an answer\n"), "{ended:?}");
    assert!(ended.stderr.contains("without turbo"), "{ended:?}");
}

/// A node that has these programs, and a shell.
struct Node(TempDir);

impl Node {
    fn with(programs: &[&str]) -> Self {
        Self(folder_of(programs))
    }

    fn forward(&self, port: u16, arguments: &[&str]) -> Forward {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.env("PATH", self.0.path());
        forward_by(ssmport, port, arguments)
    }
}

pub fn folder_of(programs: &[&str]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for program in programs.iter().chain(&["sh"]) {
        symlink(executable(program), folder.path().join(program)).expect("a link");
    }
    folder
}

/// What runs by that name, past any wrapper that needs a PATH of its own.
fn executable(program: &str) -> std::path::PathBuf {
    if program != "python3" {
        return find_tool(program);
    }
    let mut python = Command::new(find_tool(program));
    let asked = python.args(["-c", "import sys; print(sys.executable)"]).output();
    String::from_utf8(asked.expect("python3 runs").stdout).expect("a path").trim().into()
}

fn forward(port: u16, arguments: &[&str]) -> Forward {
    forward_by(command(env!("CARGO_BIN_EXE_ssmport")), port, arguments)
}

fn forward_by(ssmport: Command, port: u16, arguments: &[&str]) -> Forward {
    let arguments = [&["--turbo"], arguments].concat();
    Forward::run(ssmport, &[&format!("0:{port}")], "local", &arguments)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the port is open");
    socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
    socket
}

fn carry(address: SocketAddr, connections: u64, len: u64) {
    thread::scope(|scope| {
        let connections: Vec<_> = (1..=connections)
            .map(|seed| scope.spawn(move || exchange(address, len, seed)))
            .collect();
        for connection in connections {
            connection.join().expect("the connection's thread ends well");
        }
    });
}

/// A destination in this process.
struct Serving {
    port: u16,
}

impl Serving {
    fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Copy + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        // Lives as long as the process, which is the test's.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                thread::spawn(move || serve(socket));
            }
        });
        Self { port }
    }
}

const POLICY: &str = r#"{ "Version": "2012-10-17", "Statement": [
    { "Effect": "Allow", "Action": "*", "Resource": "*" },
    { "Effect": "Deny", "Action": "ssm:StartSession",
      "Resource": "arn:aws:ssm:*:*:document/AWS-StartNonInteractiveCommand" } ] }"#;

fn companions(mark: &str) -> usize {
    pids(mark).len()
}

/// Companions of those that bear the mark in their environment.
fn pids(mark: &str) -> Vec<rustix::process::Pid> {
    let has = |path: &std::path::Path, what: &str| {
        let read = fs::read(path).unwrap_or_default();
        read.windows(what.len()).any(|part| part == what.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter(|process| {
            has(&process.path().join("environ"), mark)
                && has(&process.path().join("cmdline"), "ssmport-turbo 1 ")
        })
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
}
