//! An address for several servers, one after the other.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A loopback port on which nobody listens yet. While this is held nobody else is given it by the
/// system; who asks for this very port, as a server does, has it, if the one before is gone.
pub struct Reserved {
    socket: Socket,
}

impl Reserved {
    /// Reserves a free one.
    pub fn port() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Whoever binds the port for reuse too may listen on it, as this socket does not.
        socket.set_reuse_address(true).expect("a port for reuse");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        Self { socket }
    }

    /// The port's address.
    pub fn address(&self) -> SocketAddr {
        let address = self.socket.local_addr().expect("its address");
        address.as_socket().expect("an address of IP")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_reserved_port_is_for_one_server_after_the_other_and_for_nobody_by_chance() {
        let reserved = Reserved::port();
        for _ in 0..2 {
            assert!(TcpStream::connect(reserved.address()).is_err(), "nobody listens");
            let server = TcpListener::bind(reserved.address()).expect("it is for servers");
            TcpStream::connect(reserved.address()).expect("one listens");
            drop(server);
        }
        // As the system looks for a free one.
        let by_chance = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        assert!(by_chance.bind(&reserved.address().into()).is_err(), "it is taken");
    }
}
