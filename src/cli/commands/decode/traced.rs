//! The lines of a trace, as they are read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde::Deserialize;

use crate::cli::args::Way;

/// One line; which of the fields there are says what it is.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    /// Seconds since the trace began.
    pub(super) t: f64,
    pub(super) session: String,
    direction: Option<String>,
    pub(super) kind: String,
    pub(super) sequence: i64,
    pub(super) flags: u64,
    pub(super) payload_type: u32,
    /// Of the payload.
    pub(super) bytes: u64,
    pub(super) acknowledges: Option<i64>,
    pub(super) window: Option<u64>,
    pub(super) under_way: u64,
    /// Bytes a second that arrive.
    pub(super) rate: Option<f64>,
    pub(super) round_trip_ms: Option<f64>,
    /// What became of the connection.
    pub(super) note: Option<String>,
    pub(super) left_out: Option<u64>,
    /// Of a file's first line: the form of the others.
    trace: Option<u64>,
}

impl Line {
    /// Which way a frame went; `None` of what is no frame.
    pub(super) fn way(&self) -> Option<Way> {
        match self.direction.as_deref()? {
            "in" => Some(Way::In),
            "out" => Some(Way::Out),
            _ => None,
        }
    }

    /// Whether it is a message of the stream, which has a number and comes again until it is
    /// acknowledged.
    pub(super) fn is_data(&self) -> bool {
        matches!(&*self.kind, "input_stream_data" | "output_stream_data")
    }
}

/// The lines of one file, each read when it is asked for.
pub(super) struct Lines {
    file: BufReader<Box<dyn Read>>,
    line: Vec<u8>,
    /// How many have been read.
    number: u64,
    doubts: Doubts,
}

/// What of a file is not as it was written.
#[derive(Debug, Default)]
struct Doubts {
    /// So many lines are none.
    lines: u64,
    first: u64,
    /// The last line has no end.
    breaks_off: Option<u64>,
}

impl Lines {
    /// # Errors
    /// It cannot be read, or is no trace.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        match path.as_os_str() == "-" {
            true => Self::read(Box::new(io::stdin())),
            false => Self::read(Box::new(File::open(path)?)),
        }
    }

    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn read(file: Box<dyn Read>) -> io::Result<Self> {
        let (line, doubts) = Default::default();
        let mut lines = Self { file: BufReader::new(file), line, number: 1, doubts };
        // Only the first line: what is no trace may have no end.
        lines.read_line()?;
        let head: Option<Line> = serde_json::from_slice(&lines.line).ok();
        match head.and_then(|head| head.trace) {
            Some(FORM) => Ok(lines),
            Some(other) => Err(invalid(format!("it is of a later version (form {other})"))),
            None => Err(invalid("it is no trace: its first line is not that of one".to_owned())),
        }
    }

    /// The next one that can be understood; `None` behind the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        while self.read_line()? > 0 {
            self.number += 1;
            if let Ok(line) = serde_json::from_slice(&self.line) {
                return Ok(Some(line));
            }
            let is_blank = self.line.trim_ascii().is_empty();
            // One that is too long is read in pieces.
            while !self.line.ends_with(b"\n") && self.read_line()? > 0 {}
            if !is_blank {
                self.doubts.take(self.number, self.line.ends_with(b"\n"));
            }
        }
        Ok(None)
    }

    /// What there is to be said of those that could not be understood so far.
    pub(super) fn doubts(&self) -> Option<String> {
        let Doubts { lines, first, breaks_off } = self.doubts;
        let lines = match lines {
            0 => None,
            1 => Some(format!("line {first} is not understood")),
            _ => Some(format!("{lines} lines are not understood, line {first} is the first")),
        };
        // The last one of a program that was killed.
        let end = breaks_off.map(|line| format!("it breaks off in line {line}"));
        let said: Vec<_> = lines.into_iter().chain(end).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn read_line(&mut self) -> io::Result<usize> {
        self.line.clear();
        self.file.by_ref().take(LONGEST).read_until(b'\n', &mut self.line)
    }
}

impl Doubts {
    fn take(&mut self, number: u64, is_whole: bool) {
        if !is_whole {
            self.breaks_off = Some(number);
            return;
        }
        if self.lines == 0 {
            self.first = number;
        }
        self.lines += 1;
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What this program writes.
const FORM: u64 = 1;
/// In bytes; a payload of 64 KiB has twice that in hexadecimal.
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> io::Result<Vec<Line>> {
        read(text).map(|(lines, _)| lines)
    }

    /// With what there is to be said of the others.
    fn read(text: &str) -> io::Result<(Vec<Line>, Option<String>)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("trace");
        std::fs::write(&path, text)?;
        let mut lines = Lines::of(&path)?;
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(line);
        }
        Ok((all, lines.doubts()))
    }

    #[test]
    fn lines_are_read_and_what_is_none_is_passed_over() {
        let text = "{\"trace\":1,\"program\":\"x\"}\n\
            {\"t\":1.5,\"direction\":\"in\",\"kind\":\"acknowledge\",\"acknowledges\":7,\"new\":[]}\n\
            nonsense\n{\"t\":2,\"note\":\"resumed\"}\n{\"t\":3,\"direction\":\"in\",\"ki";
        let [frame, note] = lines(text).unwrap().try_into().expect("two lines");
        assert_eq!((frame.t, frame.way(), frame.acknowledges), (1.5, Some(Way::In), Some(7)));
        assert_eq!((note.way(), note.note.as_deref()), (None, Some("resumed")));
    }

    #[test]
    fn what_is_passed_over_is_told() {
        let (head, frame) = ("{\"trace\":1}\n", "{\"t\":1,\"direction\":\"in\"}\n");
        let long = "x".repeat((2 << 20) + 7);
        for (rest, frames, told) in [
            (frame.to_owned(), 1, None),
            // Whole, but for its end.
            (frame.trim_end().to_owned(), 1, None),
            (format!("\n{frame}\n  "), 1, None),
            (format!("{frame}x\n{frame}"), 2, Some("line 3 is not understood")),
            (
                format!("{frame}x\n{frame}[\n\0\0\n"),
                2,
                Some("3 lines are not understood, line 3 is the first"),
            ),
            (format!("{frame}{{\"t\":1,"), 1, Some("it breaks off in line 3")),
            (
                format!("x\n{frame}{{\"t\""),
                1,
                Some("line 2 is not understood; it breaks off in line 4"),
            ),
            // One of more than is read at once.
            (
                format!("{long}\n{frame}x\n"),
                1,
                Some("2 lines are not understood, line 2 is the first"),
            ),
            (format!("{frame}{long}"), 1, Some("it breaks off in line 3")),
        ] {
            let (lines, doubts) = read(&format!("{head}{rest}")).unwrap();
            let rest = &rest[..rest.len().min(80)];
            assert_eq!((lines.len(), doubts.as_deref()), (frames, told), "{rest}");
        }
    }

    #[test]
    fn what_is_no_trace_is_told() {
        for text in ["", "{}\n", "hello\n", "{\"trace\":9}\n", "[[[["] {
            let error = lines(text).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
        }
    }
}
