//! What other Rust programs do with nodes: connections, tunnels, commands, shells, and letting go of them.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use ssmport::{
    Client,
    client::{Kind, Node, NodeEnd, RunEvent, TunnelEvent},
    local::{Endpoint, EndpointConfig, Faults},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// An endpoint, and its node.
async fn endpoint() -> (Arc<Endpoint>, Node) {
    faulty_endpoint(Faults::default()).await
}

async fn faulty_endpoint(faults: Faults) -> (Arc<Endpoint>, Node) {
    let config = EndpointConfig { faults, ..EndpointConfig::default() };
    let endpoint = Arc::new(Endpoint::in_process(config).await.unwrap());
    let client = Client::local(Arc::clone(&endpoint)).unwrap();
    (endpoint, client.node("local").await.unwrap())
}

/// Sends back what it gets, connection by connection; gives its port.
async fn echo() -> u16 {
    echo_of(u64::MAX).await
}

/// The same, and hangs up behind so many bytes.
async fn echo_of(len: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut (&mut from).take(len), &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    port
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[tokio::test]
async fn a_connection_is_whole_through_faults_and_its_halves_close_apart() {
    let (endpoint, node) = faulty_endpoint(Faults::parse("cut=1s,drop=0.5%,seed=7").unwrap()).await;
    // The multiplexer knows no half of a close: a destination has to know when it has heard all.
    let port = echo_of(LEN).await;
    let (mut from, mut to) =
        tokio::io::split(node.connect(&format!("127.0.0.1:{port}")).await.unwrap());
    let sent = pattern(LEN as usize);
    let digest = Sha256::digest(&sent);
    let giving = async {
        to.write_all(&sent).await.unwrap();
        // The answer still comes behind the end of the request.
        to.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(giving, from.read_to_end(&mut received));
    read.unwrap();
    assert_eq!(received.len(), sent.len());
    assert_eq!(Sha256::digest(&received), digest);
    drop(endpoint);
}

#[tokio::test]
async fn nobody_else_starts_a_session_on_an_endpoint_in_process() {
    let (endpoint, node) = endpoint().await;
    let body = format!("{{\"Target\":\"{}\"}}", node.id());
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AmazonSSM.StartSession\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        endpoint.address(),
        body.len(),
    );
    let mut stranger = TcpStream::connect(endpoint.address()).await.unwrap();
    stranger.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(endpoint.active_sessions(), 0);
}

#[tokio::test]
async fn connections_share_a_session_and_a_refusal_is_one() {
    let (endpoint, node) = endpoint().await;
    let port = echo().await.to_string();
    let many = (0..20).map(|number| {
        let (node, port) = (node.clone(), port.clone());
        tokio::spawn(async move {
            let mut connection = node.connect(&port).await.unwrap();
            connection.write_all(&[number; 9]).await.unwrap();
            let mut back = [0; 9];
            connection.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [number; 9]);
        })
    });
    for connection in many.collect::<Vec<_>>() {
        connection.await.unwrap();
    }
    assert_eq!(endpoint.active_sessions(), 1);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut refused = node.connect(&nobody.to_string()).await.unwrap();
    let error = refused.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

/// Neither the proxy's end nor its sessions are those of the node's own connections.
#[tokio::test]
async fn a_proxy_is_ended_by_itself() {
    let (endpoint, node) = endpoint().await;
    let port = echo().await;
    let mut own = node.connect(&port.to_string()).await.unwrap();
    let proxy = node.proxy("0").idle(Duration::from_secs(60)).sessions(2).start().await.unwrap();
    let mut events = proxy.events();
    let mut client = TcpStream::connect(proxy.local_addr().unwrap()).await.unwrap();
    client
        .write_all(format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 39];
    client.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    client.write_all(b"to and fro").await.unwrap();
    client.read_exact(&mut answer[..10]).await.unwrap();
    assert_eq!(&answer[..10], b"to and fro");
    let first = events.recv().await.unwrap();
    assert_eq!(first.to_string(), format!("localhost:{port}: a session stands"));
    assert_eq!(endpoint.active_sessions(), 2);

    proxy.end().await;
    assert_eq!(endpoint.active_sessions(), 1);
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    own.write_all(b"x").await.unwrap();
    assert_eq!(own.read_u8().await.unwrap(), b'x');

    // One that is dropped ends as well.
    let proxy = node.proxy("127.0.0.1:0").start().await.unwrap();
    let address = proxy.local_addr().unwrap();
    drop((proxy, own));
    node.end().await;
    assert_eq!(endpoint.active_sessions(), 0);
    TcpListener::bind(address).await.unwrap();
}

#[tokio::test]
async fn what_is_written_before_a_drop_arrives() {
    let (endpoint, node) = endpoint().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let sent = pattern(1 << 20);
    let mut connection = node.connect(&port).await.unwrap();
    let giving = {
        let sent = sent.clone();
        tokio::spawn(async move {
            connection.write_all(&sent).await.unwrap();
            drop((connection, node));
        })
    };
    let mut received = Vec::new();
    listener.accept().await.unwrap().0.read_to_end(&mut received).await.unwrap();
    giving.await.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    drop(endpoint);
}

#[tokio::test]
async fn a_node_ends_with_its_connections() {
    let (endpoint, node) = endpoint().await;
    let mut open = node.connect(&echo().await.to_string()).await.unwrap();
    open.write_all(b"here").await.unwrap();
    open.read_exact(&mut [0; 4]).await.unwrap();
    timeout(Duration::from_secs(20), node.end()).await.expect("nobody holds it up");
    assert_eq!(endpoint.active_sessions(), 0);
    let cut_off = open.read_u8().await.unwrap_err();
    assert_eq!(cut_off.kind(), ErrorKind::ConnectionReset);
}

/// A thousand programs that lose interest in the middle: no session, socket or task is left.
#[tokio::test]
async fn connections_that_are_dropped_in_the_middle_leave_nothing() {
    let (endpoint, node) = endpoint().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = tasks();
    let source = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (mut socket, _) = listener.accept().await.unwrap();
            // Until nobody takes it.
            open.spawn(async move { while socket.write_all(&[7; 4096]).await.is_ok() {} });
        }
        while open.join_next().await.is_some() {}
    });
    for number in 0..1000 {
        let mut connection = node.connect(&port).await.unwrap();
        if number % 2 == 0 {
            connection.read_exact(&mut [0; 10_000]).await.unwrap();
        } else {
            connection.write_all(&[1; 10_000]).await.unwrap();
            // Nothing is known of it before it has arrived.
            connection.read_u8().await.unwrap();
        }
    }
    timeout(Duration::from_secs(60), source).await.expect("the sockets are closed").unwrap();
    node.end().await;
    assert_eq!(endpoint.active_sessions(), 0);
    // The endpoint's side of the last connection says goodbye.
    let left = async {
        while tasks() > idle {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), left).await.expect("no task is left");
}

