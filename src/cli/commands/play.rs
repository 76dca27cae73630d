//! `ssmport play FILE`: shows a recording again.

use std::{
    fs::File,
    io::{self, BufReader, IsTerminal, Write, stdout},
    path::Path,
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    cli::{
        args::PlayArgs,
        ends::cannot_write,
        failure::{Code, Failure},
        output::Output,
        signals::Signals,
    },
    term::{self, ReadError, Reader, Recorded, watch},
};

pub(crate) async fn run(arguments: PlayArgs, output: &Output) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    tokio::select! {
        biased;
        number = signals.next() => Err(Failure::new(Code::Signal(number), "interrupted")),
        done = play(&arguments, output) => done,
    }
}

async fn play(arguments: &PlayArgs, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = File::open(path).map_err(|error| cannot_read(path, error.into()))?;
    let mut reader = Reader::new(BufReader::new(file)).map_err(|error| cannot_read(path, error))?;
    let header = reader.header();
    if let Some(here) = term::size_of_stdout().filter(|_| !arguments.text)
        && (here.cols < header.width || here.rows < header.height)
    {
        output.note(&format!(
            "It was recorded on {}x{}, and this terminal has {}x{}",
            header.width, header.height, here.cols, here.rows
        ));
    }
    let mut shown = Duration::ZERO;
    let mut plain = Plain::default();
    loop {
        match reader.next_event() {
            Ok(Some((at, event))) => {
                let Recorded::Output(text) = event else { continue };
                if arguments.text {
                    write(plain.lines(&text).as_bytes())?;
                    continue;
                }
                let pause = at.saturating_sub(shown).div_f64(arguments.speed);
                sleep(arguments.idle.map_or(pause, |most| pause.min(most))).await;
                shown = shown.max(at);
                if stdout().is_terminal() {
                    // What it leaves switched on is undone at the end.
                    watch(text.as_bytes());
                }
                write(text.as_bytes())?;
            }
            Ok(None) => break,
            // Whoever wrote it was ended, and this is what there is.
            Err(error @ ReadError::BreaksOff(_)) => {
                output.warn(&format!("{}: {error}", path.display()));
                break;
            }
            Err(error) => return Err(cannot_read(path, error)),
        }
    }
    write(plain.end().as_bytes())
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| cannot_write(&error))
}

fn cannot_read(path: &Path, error: ReadError) -> Failure {
    Failure::local(format!("cannot play {}", path.display())).because(error)
}

/// What is left of a terminal's output as text: lines without escapes, as they stood at their ends.
#[derive(Default)]
struct Plain {
    strip: anstream::adapter::StripBytes,
    line: Vec<u8>,
}

impl Plain {
    /// The lines that end in this.
    fn lines(&mut self, text: &str) -> String {
        let visible: Vec<u8> = self.strip.strip_next(text.as_bytes()).flatten().copied().collect();
        let mut lines = String::new();
        for byte in visible {
            self.line.push(byte);
            if byte == b'\n' || self.line.len() >= LONGEST {
                lines.push_str(&settled(&self.line));
                self.line.clear();
            }
        }
        lines
    }

    fn end(&mut self) -> String {
        let rest = settled(&std::mem::take(&mut self.line));
        if rest.is_empty() { rest } else { rest + "\n" }
    }
}

/// A line with what was typed over itself, or taken back.
fn settled(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let (body, end) = match text.strip_suffix('\n') {
        Some(body) => (body, "\n"),
        None => (&*text, ""),
    };
    let (mut shown, mut at) = (Vec::new(), 0_usize);
    for character in body.chars() {
        match character {
            '\r' => at = 0,
            '\u{8}' => at = at.saturating_sub(1),
            character if character.is_control() && character != '\t' => {}
            character => {
                match shown.get_mut(at) {
                    Some(place) => *place = character,
                    None => shown.push(character),
                }
                at += 1;
            }
        }
    }
    shown.into_iter().collect::<String>().trim_end().to_owned() + end
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// In bytes, of a line.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_stood_there_at_last() {
        let mut plain = Plain::default();
        let mut text = String::new();
        for part in
            ["\x1b[1m$ \x1b", "[0mls\r\n10 %\r100", " %\r\n", "lz\x08s\x07\r\nwebx\x08 \x08\r\nend"]
        {
            text += &plain.lines(part);
        }
        text += &plain.end();
        assert_eq!(text, "$ ls\n100 %\nls\nweb\nend\n");
    }
}
