//! What is read before the application can take it, for the sake of the acknowledgements in it.
//!
//! Nothing is read while the application takes no more. But acknowledgements come on the same connection, behind
//! data, and the application may take no more before something else is sent: a program that reads only once it has
//! written all, a server that answers while it is still being asked. When the window waits for them, both sides
//! would wait for ever. So then reading goes on: acknowledgements count, and all else waits here, in order. Since it
//! is not acknowledged meanwhile, its sender's window bounds it; a sender without one is held back at [`MOST`].

use std::collections::VecDeque;

use bytes::Bytes;

use super::Disconnect;
use crate::wire::{Frame, MessageType};

/// Frames that wait, and the end of the connection behind them.
#[derive(Default)]
pub(super) struct Ahead {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The highest number of a message that waits.
    newest: Option<i64>,
    gone: Option<Disconnect>,
}

impl Ahead {
    /// Takes a frame from the wire; gives it back if it is to be handled at once.
    pub(super) fn take(&mut self, frame: Bytes) -> Option<Bytes> {
        // What makes no sense is for the channel to say.
        if let Ok(Frame { header, .. }) = Frame::decode(frame.clone()) {
            match header.message_type {
                MessageType::Acknowledge => return Some(frame),
                MessageType::InputStreamData | MessageType::OutputStreamData => {
                    // Its sender has heard of none that waits, and sends them again. So it does with one that
                    // was lost before them.
                    if self.newest >= Some(header.sequence_number) {
                        return None;
                    }
                    self.newest = Some(header.sequence_number);
                }
                _ => {}
            }
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        None
    }

    /// The next frame in order.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        if self.frames.is_empty() {
            self.newest = None;
        }
        Some(frame)
    }

    /// The connection has come to its end.
    pub(super) fn end(&mut self, disconnect: Disconnect) {
        self.gone = Some(disconnect);
    }

    /// The end of the connection, if there was one, behind all frames.
    pub(super) fn take_end(&mut self) -> Option<Disconnect> {
        self.gone.take_if(|_| self.frames.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.gone.is_none()
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST && self.gone.is_none()
    }
}

/// A little more than we ever have under way.
pub(super) const MOST: usize = 17 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Channel, Config, Role},
        net::now,
        wire::{Packet, PayloadType},
    };

    /// What an agent sends: messages of the stream, from 0 on.
    fn messages(count: usize) -> Vec<Bytes> {
        let role = Role::Agent { session: None };
        let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
        for _ in 0..count {
            agent.send(PayloadType::Output, Packet::copy_from(b"line\n"), now());
        }
        std::iter::from_fn(|| agent.poll_transmit(now())).collect()
    }

    /// A client's acknowledgement of a message.
    fn acknowledgement(message: &Bytes) -> Bytes {
        let mut client = Channel::new(Config::new(Role::Client, "1.2.835.0", 0, 1), now());
        client.handle_frame(message.clone(), now()).unwrap();
        client.poll_transmit(now()).expect("an acknowledgement")
    }

    #[test]
    fn acknowledgements_pass_and_all_else_waits_in_order() {
        let mut ahead = Ahead::default();
        let sent = messages(3);
        let acknowledgement = acknowledgement(&sent[0]);
        let nonsense = Bytes::from_static(b"nonsense");
        for frame in [&sent[0], &nonsense, &sent[1]] {
            assert_eq!(ahead.take(frame.clone()), None);
        }
        assert_eq!(ahead.take(acknowledgement.clone()), Some(acknowledgement));
        // They come again, as nobody has acknowledged them.
        for repeated in &sent[..2] {
            assert_eq!(ahead.take(repeated.clone()), None);
        }
        ahead.end(Disconnect::Closed(String::new()));
        assert!(!ahead.has_room(), "nothing comes any more");
        for frame in [&sent[0], &nonsense, &sent[1]] {
            assert!(ahead.take_end().is_none(), "something is before it");
            assert_eq!(ahead.next().as_ref(), Some(frame));
        }
        assert!(ahead.next().is_none() && !ahead.is_empty());
        assert!(ahead.take_end().is_some() && ahead.is_empty() && ahead.has_room());
        // What came before is for the channel to know again.
        assert_eq!(ahead.take(sent[0].clone()), None);
        assert_eq!(ahead.next().as_ref(), Some(&sent[0]));
    }

    #[test]
    fn a_sender_without_a_window_is_held_back() {
        let mut ahead = Ahead::default();
        let block = Bytes::from(vec![0; MOST / 4]);
        for _ in 0..4 {
            assert!(ahead.has_room());
            ahead.take(block.clone());
        }
        assert!(!ahead.has_room());
        ahead.next();
        assert!(ahead.has_room());
    }
}