#[tokio::test]
async fn a_tunnel_is_kept_up_and_ends_with_its_handle() {
    let (endpoint, node) = endpoint().await;
    let port = echo().await;
    let tunnel = node.forward(&format!("127.0.0.1:0:{port}")).start().await.unwrap();
    let mut events = tunnel.events();
    let address = tunnel.local_addr().unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"there and back").await.unwrap();
    let mut back = [0; 14];
    socket.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"there and back");
    let accepted = timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap();
    assert!(matches!(accepted, TunnelEvent::Forward(_)), "{accepted:?}");
    drop(tunnel);
    let refused = TcpStream::connect(address).await.map(drop);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    node.end().await;
    assert_eq!(endpoint.active_sessions(), 0);
}

/// Half a close reaches the destination, and the answer comes.
#[tokio::test]
async fn a_tunnel_by_turbo_passes_each_end_on_and_leaves_nothing() {
    let (endpoint, node) = endpoint().await;
    let port = echo().await;
    let tunnel = node.forward(&format!("127.0.0.1:0:{port}")).turbo(true).start().await.unwrap();
    let mut socket = TcpStream::connect(tunnel.local_addr().unwrap()).await.unwrap();
    let bytes = pattern(1 << 20);
    let (mut from, mut to) = socket.split();
    let sending = async {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, received) = tokio::join!(sending, from.read_to_end(&mut back));
    received.unwrap();
    assert!(back == bytes, "{} of {} bytes", back.len(), bytes.len());
    tunnel.end().await.unwrap();
    assert_eq!(endpoint.active_sessions(), 0);
}

