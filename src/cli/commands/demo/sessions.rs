//! The demo's steps that are no ports: a shell, commands, a single stream.

use std::{collections::BTreeMap, io, time::Instant};

use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

use super::{
    peers::{self, Operation},
    steps::{Done, percentiles},
};
use crate::{
    channel::Ready,
    client::{
        attachment::Attachment,
        service::{Request, Service},
    },
    net::Application,
    session::Limits,
    streams::{Chosen, Console, ExitMarker, Pipe, Shell, ShellEvent, Stop},
    wire::{ExitCode, TerminalSize},
};

/// A shell is typed at: its terminal has the right size, and keys come back.
pub(super) async fn shell(service: &Service) -> Done {
    let (mut typed, input) = duplex(BUFFER);
    let (output, mut shown) = duplex(BUFFER);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let console = console(Some(Box::new(input)), output, tokio::io::sink());
    let stop_of_shell: Stop = Box::pin(async { drop(stopped.await) });
    let session = attach(service, Request::default(), move |_| {
        Box::new(Shell::new(console, None, stop_of_shell, |_| {}))
    });
    let typing = async {
        let size = format!("{} {}", SIZE.rows, SIZE.cols);
        typed.write_all(b"stty raw -echo; echo size=$(stty size); exec cat\r").await?;
        wait_for(&mut shown, format!("size={size}\n").as_bytes()).await?;
        let mut times = Vec::with_capacity(KEYS);
        for key in 0..KEYS {
            let begin = Instant::now();
            typed.write_u8(b'a' + (key % 26) as u8).await?;
            if shown.read_u8().await? != b'a' + (key % 26) as u8 {
                return Err(io::Error::other("another key came back"));
            }
            times.push(begin.elapsed());
        }
        drop(stop);
        Ok((2 * KEYS as u64, percentiles(times)))
    };
    let (typed, ()) = tokio::try_join!(typing, session)?;
    Ok(typed)
}

/// A command's output, its standard error and its exit code arrive, each where it belongs.
pub(super) async fn command(service: &Service, len: u64) -> Done {
    let line = format!("head -c {len} /dev/zero | tr '\\0' x; echo wrong >&2; exit 7");
    // The agent splits the command into words, and no shell sees it but the one that it names.
    let line = shlex::try_join(["sh", "-c", &line]).map_err(io::Error::other)?;
    let one = |text: &str| vec![text.to_owned()];
    let request = Request {
        document: Some("AWS-StartNonInteractiveCommand".into()),
        parameters: BTreeMap::from([
            ("command".to_owned(), one(&line)),
            ("separateOutputStream".to_owned(), one("true")),
        ]),
        reason: None,
    };
    let (output, mut shown) = duplex(BUFFER);
    let (error, mut wrong) = duplex(BUFFER);
    let console = console(None, output, error);
    let (exited, exit_code) = std::sync::mpsc::channel();
    let session = attach(service, request, move |_| {
        Box::new(Shell::new(console, None, never(), move |event| tell(&exited, &event)))
    });
    let counting = async {
        let mut errors = String::new();
        let (received, _) = tokio::try_join!(count(&mut shown), wrong.read_to_string(&mut errors))?;
        Ok((received, errors))
    };
    let ((received, errors), ()) = tokio::try_join!(counting, session)?;
    if received != len || errors != "wrong\n" {
        let what = format!("{received} of {len} bytes, and {errors:?} on standard error");
        return Err(io::Error::other(what));
    }
    expect_exit(&exit_code, 7)?;
    Ok((len, String::new()))
}

/// The exit code of a command on a terminal.
pub(super) async fn command_on_terminal(service: &Service) -> Done {
    let marker = ExitMarker::random();
    let line = marker.wrap("sh -c 'echo hello; exit 5'");
    let request = Request {
        document: Some("AWS-StartInteractiveCommand".into()),
        parameters: BTreeMap::from([("command".to_owned(), vec![line])]),
        reason: None,
    };
    let (output, mut shown) = duplex(BUFFER);
    let console = console(None, output, tokio::io::sink());
    let (exited, exit_code) = std::sync::mpsc::channel();
    let session = attach(service, request, move |_| {
        Box::new(Shell::new(console, Some(marker), never(), move |event| tell(&exited, &event)))
    });
    let mut text = String::new();
    let reading = async { shown.read_to_string(&mut text).await };
    tokio::try_join!(reading, session)?;
    if text != "hello\r\n" {
        return Err(io::Error::other(format!("{text:?} was shown")));
    }
    expect_exit(&exit_code, 5)?;
    Ok((0, "exit code 5 arrived".to_owned()))
}

