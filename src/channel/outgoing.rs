//! Messages that were sent: each is kept until it is acknowledged, and sent again when it is lost.
//!
//! A message is taken as lost when its time runs out (RFC 6298), or when a message that was sent
//! after it has been acknowledged and the reordering window has passed (as RACK does, RFC 8985).
//! The second way finds many losses in one round trip; by timeouts alone, each would cost one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Window, congestion::Congestion, rtt::Rtt};

#[derive(Debug)]
pub(super) struct Outgoing {
    /// The unacknowledged messages and the acknowledged ones between them, oldest first.
    ring: VecDeque<Message>,
    /// Sequence number of `ring[0]`.
    base: i64,
    /// Index of the first message that was never sent.
    unsent: usize,
    /// Bytes of all messages in the ring; those acknowledged out of turn count until they leave
    /// it, so that the other side's reorder buffer is bounded by our window.
    span: usize,
    /// Bytes of the messages that are not acknowledged.
    unacknowledged: usize,
    /// How many of these there may be.
    congestion: Congestion,
    /// Messages that wait to be sent again.
    lost: usize,
    /// No message before this index is lost.
    first_lost: usize,
    /// The latest sent of all acknowledged messages.
    newest_acknowledged: Option<(Instant, i64)>,
    /// How long after its first sending a message cannot be acknowledged.
    note_delay: Duration,
    bound: Window,
}

#[derive(Debug)]
struct Message {
    /// Empty once acknowledged.
    frame: Bytes,
    len: usize,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    transmissions: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting,
    UnderWay,
    Lost,
    Acknowledged,
}

impl Outgoing {
    pub(super) fn new(bound: Window, note_delay: Duration) -> Self {
        Self {
            ring: VecDeque::new(),
            base: 0,
            unsent: 0,
            span: 0,
            unacknowledged: 0,
            congestion: Congestion::new(bound.bytes),
            lost: 0,
            first_lost: 0,
            newest_acknowledged: None,
            note_delay,
            bound,
        }
    }

    /// The lowest number that is not acknowledged.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// The number that the next pushed message will have.
    pub(super) fn next_sequence_number(&self) -> i64 {
        self.base + self.ring.len() as i64
    }

    /// Whether the congestion window, and the bounds of what is kept, have room for more.
    pub(super) fn has_room(&self) -> bool {
        self.unacknowledged < self.congestion.window()
            && self.span < self.bound.bytes
            && self.ring.len() < self.bound.messages
    }

    /// As [`has_room`](Self::has_room), with a reserve for what must not wait behind data.
    pub(super) fn has_reserve(&self) -> bool {
        self.ring.len() < self.bound.messages.saturating_mul(2)
    }

