//! Lines of many outputs, each of which comes in parts.

use std::collections::HashMap;

use crate::client::Stream;

/// What has come of lines whose end has not.
#[derive(Default)]
pub(super) struct LineParts(HashMap<(usize, Stream), Vec<u8>>);

impl LineParts {
    /// The lines that `bytes` make whole, with their ends. One that is too long is cut.
    pub(super) fn lines(&mut self, node: usize, stream: Stream, bytes: &[u8]) -> Vec<Vec<u8>> {
        let part = self.0.entry((node, stream)).or_default();
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LONGEST) {
                if part.len() + piece.len() > LONGEST {
                    lines.push(std::mem::take(part));
                }
                part.extend_from_slice(piece);
            }
            if part.ends_with(b"\n") {
                lines.push(std::mem::take(part));
            }
        }
        lines
    }

    /// What is left of a node's lines when nothing more comes.
    pub(super) fn rest(&mut self, node: usize) -> Vec<(Stream, Vec<u8>)> {
        let rest = [Stream::Stdout, Stream::Stderr].map(|stream| {
            let part = self.0.remove(&(node, stream)).unwrap_or_default();
            (stream, part)
        });
        rest.into_iter().filter(|(_, part)| !part.is_empty()).collect()
    }
}

/// In bytes, of a line that is kept until its end comes.
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_apart() {
        let mut parts = LineParts::default();
        let (out, err) = (Stream::Stdout, Stream::Stderr);
        assert!(parts.lines(1, out, b"on").is_empty());
        assert!(parts.lines(2, out, b"two").is_empty());
        assert!(parts.lines(1, err, b"er").is_empty());
        assert_eq!(parts.lines(1, out, b"e\n\nmo"), [b"one\n".to_vec(), b"\n".to_vec()]);
        assert_eq!(parts.rest(1), [(out, b"mo".to_vec()), (err, b"er".to_vec())]);
        assert_eq!((parts.rest(1), parts.rest(2)), (vec![], vec![(out, b"two".to_vec())]));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut parts = LineParts::default();
        let bytes = vec![b'x'; 3 * LONGEST + 5];
        let mut lines = Vec::new();
        for chunk in bytes.chunks(1000) {
            lines.extend(parts.lines(0, Stream::Stdout, chunk));
        }
        lines.extend(parts.rest(0).into_iter().map(|(_, rest)| rest));
        assert!(lines.iter().all(|line| line.len() <= LONGEST));
        assert_eq!(lines.concat(), bytes);
    }
}
