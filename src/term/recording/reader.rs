//! A recording that is read.

use std::{
    fmt,
    io::{self, BufRead, Read},
    time::Duration,
};

use serde::Deserialize;

use super::pause;
use crate::term::Size;

/// Reads a recording event by event.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: usize,
}

/// What stands at its beginning.
#[derive(Clone, Debug, Deserialize)]
pub struct Header {
    /// Characters in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// What it is called.
    #[serde(default)]
    pub title: String,
}

/// What all versions begin with.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This was shown.
    Output(String),
    /// The terminal had another size from then on.
    Resize(Size),
    /// Something that nothing is shown of.
    Other,
}

/// Why a recording cannot be read, or no further.
#[derive(Debug)]
pub enum ReadError {
    /// The system's reason.
    Io(io::Error),
    /// It is none.
    Header(String),
    /// It is of another version than 2.
    Version(u32),
    /// A line is no event.
    Line(usize),
    /// Its last line is not whole: whoever wrote it was ended.
    BreaksOff(usize),
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ReadError`]: there is none.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let line = line(&mut input)?.map(|(line, _)| line).unwrap_or_default();
        let none = |error: serde_json::Error| match error.is_eof() && is_first(&line, &mut input) {
            true => ReadError::Version(1),
            false => ReadError::Header(error.to_string()),
        };
        let Version { version } = serde_json::from_str(&line).map_err(none)?;
        if version != 2 {
            return Err(ReadError::Version(version));
        }
        let header =
            serde_json::from_str(&line).map_err(|error| ReadError::Header(error.to_string()))?;
        Ok(Self { input, header, line: 1 })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next event, and when it was; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`]: the rest cannot be read.
    pub fn next_event(&mut self) -> Result<Option<(Duration, Event)>, ReadError> {
        loop {
            let Some((line, is_whole)) = line(&mut self.input)? else { return Ok(None) };
            self.line += 1;
            if line.trim().is_empty() {
                continue;
            }
            let read = serde_json::from_str::<(f64, String, String)>(&line);
            let (time, kind, text) = read.map_err(|_| match is_whole {
                true => ReadError::Line(self.line),
                false => ReadError::BreaksOff(self.line),
            })?;
            let event = match &*kind {
                "o" => Event::Output(text),
                "r" => size(&text).map_or(Event::Other, Event::Resize),
                _ => Event::Other,
            };
            return Ok(Some((pause(time), event)));
        }
    }
}

/// Whether it is of version 1, whose only object has many lines.
fn is_first(line: &str, input: &mut impl BufRead) -> bool {
    let mut rest = Vec::new();
    // What cannot be read is none.
    let _ = input.take(HEAD).read_to_end(&mut rest);
    let head = format!("{line}{}", String::from_utf8_lossy(&rest));
    let head: String = head.chars().take(LONGEST_HEAD).filter(|c| !c.is_whitespace()).collect();
    head.starts_with('{') && head.contains("\"version\":1,")
}

/// A line, and whether it has an end.
fn line(input: &mut impl BufRead) -> Result<Option<(String, bool)>, ReadError> {
    let mut bytes = Vec::new();
    let read = input.take(LONGEST).read_until(b'\n', &mut bytes).map_err(ReadError::Io)?;
    if read == 0 {
        return Ok(None);
    }
    let is_whole = bytes.ends_with(b"\n");
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), is_whole)))
}

fn size(text: &str) -> Option<Size> {
    let (cols, rows) = text.split_once('x')?;
    Some(Size { cols: cols.parse().ok()?, rows: rows.parse().ok()? })
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Header(why) => write!(f, "it is no recording of asciinema's version 2: {why}"),
            Self::Version(version) => {
                write!(f, "it is of asciinema's version {version}, and version 2 can be played")
            }
            Self::Line(line) => write!(f, "line {line} is no event"),
            Self::BreaksOff(line) => write!(f, "it breaks off in line {line}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// In bytes; an event has some KiB.
const LONGEST: u64 = 16 << 20;
/// In bytes: where a version stands, in many lines.
const HEAD: u64 = 1024;
/// In characters.
const LONGEST_HEAD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Result<Vec<(Duration, Event)>, ReadError> {
        let mut reader = Reader::new(text.as_bytes())?;
        let mut events = Vec::new();
        while let Some(event) = reader.next_event()? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn what_is_no_recording_is_told_and_where_one_breaks_off() {
        let header = r#"{"version": 2, "width": 80, "height": 24, "env": {"TERM": "xterm"}}"#;
        for (text, told) in [
            (String::new(), "it is no recording"),
            ("hello\n".to_owned(), "it is no recording"),
            ("{\n  \"width\": 80\n}\n".to_owned(), "it is no recording"),
            (r#"{"version": 2, "term": {"cols": 80}}"#.to_owned(), "missing field `width`"),
            (
                r#"{"version": 3, "term": {"cols": 80, "rows": 24}}"#.to_owned(),
                "of asciinema's version 3",
            ),
            (r#"{"version": 1, "width": 80, "height": 24}"#.to_owned(), "of asciinema's version 1"),
            ("{\n  \"version\": 1,\n  \"width\": 80,\n".to_owned(), "of asciinema's version 1"),
            (r#"{"version": 4}"#.to_owned(), "version 4, and version 2 can be played"),
            (format!("{header}\n[1.0,\"o\"]\n"), "line 2 is no event"),
            (format!("{header}\n\n[1.0,\"o\",\"a\"]\n[2.0,\"o\",\"b"), "it breaks off in line 4"),
        ] {
            let error = events(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn odd_times_and_events_are_survived() {
        let text = "{\"version\":2,\"width\":80,\"height\":24}\n[-1,\"o\",\"a\"]\n[1e300,\"m\",\"\"]\n\
                    [3,\"r\",\"80\"]\n[4,\"r\",\"80x70000\"]\n[5,\"o\",\"\\ud83d\\ude00\"]";
        let events = events(text).unwrap();
        assert_eq!(events[0], (Duration::ZERO, Event::Output("a".to_owned())));
        assert_eq!(events[1].0, Duration::from_secs(24 * 3600));
        assert_eq!(events[4].1, Event::Output("\u{1f600}".to_owned()));
    }
}
