//! One connection through the faulty service: what becomes of which frame, and when.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    FaultyService,
    way::{Departure, Farewell, Way, message_type},
};
use crate::{channel::service_message, local::session::DataChannel, wire::MessageType};

/// The state machine of a connection. No clock, no socket: time comes as an argument.
///
/// What a side sends is handed in with [`handle_frame`](Self::handle_frame); what is for it comes
/// from [`poll_transmit`](Self::poll_transmit). [`handle_timeout`](Self::handle_timeout) is called
/// at [`poll_timeout`](Self::poll_timeout) at the latest.
#[derive(Debug)]
pub struct Connection {
    service: FaultyService,
    session_id: String,
    target: String,
    opened: Instant,
    epoch_ms: u64,
    rng: StdRng,
    from_client: Way,
    from_agent: Way,
    cut_at: Option<Instant>,
    bye_at: Option<Instant>,
    agent: AgentLine,
    /// When the agent was last given a frame.
    agent_given: Option<Instant>,
    /// The agent's first message breaks it.
    breaks_in_handshake: bool,
    is_paused: bool,
    is_broken: bool,
}

/// The agent's own connection to the service, which comes and goes while the client's stays.
#[derive(Clone, Copy, Debug)]
enum AgentLine {
    /// There is none: the agent connects at this time, if it ever does.
    Down { until: Option<Instant> },
    /// It stands. If it ever breaks, it does so behind the first frame that the agent is given from
    /// this time on, where the most can go wrong, or [`LULL`] later.
    Up { until: Option<Instant> },
}

/// One of the two sides that the service stands between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Client,
    Agent,
}

impl Connection {
    pub(super) fn new(
        service: FaultyService,
        data_channel: &DataChannel,
        now: Instant,
        epoch_ms: u64,
    ) -> Self {
        let faults = service.faults;
        let rng = |stream| seeded(faults.seed(), data_channel, stream);
        let mut own = rng(2);
        let mut end = |mean| now + lifetime(mean, &mut own);
        let (cut_at, bye_at) = (faults.cut.map(&mut end), faults.bye.map(&mut end));
        Self {
            service,
            session_id: data_channel.session_id.clone(),
            target: data_channel.target.clone(),
            opened: now,
            epoch_ms,
            rng: own,
            from_client: Way::new(faults.link, rng(0)),
            from_agent: Way::new(faults.link, rng(1)),
            cut_at,
            bye_at,
            agent: AgentLine::Down { until: Some(now) },
            agent_given: None,
            breaks_in_handshake: faults.cut_handshake && data_channel.opening == 1,
            is_paused: false,
            is_broken: false,
        }
    }

    /// Whether what `side` sends can be taken.
    pub fn can_receive(&self, side: Side) -> bool {
        self.way_from(side).has_room()
    }

    /// Whether more may come from `side`.
    pub fn is_open(&self, side: Side) -> bool {
        self.way_from(side).is_open()
    }

    /// Frames from `side` that have not been given to the other one.
    pub fn frames_from(&self, side: Side) -> usize {
        self.way_from(side).frames()
    }

    /// Takes a frame that `side` has sent.
    pub fn handle_frame(&mut self, side: Side, frame: Bytes, now: Instant) {
        if side == Side::Agent && message_type(&frame) == Some(MessageType::ChannelClosed) {
            // Its last word: it would not come back to repeat it.
            self.agent = AgentLine::Up { until: None };
        }
        self.is_broken |= self.service.faults.longest.is_some_and(|most| frame.len() > most);
        self.way_from_mut(side).send(frame, now);
    }

    /// Whether the agent, which has no connection of its own, makes one now.
    pub fn is_agent_due(&self, now: Instant) -> bool {
        matches!(self.agent, AgentLine::Down { until: Some(at) } if now >= at)
    }

    /// The agent has made a connection. How long it lasts is drawn.
    pub fn handle_agent_connected(&mut self, now: Instant) {
        let lifetime = self.service.faults.agent_cut.map(|mean| lifetime(mean, &mut self.rng));
        self.agent = AgentLine::Up { until: lifetime.map(|lifetime| now + lifetime) };
    }

    /// Whether the agent's own connection breaks now. What is under way to it and from it is gone;
    /// what it has been given already is its to read. It will be back soon.
    pub fn poll_agent_cut(&mut self, now: Instant) -> bool {
        let AgentLine::Up { until: Some(at) } = self.agent else { return false };
        let is_due = now >= at && (self.agent_given == Some(now) || now >= at + LULL);
        let is_cut = is_due && self.from_client.is_open() && self.from_agent.is_open();
        if is_cut {
            self.from_client.lose();
            self.from_agent.lose();
            let pause = self.rng.random_range(AGENT_AWAY);
            self.agent = AgentLine::Down { until: Some(now + pause) };
        }
        is_cut
    }

