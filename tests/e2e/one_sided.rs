//! Programs that read only once they have written everything: over TCP alone that works as long as the other one
//! reads meanwhile, and so it must over a session, in which acknowledgements come behind data.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::support::{DEADLINE, Endpoint, Plugin};

#[test]
fn a_destination_that_writes_all_before_it_reads_gets_everything() {
    carry(one_after_the_other, at_once);
}

#[test]
fn a_program_that_writes_all_before_it_reads_gets_everything() {
    carry(at_once, one_after_the_other);
}

/// Has both ends of a connection through a port session do something.
fn carry(destination: fn(&mut TcpStream), program: fn(&mut TcpStream)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let endpoint = Endpoint::start();
    let plugin = Plugin::attach(&endpoint, port);
    let run = |mut socket: TcpStream, end: fn(&mut TcpStream)| {
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        socket.set_write_timeout(Some(DEADLINE)).expect("a time limit");
        end(&mut socket);
    };
    thread::scope(|scope| {
        scope.spawn(|| run(listener.accept().expect("a connection").0, destination));
        run(TcpStream::connect(plugin.address).expect("a connection"), program);
    });
}

fn one_after_the_other(socket: &mut TcpStream) {
    write(socket, MUCH);
    read(socket, LESS);
}

fn at_once(socket: &mut TcpStream) {
    let mut writer = socket.try_clone().expect("the same socket");
    thread::scope(|scope| {
        scope.spawn(move || write(&mut writer, LESS));
        read(socket, MUCH);
    });
}

/// Writes so many blocks, each of which says where it belongs.
fn write(socket: &mut TcpStream, blocks: usize) {
    for block in 0..blocks {
        socket.write_all(&content(block)).expect("the other one reads, sooner or later");
    }
}

fn read(socket: &mut TcpStream, blocks: usize) {
    let mut received = vec![0; BLOCK];
    for block in 0..blocks {
        socket.read_exact(&mut received).expect("the other one writes");
        assert!(received == content(block), "block {block}");
    }
}

fn content(block: usize) -> Vec<u8> {
    (0..BLOCK).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ block.wrapping_mul(101)) as u8).collect()
}

const BLOCK: usize = 1 << 16;
/// Blocks that do not fit into what sockets and sessions keep.
const MUCH: usize = 1024;
const LESS: usize = 768;
