//! Servers and clients of the demo: they send a known pattern and check every byte of it.

use std::{io, net::SocketAddr, sync::LazyLock, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A server whose clients say what they want in their first nine bytes: an operation and a length.
pub(super) struct Peer {
    pub(super) port: u16,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// The client sends that many bytes of the pattern; the server checks them and says so.
    Take,
    /// The server sends that many bytes of the pattern.
    Give,
    /// The server sends back whatever comes.
    Echo,
    /// The server thinks for a while, then sends that many bytes of the pattern.
    GiveLater,
    /// The server sends that many bytes back as they come, then ends.
    GiveBack,
}

impl Peer {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                clients.spawn(serve(socket));
                while clients.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, _tasks: tasks })
    }
}

async fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let operation = socket.read_u8().await?;
    let len = socket.read_u64().await?;
    match operation {
        0 => {
            take(&mut socket, len).await?;
            socket.write_u8(TAKEN).await?;
        }
        1 => give(&mut socket, len).await?,
        2 => {
            let (mut from, mut to) = socket.split();
            tokio::io::copy(&mut from, &mut to).await?;
        }
        4 => {
            let (from, mut to) = socket.split();
            tokio::io::copy(&mut from.take(len), &mut to).await?;
        }
        _ => {
            tokio::time::sleep(THINKING).await;
            give(&mut socket, len).await?;
        }
    }
    socket.shutdown().await
}

/// A client that has asked for `operation`.
pub(super) async fn connect(
    address: SocketAddr,
    operation: Operation,
    len: u64,
) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    socket.write_all(&request(operation, len)).await?;
    Ok(socket)
}

/// What a client says first.
pub(super) fn request(operation: Operation, len: u64) -> [u8; 9] {
    let mut request = [0; 9];
    request[0] = match operation {
        Operation::Take => 0,
        Operation::Give => 1,
        Operation::Echo => 2,
        Operation::GiveLater => 3,
        Operation::GiveBack => 4,
    };
    request[1..].copy_from_slice(&len.to_be_bytes());
    request
}

/// Sends the pattern.
pub(super) async fn give(socket: &mut (impl AsyncWriteExt + Unpin), len: u64) -> io::Result<()> {
    let mut sent = 0;
    while sent < len {
        let rest = &PATTERN[(sent % PATTERN_LEN as u64) as usize..];
        let part = rest.len().min(CHUNK).min((len - sent) as usize);
        socket.write_all(&rest[..part]).await?;
        sent += part as u64;
    }
    socket.flush().await
}

/// Reads `len` bytes and checks that they are the pattern.
pub(super) async fn take(socket: &mut (impl AsyncReadExt + Unpin), len: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut taken = 0;
    while taken < len {
        let wanted = buffer.len().min((len - taken) as usize);
        let read = socket.read(&mut buffer[..wanted]).await?;
        if read == 0 {
            return Err(io::Error::other(format!("only {taken} of {len} bytes arrived")));
        }
        let mut checked = 0;
        while checked < read {
            let rest = &PATTERN[((taken + checked as u64) % PATTERN_LEN as u64) as usize..];
            let part = rest.len().min(read - checked);
            if buffer[checked..checked + part] != rest[..part] {
                return Err(io::Error::other(format!("wrong bytes after {taken}")));
            }
            checked += part;
        }
        taken += read as u64;
    }
    Ok(())
}

/// Waits for the server's word that it has what was sent.
pub(super) async fn confirm(socket: &mut TcpStream) -> io::Result<()> {
    match socket.read_u8().await? {
        TAKEN => Ok(()),
        _ => Err(io::Error::other("the server took something else")),
    }
}

/// Bytes that do not repeat within [`PATTERN_LEN`], which is no multiple of any buffer's size: a
/// lost, repeated or moved piece does not go unseen.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = vec![0; PATTERN_LEN];
    StdRng::seed_from_u64(0).fill_bytes(&mut bytes);
    bytes
});

const PATTERN_LEN: usize = 1_000_003;
const CHUNK: usize = 64 * 1024;
const TAKEN: u8 = 0x2a;
/// Long enough for the client's end of file to be there first.
const THINKING: Duration = Duration::from_millis(300);
