//! What the channel sends: the stream's messages, and those of the service itself.

use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use super::Channel;
use crate::{
    channel::{Order, Role, announcement, handshake::Progress, recovery::PathView, timer::Timer},
    wire::{Header, MessageType, Packet, PayloadType, control::Flag},
};

impl Channel {
    /// Whether data may be sent now: the handshake is done, the window has room, the last message
    /// has had its time, and no pause is asked for. [`poll_timeout`](Self::poll_timeout) or a frame
    /// tells when that may change.
    pub fn can_send(&self) -> bool {
        self.can_send_control() && self.outgoing.has_room() && !self.timers.is_set(Timer::Pace)
    }

    /// As [`can_send`](Self::can_send), ahead of its time, for at most [`URGENT`] bytes of a stream
    /// that has been quiet: what is typed does not wait for a turn behind what is copied.
    pub fn can_send_urgent(&self) -> bool {
        self.can_send_control() && self.outgoing.has_urgent_room(URGENT_ROOM)
    }

    /// As [`can_send`](Self::can_send), but with twice as many messages and no regard to their
    /// bytes: for the small messages that must not wait behind data.
    pub fn can_send_control(&self) -> bool {
        self.progress == Progress::Done
            && self.outgoing.has_reserve()
            && !self.timers.is_set(Timer::FirstData)
            && !self.paused
            && !self.closed
    }

    /// Most bytes of the next payload: what the path carries in so short a time that what comes
    /// behind it does not wait for long.
    pub fn payload_len(&self) -> usize {
        self.outgoing.recovery().message_len().min(self.config.sending.payload_len)
    }

    /// Says what carries nothing: a payload that may come any number of times, anywhere between two
    /// messages of this stream. From the next acknowledgement on, messages are sent
    /// [`Order::Guarded`], if they are to be. Only the first call counts.
    pub fn guard(&mut self, filler: &'static [u8]) {
        if self.config.sending.order == Order::Guarded && self.guard.is_none() {
            self.guard = Some((filler, self.outgoing.next_sequence_number()));
        }
    }

    /// Sends one message of the stream. The caller asks [`can_send`](Self::can_send) first; the
    /// message is taken in any case, and never thrown away.
    pub fn send(&mut self, payload_type: PayloadType, packet: Packet, now: Instant) {
        self.send_part(payload_type, packet, now);
        self.seal();
    }

    /// As [`send`](Self::send), for a message behind which there is more to be sent, as far as the
    /// caller can know. It says with [`seal`](Self::seal) when there is not: the other side may
    /// deliver nothing before then.
    pub fn send_part(&mut self, payload_type: PayloadType, packet: Packet, now: Instant) {
        if let Some((filler, behind)) = self.guard
            && self.outgoing.base() > behind
            && self.outgoing.needs_guard()
        {
            let filler = self.pool.packet(filler);
            let guard = self.encode(PayloadType::Output, filler, now);
            self.outgoing.push_guard(guard);
        }
        let frame = self.encode(payload_type, packet, now);
        let next = self.outgoing.push(frame, now);
        self.pace(next);
    }

    /// There is nothing more to be sent for now.
    pub fn seal(&mut self) {
        self.outgoing.seal();
    }

    fn encode(&mut self, payload_type: PayloadType, mut packet: Packet, now: Instant) -> Bytes {
        self.encrypt(payload_type, &mut packet);
        let header = Header {
            message_type: self.own_data_type(),
            created_ms: self.epoch_ms(now),
            sequence_number: self.outgoing.next_sequence_number(),
            flags: self.data_flags(),
            message_id: self.ids.next_id(),
            payload_type,
        };
        header.encode(packet)
    }

    /// Raises a flag for the other side.
    pub fn send_flag(&mut self, flag: Flag, now: Instant) {
        self.send(PayloadType::Flag, Packet::copy_from(&flag.to_bytes()), now);
    }

    /// Sends a message of the service itself, outside the sequence: an endpoint that is service
    /// and agent in one says with it that data may flow, or that the session is over.
    pub fn announce(
        &mut self,
        message_type: MessageType,
        session_id: &str,
        target: &str,
        now: Instant,
    ) {
        let (id, created_ms) = (self.ids.next_id(), self.epoch_ms(now));
        let frame = announcement::encode(message_type, session_id, target, "", id, created_ms);
        self.announcements.push_back(frame);
    }

    /// Announces that the session is over, and why; the reason is empty for an ordinary end.
    pub fn announce_end(&mut self, session_id: &str, target: &str, reason: &str, now: Instant) {
        let (id, created_ms) = (self.ids.next_id(), self.epoch_ms(now));
        let closed = MessageType::ChannelClosed;
        let frame = announcement::encode(closed, session_id, target, reason, id, created_ms);
        self.announcements.push_back(frame);
    }

    pub(super) fn send_json(
        &mut self,
        payload_type: PayloadType,
        document: &impl Serialize,
        now: Instant,
    ) {
        // These documents are maps with text keys: they always have a JSON form.
        let json = serde_json::to_vec(document).unwrap_or_default();
        self.send(payload_type, Packet::copy_from(&json), now);
    }

    /// Whether everything that was sent has been acknowledged.
    pub fn is_drained(&self) -> bool {
        self.outgoing.is_empty() && self.announcements.is_empty()
    }

    /// Whether everything is acknowledged or has at least gone out on this connection: the rest is up
    /// to the other side.
    pub fn is_handed_on(&self) -> bool {
        self.outgoing.is_sent_since(self.connected_at)
    }

    /// The number that the next message will have. What was sent before has all been acknowledged
    /// once [`first_unacknowledged`](Self::first_unacknowledged) has reached it.
    pub fn next_sequence_number(&self) -> i64 {
        self.outgoing.next_sequence_number()
    }

    /// The lowest number that is not acknowledged.
    pub fn first_unacknowledged(&self) -> i64 {
        self.outgoing.base()
    }

    /// Whether the service has said that the session is over.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether a message is missing before others that have come.
    pub fn has_hole(&self) -> bool {
        self.incoming.has_hole()
    }

    /// Whether this is the agent's end.
    pub fn is_agent(&self) -> bool {
        !matches!(self.config.role, Role::Client)
    }

    /// Bytes of frames that were sent and not yet acknowledged, or wait to be sent: for streams
    /// that keep less under way than the window allows.
    pub fn bytes_under_way(&self) -> usize {
        self.outgoing.unacknowledged()
    }

    /// Whether acknowledgements are missing that have most likely come and were not read: the window is full, or
    /// they are as late as those of lost messages.
    pub fn misses_acknowledgements(&self, now: Instant) -> bool {
        let is_late = || self.outgoing.oldest(now) >= Some(self.outgoing.recovery().timeout());
        self.outgoing.is_under_way() && (!self.outgoing.has_room() || is_late())
    }

    /// What the sender has learned of its path.
    pub fn path(&self) -> PathView {
        self.outgoing.recovery().view()
    }

    /// Frames that have come from the other side, repeats included.
    pub fn frames_received(&self) -> u64 {
        self.frames_received
    }

    /// Messages that have arrived in their turn or been acknowledged so far: what connections were
    /// of use for.
    pub fn messages_done(&self) -> i64 {
        self.incoming.expected().saturating_add(self.outgoing.base())
    }
}

/// Bytes of a payload that is sent ahead of its time.
pub const URGENT: usize = 1024;
/// So many bytes of such payloads may go beyond the window.
const URGENT_ROOM: usize = 4 * URGENT;