    /// The agent has ended its session while it had no connection: the service tells the client so
    /// in its place.
    pub fn handle_agent_over(&mut self, now: Instant) {
        self.agent = AgentLine::Down { until: None };
        let closed = self.service_message(MessageType::ChannelClosed, now);
        self.from_agent.send(closed, now);
        self.handle_closed(Side::Agent);
    }

    /// `side` has closed its WebSocket, or broken it: what it has sent still arrives.
    pub fn handle_closed(&mut self, side: Side) {
        self.way_from_mut(side).close(Farewell::Plain);
        self.way_from_mut(side.other()).abandon();
    }

    /// `side` takes nothing any more; what it has sent before may still be read.
    pub fn handle_deaf(&mut self, side: Side) {
        self.way_from_mut(side.other()).abandon();
    }

    /// Does what is due at `now`; early calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.cut_at.is_some_and(|at| now >= at) || self.service.is_away(now) {
            self.is_broken = true;
        }
        if self.bye_at.take_if(|at| now >= *at).is_some() {
            self.from_client.close(Farewell::Bye);
            self.from_agent.close(Farewell::Bye);
        }
        let age = self.service.age(now);
        let pause = self.service.faults.pause.is_some_and(|pause| pause.is_on(age));
        if pause != self.is_paused {
            self.pause(pause, now);
        }
    }

    /// The next frame, or farewell, for `side`.
    pub fn poll_transmit(&mut self, side: Side, now: Instant) -> Option<Departure> {
        if self.is_broken {
            return None;
        }
        let departure = self.way_from_mut(side.other()).receive(now)?;
        if side == Side::Agent {
            self.agent_given = Some(now);
        }
        if let Departure::Frame(frame) = &departure
            && self.breaks_in_handshake
            && message_type(frame) == Some(MessageType::OutputStreamData)
        {
            self.is_broken = true;
        }
        Some(departure)
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) next
    /// has something to do. Frames that are due already wait for their socket.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.is_broken {
            return None;
        }
        let age = self.service.age(now);
        let faults = &self.service.faults;
        let changes = [faults.pause, faults.restart].into_iter().flatten();
        let changes = changes.map(|schedule| self.service.began + schedule.next_change(age));
        let ways = [&self.from_client, &self.from_agent]
            .into_iter()
            .map(|way| way.next_departure().filter(|at| *at > now));
        let agent = match self.agent {
            AgentLine::Down { until } => until,
            AgentLine::Up { until } => until.map(|at| at + LULL),
        };
        let agent = agent.filter(|at| *at > now);
        let ends = [self.cut_at, self.bye_at, agent].into_iter();
        changes.chain(ways.chain(ends).flatten()).min()
    }

    /// Whether the connection is gone without a word, with everything under way.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether both sides have been told farewell, or are not there to hear it.
    pub fn is_over(&self) -> bool {
        self.from_client.is_closed() && self.from_agent.is_closed()
    }

    fn pause(&mut self, pause: bool, now: Instant) {
        self.is_paused = pause;
        let kind =
            if pause { MessageType::PausePublication } else { MessageType::StartPublication };
        for side in [Side::Client, Side::Agent] {
            let frame = self.service_message(kind, now);
            let way = self.way_from_mut(side);
            if way.is_open() {
                way.pause(pause);
                way.send(frame, now);
            }
        }
    }

    fn service_message(&mut self, kind: MessageType, now: Instant) -> Bytes {
        let id = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid();
        service_message(kind, &self.session_id, &self.target, "", id, self.epoch_ms(now))
    }

    fn epoch_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.opened).as_millis();
        self.epoch_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn way_from(&self, side: Side) -> &Way {
        match side {
            Side::Client => &self.from_client,
            Side::Agent => &self.from_agent,
        }
    }

    fn way_from_mut(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Client => &mut self.from_client,
            Side::Agent => &mut self.from_agent,
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Agent,
            Self::Agent => Self::Client,
        }
    }
}

/// A generator of its own for each session, connection and use, so that a run can be repeated
/// whatever happens beside it.
fn seeded(seed: u64, data_channel: &DataChannel, stream: u32) -> StdRng {
    let words = [seed, data_channel.number, data_channel.opening.into(), stream.into()];
    let mut bytes = [0; 32];
    for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    StdRng::from_seed(bytes)
}

/// How long something lasts that lasts `mean` on average.
fn lifetime(mean: Duration, rng: &mut StdRng) -> Duration {
    mean.mul_f64(rng.random_range(0.5..1.5))
}

/// How long a break of the agent's connection waits for a frame to come behind.
const LULL: Duration = Duration::from_millis(100);
/// How long an agent that has lost its connection is away.
const AGENT_AWAY: Range<Duration> = Duration::from_millis(50)..Duration::from_millis(200);

#[cfg(test)]
mod tests;
