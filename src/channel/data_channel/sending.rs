//! What the channel sends: the stream's messages, and those of the service itself.

use std::time::Instant;

use serde::Serialize;

use super::Channel;
use crate::{
    channel::{Role, announcement, handshake::Progress, timer::Timer},
    wire::{Header, MessageType, Packet, PayloadType, control::Flag},
};

impl Channel {
    /// Whether data may be sent now: the handshake is done, the window has room, and no pause is
    /// asked for. [`poll_timeout`](Self::poll_timeout) or a frame tells when that may change.
    pub fn can_send(&self) -> bool {
        self.can_send_control() && self.outgoing.has_room()
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

    /// Sends one message of the stream. The caller asks [`can_send`](Self::can_send) first; the
    /// message is taken in any case, and never thrown away.
    pub fn send(&mut self, payload_type: PayloadType, mut packet: Packet, now: Instant) {
        self.encrypt(payload_type, &mut packet);
        let header = Header {
            message_type: self.own_data_type(),
            created_ms: self.epoch_ms(now),
            sequence_number: self.outgoing.next_sequence_number(),
            flags: self.data_flags(),
            message_id: self.ids.next_id(),
            payload_type,
        };
        self.outgoing.push(header.encode(packet));
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