    /// Nothing waits and nothing is unacknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Bytes of the frames that are not acknowledged, sent or not.
    pub(super) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.span += frame.len();
        self.unacknowledged += frame.len();
        self.ring.push_back(Message {
            len: frame.len(),
            frame,
            first_sent: None,
            last_sent: None,
            transmissions: 0,
            state: State::Waiting,
        });
    }

    /// The next frame to put on the wire: lost ones first, lowest sequence number first.
    pub(super) fn transmit(&mut self, now: Instant) -> Option<Bytes> {
        let index = if self.lost > 0 {
            let mut rest = self.ring.iter().skip(self.first_lost);
            let index = self.first_lost + rest.position(|m| m.state == State::Lost)?;
            self.first_lost = index + 1;
            self.lost -= 1;
            index
        } else {
            if self.unsent == self.ring.len() {
                return None;
            }
            self.unsent += 1;
            self.unsent - 1
        };
        let message = self.ring.get_mut(index)?;
        message.state = State::UnderWay;
        message.transmissions = message.transmissions.saturating_add(1);
        message.first_sent.get_or_insert(now);
        message.last_sent = Some(now);
        self.congestion.handle_sent();
        Some(message.frame.clone())
    }

    /// Notes an acknowledgement. `true` when it is news: repeats, and numbers that were never
    /// sent, change nothing.
    pub(super) fn acknowledge(
        &mut self,
        sequence_number: i64,
        rtt: &mut Rtt,
        now: Instant,
    ) -> bool {
        let Some(index) = sequence_number
            .checked_sub(self.base)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < self.unsent)
        else {
            return false;
        };
        let message = &mut self.ring[index];
        if message.state == State::Acknowledged || message.is_unnoted(self.note_delay, now) {
            return false;
        }
        let was_lost = message.state == State::Lost;
        if was_lost {
            self.lost -= 1;
        }
        message.state = State::Acknowledged;
        message.frame = Bytes::new();
        let mut sample = None;
        if let Some(sent) = message.last_sent {
            let elapsed = now.saturating_duration_since(sent);
            // What was lost with a connection has waited for the next one.
            if message.transmissions == 1 && !was_lost {
                rtt.sample(elapsed);
                sample = Some(elapsed);
            }
            // Faster than any round trip: it is an earlier copy that was acknowledged.
            if message.transmissions == 1 || elapsed >= rtt.min() {
                let order = (sent, sequence_number);
                self.newest_acknowledged = self.newest_acknowledged.max(Some(order));
            }
        }
        let len = message.len;
        self.congestion.handle_acknowledged(len, self.unacknowledged, sample, rtt);
        self.unacknowledged -= len;
        if self.congestion.ends_round(sequence_number) {
            self.congestion.end_round(rtt, self.base + self.unsent as i64);
        }
        self.drop_acknowledged();
        true
    }

    fn drop_acknowledged(&mut self) {
        while self.ring.front().is_some_and(|m| m.state == State::Acknowledged) {
            if let Some(message) = self.ring.pop_front() {
                self.span -= message.len;
            }
            self.base += 1;
            self.unsent -= 1;
            self.first_lost = self.first_lost.saturating_sub(1);
        }
    }

    /// Marks as lost what later messages have overtaken; returns when to look again.
    pub(super) fn find_overtaken(&mut self, rtt: &Rtt, now: Instant) -> Option<Instant> {
        let newest = self.newest_acknowledged?;
        let allowance = rtt.latest() + rtt.reordering_window();
        let mut look_again: Option<Instant> = None;
        for (index, message) in self.ring.iter_mut().take(self.unsent).enumerate() {
            let Some(sent) = message.last_sent else { continue };
            if message.state != State::UnderWay || (sent, self.base + index as i64) > newest {
                continue;
            }
            let deadline = sent + allowance;
            if deadline <= now {
                message.state = State::Lost;
                self.lost += 1;
                self.first_lost = self.first_lost.min(index);
                self.congestion.handle_lost();
            } else {
                look_again = Some(look_again.map_or(deadline, |at| at.min(deadline)));
            }
        }
        look_again
    }

    /// Whether an unacknowledged message stands in front of an acknowledged one.
    pub(super) fn has_gap(&self) -> bool {
        // The front of the ring is never an acknowledged message.
        let front = self.ring.front().and_then(|m| m.last_sent).map(|sent| (sent, self.base));
        front.is_some_and(|front| Some(front) <= self.newest_acknowledged)
    }

    /// Nothing was acknowledged in time: the oldest message under way counts as lost.
    pub(super) fn handle_timeout(&mut self) {
        self.congestion.handle_timeout();
        let sent = self.ring.iter_mut().take(self.unsent);
        let oldest = sent.enumerate().find(|(_, message)| message.state == State::UnderWay);
        if let Some((index, message)) = oldest {
            message.state = State::Lost;
            self.lost += 1;
            self.first_lost = self.first_lost.min(index);
        }
    }

    /// Marks the oldest message as lost if it was last sent `timeout` ago or earlier.
    pub(super) fn lose_front(&mut self, timeout: Duration, now: Instant) {
        let Some(message) = self.ring.front_mut() else { return };
        let sent = message.last_sent.filter(|_| message.state == State::UnderWay);
        if sent.is_some_and(|sent| now.saturating_duration_since(sent) >= timeout) {
            message.state = State::Lost;
            self.lost += 1;
            self.first_lost = 0;
        }
    }

    /// Marks everything under way as lost: the connection that carried it is gone.
    pub(super) fn lose_all(&mut self) {
        for message in self.ring.iter_mut().take(self.unsent) {
            if message.state == State::UnderWay {
                message.state = State::Lost;
                self.lost += 1;
            }
        }
        self.first_lost = 0;
        self.congestion.handle_reconnected(self.base + self.unsent as i64);
    }

    /// The service asks for a pause: it takes less than was sent.
    pub(super) fn handle_pause(&mut self) {
        self.congestion.handle_pause();
    }

    /// Whether a message is on the wire and unacknowledged.
    pub(super) fn is_under_way(&self) -> bool {
        self.unsent > 0
    }

    /// How long ago the oldest message was first sent.
    pub(super) fn oldest(&self, now: Instant) -> Option<Duration> {
        let sent = self.ring.front()?.first_sent?;
        Some(now.saturating_duration_since(sent))
    }
}

