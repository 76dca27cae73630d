//! Recordings of a terminal in the format of asciinema, version 2: a header, and an event a line.
//!
//! ```text
//!   {"version":2,"width":80,"height":24,"timestamp":1795282361,"title":"web"}
//!   [0.248848,"o","$ "]          what was shown
//!   [1.001376,"i","l"]           what was typed, where that is wanted
//!   [2.143733,"r","100x50"]      another size
//! ```
//!
//! Each line is written as a whole, at once: what a crash leaves is a recording up to there.

mod reader;
mod text;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

pub use self::{
    reader::{Event, ReadError, Reader},
    text::PlainText,
};
use super::Size;

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording {
    file: File,
    began: Instant,
    size: Size,
    shown: Rest,
    typed: Rest,
    has_events: bool,
    /// Why it goes no further.
    failed: Option<io::Error>,
}

/// The beginning of a character whose end has not come.
#[derive(Debug, Default)]
struct Rest(Vec<u8>);

impl Recording {
    /// Begins one in a new file, for its user's eyes only. `timestamp` is in seconds since 1970.
    ///
    /// # Errors
    /// When the file is there already, or cannot be written.
    pub fn create(
        path: &Path,
        title: &str,
        size: Size,
        timestamp: u64,
        now: Instant,
    ) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let header = json!({
            "version": 2,
            "width": size.cols,
            "height": size.rows,
            "timestamp": timestamp,
            "title": title,
        });
        file.write_all(format!("{header}\n").as_bytes())?;
        let (shown, typed) = Default::default();
        Ok(Self { file, began: now, size, shown, typed, has_events: false, failed: None })
    }

    /// Whether anything has happened.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// Whether it goes no further: the disk is full, for one.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Something was shown.
    pub fn output(&mut self, bytes: &[u8], now: Instant) {
        let text = self.shown.text(bytes);
        self.event("o", &text, now);
    }

    /// Something was typed.
    pub fn input(&mut self, bytes: &[u8], now: Instant) {
        let text = self.typed.text(bytes);
        self.event("i", &text, now);
    }

    /// The terminal has this size now.
    pub fn resize(&mut self, size: Size, now: Instant) {
        if size != self.size {
            self.size = size;
            self.event("r", &format!("{}x{}", size.cols, size.rows), now);
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it is not whole: the disk is full, for one.
    pub fn end(&mut self, now: Instant) -> io::Result<()> {
        for (kind, rest) in [("o", self.shown.end()), ("i", self.typed.end())] {
            self.event(kind, &rest, now);
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn event(&mut self, kind: &str, text: &str, now: Instant) {
        if text.is_empty() || self.failed.is_some() {
            return;
        }
        let time = now.saturating_duration_since(self.began);
        let line = format!(
            "[{}.{:06},{},{}]\n",
            time.as_secs(),
            time.subsec_micros(),
            json!(kind),
            json!(text)
        );
        self.has_events = true;
        self.failed = self.file.write_all(line.as_bytes()).err();
    }
}

impl Rest {
    /// What of the bytes so far is whole characters; what is none is replaced.
    fn text(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.0) {
                Ok(rest) => {
                    text.push_str(rest);
                    self.0.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.0[..valid]));
                    let Some(wrong) = error.error_len() else {
                        self.0.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.0.drain(..valid + wrong);
                }
            }
        }
    }

    fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

/// How long a pause is shown that the recording says is `seconds` long.
pub(super) fn pause(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST).min(LONGEST)
}

const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::{fs, io::BufReader};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "time comes in as an argument")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cast");
        let (began, size) = (now(), Size { cols: 80, rows: 24 });
        let at = |millis| began + Duration::from_millis(millis);
        let mut recording = Recording::create(&path, "web \"1\"", size, 7, began).unwrap();
        recording.resize(size, at(1));
        // A character in two parts, and what is none.
        recording.output(b"a\xc3", at(1000));
        recording.output(b"\xbc\xff\x1b[1m\r\n", at(1500));
        recording.input(b"\x03", at(2000));
        recording.resize(Size { cols: 100, rows: 50 }, at(2250));
        recording.output(b"\xe2\x82", at(3000));
        recording.end(at(3500)).unwrap();
        assert!(Recording::create(&path, "", size, 7, began).is_err(), "it is there already");
        let mut reader = Reader::new(BufReader::new(fs::File::open(&path).unwrap())).unwrap();
        let header = reader.header();
        assert_eq!((header.width, header.height, &*header.title), (80, 24, "web \"1\""));
        let mut events = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            events.push(event);
        }
        let out =
            |millis, text: &str| (Duration::from_millis(millis), Event::Output(text.to_owned()));
        let expected = [
            out(1000, "a"),
            out(1500, "\u{fc}\u{fffd}\x1b[1m\r\n"),
            (Duration::from_millis(2000), Event::Other),
            (Duration::from_millis(2250), Event::Resize(Size { cols: 100, rows: 50 })),
            out(3500, "\u{fffd}"),
        ];
        assert_eq!(events, expected);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (shown, typed) = Default::default();
        let size = Size { cols: 80, rows: 24 };
        let mut recording =
            Recording { file, began: now(), size, shown, typed, has_events: false, failed: None };
        recording.output(b"a", now());
        recording.output(b"b", now());
        assert!(recording.end(now()).is_err());
    }
}
