//! One direction of a connection through the faulty service.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use rand::rngs::StdRng;

use crate::{
    channel::link::{self, Link},
    wire::{Frame, MessageType},
};

/// Frames on their way from one side to the other, at most [`ROOM`] bytes and one frame.
#[derive(Debug)]
pub struct Way {
    link: Link,
    /// What the service keeps while publication is paused.
    held: VecDeque<Bytes>,
    held_bytes: usize,
    is_paused: bool,
    state: State,
}

/// What a way gives to the side that it leads to.
#[derive(PartialEq, Eq, Debug)]
pub enum Departure {
    /// A frame.
    Frame(Bytes),
    /// Nothing any more, after all that was under way.
    Farewell(Farewell),
}

/// How a side is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// As the real service leaves every hour or so: close frame 1000, "Bye". The session goes on.
    Bye,
    /// A close frame without a word, since the other side has gone.
    Plain,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Takes no more; gives what is under way, then this.
    Closing(Farewell),
    /// Leads nowhere.
    Closed,
}

impl Way {
    pub fn new(faults: link::Faults, rng: StdRng) -> Self {
        Self {
            link: Link::with_rng(faults, rng),
            held: VecDeque::new(),
            held_bytes: 0,
            is_paused: false,
            state: State::Open,
        }
    }

    /// Whether there is room. What is closed takes everything, and forgets it.
    pub fn has_room(&self) -> bool {
        let bytes = self.link.bytes() + self.held_bytes + self.frames() * OVERHEAD;
        self.state != State::Open || bytes < ROOM
    }

    /// Frames on their way.
    pub fn frames(&self) -> usize {
        self.link.frames() + self.held.len()
    }

    /// Takes a frame.
    pub fn send(&mut self, frame: Bytes, now: Instant) {
        if self.state != State::Open {
            return;
        }
        match message_type(&frame) {
            // The last word of a session. It is not repeated, so that nothing could make up for it.
            Some(MessageType::ChannelClosed) => self.link.send_safely(frame, now),
            _ => self.link.send(frame, now),
        }
    }

    /// Holds data back from now on, or gives it.
    pub fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Takes no more, and says farewell behind what is under way. What a pause holds is given.
    pub fn close(&mut self, farewell: Farewell) {
        if self.state == State::Open {
            self.state = State::Closing(farewell);
            self.is_paused = false;
        }
    }

    /// Nobody is there to be given anything.
    pub fn abandon(&mut self) {
        self.state = State::Closed;
        self.lose();
    }

    /// What is under way is gone; what is sent from now on is not.
    pub fn lose(&mut self) {
        self.link.cut();
        self.held.clear();
        self.held_bytes = 0;
    }

    /// What there is to give now.
    pub fn receive(&mut self, now: Instant) -> Option<Departure> {
        if !self.is_paused
            && let Some(frame) = self.held.pop_front()
        {
            self.held_bytes -= frame.len();
            return Some(Departure::Frame(frame));
        }
        while let Some(frame) = self.link.receive(now) {
            if !(self.is_paused && is_publication(&frame)) {
                return Some(Departure::Frame(frame));
            }
            self.held_bytes += frame.len();
            self.held.push_back(frame);
        }
        match self.state {
            State::Closing(farewell) if self.link.next_arrival().is_none() => {
                self.state = State::Closed;
                Some(Departure::Farewell(farewell))
            }
            _ => None,
        }
    }

    /// When there is next something to give.
    pub fn next_departure(&self) -> Option<Instant> {
        self.link.next_arrival()
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
}

/// Whether a pause holds this frame: acknowledgements and the service's own words pass, but not
/// one side's word that publication starts.
fn is_publication(frame: &Bytes) -> bool {
    matches!(
        message_type(frame),
        Some(
            MessageType::InputStreamData
                | MessageType::OutputStreamData
                | MessageType::StartPublication
        )
    )
}

pub(super) fn message_type(frame: &Bytes) -> Option<MessageType> {
    Frame::decode(frame.clone()).ok().map(|frame| frame.header.message_type)
}

/// Far more than two ends that keep to their windows have under way: where there is a rate, a queue
/// without an end.
pub const ROOM: usize = 32 << 20;
/// What a frame costs beside its bytes, so that empty ones have an end, too.
const OVERHEAD: usize = 96;
