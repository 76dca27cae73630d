//! What goes through a tunnel in benchmarks: a server that gives, takes and says back, and its clients.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Asks for so many bytes: `u`p or `d`own, or for `e`choes.
pub fn connect(address: SocketAddr, operation: u8, len: u64) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut request = vec![operation];
    request.extend(len.to_be_bytes());
    socket.write_all(&request)?;
    Ok(socket)
}

/// Sends so many bytes, until they have arrived.
pub fn upload(address: SocketAddr, bytes: u64) {
    let mut socket = connect(address, b'u', bytes).expect("connected");
    send(&mut socket, bytes).expect("sent");
    socket.read_exact(&mut [0]).expect("all of it arrived");
}

pub fn download(address: SocketAddr, bytes: u64) {
    let mut socket = connect(address, b'd', bytes).expect("connected");
    receive(&mut socket, bytes).expect("all of it arrived");
}

/// How long bytes take there and back, one by one, in order.
pub fn echoes(address: SocketAddr, count: usize) -> Vec<Duration> {
    let mut socket = connect(address, b'e', 0).expect("connected");
    let one = |_| {
        let begin = Instant::now();
        socket.write_all(&[7]).expect("sent");
        socket.read_exact(&mut [0]).expect("came back");
        begin.elapsed()
    };
    sorted((0..count).map(one).collect())
}

pub fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

/// The one that so many of a hundred are below.
pub fn at(times: &[Duration], percent: usize) -> Duration {
    let last = times.len().saturating_sub(1);
    times.get(last * percent / 100).copied().unwrap_or_default()
}

/// Serves on a free loopback port, for good.
pub fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || answer(socket));
        }
    });
    address
}

fn answer(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = [0; 9];
    socket.read_exact(&mut request)?;
    let len = u64::from_be_bytes(*request.last_chunk().expect("eight of nine"));
    match request[0] {
        b'u' => {
            receive(&mut socket, len)?;
            socket.write_all(&[1])
        }
        b'd' => send(&mut socket, len),
        _ => io::copy(&mut socket.try_clone()?, &mut socket).map(drop),
    }
}

fn send(socket: &mut TcpStream, mut len: u64) -> io::Result<()> {
    let buffer = vec![0x5a; 256 << 10];
    while len > 0 {
        let part = buffer.len().min(len as usize);
        socket.write_all(&buffer[..part])?;
        len -= part as u64;
    }
    Ok(())
}

fn receive(socket: &mut TcpStream, mut len: u64) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    while len > 0 {
        let part = buffer.len().min(len as usize);
        let read = socket.read(&mut buffer[..part])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len -= read as u64;
    }
    Ok(())
}
