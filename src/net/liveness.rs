//! Whether there is anybody at the other end of a connection.

use std::time::{Duration, Instant, SystemTime};

/// Pings, and what their answers and silence mean. Time comes in as an argument.
#[derive(Debug)]
pub(super) struct Liveness {
    /// Silence for this long is the end.
    limit: Duration,
    last_heard: Instant,
    next_ping: Instant,
    ping_due: bool,
    /// Silence counts against a peer only once it has answered a ping.
    answers_pings: bool,
    /// When the first ping was sent behind which nothing has been heard.
    asked: Option<Instant>,
    /// That it is not answered has been said.
    is_told: bool,
    /// The machine has slept: something must be heard until then.
    proof: Option<Instant>,
    /// When it was last looked at, by the clock that stands still while the machine sleeps and by
    /// the one that does not.
    looked: (Instant, SystemTime),
}

impl Liveness {
    /// Of a connection that was opened at `now`; `wall` is the same moment by the wall clock.
    pub(super) fn new(limit: Duration, now: Instant, wall: SystemTime) -> Self {
        Self {
            limit,
            last_heard: now,
            // Soon: its answer is what later silence is measured by. Not at once: a peer that ends a
            // short session and has not read the ping resets the connection, with its last words.
            next_ping: now + FIRST_PING.min(limit / 3),
            ping_due: false,
            answers_pings: false,
            asked: None,
            is_told: false,
            proof: None,
            looked: (now, wall),
        }
    }

    /// Something has come, or nothing can be said since nobody listens.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.asked = None;
        self.proof = None;
        if std::mem::take(&mut self.is_told) {
            tracing::warn!("the service answers again");
        }
    }

    /// How long nothing has come, once that is worth a word: when a ping, or a message that has not been
    /// acknowledged for all of `owes_for`, has had no answer for so long as a person looks at a tunnel
    /// that hangs.
    pub(super) fn wants_word(&mut self, now: Instant, owes_for: Duration) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.last_heard);
        let owes = !self.is_told && silent.min(owes_for) >= WORD_AFTER;
        let is_late = owes || self.word_at().is_some_and(|at| now >= at);
        self.is_told |= is_late;
        is_late.then_some(silent)
    }

    fn word_at(&self) -> Option<Instant> {
        let asked = self.asked.filter(|_| self.answers_pings && !self.is_told);
        asked.map(|asked| asked + WORD_AFTER)
    }

    /// A ping was answered.
    pub(super) fn handle_pong(&mut self) {
        if !std::mem::replace(&mut self.answers_pings, true) {
            tracing::debug!("the other side answers pings");
        }
    }

    /// Whether silence means something.
    pub(super) fn answers_pings(&self) -> bool {
        self.answers_pings
    }

    /// Whether a look at the wall clock is due: it has moved on by itself, and that takes reading.
    pub(super) fn wants_wall_clock(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked.0) >= LOOK_INTERVAL
    }

    /// Compares the clocks. One that has slept cannot know whether its connection is still there,
    /// and asks, without the usual patience.
    pub(super) fn compare(&mut self, now: Instant, wall: SystemTime) {
        let (then, wall_then) = std::mem::replace(&mut self.looked, (now, wall));
        let awake = now.saturating_duration_since(then);
        let slept = wall.duration_since(wall_then).unwrap_or_default().saturating_sub(awake);
        if slept >= SLEEP {
            tracing::debug!("this machine has slept for {} s", slept.as_secs());
            self.next_ping = now;
            self.proof = self.answers_pings.then(|| now + PROOF_LIMIT.min(self.limit));
        }
    }

    /// Whether a ping is to be sent. One that cannot be sent yet stays due.
    pub(super) fn wants_ping(&mut self, now: Instant) -> bool {
        if now >= self.next_ping {
            self.next_ping = now + self.interval();
            self.ping_due = true;
        }
        self.ping_due
    }

    /// The ping was sent.
    pub(super) fn handle_ping_sent(&mut self, now: Instant) {
        self.ping_due = false;
        self.asked.get_or_insert(now);
    }

    /// How long there was silence, once that is too long. A peer that has never answered a ping must
    /// owe something, as it does when it has not acknowledged a message for all of `owes_for`.
    pub(super) fn silence(&self, now: Instant, owes_for: Duration) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.last_heard);
        let proof_failed = self.proof.is_some_and(|proof| now >= proof);
        let is_too_long = match self.answers_pings {
            true => silent >= self.limit,
            false => silent.min(owes_for) >= DEBT_LIMIT.max(self.limit),
        };
        (proof_failed || is_too_long).then_some(silent)
    }

    /// When to look again.
    pub(super) fn poll_timeout(&self) -> Instant {
        let silence = self.answers_pings.then(|| self.last_heard + self.limit);
        let all = [Some(self.next_ping), silence, self.proof, self.word_at()];
        all.into_iter().flatten().min().unwrap_or(self.next_ping)
    }

    /// Three pings may go unanswered.
    fn interval(&self) -> Duration {
        (self.limit / 3).min(PING_INTERVAL)
    }
}

