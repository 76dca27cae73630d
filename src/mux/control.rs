use std::collections::VecDeque;

use super::StreamId;
use super::header::{Command, HEADER_LEN, Header};

/// The frames without payload that wait to be sent, in the order in which they were asked for.
///
/// What bounds it is the stream limit, see [`Config::max_streams`](super::Config::max_streams).
#[derive(Default)]
pub(super) struct ControlQueue {
    frames: VecDeque<(Command, StreamId)>,
    /// One waiting NOP does for any number of them.
    nop: bool,
}

impl ControlQueue {
    pub(super) fn push_syn(&mut self, id: StreamId) {
        self.frames.push_back((Command::Syn, id));
    }

    pub(super) fn push_fin(&mut self, id: StreamId) {
        self.frames.push_back((Command::Fin, id));
    }

    pub(super) fn push_nop(&mut self) {
        self.nop = true;
    }

    /// Takes back all frames of a stream.
    pub(super) fn withdraw(&mut self, id: StreamId) {
        self.frames.retain(|(_, stream)| *stream != id);
    }

    pub(super) fn pop(&mut self) -> Option<(Command, StreamId)> {
        self.frames
            .pop_front()
            .or_else(|| std::mem::take(&mut self.nop).then_some((Command::Nop, SESSION)))
    }

    /// SYN and FIN frames waiting.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.nop
    }
}

/// A frame without payload, as it goes over the wire.
pub(super) fn encode((command, stream): (Command, StreamId)) -> [u8; HEADER_LEN] {
    Header { command, length: 0, stream }.encode()
}

/// The stream id of a NOP, which belongs to no stream.
const SESSION: StreamId = StreamId(0);
