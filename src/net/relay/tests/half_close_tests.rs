//! Programs that have finished, where the system tells whether they are still there.

use super::*;
use crate::net::{ANSWER_PATIENCE, Parting};

/// A tunnel to an agent that closes both directions on a FIN, and a connection whose program has sent
/// its request and its end of file.
fn finished(parting: Parting) -> (Tunnel, DuplexStream, DuplexStream, Recorded) {
    let agent = RelayConfig { fin_closes_stream: true, ..RelayConfig::new(mux::Role::Server) };
    let mut tunnel = Tunnel::with(agent);
    let (mut program, socket) = duplex(PIPE);
    let (socket, record) = Recorded::new(socket);
    record.set_parting(parting);
    let (_, target) = tunnel.connect_socket(Box::new(socket));
    write(&mut program, b"request");
    program.shutdown().now_or_never().unwrap().unwrap();
    tunnel.turns(4);
    (tunnel, program, target, record)
}

#[test]
fn the_end_of_a_program_that_has_gone_is_passed_on_at_once() {
    let (tunnel, _, mut target, _) = finished(Parting::Closed);
    assert_eq!(read(&mut target), b"request");
    assert!(is_at_end(&mut target));
    assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
}

#[test]
fn so_it_is_when_it_goes_while_it_waits() {
    let (mut tunnel, _, mut target, record) = finished(Parting::HalfClosed);
    tunnel.pass(Duration::from_secs(20));
    assert_eq!(read(&mut target), b"request");
    assert!(!is_at_end(&mut target));
    record.set_parting(Parting::Closed);
    tunnel.pass(Duration::from_secs(1));
    assert!(is_at_end(&mut target));
    assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
    assert!(!tunnel.client.notices.iter().any(|one| matches!(one, Notice::Unanswered(_))));
}

#[test]
fn a_program_that_waits_gets_an_answer_that_takes_its_time() {
    let (mut tunnel, mut program, mut target, record) = finished(Parting::HalfClosed);
    tunnel.pass(4 * ANSWER_PATIENCE - Duration::from_millis(1));
    for _ in 0..3 {
        tunnel.transfer(&mut target, &mut program, b"part");
        tunnel.pass(ANSWER_PATIENCE - Duration::from_millis(1));
    }
    drop(target);
    tunnel.turns(4);
    assert!(is_at_end(&mut program));
    assert!(!record.is_reset());
    assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
}

#[test]
fn what_is_not_waited_for_any_longer_is_a_reset_and_told() {
    for has_begun in [false, true] {
        let (mut tunnel, mut program, mut target, record) = finished(Parting::HalfClosed);
        if has_begun {
            tunnel.transfer(&mut target, &mut program, b"begun");
        }
        let limit = if has_begun { ANSWER_PATIENCE } else { 4 * ANSWER_PATIENCE };
        tunnel.pass(limit - Duration::from_millis(1));
        assert!(!record.is_reset());
        tunnel.pass(Duration::from_millis(1));
        assert!(record.is_reset(), "an end of file would look like success");
        let told = tunnel.client.notices.iter();
        assert_eq!(told.filter(|one| matches!(one, Notice::Unanswered(_))).count(), 1);
        read(&mut target);
        assert!(is_at_end(&mut target));
        assert_eq!((tunnel.client.relay.stream_count(), tunnel.agent.relay.stream_count()), (0, 0));
    }
}
