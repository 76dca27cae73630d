//! What is sent, and sent again.

use super::*;

struct Bench {
    outgoing: Outgoing,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(&Habits::default())
    }

    fn with(habits: &Habits) -> Self {
        let bound = Window { bytes: 1000, messages: 20 };
        let now = Instant::now();
        Self { outgoing: Outgoing::new(bound, 4000, habits), start: now, now }
    }

    fn push(&mut self, count: usize) {
        for _ in 0..count {
            let name = self.outgoing.next_sequence_number().to_string();
            self.outgoing.push(name.into(), self.now);
        }
    }

    fn transmit(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.outgoing.transmit(self.now, false))
            .map(|turn| String::from_utf8(turn.frame.to_vec()).unwrap())
            .collect()
    }

    fn acknowledge(&mut self, sequence_number: i64) -> bool {
        self.outgoing.acknowledge(sequence_number, self.start, self.now)
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }
}

#[test]
fn without_a_window_nothing_waits_for_acknowledgements_and_the_oldest_are_forgotten() {
    let mut bench = Bench::with(&Habits { most_kept: Some(40), ..Habits::default() });
    for _ in 0..5 {
        assert!(bench.outgoing.has_room());
        bench.push(10);
        assert_eq!(bench.transmit().len(), 10);
    }
    assert_eq!(bench.outgoing.base(), 10);
    assert!(!bench.acknowledge(9), "forgotten");
    assert!(bench.acknowledge(49));
    bench.outgoing.lose_all();
    assert_eq!(bench.transmit().first().map(String::as_str), Some("10"));
    bench.outgoing.lose_all();
    bench.push(1);
    assert_eq!(bench.outgoing.base(), 11, "lost or not");
    bench.outgoing.push(vec![0; HEAP].into(), bench.now);
    assert!(!bench.outgoing.has_room(), "what has not left yet");
    bench.transmit();
    assert!(bench.outgoing.has_room());
    for n in 12..=51 {
        bench.acknowledge(n);
    }
    assert!(bench.outgoing.is_empty());
    assert_eq!((bench.outgoing.span, bench.outgoing.unacknowledged), (0, 0));
}

#[test]
fn messages_go_out_once_and_leave_when_acknowledged() {
    let mut bench = Bench::new();
    bench.push(3);
    assert_eq!(bench.transmit(), ["0", "1", "2"]);
    assert!(bench.transmit().is_empty());
    for n in 0..3 {
        assert!(bench.acknowledge(n));
        assert!(!bench.acknowledge(n), "a repeat is no news");
    }
    assert!(bench.outgoing.is_empty());
    assert_eq!((bench.outgoing.span, bench.outgoing.unacknowledged), (0, 0));
    assert_eq!(bench.outgoing.next_sequence_number(), 3);
}

#[test]
fn acknowledgements_of_what_was_never_sent_change_nothing() {
    let mut bench = Bench::new();
    bench.push(2);
    for n in [0, 1, 2, -1, i64::MAX, i64::MIN] {
        assert!(!bench.acknowledge(n), "{n}");
    }
    assert_eq!(bench.transmit(), ["0", "1"]);
}

#[test]
fn the_window_counts_from_the_oldest_unacknowledged_message() {
    let mut bench = Bench::new();
    bench.push(20);
    assert!(!bench.outgoing.has_room());
    bench.transmit();
    for n in 1..20 {
        bench.acknowledge(n);
    }
    assert!(!bench.outgoing.has_room(), "message 0 still holds the window");
    bench.acknowledge(0);
    assert!(bench.outgoing.has_room());
    bench.outgoing.push(vec![0; 1000].into(), bench.now);
    assert!(!bench.outgoing.has_room(), "bytes count too");
}

