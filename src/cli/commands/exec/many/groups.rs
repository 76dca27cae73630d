//! Each node's whole output under a heading, once it has ended.

use std::{
    collections::HashMap,
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write, stdout},
};

use tempfile::SpooledTempFile;

use super::{
    line_parts::LineParts,
    lines::{is_shown, tame},
    screen::Screen,
};
use crate::{cli::output::HEADING, client::Stream};

/// What nodes have written that have not ended: a little in memory, more in files without a name.
#[derive(Default)]
pub(super) struct Groups(HashMap<usize, Spool>);

/// Both outputs of a node, in the order in which they came.
///
/// ```text
///   stream, 1 byte | length, 4 bytes | that many bytes | stream ...
/// ```
struct Spool {
    file: SpooledTempFile,
    /// Whether the last line has no end, of standard output and of standard error.
    are_lines_open: [bool; 2],
}

impl Groups {
    pub(super) fn output(&mut self, node: usize, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let spool = self.0.entry(node).or_insert_with(|| Spool {
            file: SpooledTempFile::new(IN_MEMORY),
            are_lines_open: [false; 2],
        });
        spool.are_lines_open[usize::from(stream == Stream::Stderr)] = !bytes.ends_with(b"\n");
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut write = |bytes: &[u8]| spool.file.write_all(bytes).map_err(not_kept);
        write(&[u8::from(stream == Stream::Stderr)])?;
        write(&len.to_be_bytes())?;
        write(bytes)
    }

    /// Shows what a node has written.
    pub(super) async fn show(
        &mut self,
        node: usize,
        heading: &str,
        screen: &mut Screen,
    ) -> io::Result<()> {
        let heading = match stdout().is_terminal() {
            true => in_colour(&format!("{HEADING}{heading}{HEADING:#}\n")),
            false => format!("{heading}\n"),
        };
        screen.write(Stream::Stdout, heading.as_bytes()).await?;
        let Some(mut spool) = self.0.remove(&node) else { return Ok(()) };
        spool.file.seek(SeekFrom::Start(0))?;
        let mut parts = LineParts::default();
        while let Some((stream, bytes)) = spool.next().map_err(not_kept)? {
            if !is_shown(stream) {
                screen.write(stream, &bytes).await?;
                continue;
            }
            for line in parts.lines(node, stream, &bytes) {
                screen.write(stream, for_terminal(&line).as_bytes()).await?;
            }
        }
        for (stream, rest) in parts.rest(node) {
            screen.write(stream, for_terminal(&rest).as_bytes()).await?;
        }
        for (stream, is_open) in STREAMS.into_iter().zip(spool.are_lines_open) {
            screen.write(stream, if is_open { b"\n" } else { b"" }).await?;
        }
        Ok(())
    }
}

impl Spool {
    fn next(&mut self) -> io::Result<Option<(Stream, Vec<u8>)>> {
        let mut stream = [0];
        if self.file.read(&mut stream)? == 0 {
            return Ok(None);
        }
        let mut len = [0; 4];
        self.file.read_exact(&mut len)?;
        let mut bytes = vec![0; u32::from_be_bytes(len) as usize];
        self.file.read_exact(&mut bytes)?;
        Ok(Some((STREAMS[usize::from(stream != [0])], bytes)))
    }
}

/// A line, or what there is of it, that rules nothing but its own place.
fn for_terminal(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match text.strip_suffix('\n') {
        Some(line) => tame(line) + "\n",
        None => tame(&text),
    }
}

/// What waits for a node's end has no place.
fn not_kept(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let why = format!(
        "it waits for its node's end in {}: {error}; set TMPDIR to another folder, or leave --group out",
        folder.display()
    );
    io::Error::new(error.kind(), why)
}

/// Without colours where nobody wants them.
fn in_colour(text: &str) -> String {
    match anstream::AutoStream::choice(&stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
/// In bytes, of a node.
const IN_MEMORY: usize = 64 * 1024;