impl Message {
    fn is_unnoted(&self, note_delay: Duration, now: Instant) -> bool {
        let sent = self.last_sent.filter(|_| self.transmissions == 1);
        sent.is_some_and(|sent| now.saturating_duration_since(sent) < note_delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        outgoing: Outgoing,
        rtt: Rtt,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let bound = Window { bytes: 1000, messages: 20 };
            Self {
                outgoing: Outgoing::new(bound, Duration::ZERO),
                rtt: Rtt::new(),
                now: Instant::now(),
            }
        }

        fn push(&mut self, count: usize) {
            for _ in 0..count {
                let name = self.outgoing.next_sequence_number().to_string();
                self.outgoing.push(name.into());
            }
        }

        fn transmit(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.outgoing.transmit(self.now))
                .map(|frame| String::from_utf8(frame.to_vec()).unwrap())
                .collect()
        }

        fn acknowledge(&mut self, sequence_number: i64) -> bool {
            self.outgoing.acknowledge(sequence_number, &mut self.rtt, self.now)
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
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
        bench.outgoing.push(vec![0; 1000].into());
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
        let again = bench.outgoing.find_overtaken(&bench.rtt, bench.now);
        assert_eq!(again, Some(bench.now + Duration::from_millis(5)), "a quarter round trip");
        assert!(bench.transmit().is_empty());
        bench.pass(5);
        assert_eq!(bench.outgoing.find_overtaken(&bench.rtt, bench.now), None);
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
        assert_eq!(bench.outgoing.find_overtaken(&bench.rtt, bench.now), None);
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
    fn repeated_messages_give_no_round_trip() {
        let mut bench = Bench::new();
        bench.push(1);
        bench.transmit();
        bench.pass(300);
        bench.outgoing.handle_timeout();
        bench.transmit();
        bench.pass(1);
        assert!(bench.acknowledge(0));
        assert_eq!(bench.rtt.smoothed(), None);
    }

    #[test]
    fn what_waited_for_another_connection_gives_no_round_trip() {
        let mut bench = Bench::new();
        bench.push(1);
        bench.transmit();
        bench.pass(60_000);
        bench.outgoing.lose_all();
        assert!(bench.acknowledge(0), "it was received before the connection broke");
        assert_eq!(bench.rtt.smoothed(), None);
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
        bench.pass(9);
        let timeout = Duration::from_millis(10);
        bench.outgoing.lose_front(timeout, bench.now);
        assert!(bench.transmit().is_empty());
        bench.pass(1);
        bench.outgoing.lose_front(timeout, bench.now);
        bench.outgoing.lose_front(timeout, bench.now);
        assert_eq!(bench.transmit(), ["0"]);
        bench.outgoing.lose_front(timeout, bench.now);
        assert!(bench.transmit().is_empty(), "it was sent just now");
    }
}
