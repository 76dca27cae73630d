//! The latest acknowledgements, to be said again.
//!
//! The real agent notes a message for resending only after it has sent it. An acknowledgement that is
//! quicker finds no note, and the note stays (measured). It looks at the oldest note alone, every
//! 100 ms: what is behind it and was really lost waits for each of them. So when one of its repeats
//! shows that it has got stuck, and when a connection is new, what it may still have notes of is
//! acknowledged once more.

use std::{collections::VecDeque, time::Duration};

use crate::wire::Acknowledgement;

/// Acknowledgements of messages that came in their turn, by number.
#[derive(Default, Debug)]
pub(super) struct Said {
    latest: VecDeque<Acknowledgement>,
}

impl Said {
    /// A message has come in its turn.
    pub(super) fn push(&mut self, acknowledgement: Acknowledgement) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(acknowledgement);
    }

    /// What is to be said again, since a message has come again whose successors came long ago.
    pub(super) fn behind(
        &self,
        sequence_number: i64,
    ) -> impl Iterator<Item = Acknowledgement> + use<'_> {
        let is_stuck = self
            .latest
            .back()
            .is_some_and(|newest| newest.sequence_number.saturating_sub(sequence_number) > STUCK);
        let from = self.latest.partition_point(|one| one.sequence_number <= sequence_number);
        self.latest.iter().skip(from).take(if is_stuck { AT_ONCE } else { 0 }).copied()
    }

    /// What is to be said again on a new connection, on a path of this round trip.
    pub(super) fn last(
        &self,
        round_trip: Option<Duration>,
    ) -> impl Iterator<Item = Acknowledgement> + use<'_> {
        let is_quick = round_trip.is_none_or(|round_trip| round_trip < QUICK);
        let count = if is_quick { KEPT } else { AT_ONCE };
        self.latest.iter().skip(self.latest.len().saturating_sub(count)).copied()
    }
}

/// Acknowledgements of 56 bytes that are kept. Several times as many notes as were seen to be stuck.
const KEPT: usize = 1024;
/// Said again at once: 12 KB.
const AT_ONCE: usize = 32;
/// A message that so many have followed is not just one that came twice.
const STUCK: i64 = 32;
/// On a longer path no acknowledgement is quicker than the note.
const QUICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::wire::MessageType;

    fn said(count: i64) -> Said {
        let mut said = Said::default();
        for sequence_number in 0..count {
            said.push(Acknowledgement {
                message_type: MessageType::OutputStreamData,
                message_id: Uuid::nil(),
                sequence_number,
            });
        }
        said
    }

    fn numbers(again: impl Iterator<Item = Acknowledgement>) -> Vec<i64> {
        again.map(|one| one.sequence_number).collect()
    }

    #[test]
    fn a_repeat_of_old_brings_what_followed_it() {
        assert_eq!(numbers(said(300).behind(100)), (101..133).collect::<Vec<_>>());
        assert_eq!(numbers(said(300).behind(290)), [0; 0], "it has just come twice");
        assert_eq!(numbers(said(3000).behind(7)).first(), Some(&1976), "as far as is known");
        assert_eq!(numbers(said(0).behind(7)), [0; 0]);
    }

    #[test]
    fn a_new_connection_brings_the_last_ones() {
        assert_eq!(numbers(said(3000).last(Some(Duration::from_millis(1)))).len(), KEPT);
        let few = numbers(said(3000).last(Some(Duration::from_millis(50))));
        assert_eq!(few, (2968..3000).collect::<Vec<_>>());
    }
}
