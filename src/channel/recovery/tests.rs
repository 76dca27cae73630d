//! What the parts make of each other.

use super::*;

/// So many messages of 1 KB, one behind the other: sent, and acknowledged a round trip later.
fn transfer(recovery: &mut Recovery, messages: u64, round_trip: Duration, now: &mut Instant) {
    for _ in 0..messages {
        let order = recovery.handle_sent(5000);
        recovery.spend(1000, usize::MAX, *now);
        *now += Duration::from_millis(1);
        let message = Acknowledged {
            bytes: 1000,
            order,
            round_trip: Some(round_trip),
            sent_into: 5000,
            under_way: 5000,
        };
        recovery.handle_acknowledged(message, *now);
    }
}

#[test]
fn the_backoff_stays_until_a_message_that_was_sent_once_is_acknowledged() {
    let (mut recovery, mut now) = (Recovery::new(1 << 20), Instant::now());
    transfer(&mut recovery, 50, Duration::from_millis(200), &mut now);
    let timeout = recovery.timeout();
    recovery.handle_timeout();
    recovery.handle_timeout();
    assert_eq!(recovery.timeout(), timeout * 4);
    // Of a repeat nobody knows which of the two was acknowledged (Karn).
    let order = recovery.handle_sent(0);
    let repeat =
        Acknowledged { bytes: 1000, order, round_trip: None, sent_into: 1000, under_way: 0 };
    recovery.handle_acknowledged(repeat, now);
    assert_eq!(recovery.timeout(), timeout * 4);
    transfer(&mut recovery, 1, Duration::from_millis(200), &mut now);
    assert!(recovery.timeout() <= timeout);
}

#[test]
fn messages_are_as_large_as_the_path_carries_in_a_moment() {
    let (mut recovery, mut now) = (Recovery::new(1 << 20), Instant::now());
    assert_eq!(recovery.message_len(), FIRST_MESSAGE);
    // 1 MB/s.
    transfer(&mut recovery, 5000, Duration::from_millis(20), &mut now);
    let expected = queue_target::message_len(1e6);
    assert!(recovery.message_len().abs_diff(expected) < expected / 10);
}

#[test]
fn what_was_measured_survives_a_new_connection() {
    let (mut recovery, mut now) = (Recovery::new(1 << 20), Instant::now());
    transfer(&mut recovery, 5000, Duration::from_millis(20), &mut now);
    recovery.handle_timeout();
    let before = (recovery.window(), recovery.message_len());
    recovery.handle_reconnected();
    assert_eq!((recovery.window(), recovery.message_len()), before);
    assert!(
        recovery.timeout() < Duration::from_millis(300),
        "what failed before has not failed now"
    );
}
