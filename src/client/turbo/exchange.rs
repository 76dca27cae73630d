//! The streams of one companion, as a state machine: what may be sent and come, and what has.
//!
//! ```text
//!   local programs --- send ---> frames ---> transmit: by the port
//!                  <-- take ---  streams <-- blocks <- read: from the output
//! ```
//!
//! Every stream has a window in each direction, out of a [`Budget`]; a program, or a destination, that does not
//! read holds up its own stream alone, and the output is always read.

use std::{
    collections::HashMap,
    task::{Context, Waker},
    time::Instant,
};

use bytes::BytesMut;

use super::{
    allowance::Allowance,
    blocks::{Block, Blocks, Garbled},
    budget::Budget,
    companion::Hello,
    frames::{Answer, Frame},
    pulse::{Beat, Pulse},
};

/// All that is known of a companion's streams.
#[derive(Default)]
pub(super) struct Exchange {
    blocks: Blocks,
    table: Table,
    /// Of the output.
    unacknowledged: u32,
    /// Which session's output counts.
    carrier: u32,
}

#[derive(Default)]
struct Table {
    streams: HashMap<u32, Stream>,
    last: u32,
    allowance: Allowance,
    down: Budget,
    up: Budget,
    /// Frames that wait for the port. Those of data have [`QUEUE`] bytes; all others are short.
    outgoing: BytesMut,
    uplink: Option<Waker>,
    pulse: Pulse,
    /// Of whoever looks after the output.
    keeper: Option<Waker>,
    is_over: bool,
    /// To be woken when whoever changes something is done with it.
    woken: Vec<Waker>,
}

#[derive(Default)]
struct Stream {
    /// What has come and was not taken.
    waiting: BytesMut,
    /// What may still come.
    credit: usize,
    /// The same, with what has come and is not consumed.
    held: usize,
    /// What has come, modulo 2^32.
    received: u32,
    end: Option<End>,
    /// What was sent and has not reached the destination.
    in_flight: usize,
    waker: Option<Waker>,
}

/// How what comes on a stream has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The destination has finished.
    Finished,
    /// It has reset the connection.
    Gone(String),
    /// It could not be connected to.
    NotReached(String),
    /// There is no companion any more.
    Over,
}

/// The output comes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dead;

/// What has come on a stream.
#[derive(Debug)]
pub(super) enum Arrival {
    Bytes(BytesMut),
    End(End),
    Nothing,
}

impl Exchange {
    /// Connects a stream to a destination.
    pub(super) fn open(&mut self, host: &str, port: u16, now: Instant) -> u32 {
        let table = &mut self.table;
        table.last = table.last.wrapping_add(1);
        table.down.resize(table.allowance.bytes());
        let (stream, window) = (table.last, table.down.window(0));
        table.down.take(window);
        let state = Stream { credit: window, held: window, ..Stream::default() };
        table.streams.insert(stream, state);
        table.put(Frame::Open { stream, credit: count(window), host, port });
        if let Some(number) = table.allowance.note_beginning(now) {
            table.put(Frame::Ping(number));
        }
        table.beat(|pulse| pulse.note_activity(now));
        stream
    }

    /// How much a stream may send now.
    pub(super) fn room(&self, stream: u32) -> usize {
        let Table { streams, up, outgoing, is_over, .. } = &self.table;
        match streams.get(&stream) {
            Some(Stream { in_flight, end: None | Some(End::Finished), .. })
                if outgoing.len() < QUEUE && !is_over =>
            {
                up.window(*in_flight).saturating_sub(*in_flight)
            }
            _ => 0,
        }
    }

    /// What a stream has sent that has not reached its destination.
    pub(super) fn in_flight(&self, stream: u32) -> usize {
        self.table.streams.get(&stream).map_or(0, |state| state.in_flight)
    }

    /// Sends bytes of a stream, not more than there is room for.
    pub(super) fn send(&mut self, stream: u32, bytes: &[u8], now: Instant) {
        let table = &mut self.table;
        let Some(state) = table.streams.get_mut(&stream) else { return };
        state.in_flight += bytes.len();
        table.up.take(bytes.len());
        table.put(Frame::Data { stream, bytes });
        table.beat(|pulse| pulse.note_activity(now));
    }

