//! `ssmport play FILE`: shows a recording again.

use std::{
    fs::File,
    io::{BufReader, IsTerminal, Write, stdout},
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
    term::{self, PlainText, ReadError, Reader, Recorded, watch},
};

pub(crate) async fn run(arguments: PlayArgs, output: &Output) -> Result<(), Failure> {
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    // A task of its own: what it reads from may be a pipe on which nothing comes.
    let output = *output;
    let playing = tokio::spawn(async move { play(&arguments, &output).await });
    tokio::select! {
        biased;
        number = signals.next() => Err(Failure::new(Code::Signal(number), "interrupted")),
        done = playing => {
            let stopped = |error| Failure::local("the playing has stopped").because(error);
            done.map_err(stopped)?
        }
    }
}

async fn play(arguments: &PlayArgs, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = File::open(path).map_err(|error| cannot_read(path, ReadError::Io(error)))?;
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
    let mut plain = PlainText::default();
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
    Failure::local(format!("cannot play {}", path.display()))
        .because(error)
        .next("give a file that `ssmport shell --record` or asciinema has written")
}
