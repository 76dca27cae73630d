//! Where a request of HTTP ends: what its client sends behind it is for somebody else.

/// What of a client's further bytes is for the destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// All of them.
    All,
    /// So many.
    Counted(u64),
    /// Those of a body in chunks (RFC 9112, 7.1).
    Chunked(Chunk),
}

/// Where in a body of chunks the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk {
    /// In a size, of which so much has been read.
    Size(Option<u64>),
    /// Behind a size.
    Extension(u64),
    /// At the line feed behind a size.
    SizeEnd(u64),
    /// In a chunk that has so much to come.
    Data(u64),
    /// At the line feed behind a chunk.
    DataEnd,
    /// At the beginning of a line behind the last chunk.
    Trailer,
    /// In such a line.
    InTrailer,
    /// At the line feed of such a line.
    TrailerEnd,
    /// At the last line feed.
    LastEnd,
    /// Behind all of it.
    Over,
    /// At something that stands in no such body.
    Malformed,
}

impl Rest {
    /// That of a body in chunks, from its beginning on.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::Size(None));

    /// How many of these bytes, which come next, are for the destination.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::All => bytes.len(),
            Self::Counted(rest) => take_counted(rest, bytes.len()),
            Self::Chunked(chunk) => {
                let mut taken = 0;
                while let Some(&next) = bytes.get(taken) {
                    if let Chunk::Data(rest @ 1..) = chunk {
                        taken += take_counted(rest, bytes.len() - taken);
                        continue;
                    }
                    let after = chunk.after(next);
                    if *chunk == Chunk::Over || after == Chunk::Malformed {
                        *chunk = after;
                        break;
                    }
                    *chunk = after;
                    taken += 1;
                }
                taken
            }
        }
    }

    /// Whether nothing more is for the destination.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Counted(0) | Self::Chunked(Chunk::Over))
    }

    /// Whether nobody can tell any more what is for the destination.
    pub fn is_malformed(self) -> bool {
        self == Self::Chunked(Chunk::Malformed)
    }
}

fn take_counted(rest: &mut u64, most: usize) -> usize {
    let taken = usize::try_from(*rest).unwrap_or(usize::MAX).min(most);
    *rest -= taken as u64;
    taken
}

impl Chunk {
    /// Behind the next byte. Lines end with CR LF and nothing else: others may read them otherwise.
    fn after(self, next: u8) -> Self {
        match (self, next) {
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(next).to_digit(16).unwrap_or_default();
                let size = size.unwrap_or(0).checked_mul(16).map(|size| size + u64::from(digit));
                size.map_or(Self::Malformed, |size| Self::Size(Some(size)))
            }
            (Self::Size(Some(size)), b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size(Some(size)) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::SizeEnd(0) | Self::TrailerEnd, b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::Data(0), b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(None),
            (Self::Trailer, b'\r') => Self::LastEnd,
            (Self::InTrailer, b'\r') => Self::TrailerEnd,
            (Self::LastEnd, b'\n') | (Self::Over, _) => Self::Over,
            (Self::Extension(_) | Self::Trailer | Self::InTrailer, b'\n') => Self::Malformed,
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::Trailer | Self::InTrailer, _) => Self::InTrailer,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_in_chunks_ends_behind_its_trailers() {
        for (body, behind) in [
            ("0\r\n\r\n", "GET"),
            ("0\r\n\r\n", "\r\n"),
            ("4\r\nbody\r\n0\r\n\r\n", "GET http://other/"),
            ("A;a=\"b\"\r\n0\r\n\r\n12345\r\n000;x\r\nA: b\r\nC: d\r\n\r\n", "x"),
            ("5 \r\n0\r\n\r\n\r\n0\r\n\r\n", ""),
        ] {
            let mut rest = Rest::CHUNKED;
            assert_eq!(rest.take(format!("{body}{behind}").as_bytes()), body.len(), "{body:?}");
            assert!(rest.is_over() && rest.take(b"more") == 0, "{body:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_passed_on() {
        for (well, ill) in [
            ("", "\r\n"),
            ("", "x\r\n"),
            ("", "-1\r\n"),
            ("", " 1\r\n"),
            ("4", "\n"),
            ("4;a", "\n"),
            ("4\r", "\r\n"),
            ("4\r\nbody", "y\r\n"),
            ("4\r\nbody", "\n0\r\n"),
            ("0\r\n", "\n"),
            ("0\r\nA: b", "\nGET"),
            ("0\r\n\r", "x"),
            ("ffffffffffffffff", "0\r\n"),
        ] {
            let mut rest = Rest::CHUNKED;
            assert_eq!(rest.take(format!("{well}{ill}").as_bytes()), well.len(), "{well}|{ill}");
            assert!(rest.is_malformed() && !rest.is_over() && rest.take(b"0") == 0, "{well}|{ill}");
        }
    }

    proptest! {
        /// Whatever the chunks and wherever they are cut: all of the body, and nothing of what is behind.
        #[test]
        fn cuts_change_nothing(
            chunks in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 1..40), "(;[ -~]{0,9})?"), 0..6),
            trailers in "([A-Za-z]{1,5}: [ -~]{0,9}\r\n){0,3}",
            behind in proptest::collection::vec(any::<u8>(), 0..60),
            cut in 1..30_usize,
        ) {
            let mut bytes = Vec::new();
            for (data, extension) in chunks {
                bytes.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
                bytes.extend_from_slice(&[&data[..], b"\r\n"].concat());
            }
            bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            let body = bytes.clone();
            bytes.extend_from_slice(&behind);
            let mut rest = Rest::CHUNKED;
            let mut passed = Vec::new();
            for piece in bytes.chunks(cut) {
                let taken = rest.take(piece);
                passed.extend_from_slice(&piece[..taken]);
            }
            prop_assert_eq!(passed, body);
            prop_assert!(rest.is_over());
        }
    }
}
