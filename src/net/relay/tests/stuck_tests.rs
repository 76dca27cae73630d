//! Readers that hold up the others.

use std::io::ErrorKind;

use tokio::net::{TcpListener, TcpStream};

use super::*;

impl Tunnel {
    /// What was told of slow and stuck readers.
    fn told(&self) -> Vec<Notice> {
        let is_of_ends = |one: &&Notice| {
            matches!(one, Notice::Opened(_) | Notice::Finished(_) | Notice::Closed { .. })
        };
        self.client.notices.iter().filter(|one| !is_of_ends(one)).cloned().collect()
    }

    /// Sends to a reader that does not read until nothing more is taken.
    fn fill(&mut self, target: &mut DuplexStream) {
        for _ in 0..2000 {
            write(target, &sample(PIPE));
            self.turns(1);
        }
        assert!(!self.client.relay.can_receive());
    }
}

#[test]
fn a_stuck_reader_is_reset_when_others_starve_and_is_told_so() {
    let mut tunnel = Tunnel::new();
    let (mut stuck_program, socket) = duplex(PIPE);
    let (recorded, is_reset) = Recorded::new(socket);
    let (stuck, mut stuck_target) = tunnel.connect_socket(Box::new(recorded));
    let (_, mut program, mut target) = tunnel.connect();
    tunnel.fill(&mut stuck_target);
    write(&mut target, b"starving");
    tunnel.pass(Duration::from_secs(59));
    assert!(read(&mut program).is_empty());
    assert!(!is_reset.is_reset());
    tunnel.pass(Duration::from_secs(2));
    assert_eq!(read(&mut program), b"starving");
    let told = tunnel.told();
    let [Notice::Slow(slow), Notice::Stalled { stream, discarded }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((slow, stream), (stuck, stuck));
    assert!(discarded > 3 << 20, "{discarded}");
    assert!(is_reset.is_reset(), "an end of file would look like success");
    while !read(&mut stuck_program).is_empty() {}
}

#[test]
fn a_reader_of_single_bytes_is_told_of_once_and_counts_as_stuck() {
    let mut tunnel = Tunnel::new();
    let (stuck, mut stuck_program, mut stuck_target) = tunnel.connect();
    let (_, mut program, mut target) = tunnel.connect();
    tunnel.fill(&mut stuck_target);
    write(&mut target, b"starving");
    let mut told = Vec::new();
    for _ in 0..6 {
        tunnel.pass(Duration::from_secs(10));
        stuck_program.read(&mut [0]).now_or_never();
        told.push(tunnel.told().len());
    }
    assert_eq!(told, [1, 1, 1, 1, 1, 2]);
    assert_eq!(tunnel.told()[0], Notice::Slow(stuck));
    tunnel.turns(20);
    assert_eq!(read(&mut program), b"starving");
}

#[test]
fn a_slow_reader_is_told_of_and_keeps_its_connection() {
    let mut tunnel = Tunnel::new();
    let (slow, mut slow_program, mut slow_target) = tunnel.connect();
    let (_, _program, _target) = tunnel.connect();
    tunnel.fill(&mut slow_target);
    for _ in 0..30 {
        for _ in 0..6 {
            assert!(!read(&mut slow_program).is_empty());
            write(&mut slow_target, &sample(PIPE));
            tunnel.turns(20);
        }
        tunnel.pass(Duration::from_secs(10));
    }
    assert_eq!(tunnel.told(), [Notice::Slow(slow)]);
    // It takes the rest, and there is room for good.
    while !read(&mut slow_program).is_empty() {
        tunnel.turns(1);
    }
    tunnel.pass(Duration::from_secs(2));
    tunnel.pass(Duration::from_secs(2));
    let told = tunnel.told();
    let [Notice::Slow(_), Notice::Flowing { after }] = told[..] else { panic!("{told:?}") };
    assert!((300..310).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn the_program_of_a_stuck_tcp_connection_sees_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stuck_program, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut stuck_program = stuck_program.unwrap();
    let mut tunnel = Tunnel::new();
    let (_, mut stuck_target) = tunnel.connect_socket(Box::new(accepted.unwrap().0));
    let (_, mut program, mut target) = tunnel.connect();
    let mut times_full = 0;
    while times_full < 100 {
        write(&mut stuck_target, &sample(PIPE));
        tunnel.turns(1);
        times_full = if tunnel.client.relay.can_receive() { 0 } else { times_full + 1 };
        tokio::task::yield_now().await;
    }
    write(&mut target, b"starving");
    tunnel.pass(Duration::from_secs(61));
    tunnel.turns(20);
    assert_eq!(read(&mut program), b"starving");
    let error = stuck_program.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