    /// A stream sends no more.
    pub(super) fn finish(&mut self, stream: u32) {
        self.table.put(Frame::End { stream });
    }

    /// Forgets a stream; with `is_cut` its destination sees a reset.
    pub(super) fn close(&mut self, stream: u32, is_cut: bool) {
        let table = &mut self.table;
        if let Some(state) = table.streams.remove(&stream) {
            table.down.give_back(state.held);
            table.up.give_back(state.in_flight);
            if is_cut && !table.is_over {
                table.put(Frame::Abandon { stream });
            }
        }
    }

    /// What has come on a stream; what was taken is to be [`consumed`](Self::consumed).
    pub(super) fn take(&mut self, stream: u32) -> Arrival {
        let Table { streams, is_over, .. } = &mut self.table;
        match streams.get_mut(&stream) {
            Some(state) if !state.waiting.is_empty() => Arrival::Bytes(state.waiting.split()),
            Some(Stream { end: Some(end), .. }) => Arrival::End(end.clone()),
            Some(_) if !*is_over => Arrival::Nothing,
            _ => Arrival::End(End::Over),
        }
    }

    /// A stream's program has taken so much.
    pub(super) fn consumed(&mut self, stream: u32, len: usize) {
        let table = &mut self.table;
        let Some(state) = table.streams.get_mut(&stream) else { return };
        state.held = state.held.saturating_sub(len);
        table.down.give_back(len);
        table.down.resize(table.allowance.bytes());
        let window = table.down.window(state.held);
        let more = window.saturating_sub(state.held);
        if state.end.is_none() && more >= window / 4 {
            state.credit += more;
            state.held += more;
            table.down.take(more);
            table.put(Frame::Credit { stream, count: count(more) });
        }
    }

    /// Wakes whoever polls when something has changed for a stream.
    pub(super) fn watch(&mut self, stream: u32, cx: &Context<'_>) {
        if let Some(state) = self.table.streams.get_mut(&stream) {
            match &mut state.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    /// Takes what a session's output has brought. What is not of the session that counts is nothing.
    ///
    /// # Errors
    /// It is not what a companion writes.
    pub(super) fn read(&mut self, carrier: u32, bytes: &[u8], now: Instant) -> Result<(), Garbled> {
        if carrier != self.carrier {
            return Ok(());
        }
        let Self { blocks, table, unacknowledged, .. } = self;
        table.pulse.note_output(now);
        blocks.read(bytes, |block| table.handle(block, now))?;
        if let Some(number) = table.allowance.note_arrival(bytes.len(), now) {
            table.put(Frame::Ping(number));
        }
        *unacknowledged += count(bytes.len());
        if *unacknowledged >= ACKNOWLEDGED {
            table.put(Frame::Received(std::mem::take(unacknowledged)));
        }
        Ok(())
    }

    /// Has the output go on where it was, through another companion.
    pub(super) fn move_to(&mut self, companion: &Hello, carrier: u32, now: Instant) {
        let table = &mut self.table;
        table.put(Frame::Received(std::mem::take(&mut self.unacknowledged)));
        table.put(Frame::Move { port: companion.port, secret: &companion.secret });
        self.carrier = carrier;
        table.beat(|pulse| pulse.note_move(now));
    }

    /// A session's output is paused.
    pub(super) fn paused(&mut self, carrier: u32, now: Instant) {
        if carrier == self.carrier {
            self.table.beat(|pulse| pulse.note_pause(now));
        }
    }

    /// A session's output may have been interrupted.
    pub(super) fn interrupted(&mut self, carrier: u32, now: Instant) {
        if carrier == self.carrier {
            self.table.beat(|pulse| pulse.note_interruption(now));
        }
    }

    /// An answer came by the port.
    ///
    /// # Errors
    /// More has been taken than was sent.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant) -> Result<(), Garbled> {
        let table = &mut self.table;
        match answer {
            Answer::Echo(number) => table.beat(|pulse| pulse.note_echo(number, now)),
            Answer::Taken { stream, count } => {
                // One that was closed here may not have heard of it.
                let Some(state) = table.streams.get_mut(&stream) else { return Ok(()) };
                let taken = usize::try_from(count).map_err(|_| Garbled)?;
                state.in_flight = state.in_flight.checked_sub(taken).ok_or(Garbled)?;
                table.up.give_back(taken);
                table.woken.extend(state.waker.take());
            }
        }
        Ok(())
    }

    /// Looks after the output, asking if need be: `Err` when it is dead, else when to look again.
    pub(super) fn look(&mut self, cx: &Context<'_>, now: Instant) -> Result<Option<Instant>, Dead> {
        let table = &mut self.table;
        match table.pulse.poll(now) {
            Some(Beat::Dead) => return Err(Dead),
            Some(Beat::Ask(number)) => table.put(Frame::Ping(number)),
            None => {}
        }
        table.keeper = Some(cx.waker().clone());
        Ok(table.pulse.poll_timeout())
    }

    /// What is to be written to the port, if there is something.
    pub(super) fn transmit(&mut self, cx: &Context<'_>) -> Option<BytesMut> {
        let table = &mut self.table;
        if table.outgoing.is_empty() {
            table.uplink = Some(cx.waker().clone());
            return None;
        }
        if table.outgoing.len() >= QUEUE {
            table.wake_all();
        }
        Some(table.outgoing.split())
    }

    /// Whether [`end`](Self::end) was called.
    pub(super) fn is_over(&self) -> bool {
        self.table.is_over
    }

    /// There is no companion any more.
    pub(super) fn end(&mut self) {
        self.table.is_over = true;
        self.table.wake_all();
    }

    /// Those that are to be woken.
    pub(super) fn woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.table.woken)
    }
}

