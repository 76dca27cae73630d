//! `ssmport play FILE`: shows a recording again.

mod keys;
mod pace;

use std::{
    fs::File,
    io::{BufReader, IsTerminal, Write, stdout},
    path::Path,
    time::Duration,
};

use tokio::time::timeout;

use self::pace::{Pace, Wanted};
use crate::{
    cli::{
        args::PlayArgs,
        ends::cannot_write,
        failure::{Code, Failure},
        output::Output,
        signals::Signals,
    },
    term::{self, PlainText, ReadError, Reader, Recorded, watch},
};

pub(crate) async fn run(arguments: PlayArgs, output: &Output) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    // A task of its own: what it reads from may be a pipe on which nothing comes.
    let output = *output;
    let mut playing = tokio::spawn(async move { play(&arguments, &output).await });
    tokio::select! {
        biased;
        number = signals.next() => {
            // Nothing is to be shown once the terminal is given back.
            playing.abort();
            let _ = timeout(A_MOMENT, playing).await;
            Err(Failure::new(Code::Signal(number), "interrupted"))
        }
        done = &mut playing => {
            let stopped = |error| Failure::local("the playing has stopped").because(error);
            done.map_err(stopped)?
        }
    }
}

async fn play(arguments: &PlayArgs, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = File::open(path).map_err(|error| cannot_read(path, ReadError::Io(error)))?;
    let is_file = file.metadata().is_ok_and(|about| about.is_file());
    let mut reader = Reader::new(BufReader::new(file)).map_err(|error| cannot_read(path, error))?;
    if arguments.text {
        return print(&mut reader, path, output);
    }
    let header = reader.header();
    if let Some(here) = term::size_of_stdout()
        && (here.cols < header.width || here.rows < header.height)
    {
        output.note(&format!(
            "It was recorded on {}x{}, and this terminal has {}x{}",
            header.width, header.height, here.cols, here.rows
        ));
    }
    // While nothing comes from a pipe nobody would take keys, Ctrl-C among them.
    let pace = match is_file {
        true => Pace::with_keys(),
        false => Ok(Pace::default()),
    };
    let pace = pace.map_err(|error| Failure::local("cannot use the terminal").because(error))?;
    match show(&mut reader, pace, arguments).await? {
        Shown::Enough => Ok(()),
        Shown::UpTo(error) => ends(error, path, output),
    }
}

/// What has come of a recording.
enum Shown {
    /// Its user has seen enough.
    Enough,
    /// All of it, or up to where it cannot be read.
    UpTo(Option<ReadError>),
}

/// The terminal is given back at the end, before anything is said.
async fn show(
    reader: &mut Reader<BufReader<File>>,
    mut pace: Pace,
    arguments: &PlayArgs,
) -> Result<Shown, Failure> {
    let mut shown = Duration::ZERO;
    loop {
        let (at, event) = match reader.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Shown::UpTo(None)),
            Err(error) => return Ok(Shown::UpTo(Some(error))),
        };
        let Recorded::Output(text) = event else { continue };
        let pause = at.saturating_sub(shown).div_f64(arguments.speed);
        let pause = arguments.idle.map_or(pause, |most| pause.min(most));
        if pace.wait(pause).await? == Wanted::Enough {
            return Ok(Shown::Enough);
        }
        shown = shown.max(at);
        if stdout().is_terminal() {
            // What it leaves switched on is undone at the end.
            watch(text.as_bytes());
        }
        write(text.as_bytes())?;
    }
}

/// The whole of it, at once.
fn print(
    reader: &mut Reader<BufReader<File>>,
    path: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let mut plain = PlainText::default();
    let error = loop {
        match reader.next_event() {
            Ok(Some((_, Recorded::Output(text)))) => write(plain.lines(&text).as_bytes())?,
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    ends(error, path, output)?;
    write(plain.end().as_bytes())
}

/// Says where a recording ends that has no end.
fn ends(error: Option<ReadError>, path: &Path, output: &Output) -> Result<(), Failure> {
    match error {
        None => Ok(()),
        // Whoever wrote it was ended, and this is what there is.
        Some(error @ ReadError::BreaksOff(_)) => {
            output.warn(&format!("{}: {error}", path.display()));
            Ok(())
        }
        Some(error) => Err(cannot_read(path, error)),
    }
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| cannot_write(&error))
}

fn cannot_read(path: &Path, error: ReadError) -> Failure {
    let next = match error {
        ReadError::Version(1 | 3) => {
            "asciinema 3 makes one of version 2: asciinema convert -f asciicast-v2 FILE NEW"
        }
        _ => "give a file that `ssmport shell --record` or asciinema has written",
    };
    Failure::local(format!("cannot play {}", path.display())).because(error).next(next)
}

/// For what is being written.
const A_MOMENT: Duration = Duration::from_millis(200);
