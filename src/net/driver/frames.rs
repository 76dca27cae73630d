//! A client's frames as events of `tracing`, for whoever wants to see them: a subscriber that asks for
//! [`FRAMES`] gets each with its header and what it acknowledges, of [`PAYLOADS`] the same with the payload,
//! of [`PATHS`] now and then what the sender has learned of the path.
//!
//! Nothing is read, and nothing costs more than a look at a number, while nobody asks. (Not by `enabled!`:
//! filters of single layers remember its answer, and take it for that of the next event.)

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{level_filters::LevelFilter, trace};

use crate::{
    channel::PathView,
    wire::{Acknowledgement, Frame, MessageType},
};

/// The target of frames, at `TRACE`.
pub const FRAMES: &str = "ssmport::frames";
/// The target of the same frames with their payloads, which hold what users type and see.
pub const PAYLOADS: &str = "ssmport::payloads";
/// The target of what the sender goes by.
pub const PATHS: &str = "ssmport::paths";

/// Whether somebody may want to know.
fn is_asked() -> bool {
    LevelFilter::current() == LevelFilter::TRACE
}

/// Which way a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    /// From the service.
    In,
    /// To it.
    Out,
}

/// What is told of one session's connection.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    session: &'a str,
    /// When the path is to be told of again.
    next_path: Option<Instant>,
}

impl<'a> Frames<'a> {
    pub(super) fn of(session: &'a str) -> Self {
        Self { session, next_path: None }
    }

    #[inline]
    pub(super) fn tell(&self, direction: Direction, message: &Bytes) {
        if is_asked() {
            self.tell_frame(direction, message);
        }
    }

    #[cold]
    fn tell_frame(&self, direction: Direction, message: &Bytes) {
        let session = self.session;
        let direction = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        let Ok(Frame { header, payload, .. }) = Frame::decode(message.clone()) else {
            trace!(target: FRAMES, session, direction, kind = "unreadable", bytes = message.len());
            return;
        };
        let acknowledges = (header.message_type == MessageType::Acknowledge)
            .then(|| Acknowledgement::read(&payload).ok())
            .flatten()
            .map(|acknowledgement| acknowledgement.sequence_number);
        let (kind, sequence) = (header.message_type.name(), header.sequence_number);
        let (flags, payload_type) = (header.flags.0, header.payload_type.number());
        let bytes = payload.len();
        trace!(target: FRAMES, session, direction, kind, sequence, flags, payload_type, bytes,
            acknowledges);
        let payload = &payload[..];
        trace!(target: PAYLOADS, session, direction, kind, sequence, flags, payload_type, bytes,
            acknowledges, payload);
    }

    /// What the sender goes by, a few times a second.
    #[inline]
    pub(super) fn tell_path(&mut self, path: impl FnOnce() -> (PathView, usize), now: Instant) {
        if is_asked() && self.next_path.is_none_or(|next| now >= next) {
            self.next_path = Some(now + BETWEEN_PATHS);
            let (path, under_way) = path();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let session = self.session;
            let (window, rate) = (path.window, path.rate);
            let (round_trip_ms, shortest_ms) = (path.round_trip.map(ms), path.shortest.map(ms));
            trace!(target: PATHS, session, window, under_way, rate, round_trip_ms, shortest_ms);
        }
    }
}

const BETWEEN_PATHS: Duration = Duration::from_millis(50);
