//! What a companion is told, and what it says to that: a kind, a stream, and a length with so many bytes; back
//! comes a kind, a stream and a number.

use bytes::{BufMut, BytesMut};

/// What is written to a companion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Frame<'a> {
    /// So many bytes of the output have come; they need not be kept any longer.
    Received(u32),
    /// Asks how far the output has come.
    Ping(u32),
    /// What has not been received goes to another companion from now on.
    Move { port: u16, secret: &'a [u8] },
    /// Connect a stream; so much may come.
    Open { stream: u32, credit: u32, host: &'a str, port: u16 },
    /// Bytes for the destination.
    Data { stream: u32, bytes: &'a [u8] },
    /// There are no more.
    End { stream: u32 },
    /// So much more may come.
    Credit { stream: u32, count: u32 },
    /// Reset its connection.
    Abandon { stream: u32 },
}

impl Frame<'_> {
    pub(super) fn write(self, out: &mut BytesMut) {
        let mut put = |kind: u8, stream: u32, parts: &[&[u8]]| {
            out.put_u8(kind);
            out.put_u32(stream);
            let len: usize = parts.iter().map(|part| part.len()).sum();
            out.put_u32(len.try_into().unwrap_or(u32::MAX));
            parts.iter().for_each(|part| out.put_slice(part));
        };
        match self {
            Self::Received(count) => put(b'A', 0, &[&count.to_be_bytes()]),
            Self::Ping(number) => put(b'P', 0, &[&number.to_be_bytes()]),
            Self::Move { port, secret } => put(b'M', 0, &[&port.to_be_bytes(), secret]),
            Self::Open { stream, credit, host, port } => {
                let parts = [&credit.to_be_bytes()[..], &port.to_be_bytes(), host.as_bytes()];
                put(b'O', stream, &parts);
            }
            Self::Data { stream, bytes } => put(b'D', stream, &[bytes]),
            Self::End { stream } => put(b'E', stream, &[]),
            Self::Credit { stream, count } => put(b'C', stream, &[&count.to_be_bytes()]),
            Self::Abandon { stream } => put(b'X', stream, &[]),
        }
    }
}

/// What a companion says by the port, where nothing waits behind what destinations say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The destination of a stream has taken so many bytes more.
    Taken { stream: u32, count: u32 },
    /// It has heard a ping.
    Echo(u32),
}

impl Answer {
    pub(super) const LEN: usize = 9;

    /// Reads one; `None` for what no companion says.
    pub(super) fn read(bytes: [u8; Self::LEN]) -> Option<Self> {
        let [kind, rest @ ..] = bytes;
        let (stream, value) = rest.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_be_bytes);
        let (stream, value) = (number(stream)?, number(value)?);
        match kind {
            b'U' => Some(Self::Taken { stream, count: value }),
            b'P' => Some(Self::Echo(value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_their_length() {
        let mut out = BytesMut::new();
        Frame::Open { stream: 1, credit: 0x1_0000, host: "db", port: 5432 }.write(&mut out);
        assert_eq!(&out[..], b"O\0\0\0\x01\0\0\0\x08\0\x01\0\0\x15\x38db");
        out.clear();
        Frame::Data { stream: 2, bytes: b"hello" }.write(&mut out);
        Frame::End { stream: 2 }.write(&mut out);
        assert_eq!(&out[..], b"D\0\0\0\x02\0\0\0\x05helloE\0\0\0\x02\0\0\0\0");
    }

    #[test]
    fn answers_are_of_two_kinds() {
        let taken = Answer::Taken { stream: 2, count: 256 };
        assert_eq!(Answer::read(*b"U\0\0\0\x02\0\0\x01\0"), Some(taken));
        assert_eq!(Answer::read(*b"P\0\0\0\0\0\0\0\x07"), Some(Answer::Echo(7)));
        assert_eq!(Answer::read(*b"Z\0\0\0\0\0\0\0\x07"), None);
    }
}
