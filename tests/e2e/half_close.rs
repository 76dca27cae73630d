//! Programs that finish their request and wait for the answer, and programs that close: how TCP tells
//! of it is the same.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    support::{DEADLINE, Forward, Program, command, find_tool},
    targets::TcpTarget,
};

/// A server that thinks about a request of eight bytes, and pauses in its answer.
async fn thoughtful(pause: Duration) -> TcpTarget {
    TcpTarget::start(move |mut socket| async move {
        let mut request = [0; 8];
        if socket.read_exact(&mut request).await.is_ok() {
            for part in [&b"the late "[..], b"answer\n"] {
                sleep(pause).await;
                if socket.write_all(part).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_programs_that_have_finished_get_a_late_answer_whole() {
    // Longer than any program is waited for that may have gone.
    let target = thoughtful(Duration::from_millis(1500)).await;
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("s");
    let tcp = format!("0:{}", target.port);
    let unix = format!("{}:{}", socket.display(), target.port);
    let forward = Forward::start(&[&tcp, &unix], "local", &[]);
    let ports: Vec<_> = forward.addresses().iter().map(|address| address.port()).collect();
    let port = *ports.iter().find(|port| **port != 0).unwrap();
    let (nc, socat) = (find_tool("nc"), find_tool("socat"));
    let nc = nc.display();
    let socat = socat.display();
    let socket = socket.display();
    let clients = [
        format!("{nc} -N 127.0.0.1 {port}"),
        format!("{nc} -N ::1 {port}"),
        format!("{nc} -N -U {socket}"),
        format!("{socat} -t 60 - TCP:127.0.0.1:{port}"),
        format!("{socat} -t 60 - UNIX-CONNECT:{socket}"),
    ];
    let running = clients.map(|client| {
        let mut shell = command("sh");
        shell.args(["-c", &format!("printf 'request\\n' | {client}")]);
        (client, Program::start(shell))
    });
    for (client, program) in running {
        assert_eq!(program.finish().success(), "the late answer\n", "{client}");
    }
    assert_eq!(forward.program.stderr().matches("warning").count(), 0);
}

/// As many as would take a minute if each were kept for a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_has_closed_is_closed_at_the_destination_at_once() {
    let (tell, mut ended) = mpsc::unbounded_channel();
    let target = TcpTarget::start(move |mut socket| {
        let tell = tell.clone();
        async move {
            let mut all = Vec::new();
            let end = socket.read_to_end(&mut all).await.map(drop).map_err(|error| error.kind());
            tell.send((all, end)).unwrap();
        }
    })
    .await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s");
    let unix = format!("{}:{}", path.display(), target.port);
    let forward = Forward::start(&[&format!("0:{}", target.port), &unix], "local", &[]);
    let address = forward.addresses().into_iter().find(|address| address.port() != 0).unwrap();
    let began = Instant::now();
    for number in 0..60 {
        if number % 2 == 0 {
            let mut program = TcpStream::connect(address).await.unwrap();
            program.write_all(b"all of it").await.unwrap();
        } else {
            let mut program = UnixStream::connect(&path).await.unwrap();
            program.write_all(b"all of it").await.unwrap();
        }
        let end = timeout(DEADLINE, ended.recv()).await.unwrap().unwrap();
        assert_eq!(end, (b"all of it".to_vec(), Ok(())), "{number}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_waited_for_any_longer_is_no_clean_end() {
    let silent = thoughtful(DEADLINE * 10).await;
    let pausing = TcpTarget::start(|mut socket| async move {
        // An answer to what has arrived; its program has finished by then.
        let _ = socket.read_exact(&mut [0; 8]).await;
        socket.write_all(b"half of").await.unwrap();
        sleep(DEADLINE * 10).await;
    })
    .await;
    for (target, expected) in [(&silent, &b""[..]), (&pausing, b"half of")] {
        let arguments = ["--answer-within", "1s"];
        let forward = Forward::start(&[&format!("0:{}", target.port)], "local", &arguments);
        let mut program = TcpStream::connect(forward.address()).await.unwrap();
        program.write_all(b"request\n").await.unwrap();
        program.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(DEADLINE, program.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(answer, expected);
        let line = forward.program.wait_for_stderr(|line| line.contains("did not come in time"));
        assert!(line.contains("--answer-within TIME"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_whose_input_has_ended_waits_for_the_answer_or_fails() {
    let target = thoughtful(Duration::from_millis(1500)).await;
    let ended = proxied("--answer-within 60s", target.port);
    assert_eq!((ended.code(), &*ended.stdout), (0, "the late answer\n"), "{ended:?}");

    let target = thoughtful(DEADLINE * 10).await;
    let ended = proxied("--answer-within 1s", target.port);
    assert_eq!((ended.code(), &*ended.stdout), (6, ""), "{ended:?}");
    assert!(ended.stderr.contains("nothing came for 4 s"), "{ended:?}");
}

/// A request by `ssmport proxy`.
fn proxied(options: &str, port: u16) -> super::support::Finished {
    let mut shell = command("sh");
    let proxy = format!("printf 'request\\n' | \"$0\" {options} proxy local {port}");
    shell.args(["-c", &proxy, env!("CARGO_BIN_EXE_ssmport")]);
    Program::run(shell)
}