#[test]
fn overtaken_messages_are_sent_again_in_one_round_trip() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.transmit();
    bench.pass(20);
    bench.acknowledge(0);
    bench.push(6);
    bench.transmit();
    bench.pass(20);
    bench.acknowledge(6);
    let again = bench.outgoing.find_overtaken(bench.now);
    assert_eq!(again, Some(bench.now + Duration::from_millis(5)), "a quarter round trip");
    assert!(bench.transmit().is_empty());
    bench.pass(5);
    assert_eq!(bench.outgoing.find_overtaken(bench.now), None);
    assert_eq!(bench.transmit(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn messages_sent_after_the_acknowledged_one_are_not_overtaken() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.transmit();
    bench.pass(10);
    bench.push(1);
    bench.transmit();
    bench.acknowledge(0);
    bench.pass(500);
    assert!(!bench.outgoing.has_gap());
    assert_eq!(bench.outgoing.find_overtaken(bench.now), None);
    assert!(bench.transmit().is_empty());
}

#[test]
fn the_oldest_is_sent_again_on_timeout_and_all_after_a_lost_connection() {
    let mut bench = Bench::new();
    bench.push(3);
    bench.transmit();
    bench.acknowledge(1);
    bench.outgoing.handle_timeout();
    assert_eq!(bench.transmit(), ["0"]);
    bench.outgoing.lose_all();
    bench.push(1);
    assert_eq!(bench.transmit(), ["0", "2", "3"]);
}

#[test]
fn a_peer_that_keeps_nothing_out_of_turn_gets_all_of_it_again_and_not_a_message_for_each_timeout() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.transmit();
    bench.pass(50);
    bench.acknowledge(0);
    // The path is faster now, which repeated messages do not show. The first one is lost.
    bench.push(6);
    assert_eq!(bench.transmit().len(), 6);
    for n in [1, 2] {
        bench.pass(500);
        bench.outgoing.handle_timeout();
        assert_eq!(bench.transmit(), [n.to_string()]);
        bench.pass(1);
        bench.acknowledge(n);
        bench.outgoing.find_overtaken(bench.now);
    }
    assert_eq!(bench.transmit(), ["3", "4", "5", "6"]);
}

#[test]
fn repeated_messages_give_no_round_trip() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.transmit();
    bench.pass(300);
    bench.outgoing.handle_timeout();
    bench.transmit();
    bench.pass(1);
    assert!(bench.acknowledge(0));
    assert_eq!(bench.outgoing.recovery().round_trip(), None);
}

#[test]
fn what_waited_for_another_connection_gives_no_round_trip() {
    let mut bench = Bench::new();
    bench.push(1);
    bench.transmit();
    bench.pass(60_000);
    bench.outgoing.lose_all();
    assert!(bench.acknowledge(0), "it was received before the connection broke");
    assert_eq!(bench.outgoing.recovery().round_trip(), None);
}

#[test]
fn a_lost_message_that_is_acknowledged_after_all_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.push(2);
    bench.transmit();
    bench.outgoing.lose_all();
    assert!(bench.acknowledge(0));
    assert_eq!(bench.transmit(), ["1"]);
}

#[test]
fn an_acknowledgement_before_the_note_is_missed_and_the_next_one_is_not() {
    let mut bench = Bench::new();
    bench.outgoing.note_delay = Duration::from_millis(2);
    bench.push(1);
    bench.transmit();
    bench.pass(1);
    assert!(!bench.acknowledge(0));
    bench.outgoing.handle_timeout();
    assert_eq!(bench.transmit(), ["0"]);
    assert!(bench.acknowledge(0), "it was noted long ago");
}

#[test]
fn the_front_alone_is_lost_once_its_time_is_up() {
    let mut bench = Bench::new();
    bench.push(2);
    bench.transmit();
    bench.pass(199);
    bench.outgoing.lose_front(bench.now);
    assert!(bench.transmit().is_empty());
    bench.pass(1);
    bench.outgoing.lose_front(bench.now);
    bench.outgoing.lose_front(bench.now);
    assert_eq!(bench.transmit(), ["0"]);
    bench.outgoing.lose_front(bench.now);
    assert!(bench.transmit().is_empty(), "it was sent just now");
}

#[test]
fn a_guard_that_waits_for_more_data_does_not_keep_it_out() {
    let mut bench = Bench::new();
    bench.outgoing.push_guard(vec![b'g'; 1000].into());
    bench.push(1);
    assert_eq!(bench.transmit(), ["1"]);
    assert!(bench.outgoing.has_room());
}

#[test]
fn a_guard_leaves_when_nothing_else_is_under_way() {
    let mut bench = Bench::new();
    bench.outgoing.push_guard("guard".into());
    bench.push(2);
    assert_eq!(bench.transmit(), ["1", "2"], "more is expected");
    bench.acknowledge(1);
    assert!(bench.transmit().is_empty());
    bench.acknowledge(2);
    assert_eq!(bench.transmit(), ["guard"], "nothing would wake the sender later");
}

#[test]
fn where_one_more_loss_would_stop_the_sender_the_lost_message_goes_twice() {
    let mut bench = Bench::new();
    bench.push(3);
    bench.transmit();
    bench.outgoing.lose_all();
    assert_eq!(bench.transmit(), ["0", "1", "2"], "much more may wait for them");
    bench.outgoing.most_span = 1000;
    bench.outgoing.lose_all();
    let paced = bench.outgoing.transmit(bench.now, false);
    assert!(paced.is_some() && bench.outgoing.transmit(bench.now, true).is_none());
    assert_eq!(bench.transmit(), ["0", "1", "1", "2", "2"]);
    bench.outgoing.lose_all();
    bench.outgoing.transmit(bench.now, false);
    bench.acknowledge(0);
    assert_eq!(bench.transmit(), ["1", "1", "2", "2"], "what has arrived does not go again");
}
