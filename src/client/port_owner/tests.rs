use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio, id},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Type};

use super::*;

/// A shell that has `socket`, and goes when we do. It runs once it has written to its standard error.
fn with_socket(socket: impl Into<OwnedFd>, script: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stdin(Stdio::piped());
    let mut child = shell.stdout(socket.into()).stderr(Stdio::piped()).spawn().unwrap();
    child.stderr.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// That these and no others are named. What another test starts has our sockets too, from its fork to
/// its exec.
#[track_caller]
fn are_named(address: SocketAddr, ids: &[u32]) {
    let is_so = || {
        let owners = of(address).unwrap_or_default();
        let all = ids.iter().all(|id| owners.contains(&format!("(process {id})")));
        all && owners.matches("(process ").count() == ids.len()
    };
    let give_up_at = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < give_up_at, "{:?}, and not {ids:?}", of(address));
        thread::sleep(Duration::from_millis(10));
    }
}

/// A connection of the same port, in the hands of another process.
#[test]
fn a_port_is_its_listeners_and_else_whoever_has_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let worker = with_socket(listener.accept().unwrap().0, READY);
    are_named(address, &[id()]);
    are_named(client.local_addr().unwrap(), &[id()]);
    end(worker);
}

#[test]
fn the_same_port_of_another_address_is_no_matter() {
    let (ours, theirs) = loop {
        let ours = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = ours.local_addr().unwrap().port();
        if let Ok(theirs) = TcpListener::bind(("127.0.0.2", port)) {
            break (ours, theirs);
        }
    };
    let [our_address, their_address] = [&ours, &theirs].map(|one| one.local_addr().unwrap());
    let other = with_socket(theirs, READY);
    are_named(their_address, &[other.id()]);
    are_named(our_address, &[id()]);
    let any = |ip: &str| SocketAddr::new(ip.parse().unwrap(), our_address.port());
    are_named(any("0.0.0.0"), &[id(), other.id()]);
    assert_eq!(of(any("::1")), None);
    end(other);
}

#[test]
fn a_listener_that_was_inherited_is_its_first_holders() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = with_socket(listener, "sh -c 'echo >&2; read line'; exit");
    are_named(address, &[first.id()]);
    end(first);
}

#[test]
fn those_that_share_a_port_are_all_named() {
    let shared = |port: u16| {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        socket.listen(1).unwrap();
        socket
    };
    let first = shared(0);
    let address = first.local_addr().unwrap().as_socket().unwrap();
    let other = with_socket(shared(address.port()), READY);
    are_named(address, &[id(), other.id()]);
    end(other);
}

#[test]
fn one_for_both_families_is_in_the_way_of_either() {
    let Ok(listener) = TcpListener::bind("[::]:0") else { return };
    let port = listener.local_addr().unwrap().port();
    for ip in ["127.0.0.1", "::1", "::"] {
        are_named(SocketAddr::new(ip.parse().unwrap(), port), &[id()]);
    }
}

const READY: &str = "echo >&2; read line";
