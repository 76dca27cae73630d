//! Who holds a port that cannot be had.

use listeners::{Listener, Protocol, SocketState};

/// Name and id of the process that holds a TCP port, if the system tells.
pub(super) fn of(port: u16) -> Option<String> {
    let is_there = |one: &Listener| one.protocol == Protocol::TCP && one.socket.port() == port;
    let there = listeners::get_all().ok()?.into_iter().filter(is_there);
    // Connections have the port of their listener, and may belong to somebody else.
    let Listener { process, .. } = there.min_by_key(|one| one.state != SocketState::Listen)?;
    Some(format!("{} (process {})", process.name, process.pid))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
        process::{Command, Stdio},
    };

    use super::*;

    /// A connection of the same port, in the hands of another process.
    #[test]
    fn a_port_is_its_listeners_and_else_whoever_has_it() {
        let ours = |owner: &str| owner.ends_with(&format!("(process {})", std::process::id()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let accepted = std::os::fd::OwnedFd::from(listener.accept().unwrap().0);
        let mut worker = Command::new("sh");
        // It says that it is there, and goes when we do.
        worker.args(["-c", "echo; read line"]).stdin(Stdio::piped()).stdout(accepted);
        let mut worker = worker.spawn().unwrap();
        client.read_exact(&mut [0]).unwrap();
        let workers = format!("(process {})", worker.id());
        for port in [address.port(), client.local_addr().unwrap().port()] {
            let owners: Vec<_> = (0..20).map(|_| of(port).unwrap()).collect();
            assert!(!owners.iter().any(|owner| owner.ends_with(&workers)), "{owners:?}");
            // What another test starts has our sockets too, from its fork to its exec.
            assert!(owners.iter().any(|owner| ours(owner)), "{owners:?}");
        }
        drop(worker.stdin.take());
        worker.wait().unwrap();
    }
}
