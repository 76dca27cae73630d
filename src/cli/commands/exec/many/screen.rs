//! Where it is shown: both outputs, and a line below them on a terminal that says how far it has come.

use std::io::{self, IsTerminal, stderr};

use tokio::io::AsyncWriteExt;

use super::lines::is_shown;
use crate::{
    cli::{cut::cut, output::Output, standard_streams},
    client::Stream,
    term::{can_be_redrawn, size_of_terminal},
};

/// Standard output and standard error. What is written waits for its reader, and everybody with it.
pub(super) struct Screen {
    stdout: standard_streams::Output,
    stderr: standard_streams::Output,
    has_status: bool,
    status: String,
    is_status_shown: bool,
    /// What would be wiped with the status behind it.
    is_line_open: bool,
}

impl Screen {
    pub(super) fn new(output: &Output) -> Self {
        Self {
            stdout: standard_streams::output(),
            stderr: standard_streams::error(),
            has_status: !output.is_quiet() && stderr().is_terminal() && can_be_redrawn(),
            status: String::new(),
            is_status_shown: false,
            is_line_open: false,
        }
    }

    pub(super) async fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.wipe().await?;
        let to = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        to.write_all(bytes).await?;
        to.flush().await?;
        if is_shown(stream) {
            self.is_line_open = !bytes.ends_with(b"\n");
        }
        self.draw().await
    }

    /// Another status; none if it is empty.
    pub(super) async fn status(&mut self, status: String) -> io::Result<()> {
        if status != self.status {
            self.wipe().await?;
            self.status = status;
            self.draw().await?;
        }
        Ok(())
    }

    async fn draw(&mut self) -> io::Result<()> {
        if !self.has_status || self.status.is_empty() || self.is_line_open {
            return Ok(());
        }
        let width = size_of_terminal().map_or(USUAL, |size| size.cols.into());
        let line = format!("{}\r", cut(&self.status, width.saturating_sub(1)));
        self.is_status_shown = true;
        self.stderr.write_all(line.as_bytes()).await?;
        self.stderr.flush().await
    }

    async fn wipe(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_status_shown) {
            self.stderr.write_all(b"\r\x1b[K").await?;
            self.stderr.flush().await?;
        }
        Ok(())
    }
}

const USUAL: usize = 80;
