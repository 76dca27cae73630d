//! Payloads with room around them, and the buffers they are cut from.
//!
//! ```text
//!   |<--------------- HEADROOM --------------->|<--- payload --->|<- TAILROOM ->|
//!   | frame header 120 | nonce 12 | mux header 8 | read from socket | tag 16      |
//! ```
//!
//! A payload is read from its socket straight behind the room, and each layer writes its header
//! in front of what it was given: no byte of payload is copied on its way to the WebSocket. Nonce
//! and tag are those of encrypted sessions.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Limit};

use super::HEADER_LEN;

/// Room in front of a payload: the frame header, a cipher's nonce of twelve bytes, and eight bytes
/// for a multiplexer's header.
pub const HEADROOM: usize = HEADER_LEN + 12 + 8;
/// Room behind a payload, for a cipher's authentication tag.
pub const TAILROOM: usize = 16;

/// A payload with [`HEADROOM`] in front of it, not yet a frame.
#[derive(Debug)]
pub struct Packet {
    buffer: BytesMut,
    start: usize,
}

impl Packet {
    /// A packet of its own allocation, for messages off the hot path.
    pub fn copy_from(payload: &[u8]) -> Self {
        let mut buffer = BytesMut::with_capacity(HEADROOM + payload.len() + TAILROOM);
        buffer.put_bytes(0, HEADROOM);
        buffer.put_slice(payload);
        Self { buffer, start: HEADROOM }
    }

    /// What is in the packet so far, headers in front included.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// As [`payload`](Self::payload), to be changed in its place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }

    /// Bytes in the packet so far.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether nothing is in the packet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `header` in front of the payload.
    ///
    /// # Panics
    /// When more than [`HEADROOM`] bytes are put in front in all: a mistake in this program, as
    /// headers have fixed lengths.
    pub fn prepend<const N: usize>(&mut self, header: &[u8; N]) {
        *self.claim() = *header;
    }

    /// Puts `trailer` behind the payload; up to [`TAILROOM`] bytes in all without an allocation.
    pub fn append(&mut self, trailer: &[u8]) {
        self.buffer.put_slice(trailer);
    }

    /// Claims `N` bytes in front of the payload, for a header that is written in its place.
    ///
    /// # Panics
    /// As [`prepend`](Self::prepend).
    #[inline]
    pub(super) fn claim<const N: usize>(&mut self) -> &mut [u8; N] {
        let start = self.start.checked_sub(N).expect("headers fit the headroom");
        self.start = start;
        self.buffer[start..].first_chunk_mut().expect("a packet begins with its headroom")
    }

    /// The finished bytes, sharing the packet's buffer.
    #[inline]
    pub fn freeze(self) -> Bytes {
        // Not split off: a second handle would count references for nothing.
        let mut bytes = self.buffer.freeze();
        bytes.advance(self.start);
        bytes
    }
}

/// Where packets are cut from: chunks that are filled one after the other and used again as soon
/// as every packet of theirs is gone, so that the steady state allocates nothing.
///
/// Its memory is what its packets still hold, rounded up to chunks, plus at most
/// [`SPARE_CHUNKS`] chunks that wait for reuse.
#[derive(Debug)]
pub struct PacketPool {
    current: BytesMut,
    /// Chunks that are full, oldest first. Each handle is empty, but keeps its chunk alive.
    spent: VecDeque<BytesMut>,
    chunk_len: usize,
}

impl PacketPool {
    /// A pool of chunks of `chunk_len` bytes; packets can be larger, at an allocation each.
    pub fn new(chunk_len: usize) -> Self {
        Self { current: BytesMut::new(), spent: VecDeque::new(), chunk_len }
    }

    /// A place for one packet of at most `limit` bytes of payload.
    pub fn slot(&mut self, limit: usize) -> Slot<'_> {
        let needed = HEADROOM + limit + TAILROOM;
        if self.current.capacity() < needed {
            self.next_chunk(needed);
        }
        self.current.clear();
        self.current.put_bytes(0, HEADROOM);
        Slot { buffer: &mut self.current, limit }
    }

    /// A packet that holds a copy of `payload`.
    pub fn packet(&mut self, payload: &[u8]) -> Packet {
        let mut slot = self.slot(payload.len());
        slot.space().put_slice(payload);
        slot.finish()
    }

    fn next_chunk(&mut self, needed: usize) {
        let mut spent = std::mem::take(&mut self.current);
        spent.clear();
        if spent.try_reclaim(needed) {
            self.current = spent;
            return;
        }
        self.spent.push_back(spent);
        let wanted = needed.max(self.chunk_len);
        let free = self.spent.iter_mut().position(|chunk| chunk.try_reclaim(wanted));
        let free = free.and_then(|index| self.spent.remove(index));
        self.current = free.unwrap_or_else(|| BytesMut::with_capacity(wanted));
        // A burst may leave many chunks behind: those whose packets are gone are let go of.
        while self.spent.len() > SPARE_CHUNKS {
            self.spent.pop_front();
        }
    }
}