#[tokio::test]
async fn commands_have_outputs_codes_and_input() {
    let (endpoint, node) = endpoint().await;
    let script = "cat; echo wrong >&2; exit 3";
    let plain = node.command(["sh", "-c", "echo out; echo wrong >&2; exit 3"]);
    let output = plain.output().await.unwrap();
    assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"wrong\n"[..]));
    assert_eq!(output.code, 3);
    let bytes = pattern(70_000);
    let output = node.command(["sh", "-c", script]).stdin(bytes.clone()).output().await.unwrap();
    assert!(output.stdout == bytes, "{} of {} bytes", output.stdout.len(), bytes.len());
    assert_eq!((&*output.stderr, output.code), (&b"wrong\n"[..], 3));
    // One that is given up takes its session with it.
    let endless = node.command(["sleep", "1000"]).output();
    assert!(timeout(Duration::from_millis(300), endless).await.is_err());
    node.end().await;
    assert_eq!(endpoint.active_sessions(), 0);
}

#[tokio::test]
async fn a_shell_has_a_size_and_another() {
    let (endpoint, node) = endpoint().await;
    let mut shell = node.shell().size(91, 33).start().await.unwrap();
    shell.write_all(b"stty -echo; echo size=$(stty size)\r").await.unwrap();
    wait_for(&mut shell, b"size=33 91").await;
    shell.resize(101, 44);
    // The size goes ahead of what is typed behind it.
    shell.write_all(b"echo size=$(stty size)\r").await.unwrap();
    wait_for(&mut shell, b"size=44 101").await;
    drop(shell);
    node.end().await;
    assert_eq!(endpoint.active_sessions(), 0);
}

const LEN: u64 = 8 << 20;

async fn wait_for(shell: &mut ssmport::client::Shell, text: &[u8]) {
    let mut shown = Vec::new();
    while !shown.windows(text.len()).any(|part| part == text) {
        let byte = timeout(Duration::from_secs(20), shell.read_u8()).await;
        shown.push(
            byte.unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&shown))).unwrap(),
        );
    }
}

#[tokio::test]
async fn errors_say_of_what_kind_they_are() {
    let (_endpoint, node) = endpoint().await;
    let error = node.connect("not a port").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let error = node.forward("5432:db:nothing").start().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = format!("{}:5432", taken.local_addr().unwrap());
    let error = node.forward(&spec).start().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Local);
    assert!(error.to_string().contains("holds it"), "{error}");
}

/// A node's command stands still when nobody reads what the others write either.
#[tokio::test]
async fn a_run_waits_for_its_reader_and_ends_when_it_is_stopped() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = EndpointConfig::default();
    let nodes = (1..=3).map(|number| ssmport::local::Node {
        id: format!("i-0000000{number}"),
        name: format!("web-{number}"),
        ..config.nodes[0].clone()
    });
    let nodes = nodes.collect();
    let config = EndpointConfig { nodes, ..EndpointConfig::default() };
    let endpoint = Arc::new(Endpoint::in_process(config).await.unwrap());
    let client = Client::local(Arc::clone(&endpoint)).unwrap();
    assert_eq!(client.select(["web-1", "i-00000001"]).await.unwrap().nodes().len(), 1);
    assert_eq!(client.select(["web-9"]).await.unwrap_err().kind(), Kind::Target);

    let script = format!(
        "exec 3>{}/$$; while head -c 65536 /dev/zero; do echo x >&3; done",
        folder.path().display()
    );
    let selection = client.select(["web-*"]).await.unwrap();
    let mut run = selection.command(["sh", "-c", &script]).start();
    let written = || {
        let files = std::fs::read_dir(folder.path()).unwrap().flatten();
        files.map(|file| file.metadata().unwrap().len() / 2 * 65_536).sum::<u64>()
    };
    while !matches!(run.next().await.unwrap(), RunEvent::Output { .. }) {}
    // Until it has come to a stand.
    let mut before = 0;
    timeout(Duration::from_secs(30), async {
        while before == 0 || written() > before {
            before = written();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
    .expect("a stand");
    assert!(before < 64 << 20, "{} MiB are under way", before >> 20);

    run.stopper().stop();
    let mut ends = Vec::new();
    while let Some(event) = run.next().await {
        if let RunEvent::Ended { end, .. } = event {
            ends.push(end);
        }
    }
    assert_eq!(ends.len(), 3);
    assert!(ends.iter().all(|end| matches!(end, NodeEnd::Stopped)), "{ends:?}");
    assert_eq!(endpoint.active_sessions(), 0);
}
