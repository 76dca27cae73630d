//! A TCP connection to a host that has several addresses (RFC 8305, "happy eyeballs").
//!
//! Addresses of both families take turns, the first one's family first, as the system sorts them.
//! The next attempt starts 250 ms after the one before, or as soon as one fails; the first connection
//! wins, and the other attempts are dropped. A host whose IPv6 is a black hole costs those 250 ms.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::sleep_until};

use super::{lookup::lookup, now};

/// Connects to a host: a name, or an address without brackets.
///
/// # Errors
/// The name has no address, or what the first attempt that failed says when all have.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup(host, port).await?;
    let tcp = race(Schedule::new(addresses, now()), TcpStream::connect).await?;
    // Without it a one-byte message may wait 40 ms for the acknowledgement of the one before.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// As [`connect`], for what carries urgent messages behind others.
pub(super) async fn connect_for_messages(host: &str, port: u16) -> io::Result<TcpStream> {
    let tcp = connect(host, port).await?;
    keep_little_unsent(&tcp);
    Ok(tcp)
}

/// What the system has taken and not sent yet, nothing that is urgent can go before. Where it cannot
/// be told how much that may be, it is what the system likes.
fn keep_little_unsent(tcp: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = tcp;
}

async fn race<T, A>(mut schedule: Schedule, attempt: impl Fn(SocketAddr) -> A) -> io::Result<T>
where
    A: Future<Output = io::Result<T>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    loop {
        while let Some(address) = schedule.poll_attempt(now()) {
            attempts.push(attempt(address));
        }
        let next = schedule.poll_timeout();
        tokio::select! {
            Some(ended) = attempts.next() => match ended {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    first_error.get_or_insert(error);
                    schedule.handle_failure(now());
                }
            },
            () = sleep_until(next.unwrap_or_else(now).into()), if next.is_some() => {}
            else => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                return Err(first_error.unwrap_or_else(none));
            }
        }
    }
}

/// Which address is tried when. Time comes in as an argument.
#[derive(Debug)]
struct Schedule {
    waiting: VecDeque<SocketAddr>,
    next_at: Instant,
}

impl Schedule {
    fn new(addresses: Vec<SocketAddr>, now: Instant) -> Self {
        Self { waiting: interleaved(addresses), next_at: now }
    }

    /// The address to be tried next, once it is time.
    fn poll_attempt(&mut self, now: Instant) -> Option<SocketAddr> {
        if now < self.next_at {
            return None;
        }
        self.next_at = now + STAGGER;
        self.waiting.pop_front()
    }

    /// An attempt has failed: the next one need not wait.
    fn handle_failure(&mut self, now: Instant) {
        self.next_at = now;
    }

    /// When the next attempt is due; `None` when there is no address left.
    fn poll_timeout(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }
}

/// The families in turn, each in its own order.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut all = VecDeque::with_capacity(one.len() + other.len());
    while !(one.is_empty() && other.is_empty()) {
        all.extend(one.pop_front());
        all.extend(other.pop_front());
    }
    all
}

/// Bytes: one of the largest messages.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 32 << 10;
/// RFC 8305's recommended delay between attempts.
const STAGGER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::{net::TcpListener, time::sleep};

    use super::*;

    const V6: &str = "[2001:db8::1]:443";
    const OTHER_V6: &str = "[2001:db8::2]:443";
    const V4: &str = "192.0.2.1:443";
    const OTHER_V4: &str = "192.0.2.2:443";

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_families_take_turns() {
        for (found, order) in [
            (&[V6, OTHER_V6, V4, OTHER_V4][..], &[V6, V4, OTHER_V6, OTHER_V4][..]),
            (&[V4, V6, OTHER_V6], &[V4, V6, OTHER_V6]),
            (&[V4, OTHER_V4], &[V4, OTHER_V4]),
            (&[], &[]),
        ] {
            assert_eq!(interleaved(addresses(found)), addresses(order));
        }
    }

    #[test]
    fn attempts_are_250_ms_apart_unless_one_fails() {
        let start = now();
        let mut schedule = Schedule::new(addresses(&[V6, V4, OTHER_V4]), start);
        assert_eq!(schedule.poll_attempt(start), Some(V6.parse().unwrap()));
        assert_eq!(schedule.poll_attempt(start + ms(249)), None);
        assert_eq!(schedule.poll_timeout(), Some(start + ms(250)));
        assert_eq!(schedule.poll_attempt(start + ms(250)), Some(V4.parse().unwrap()));
        schedule.handle_failure(start + ms(260));
        assert_eq!(schedule.poll_attempt(start + ms(260)), Some(OTHER_V4.parse().unwrap()));
        assert_eq!(schedule.poll_timeout(), None);
    }

    /// How long a race takes in virtual time, who wins it, and which addresses were tried. IPv6
    /// gets no answer; IPv4 has one after 10 ms.
    async fn raced(found: &[&str]) -> (Duration, io::Result<SocketAddr>, Vec<SocketAddr>) {
        let (tried, start) = (RefCell::new(Vec::new()), now());
        let attempt = |address: SocketAddr| {
            tried.borrow_mut().push(address);
            async move {
                if address.is_ipv6() {
                    pending::<()>().await;
                }
                sleep(ms(10)).await;
                match address == OTHER_V4.parse().unwrap() {
                    true => Err(io::Error::other("refused")),
                    false => Ok(address),
                }
            }
        };
        let winner = race(Schedule::new(addresses(found), start), attempt).await;
        (now() - start, winner, tried.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_costs_250_ms() {
        let (took, winner, tried) = raced(&[V6, OTHER_V6, V4]).await;
        assert_eq!(winner.unwrap(), V4.parse().unwrap());
        assert!(took >= ms(260) && took < ms(270), "{took:?}");
        assert_eq!(tried, addresses(&[V6, V4]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_costs_nothing() {
        let (took, winner, _) = raced(&[OTHER_V4, V4]).await;
        assert_eq!(winner.unwrap(), V4.parse().unwrap());
        assert!(took >= ms(20) && took < ms(25), "{took:?}");
        let (_, winner, tried) = raced(&[OTHER_V4, OTHER_V4]).await;
        assert_eq!(winner.unwrap_err().to_string(), "refused");
        assert_eq!(tried.len(), 2);
        let (_, winner, _) = raced(&[]).await;
        assert_eq!(winner.unwrap_err().to_string(), "the name has no address");
    }

    #[tokio::test]
    async fn localhost_is_both_loopback_addresses_whatever_the_hosts_file_says() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).await.unwrap();
            let local = listener.local_addr().unwrap();
            for name in ["localhost", "LocalHost"] {
                let tcp = connect(name, local.port()).await.unwrap();
                assert_eq!(tcp.peer_addr().unwrap(), local);
            }
        }
    }

    /// With Nagle's algorithm on, an echo of one byte takes 43 ms instead of one or two.
    #[tokio::test]
    async fn a_small_message_does_not_wait_for_the_one_before() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect("127.0.0.1", port).await.unwrap().nodelay().unwrap());
    }
}
