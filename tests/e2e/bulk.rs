//! Much data between two processes, endpoint and client: every byte arrives, and the client's
//! memory stays small.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use sha2::{Digest, Sha256};

use crate::support::{DEADLINE, Endpoint, Plugin, Program};

#[test]
fn the_plugin_carries_bulk_both_ways() {
    let destination = Destination::start();
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, destination.port);
    exchange_all(plugin.address, &plugin.program);
    // Its end in good order; what it says then is tested elsewhere.
    plugin.program.signal(crate::support::Signal::TERM);
    assert_eq!(plugin.program.finish().code(), 0);
}

#[cfg(feature = "aws")]
#[test]
fn forward_carries_bulk_both_ways() {
    use crate::support::{Forward, NODE};

    let destination = Destination::start();
    let endpoint = Endpoint::start();
    let spec = format!("0:{}", destination.port);
    let forward = Forward::start(&[&spec], NODE, &["--endpoint-url", &endpoint.url]);
    exchange_all(forward.address(), &forward.program);
}

/// Everything on one connection, then as much on fifty.
fn exchange_all(address: SocketAddr, client: &Program) {
    let len = bulk_mib() << 20;
    exchange(address, len, 1);
    thread::scope(|scope| {
        let connections: Vec<_> = (1..=CONNECTIONS)
            .map(|seed| scope.spawn(move || exchange(address, len / CONNECTIONS, seed)))
            .collect();
        for connection in connections {
            connection.join().expect("the connection's thread ends well");
        }
    });
    let peak = client.peak_memory();
    assert!(peak < MEMORY_LIMIT, "the client needed {peak} bytes of memory");
}

/// Sends `len` bytes while as many come back, and compares their digests with the other end's.
pub fn exchange(address: SocketAddr, len: u64, seed: u64) {
    let mut socket = TcpStream::connect(address).expect("the port is open");
    socket.write_all(&[len.to_be_bytes(), seed.to_be_bytes()].concat()).expect("the request");
    let (sent, received) = both_ways(&mut socket, len, seed).expect("the bytes of both sides");
    let mut theirs = [[0; 32]; 2];
    for digest in &mut theirs {
        socket.read_exact(digest).expect("the other end's digests");
    }
    assert_eq!(theirs, [received, sent], "digests of what it sent and of what it received");
    assert_eq!(socket.read(&mut [0]).expect("an end of file"), 0);
}

/// The service behind the forward, in this process: sends and takes what each client asks for,
/// then says what it was.
pub struct Destination {
    pub port: u16,
}

impl Destination {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        // Lives as long as the process, which is the test's.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // Who was served badly sees it at the client's end.
                thread::spawn(move || Self::serve(socket));
            }
        });
        Self { port }
    }

    fn serve(mut socket: TcpStream) -> io::Result<()> {
        let mut request = [[0; 8]; 2];
        for field in &mut request {
            socket.read_exact(field)?;
        }
        let [len, seed] = request.map(u64::from_be_bytes);
        let (sent, received) = both_ways(&mut socket, len, !seed)?;
        socket.write_all(&[sent, received].concat())?;
        socket.shutdown(Shutdown::Write)
    }
}

type Sha = [u8; 32];

/// Sends and receives `len` bytes at the same time: digests of what was sent and received.
fn both_ways(socket: &mut TcpStream, len: u64, seed: u64) -> io::Result<(Sha, Sha)> {
    // A byte that does not move for so long never will.
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let mut out = socket.try_clone()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || send(&mut out, len, seed));
        let received = receive(socket, len);
        let sent = sender.join().map_err(|_| io::Error::other("the sender panicked"))?;
        Ok((sent?, received?))
    })
}

fn send(socket: &mut TcpStream, len: u64, seed: u64) -> io::Result<Sha> {
    let mut sha = Sha256::new();
    let mut block = noise(seed);
    let mut rest = len;
    while rest > 0 {
        // No two blocks are alike, so that one which is lost, repeated or moved is seen.
        block[..8].copy_from_slice(&rest.to_be_bytes());
        let part = &block[..block.len().min(usize::try_from(rest).unwrap_or(usize::MAX))];
        sha.update(part);
        socket.write_all(part)?;
        rest -= part.len() as u64;
    }
    Ok(sha.finalize().into())
}

fn receive(socket: &mut TcpStream, len: u64) -> io::Result<Sha> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; BLOCK_LEN];
    let mut rest = len;
    while rest > 0 {
        let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let read = socket.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::Error::other(format!("end of file, {rest} bytes too early")));
        }
        sha.update(&buffer[..read]);
        rest -= read as u64;
    }
    Ok(sha.finalize().into())
}

/// A block that no compression shortens.
fn noise(seed: u64) -> Vec<u8> {
    use rand::{Rng, SeedableRng};
    let mut block = vec![0; BLOCK_LEN];
    rand::rngs::StdRng::seed_from_u64(seed).fill_bytes(&mut block);
    block
}

/// MiB each way, once on one connection and once on all of them together.
pub fn bulk_mib() -> u64 {
    let size = std::env::var("SSMPORT_TEST_BULK_MIB").ok();
    size.map_or(1024, |mib| mib.parse().expect("SSMPORT_TEST_BULK_MIB is a number of MiB"))
}

const CONNECTIONS: u64 = 50;
/// A prime number, no multiple or part of any buffer's size on the way.
const BLOCK_LEN: usize = 65_537;
const MEMORY_LIMIT: u64 = 32 << 20;
