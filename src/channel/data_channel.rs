//! The state machine that ties window, reorder buffer, handshake and timers together.

mod counting;
mod encrypting;
mod handshaking;
mod sending;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use counting::Uncounted;
use encrypting::Encryption;

pub use sending::URGENT;

use super::{
    ChannelError, Config, EarlyData, Event, RESEND_INTERVAL, Role,
    handshake::{Progress, Ready},
    incoming::{Arrival, Incoming},
    outgoing::Outgoing,
    said::Said,
    timer::{Timer, Timers},
};
use crate::wire::{
    Acknowledgement, Flags, Frame, FrameError, Header, MessageIds, MessageType, PacketPool,
    PayloadType,
    control::{Flag, ServiceMessage},
};

/// A data channel, in either [`Role`].
#[derive(Debug)]
pub struct Channel {
    config: Config,
    started: Instant,
    ids: MessageIds,
    outgoing: Outgoing,
    incoming: Incoming,
    timers: Timers,
    progress: Progress,
    encryption: Encryption,
    acknowledgements: VecDeque<Acknowledgement>,
    /// Those that came in their turn, to be said again.
    said: Said,
    uncounted: Uncounted,
    /// For acknowledgements and guards.
    pool: PacketPool,
    /// The service's own messages; only an embedded endpoint has any.
    announcements: VecDeque<Bytes>,
    events: VecDeque<Event>,
    paused: bool,
    closed: bool,
    /// Since when the other side could have been heard.
    in_touch_since: Instant,
    /// Since when there is this connection.
    connected_at: Instant,
    /// What carries nothing for the stream, and the number behind whose acknowledgement blocks
    /// of messages have it before them.
    guard: Option<(&'static [u8], i64)>,
    /// The owner has been told that the oldest message waits and waits.
    is_stalled: bool,
    /// Agent: until when data is early.
    early_until: Option<Instant>,
    frames_received: u64,
    unreadable: u32,
    last_unreadable: Option<FrameError>,
}

impl Channel {
    /// A channel that begins at `now`. In the agent's role it asks for the handshake at once.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut channel = Self {
            started: now,
            ids: MessageIds::from_seed(config.seed),
            outgoing: Outgoing::new(config.window, config.span, &config.habits),
            incoming: Incoming::new(config.reorder),
            timers: Timers::default(),
            progress: Progress::AwaitingRequest,
            encryption: Encryption::Off,
            acknowledgements: VecDeque::new(),
            said: Said::default(),
            uncounted: Uncounted::None,
            pool: PacketPool::new(CHUNK),
            announcements: VecDeque::new(),
            events: VecDeque::new(),
            paused: false,
            closed: false,
            in_touch_since: now,
            connected_at: now,
            guard: None,
            is_stalled: false,
            early_until: None,
            frames_received: 0,
            unreadable: 0,
            last_unreadable: None,
            config,
        };
        let opening = channel.config.opening_timeout.map(|timeout| now + timeout);
        channel.timers.set(Timer::Handshake, opening);
        if let Role::Agent { session } = &channel.config.role {
            match session.clone() {
                Some(session) => channel.ask_for_handshake(&session, now),
                None => channel.become_ready(Ready::without_handshake()),
            }
        }
        channel
    }

    /// Takes one binary WebSocket message.
    ///
    /// A message that is no frame, or whose digest is wrong, is skipped: if it was data, it will
    /// come again.
    ///
    /// # Errors
    /// When the peer sends nothing but garbage, or the handshake fails.
    pub fn handle_frame(&mut self, message: Bytes, now: Instant) -> Result<(), ChannelError> {
        let frame = match Frame::decode(message) {
            Ok(frame) => frame,
            Err(error) => return self.skip_unreadable(error),
        };
        if self.config.habits.drop_undated && frame.header.created_ms == 0 {
            return Ok(());
        }
        self.unreadable = 0;
        self.frames_received += 1;
        match frame.header.message_type {
            MessageType::Acknowledge => {
                self.handle_acknowledgement(&frame, now);
                Ok(())
            }
            MessageType::PausePublication => {
                self.pause(true, now);
                Ok(())
            }
            MessageType::StartPublication => {
                self.pause(false, now);
                Ok(())
            }
            MessageType::ChannelClosed => {
                // A closing whose document cannot be read is still a closing.
                let closing = ServiceMessage::read(&frame.payload);
                self.closed = true;
                self.events.push_back(Event::Closed { reason: closing.output });
                Ok(())
            }
            message_type if message_type == self.peer_data_type() => self.handle_data(frame, now),
            // What the channel does not know, or what is meant for others.
            _ => Ok(()),
        }
    }

    fn skip_unreadable(&mut self, error: FrameError) -> Result<(), ChannelError> {
        self.unreadable += 1;
        self.last_unreadable = Some(error);
        if self.unreadable < MAX_UNREADABLE {
            return Ok(());
        }
        Err(ChannelError::NotFrames { count: self.unreadable, last: error })
    }

    fn handle_acknowledgement(&mut self, frame: &Frame, now: Instant) {
        let Ok(acknowledgement) = Acknowledgement::read(&frame.payload) else { return };
        let sequence_number = acknowledgement.sequence_number;
        if !self.outgoing.acknowledge(sequence_number, self.in_touch_since, now) {
            return;
        }
        self.is_stalled &= self.unacknowledged_for(now) >= STALLED;
        self.arm_retransmission(now);
        if self.outgoing.has_gap() && !self.config.habits.resend_slowly {
            self.find_overtaken(now);
        }
    }

    fn handle_data(&mut self, frame: Frame, now: Instant) -> Result<(), ChannelError> {
        if !frame.digest_matches() || self.early_fate(now) == EarlyData::Unacknowledged {
            return Ok(());
        }
        self.deliver_ready(now)?;
        let acknowledgement = Acknowledgement::of(&frame);
        match self.incoming.accept(frame) {
            Arrival::Next(frame) => self.deliver_in_turn(frame, acknowledgement, now)?,
            Arrival::Kept => self.acknowledge(acknowledgement),
            Arrival::Repeat => {
                self.acknowledge(acknowledgement);
                self.acknowledge_again(|said| {
                    said.behind(acknowledgement.sequence_number).collect()
                });
            }
            Arrival::NoRoom => {}
        }
        Ok(())
    }

    /// What becomes of data that comes now.
    fn early_fate(&self, now: Instant) -> EarlyData {
        let is_early = self.early_until.is_some_and(|until| now < until);
        if is_early { self.config.habits.early_data } else { EarlyData::Taken }
    }

    fn acknowledge(&mut self, acknowledgement: Acknowledgement) {
        // Leaving one out is safe: the message comes again, and is acknowledged then.
        if self.acknowledgements.len() < MAX_ACKNOWLEDGEMENTS {
            self.acknowledgements.push_back(acknowledgement);
        }
    }

    fn acknowledge_again(&mut self, which: impl FnOnce(&Said) -> Vec<Acknowledgement>) {
        for acknowledgement in which(&self.said) {
            self.acknowledge(acknowledgement);
        }
    }

    fn deliver(&mut self, frame: Frame, now: Instant) -> Result<(), ChannelError> {
        if !self.is_agent() {
            self.said.push(Acknowledgement::of(&frame));
        }
        let payload_type = frame.header.payload_type;
        if self.is_unwanted(payload_type)
            || self.is_forgeable(payload_type)
            || self.early_fate(now) == EarlyData::Forgotten
        {
            return Ok(());
        }
        let payload = self.decrypted(frame)?;
        match payload_type {
            PayloadType::HandshakeRequest => self.answer_handshake(&payload, now),
            PayloadType::HandshakeResponse => self.take_response(&payload, now),
            PayloadType::HandshakeComplete => {
                self.finish_handshake(&payload, now);
                Ok(())
            }
            PayloadType::Flag => {
                self.events.extend(Flag::read(&payload).map(Event::Flag));
                Ok(())
            }
            PayloadType::EncChallengeRequest => self.answer_challenge(&payload, now),
            PayloadType::EncChallengeResponse => self.check_challenge(&payload, now),
            // Acknowledged and skipped, so that a newer peer can go on.
            PayloadType::None | PayloadType::Unknown(_) => Ok(()),
            PayloadType::Output
            | PayloadType::Error
            | PayloadType::Size
            | PayloadType::Parameter
            | PayloadType::StdErr
            | PayloadType::ExitCode => {
                if self.begins_with_data() {
                    self.events.push_back(Event::Data { payload_type, payload });
                }
                Ok(())
            }
        }
    }

    // --- the driver's side ---

    /// The next frame for the wire: acknowledgements, then what is lost, then what is new.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        let acknowledgement = self.acknowledgements.pop_front();
        if let Some(acknowledgement) = acknowledgement.or_else(|| self.late_acknowledgement()) {
            return Some(self.encode_acknowledgement(&acknowledgement, now));
        }
        if let Some(announcement) = self.announcements.pop_front() {
            return Some(announcement);
        }
        if self.paused || self.closed {
            return None;
        }
        let turn = self.outgoing.transmit(now, self.timers.is_set(Timer::Pace))?;
        self.pace(turn.next);
        if !self.timers.is_set(Timer::Retransmit) {
            self.arm_retransmission(now);
        }
        Some(turn.frame)
    }

    /// The next event; drain them after each frame.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due at `now`; early calls are harmless.
    ///
    /// # Errors
    /// When the handshake took too long, or fails.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ChannelError> {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Handshake => {
                    return Err(ChannelError::HandshakeTimeout {
                        after: now.saturating_duration_since(self.started),
                        unreadable: self.last_unreadable,
                    });
                }
                // The timer's being set is what held data back.
                Timer::FirstData | Timer::Pace => {}
                Timer::Retransmit => self.retransmission_timeout(now),
                Timer::Reorder => self.find_overtaken(now),
                // Its end may be lost, as it is not acknowledged: what is sent now is made good if
                // the service still has no use for it.
                Timer::Pause => self.pause(false, now),
                Timer::Turn => self.deliver_ready(now)?,
            }
        }
        Ok(())
    }

    /// Whether more frames may be handed in. `false` while the queue of acknowledgements is full, or
    /// with [`Habits::counts_late`](super::Habits::counts_late) a message waits for its own: they
    /// must reach the wire first.
    pub fn can_receive(&self) -> bool {
        self.acknowledgements.len() < MAX_ACKNOWLEDGEMENTS
            && matches!(self.uncounted, Uncounted::None)
    }

    /// Nothing was read up to `now`, since nothing could be taken: acknowledgements may wait
    /// unread, so the time until now is not held against the other side, and round trips that lasted
    /// until then are none.
    pub fn handle_unread(&mut self, now: Instant) {
        self.in_touch_since = now;
    }

    /// The connection was replaced: everything unacknowledged is sent again, in order. How long
    /// there was none is not held against the other side.
    pub fn handle_reconnected(&mut self, now: Instant) {
        // It comes again, and is delivered again.
        self.uncounted = Uncounted::None;
        self.in_touch_since = now;
        self.connected_at = now;
        self.is_stalled = false;
        self.paused = false;
        self.timers.set(Timer::Pause, None);
        if self.timers.is_set(Timer::Handshake) {
            self.timers.set(Timer::Handshake, Some(now + self.config.handshake_timeout));
        }
        self.timers.set(Timer::Pace, None);
        self.outgoing.handle_reconnected();
        if !self.config.habits.resend_slowly {
            self.outgoing.lose_all();
        }
        self.arm_retransmission(now);
        let round_trip = self.outgoing.recovery().shortest();
        self.acknowledge_again(|said| said.last(round_trip).collect());
    }

    /// How long the oldest message has been unacknowledged, while the other side could be heard; zero
    /// if nothing is under way.
    pub fn unacknowledged_for(&self, now: Instant) -> Duration {
        let oldest = self.outgoing.oldest(now).unwrap_or_default();
        oldest.min(now.saturating_duration_since(self.in_touch_since))
    }

    /// There will be no other connection: nothing is sent any more.
    pub fn handle_lost(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.events.push_back(Event::Closed { reason: String::new() });
        }
    }

    // --- details ---

    /// However long it takes: a destination that does not read is no reason to give the session up,
    /// and whether the connection still stands is for others to find out.
    fn retransmission_timeout(&mut self, now: Instant) {
        let after = self.unacknowledged_for(now);
        if after >= STALLED && !std::mem::replace(&mut self.is_stalled, true) {
            self.events.push_back(Event::Unacknowledged { after });
        }
        if self.config.habits.resend_slowly {
            self.outgoing.lose_front(now);
        } else {
            self.outgoing.handle_timeout();
        }
        self.arm_retransmission(now);
    }

    fn arm_retransmission(&mut self, now: Instant) {
        let armed = self.outgoing.is_under_way() && !self.paused;
        if armed && self.config.habits.resend_slowly {
            // Looked at now and then, whatever is acknowledged in between.
            if !self.timers.is_set(Timer::Retransmit) {
                self.timers.set(Timer::Retransmit, Some(now + RESEND_INTERVAL));
            }
            return;
        }
        let timeout = match self.is_stalled {
            true => STALLED_INTERVAL,
            false => self.outgoing.recovery().timeout(),
        };
        let deadline = armed.then(|| now + timeout);
        self.timers.set(Timer::Retransmit, deadline);
    }

    fn find_overtaken(&mut self, now: Instant) {
        let look_again = self.outgoing.find_overtaken(now);
        self.timers.set(Timer::Reorder, look_again);
    }

    fn pause(&mut self, paused: bool, now: Instant) {
        let is_news = self.paused != paused;
        // A pause that is said again goes on.
        if (is_news || paused) && self.timers.is_set(Timer::Handshake) {
            let longer = if paused { PAUSE_LIMIT } else { Duration::ZERO };
            self.timers.set(Timer::Handshake, Some(now + longer + self.config.handshake_timeout));
        }
        self.timers.set(Timer::Pause, paused.then(|| now + PAUSE_LIMIT));
        if !is_news {
            return;
        }
        self.paused = paused;
        if paused {
            self.outgoing.handle_pause();
        } else {
            // What could not be said or heard meanwhile is not held against the other side.
            self.in_touch_since = now;
            self.is_stalled = false;
        }
        self.events.push_back(if paused { Event::Paused } else { Event::Resumed });
        self.arm_retransmission(now);
    }

    /// The next message may not have its turn before `next`, if there is such a time.
    fn pace(&mut self, next: Option<Instant>) {
        if next.is_some() {
            self.timers.set(Timer::Pace, next);
        }
    }

    fn encode_acknowledgement(&mut self, acknowledgement: &Acknowledgement, now: Instant) -> Bytes {
        let header = Header {
            message_type: MessageType::Acknowledge,
            created_ms: self.epoch_ms(now),
            sequence_number: 0,
            flags: Flags::SYN_FIN,
            message_id: self.ids.next_id(),
            payload_type: PayloadType::None,
        };
        let mut slot = self.pool.slot(Acknowledgement::MAX_LEN);
        acknowledgement.write(&mut slot.space());
        header.encode(slot.finish())
    }

    fn epoch_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started).as_millis();
        self.config.epoch_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn own_data_type(&self) -> MessageType {
        match self.config.role {
            Role::Client => MessageType::InputStreamData,
            Role::Agent { .. } => MessageType::OutputStreamData,
        }
    }

    fn peer_data_type(&self) -> MessageType {
        match self.config.role {
            Role::Client => MessageType::OutputStreamData,
            Role::Agent { .. } => MessageType::InputStreamData,
        }
    }

    fn data_flags(&self) -> Flags {
        match self.config.role {
            Role::Agent { .. } if self.outgoing.next_sequence_number() == 0 => Flags::SYN,
            _ => Flags::NONE,
        }
    }
}

/// Acknowledgements that may wait for the wire. More than any peer has under way, so that two
/// ends that both wait for the other to read cannot come about.
pub const MAX_ACKNOWLEDGEMENTS: usize = 65_536;
/// How long a pause is believed in without a word of its end.
const PAUSE_LIMIT: Duration = Duration::from_secs(10);
/// A message that waits for so long most likely waits for its destination to read.
const STALLED: Duration = Duration::from_secs(60);
/// How often such a message is sent again: it most likely has arrived, and its repeats with it.
const STALLED_INTERVAL: Duration = Duration::from_secs(10);
/// Unreadable messages in a row that end the session.
const MAX_UNREADABLE: u32 = 16;
const CHUNK: usize = 16 * 1024;
