//! Whether what the companion writes still comes.
//!
//! The real agent reads a command's output no more, for good, once there was some while it was paused or its
//! client away. Nobody says so: the command waits at its full pipe. Now and then the companion is asked for a
//! word on both ways back, the port and the output; where the one comes and the other does not, and nothing
//! else either, the output has ended.

use std::time::{Duration, Instant};

/// Asks, and judges the answers.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    number: u32,
    /// When to ask, if something is under way that nobody has asked behind.
    due: Option<Instant>,
    asked: Option<Asked>,
    last_output: Option<Instant>,
}

/// A question that the output has not answered yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// When the answer came by the port.
    echoed: Option<Instant>,
    /// Something has been under way since.
    is_stale: bool,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beat {
    /// Ask this.
    Ask(u32),
    /// The output has ended.
    Dead,
}

impl Pulse {
    /// Something was sent, or has come: more may be owed.
    pub(super) fn note_activity(&mut self, now: Instant) {
        match &mut self.asked {
            Some(asked) => asked.is_stale = true,
            None => drop(self.due.get_or_insert(now + INTERVAL)),
        }
    }

    /// Something of the output has come.
    pub(super) fn note_output(&mut self, now: Instant) {
        self.last_output = Some(now);
    }

    /// The output is paused. What it answers meanwhile would end it, so nothing is asked until it is resumed, or
    /// nobody has said so for long.
    pub(super) fn note_pause(&mut self, now: Instant) {
        match &mut self.asked {
            Some(asked) => asked.is_stale = true,
            None => self.due = Some(now + LONGEST_PAUSE),
        }
    }

    /// The output was interrupted. That may happen again and again, and does not make a question void.
    pub(super) fn note_interruption(&mut self, now: Instant) {
        match &mut self.asked {
            Some(asked) => asked.is_stale = true,
            None => self.due = Some(now),
        }
    }

    /// The output goes on in another session.
    pub(super) fn note_move(&mut self, now: Instant) {
        (self.asked, self.due, self.last_output) = (None, Some(now), Some(now));
    }

    /// The answer came with the output.
    pub(super) fn note_answer(&mut self, number: u32, now: Instant) {
        if number == self.number
            && let Some(asked) = self.asked.take()
            && asked.is_stale
        {
            self.due = Some(now + INTERVAL);
        }
    }

    /// The answer came by the port.
    pub(super) fn note_echo(&mut self, number: u32, now: Instant) {
        if number == self.number
            && let Some(asked) = &mut self.asked
        {
            asked.echoed = Some(now);
        }
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Beat> {
        if self.dies_at().is_some_and(|at| now >= at) {
            (self.asked, self.due) = (None, None);
            return Some(Beat::Dead);
        }
        if self.asked.is_some() || self.due.is_none_or(|due| now < due) {
            return None;
        }
        self.due = None;
        self.number = self.number.wrapping_add(1);
        self.asked = Some(Asked { echoed: None, is_stale: false });
        Some(Beat::Ask(self.number))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.dies_at().or(self.due.filter(|_| self.asked.is_none()))
    }

    fn dies_at(&self) -> Option<Instant> {
        let echoed = self.asked?.echoed?;
        Some(self.last_output.map_or(echoed, |last| last.max(echoed)) + PATIENCE)
    }
}

/// Between two questions while something is under way.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longer than a connection takes that is resumed, and a pause after which all goes on.
const PATIENCE: Duration = Duration::from_secs(4);
/// A pause that is longer may have ended without a word.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_asked_while_nothing_is_under_way() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        assert_eq!((pulse.poll(start), pulse.poll_timeout()), (None, None));
        pulse.note_activity(start);
        assert_eq!(pulse.poll_timeout(), Some(start + INTERVAL));
        assert_eq!(pulse.poll(start + INTERVAL), Some(Beat::Ask(1)));
        pulse.note_echo(1, start + INTERVAL);
        pulse.note_answer(1, start + INTERVAL);
        assert_eq!((pulse.poll(start + 60 * SECOND), pulse.poll_timeout()), (None, None));
    }

    #[test]
    fn an_output_is_dead_when_the_other_way_answers_and_nothing_comes() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        pulse.note_activity(start);
        let asked = start + INTERVAL;
        assert_eq!(pulse.poll(asked), Some(Beat::Ask(1)));
        // Neither way answers: the network is away.
        assert_eq!(pulse.poll(asked + 600 * SECOND), None);
        pulse.note_echo(1, asked + 600 * SECOND);
        // Something comes, though it is not the answer: a long queue.
        pulse.note_output(asked + 602 * SECOND);
        assert_eq!(pulse.poll(asked + 605 * SECOND), None);
        assert_eq!(pulse.poll_timeout(), Some(asked + 602 * SECOND + PATIENCE));
        assert_eq!(pulse.poll(asked + 602 * SECOND + PATIENCE), Some(Beat::Dead));
        assert_eq!(pulse.poll_timeout(), None);
    }

    #[test]
    fn pauses_that_come_again_and_again_do_not_keep_a_dead_output_alive() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        pulse.note_interruption(start);
        assert_eq!(pulse.poll(start), Some(Beat::Ask(1)));
        pulse.note_echo(1, start);
        for second in 1..4 {
            pulse.note_interruption(start + second * SECOND);
            assert_eq!(pulse.poll(start + second * SECOND), None);
        }
        assert_eq!(pulse.poll(start + PATIENCE), Some(Beat::Dead));
    }

    #[test]
    fn nothing_is_asked_during_a_pause_and_a_pause_without_an_end_hides_no_dead_output() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        pulse.note_activity(start);
        pulse.note_pause(start);
        pulse.note_activity(start);
        assert_eq!(pulse.poll(start + 2 * INTERVAL), None);
        assert_eq!(pulse.poll_timeout(), Some(start + LONGEST_PAUSE));
        let mut lost = Pulse { ..pulse };
        pulse.note_interruption(start + 2 * INTERVAL);
        assert_eq!(pulse.poll(start + 2 * INTERVAL), Some(Beat::Ask(1)));
        let asked = start + LONGEST_PAUSE;
        assert_eq!(lost.poll(asked), Some(Beat::Ask(1)));
        lost.note_echo(1, asked);
        assert_eq!(lost.poll(asked + PATIENCE), Some(Beat::Dead));
    }

    #[test]
    fn what_has_come_behind_a_question_is_asked_about_again() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        pulse.note_move(start);
        assert_eq!(pulse.poll(start), Some(Beat::Ask(1)));
        pulse.note_activity(start);
        pulse.note_answer(7, start);
        pulse.note_answer(1, start);
        assert_eq!(pulse.poll(start + INTERVAL), Some(Beat::Ask(2)));
    }
}