impl Table {
    fn put(&mut self, frame: Frame<'_>) {
        frame.write(&mut self.outgoing);
        self.woken.extend(self.uplink.take());
    }

    /// Whoever looks after the output has to look earlier.
    fn beat(&mut self, note: impl FnOnce(&mut Pulse)) {
        let before = self.pulse.poll_timeout();
        note(&mut self.pulse);
        let is_earlier = |now: Instant| before.is_none_or(|before| now < before);
        if self.pulse.poll_timeout().is_some_and(is_earlier) {
            self.woken.extend(self.keeper.take());
        }
    }

    fn wake_all(&mut self) {
        self.woken.extend(self.streams.values_mut().filter_map(|state| state.waker.take()));
    }

    fn handle(&mut self, block: Block<'_>, now: Instant) -> Result<(), Garbled> {
        let stream = match &block {
            Block::Pong(number) => {
                self.beat(|pulse| pulse.note_answer(*number, now));
                self.allowance.note_answer(*number, now);
                return Ok(());
            }
            Block::Data { stream, .. }
            | Block::Finished { stream, .. }
            | Block::Gone { stream, .. }
            | Block::NotReached { stream, .. } => *stream,
        };
        self.beat(|pulse| pulse.note_activity(now));
        // One that was closed here may not have heard of it.
        let Some(state) = self.streams.get_mut(&stream) else { return Ok(()) };
        match block {
            Block::Data { bytes, .. } => {
                state.credit = state.credit.checked_sub(bytes.len()).ok_or(Garbled)?;
                state.received = state.received.wrapping_add(count(bytes.len()));
                state.waiting.extend_from_slice(bytes);
            }
            Block::Finished { total, .. } if total != state.received => return Err(Garbled),
            Block::Finished { .. } => state.end = Some(End::Finished),
            Block::Gone { why, .. } => state.end = Some(End::Gone(why)),
            Block::NotReached { why, .. } => state.end = Some(End::NotReached(why)),
            Block::Pong(_) => {}
        }
        self.woken.extend(state.waker.take());
        Ok(())
    }
}

/// Nothing is as long.
fn count(len: usize) -> u32 {
    len.try_into().unwrap_or(u32::MAX)
}

/// Frames of data that wait for the port.
const QUEUE: usize = 1 << 20;
/// Of the output: the companion keeps 8 MiB until it has heard that they have come.
const ACKNOWLEDGED: u32 = 256 << 10;

#[cfg(test)]
mod tests;
