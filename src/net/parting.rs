//! What a local program has done whose end of file has been read: closed its connection, or the half of
//! it that writes. The bytes on the way are the same; but the program's socket is on this machine, and
//! Linux tells whether anybody still has it.

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// How a program has left off sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parting {
    /// It has closed its socket: nobody is there who could read an answer.
    Closed,
    /// It still has its socket, and can be answered.
    HalfClosed,
    /// The system does not tell, or it is another machine's program.
    Unknown,
}

impl Parting {
    /// That of the program at the other end of `socket`, which has sent its end of file.
    pub(super) fn of_tcp(socket: &TcpStream) -> Self {
        #[cfg(target_os = "linux")]
        if let (Ok(program), Ok(ours)) = (socket.peer_addr(), socket.local_addr()) {
            return sock_diag::parting(program, ours);
        }
        let _ = socket;
        Self::Unknown
    }

    /// The same of a Unix socket.
    #[cfg(unix)]
    pub(super) fn of_unix(socket: &UnixStream) -> Self {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};

            let mut polled = [PollFd::new(socket, PollFlags::empty())];
            if poll(&mut polled, Some(&Timespec::default())).is_ok() {
                let is_closed = polled[0].revents().contains(PollFlags::HUP);
                return if is_closed { Self::Closed } else { Self::HalfClosed };
            }
        }
        let _ = socket;
        Self::Unknown
    }
}

/// Linux's own account of its TCP sockets: `sock_diag(7)`.
#[cfg(target_os = "linux")]
mod sock_diag {
    use std::net::{IpAddr, SocketAddr};

    use rustix::{
        io::Errno,
        net::{
            AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
            netlink::{SOCK_DIAG, SocketAddrNetlink},
            recv, sendto, socket_with,
        },
    };

    use super::Parting;

    /// Of the socket at `program` that is connected to `ours`.
    pub(super) fn parting(program: SocketAddr, ours: SocketAddr) -> Parting {
        match owner(program, ours) {
            // Who has closed a socket has left it to the system, which sees to its end.
            Ok(0) => Parting::Closed,
            Ok(_) => Parting::HalfClosed,
            // None there any more; unless it is somewhere else.
            Err(Errno::NOENT) if program.ip().to_canonical().is_loopback() => Parting::Closed,
            Err(_) => Parting::Unknown,
        }
    }

    /// The inode by which a process has the socket; 0 when none has it any more.
    fn owner(program: SocketAddr, ours: SocketAddr) -> Result<u32, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let diag = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        let request = request(program, ours);
        sendto(&diag, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; 512];
        // It is there when the request has been taken.
        let (len, _) = recv(&diag, &mut answer, RecvFlags::empty())?;
        read(answer.get(..len).unwrap_or_default()).unwrap_or(Err(Errno::BADMSG))
    }

    /// A netlink header, and `inet_diag_req_v2`: one socket, by its two addresses.
    fn request(program: SocketAddr, ours: SocketAddr) -> Vec<u8> {
        let family = match (program.ip().to_canonical(), ours.ip().to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
            _ => AddressFamily::INET6,
        };
        let mut request = Vec::with_capacity(REQUEST_LEN as usize);
        request.extend(REQUEST_LEN.to_ne_bytes());
        request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request.extend(NLM_F_REQUEST.to_ne_bytes());
        // Number of the request, and of the one who asks.
        request.extend([0; 8]);
        request.extend([family.as_raw() as u8, TCP, 0, 0]);
        request.extend(ALL_STATES.to_ne_bytes());
        request.extend(program.port().to_be_bytes());
        request.extend(ours.port().to_be_bytes());
        request.extend(address(program.ip()));
        request.extend(address(ours.ip()));
        // Through any interface, with any cookie.
        request.extend([0; 4]);
        request.extend([0xff; 8]);
        request
    }

    fn address(ip: IpAddr) -> [u8; 16] {
        match ip.to_canonical() {
            IpAddr::V6(ip) => ip.octets(),
            IpAddr::V4(ip) => {
                let mut address = [0; 16];
                address[..4].copy_from_slice(&ip.octets());
                address
            }
        }
    }

    /// The inode in an `inet_diag_msg`, or the error in a `nlmsgerr`.
    fn read(answer: &[u8]) -> Option<Result<u32, Errno>> {
        let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
        let word = |at: usize| answer.get(at..at + 4)?.try_into().ok();
        match kind {
            SOCK_DIAG_BY_FAMILY => Some(Ok(u32::from_ne_bytes(word(HEADER_LEN + INODE_AT)?))),
            NLMSG_ERROR => {
                let number = i32::from_ne_bytes(word(HEADER_LEN)?);
                Some(Err(Errno::from_raw_os_error(number.checked_neg()?)))
            }
            _ => None,
        }
    }

    const HEADER_LEN: usize = 16;
    const REQUEST_LEN: u32 = HEADER_LEN as u32 + 56;
    /// Of `idiag_inode` in the answer.
    const INODE_AT: usize = 68;
    const NLMSG_ERROR: u16 = 2;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const TCP: u8 = 6;
    const ALL_STATES: u32 = u32::MAX;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use socket2::SockRef;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// A program's socket and ours.
    async fn pair(listen: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(listen).await.unwrap();
        let mut address = listener.local_addr().unwrap();
        // As programs do that know IPv6 alone.
        if address.ip().is_unspecified() {
            address.set_ip("::ffff:127.0.0.1".parse().unwrap());
        }
        let program = TcpStream::connect(address).await.unwrap();
        (program, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn who_has_finished_and_waits_is_told_from_who_has_gone() {
        for listen in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let (program, mut ours) = pair(listen).await;
            SockRef::from(&program).shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(Parting::of_tcp(&ours), Parting::HalfClosed, "{listen}");
            drop(program);
            assert_eq!(Parting::of_tcp(&ours), Parting::Closed, "{listen}");

            let (program, mut ours) = pair(listen).await;
            drop(program);
            assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(Parting::of_tcp(&ours), Parting::Closed, "{listen}");
        }
    }

    #[tokio::test]
    async fn so_it_is_with_a_unix_socket() {
        let (program, ours) = UnixStream::pair().unwrap();
        SockRef::from(&program).shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(Parting::of_unix(&ours), Parting::HalfClosed);
        drop(program);
        assert_eq!(Parting::of_unix(&ours), Parting::Closed);
    }
}