/// Chunks that a pool remembers in order to use them again.
pub const SPARE_CHUNKS: usize = 16;

/// A packet being filled. Dropped without [`finish`](Slot::finish), its place is used again.
#[derive(Debug)]
pub struct Slot<'a> {
    buffer: &'a mut BytesMut,
    limit: usize,
}

impl Slot<'_> {
    /// The room that is left for payload, as a buffer that sockets can read into.
    pub fn space(&mut self) -> Limit<&mut BytesMut> {
        let left = (HEADROOM + self.limit).saturating_sub(self.buffer.len());
        (&mut *self.buffer).limit(left)
    }

    /// Bytes of payload so far.
    pub fn len(&self) -> usize {
        self.buffer.len() - HEADROOM
    }

    /// Whether there is no payload yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload as a packet.
    pub fn finish(self) -> Packet {
        // What is split off has no room but what is in it: the tail's is split off with it.
        let len = self.buffer.len();
        self.buffer.put_bytes(0, TAILROOM);
        let mut buffer = self.buffer.split();
        buffer.truncate(len);
        Packet { buffer, start: HEADROOM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stand_in_front_of_the_payload() {
        let mut pool = PacketPool::new(4096);
        let mut packet = pool.packet(b"payload");
        let data = packet.payload().as_ptr();
        packet.prepend(b"mux-");
        packet.prepend(b"frame-");
        assert_eq!(packet.len(), 17);
        let bytes = packet.freeze();
        assert_eq!(bytes, "frame-mux-payload");
        assert_eq!(bytes[10..].as_ptr(), data, "the payload stayed where it was");
    }

    #[test]
    fn a_trailer_stands_behind_the_payload_which_stays() {
        for mut packet in [PacketPool::new(4096).packet(b"payload"), Packet::copy_from(b"payload")]
        {
            let data = packet.payload().as_ptr();
            packet.payload_mut()[0] = b'P';
            packet.append(&[b'.'; TAILROOM]);
            assert_eq!(packet.payload().as_ptr(), data, "no room had to be found");
            assert_eq!(packet.freeze(), "Payload................");
        }
    }

    #[test]
    fn a_slot_takes_no_more_than_its_limit() {
        let mut pool = PacketPool::new(4096);
        let mut slot = pool.slot(3);
        assert_eq!(slot.space().remaining_mut(), 3);
        slot.space().put_slice(b"ab");
        assert_eq!(slot.space().remaining_mut(), 1);
        assert_eq!((slot.len(), slot.is_empty()), (2, false));
        assert_eq!(slot.finish().payload(), b"ab");
    }

    #[test]
    fn an_unfinished_slot_leaves_nothing_behind() {
        let mut pool = PacketPool::new(4096);
        pool.slot(100).space().put_slice(b"gone");
        assert_eq!(pool.packet(b"kept").freeze(), "kept");
    }

    #[test]
    fn packets_of_a_chunk_do_not_disturb_each_other() {
        let mut pool = PacketPool::new(1024);
        let frozen: Vec<_> = (0..100u8).map(|i| pool.packet(&[i; 50]).freeze()).collect();
        for (i, bytes) in frozen.iter().enumerate() {
            assert_eq!(bytes[..], [i as u8; 50]);
        }
    }

    #[test]
    fn chunks_are_used_again_once_their_packets_are_gone() {
        let mut pool = PacketPool::new(1024);
        let mut in_flight = VecDeque::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            in_flight.push_back(pool.packet(&[1; 300]).freeze());
            if in_flight.len() > 8 {
                in_flight.pop_front();
            }
            seen.insert(in_flight.back().map(|b| b.as_ptr()));
        }
        assert!(seen.len() < 40, "{} places used for 1000 packets", seen.len());
    }

    #[test]
    #[should_panic(expected = "headers fit the headroom")]
    fn too_many_headers_are_a_mistake() {
        Packet::copy_from(b"").prepend(&[0; HEADROOM + 1]);
    }
}
