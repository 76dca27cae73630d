//! Inputs that are scripts: what happens next, and with which numbers and bytes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use ssmport::wire::{Flags, Header, MessageType, Packet, PayloadType};
use uuid::Uuid;

/// Reads a script from its front; where it ends, numbers are 0 and bytes are none.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// Whether anything is left.
    pub fn goes_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// Up to `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// As many bytes as the next byte says.
    pub fn text(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.bytes(len)
    }

    /// A number that is small most of the time, and sometimes any.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            255 => i64::from_be_bytes(*self.bytes(8).first_chunk().unwrap_or(&[0x7f; 8])),
            small => i64::from(small) - 8,
        }
    }

    /// From nothing to an hour, mostly short.
    pub fn time(&mut self) -> Duration {
        let byte = self.byte();
        Duration::from_micros(100) * 2u32.pow(u32::from(byte % 26)) * u32::from(byte / 26)
    }

    /// The time in a frame's header, now and then none.
    pub fn message(
        &mut self,
        message_type: MessageType,
        sequence_number: i64,
        payload_type: PayloadType,
        payload: &[u8],
    ) -> Bytes {
        let odd = self.byte();
        let header = Header {
            message_type,
            created_ms: u64::from(odd != 255),
            sequence_number,
            flags: Flags(u64::from(odd % 4)),
            message_id: Uuid::from_u128(u128::from(odd)),
            payload_type,
        };
        header.encode(Packet::copy_from(payload))
    }
}

/// Counts frames that were tried, over all scripts of a process, and says so now and then.
pub struct Frames(AtomicU64);

impl Frames {
    /// None yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn count(&self) {
        let frames = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if frames.is_multiple_of(SAY_EVERY) {
            eprintln!("frames tried: {frames}");
        }
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

const SAY_EVERY: u64 = 1 << 20;
