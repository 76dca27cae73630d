//! The log of a shell session, in the form in which the service stores it.
//!
//! The real agent replays a shell's output in a terminal that `script` records, and uploads the
//! record when the session is over: hence the first line and the last one. The prompts of that
//! second terminal, which frame the output there, are left out here.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// A session's log; dropping it writes its last line.
#[derive(Debug)]
pub(super) struct Transcript {
    /// None once a write has failed: what follows would make no sense.
    file: Option<File>,
}

impl Transcript {
    /// Begins `SESSION.log` in a folder, for its owner's eyes alone.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn begin(folder: &Path, session_id: &str, now: SystemTime) -> io::Result<Self> {
        let path = folder.join(format!("{session_id}.log"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "Script started on {}", date(now))?;
        Ok(Self { file: Some(file) })
    }

    /// Writes what the shell has put out.
    pub(super) fn write(&mut self, output: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(output) {
            tracing::warn!("a session's log breaks off: {error}");
            self.file = None;
        }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        self.write(format!("\nScript done on {}\n", date(SystemTime::now())).as_bytes());
    }
}

/// `2026-11-22 05:32:41+00:00`
fn date(time: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string();
    time.replace('T', " ").replace('Z', "+00:00")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt, time::Duration};

    use super::*;

    #[test]
    fn output_stands_between_the_first_line_and_the_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = UNIX_EPOCH + Duration::from_secs(1_795_282_361);
        let mut transcript = Transcript::begin(folder.path(), "alice-0", now).expect("begun");
        transcript.write(b"$ echo hello\r\n");
        transcript.write(b"hello\r\n");
        assert!(Transcript::begin(folder.path(), "alice-0", now).is_err(), "it is there");
        drop(transcript);
        let path = folder.path().join("alice-0.log");
        let log = fs::read_to_string(&path).expect("written");
        let begin = "Script started on 2026-11-21 17:32:41+00:00\n$ echo hello\r\nhello\r\n\n";
        assert!(log.starts_with(&format!("{begin}Script done on ")), "{log}");
        assert!(log.ends_with("+00:00\n"), "{log}");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    }
}