/// A single stream carries a pattern there and back, until the destination ends it.
pub(super) async fn single_stream(service: &Service, port: u16, len: u64) -> Done {
    let request = Request {
        document: Some("AWS-StartSSHSession".into()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec![port.to_string()])]),
        reason: None,
    };
    let (near, far) = duplex(BUFFER);
    let (input, output) = split(far);
    let session = attach(service, request, move |_| {
        Box::new(Pipe::new(input, output, never(), never(), |_| {}))
    });
    let (mut from, mut to) = split(near);
    let giving = async {
        to.write_all(&peers::request(Operation::GiveBack, len)).await?;
        peers::give(&mut to, len).await
    };
    // The writing end stays until all has come: its end would be the end of the session.
    let (_, (), ()) = tokio::try_join!(giving, peers::take(&mut from, len), session)?;
    Ok((2 * len, String::new()))
}

/// Attaches to a new session, until it ends.
async fn attach(
    service: &Service,
    request: Request,
    choose: impl FnOnce(&Ready) -> Box<dyn Application + Send> + Send,
) -> io::Result<()> {
    let failed = |why: String| io::Error::other(why);
    let ticket = service.start(&request).await.map_err(|failure| failed(failure.what))?;
    let control_plane = service.control_plane();
    let mut streams = Chosen::new(never(), Box::new(|ready| Ok(choose(ready))));
    let attachment = Attachment {
        ticket,
        control_plane: &*control_plane,
        is_patient: true,
        limits: Limits::default(),
        stop: never(),
    };
    let end = attachment.run(&mut streams).await;
    end.map(|_| ()).map_err(|error| failed(error.to_string()))
}

fn console(
    input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    output: DuplexStream,
    error: impl tokio::io::AsyncWrite + Send + Unpin + 'static,
) -> Console {
    Console {
        input,
        output: Box::new(output),
        error: Box::new(error),
        sizes: Box::pin(stream::iter([SIZE])),
        signals: Box::pin(stream::empty()),
        raw_mode: None,
    }
}

fn tell(exited: &std::sync::mpsc::Sender<ExitCode>, event: &ShellEvent) {
    if let ShellEvent::Exited(code) = event {
        // Nobody listens when the step has failed already.
        let _ = exited.send(*code);
    }
}

fn expect_exit(exit_code: &std::sync::mpsc::Receiver<ExitCode>, wanted: i64) -> io::Result<()> {
    match exit_code.try_recv() {
        Ok(ExitCode(code)) if code == wanted => Ok(()),
        Ok(ExitCode(code)) => Err(io::Error::other(format!("exit code {code}, not {wanted}"))),
        Err(_) => Err(io::Error::other("no exit code came")),
    }
}

async fn wait_for(shown: &mut DuplexStream, text: &[u8]) -> io::Result<()> {
    let mut all = Vec::new();
    while !all.ends_with(text) {
        all.push(shown.read_u8().await?);
    }
    Ok(())
}

async fn count(shown: &mut DuplexStream) -> io::Result<u64> {
    let mut received = 0;
    let mut part = vec![0; BUFFER];
    loop {
        match shown.read(&mut part).await? {
            0 => return Ok(received),
            len if part[..len].iter().all(|byte| *byte == b'x') => received += len as u64,
            _ => return Err(io::Error::other("wrong bytes arrived")),
        }
    }
}

fn never() -> Stop {
    Box::pin(std::future::pending())
}

const SIZE: TerminalSize = TerminalSize { cols: 132, rows: 43 };
const KEYS: usize = 500;
const BUFFER: usize = 64 * 1024;