const FIRST_PING: Duration = Duration::from_secs(1);
/// Short enough for anything on the way that forgets idle connections.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// More than clocks are ever set by while a machine runs.
const SLEEP: Duration = Duration::from_secs(10);
const WORD_AFTER: Duration = Duration::from_secs(10);
const PROOF_LIMIT: Duration = Duration::from_secs(5);
/// As long as the reference client tries one message.
const DEBT_LIMIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const NO_DEBT: Duration = Duration::ZERO;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn pings_go_out_soon_and_three_times_within_the_limit() {
        let start = Instant::now();
        let mut liveness = Liveness::new(s(12), start, SystemTime::UNIX_EPOCH);
        assert!(!liveness.wants_ping(start));
        for at in [1, 5, 9] {
            assert!(liveness.wants_ping(start + s(at)), "{at}");
            assert!(liveness.wants_ping(start + s(at)), "until it is sent");
            liveness.handle_ping_sent(start + s(at));
            assert!(!liveness.wants_ping(start + s(at + 3)), "{at}");
        }
        let patient = Liveness::new(s(600), start, SystemTime::UNIX_EPOCH);
        assert_eq!(patient.interval(), s(20));
    }

    #[test]
    fn that_nobody_answers_is_said_once_and_before_it_is_the_end() {
        let start = Instant::now();
        let mut liveness = Liveness::new(s(60), start, SystemTime::UNIX_EPOCH);
        liveness.handle_pong();
        liveness.handle_ping_sent(start + s(20));
        liveness.handle_ping_sent(start + s(29));
        assert_eq!(liveness.wants_word(start + s(29), NO_DEBT), None);
        assert_eq!(liveness.wants_word(start + s(30), NO_DEBT), Some(s(30)));
        assert_eq!(liveness.wants_word(start + s(31), NO_DEBT), None);
        liveness.heard(start + s(32));
        assert_eq!(liveness.wants_word(start + s(59), NO_DEBT), None, "nobody was asked");
        liveness.handle_ping_sent(start + s(60));
        assert!(liveness.wants_word(start + s(70), NO_DEBT).is_some());
        liveness.heard(start + s(71));
        assert_eq!(liveness.wants_word(start + s(81), s(9)), None);
        assert_eq!(liveness.wants_word(start + s(81), s(20)), Some(s(10)), "it is used, and hangs");
    }

    #[test]
    fn silence_counts_against_those_who_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(s(60), start, SystemTime::UNIX_EPOCH);
        assert_eq!(liveness.silence(start + s(600), NO_DEBT), None, "it has never answered");
        liveness.handle_pong();
        liveness.heard(start + s(1));
        assert_eq!(liveness.silence(start + s(60), NO_DEBT), None);
        assert_eq!(liveness.silence(start + s(61), NO_DEBT), Some(s(60)));
        liveness.heard(start + s(62));
        assert_eq!(liveness.silence(start + s(63), NO_DEBT), None);
    }

    #[test]
    fn those_who_never_answer_pings_are_judged_by_what_they_owe() {
        let start = Instant::now();
        let liveness = Liveness::new(s(60), start, SystemTime::UNIX_EPOCH);
        assert_eq!(liveness.silence(start + s(600), s(299)), None);
        assert_eq!(liveness.silence(start + s(299), s(300)), None);
        assert_eq!(liveness.silence(start + s(300), s(300)), Some(s(300)));
    }

    #[test]
    fn a_machine_that_slept_asks_at_once() {
        let start = Instant::now();
        let mut liveness = Liveness::new(s(60), start, SystemTime::UNIX_EPOCH);
        assert!(liveness.wants_ping(start + s(1)));
        liveness.handle_ping_sent(start + s(1));
        liveness.handle_pong();
        liveness.heard(start + s(1));
        // Two seconds awake, an hour by the wall clock.
        let woken = start + s(2);
        assert!(liveness.wants_wall_clock(woken));
        liveness.compare(woken, SystemTime::UNIX_EPOCH + s(3600));
        assert!(!liveness.wants_wall_clock(woken));
        assert!(liveness.wants_ping(woken));
        assert_eq!(liveness.poll_timeout(), woken + s(5));
        assert_eq!(liveness.silence(woken + s(4), NO_DEBT), None);
        assert!(liveness.silence(woken + s(5), NO_DEBT).is_some());
        liveness.heard(woken + s(5));
        assert_eq!(liveness.silence(woken + s(5), NO_DEBT), None, "it is there after all");
    }

    #[test]
    fn a_clock_that_is_set_a_little_changes_nothing() {
        let start = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + s(1000);
        let mut liveness = Liveness::new(s(60), start, wall);
        liveness.handle_pong();
        for wall in [wall + s(11), wall - s(500)] {
            liveness.compare(start + s(2), wall);
            assert_eq!(liveness.proof, None);
        }
    }
}
