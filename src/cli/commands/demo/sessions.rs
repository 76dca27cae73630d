//! The demo's steps that are no ports: a shell, commands, a single stream.

use std::{collections::BTreeMap, io, time::Instant};

use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, sink, split};

use super::{
    peers::{self, Operation},
    steps::{Done, percentiles},
};
use crate::{
    client::{
        Console, ExitMarker, Node, Shell, Stop,
        opening::{Ended, Opening},
        running::Wanted,
        service::Request,
    },
    wire::TerminalSize,
};

/// A shell is typed at: its terminal has the right size, and keys come back.
pub(super) async fn shell(node: &Node) -> Done {
    let (cols, rows) = SIZE;
    let mut shell = node.shell().size(cols, rows).start().await.map_err(io::Error::other)?;
    shell.write_all(b"stty raw -echo; echo size=$(stty size); exec cat\r").await?;
    wait_for(&mut shell, format!("size={rows} {cols}\n").as_bytes()).await?;
    let mut times = Vec::with_capacity(KEYS);
    for key in 0..KEYS {
        let begin = Instant::now();
        shell.write_u8(b'a' + (key % 26) as u8).await?;
        if shell.read_u8().await? != b'a' + (key % 26) as u8 {
            return Err(io::Error::other("another key came back"));
        }
        times.push(begin.elapsed());
    }
    Ok((2 * KEYS as u64, percentiles(times)))
}

/// A command's output, its standard error and its exit code arrive, each where it belongs.
pub(super) async fn command(node: &Node, len: u64) -> Done {
    let program = Talker::new(len)?;
    let mut running = node.command(program.words()).start();
    let mut errors = String::new();
    let (received, _) =
        tokio::try_join!(count(&mut running.stdout), running.stderr.read_to_string(&mut errors))?;
    if received != len || errors.trim_end() != "wrong" {
        let what = format!("{received} of {len} bytes, and {errors:?} on standard error");
        return Err(io::Error::other(what));
    }
    match running.wait().await.map_err(io::Error::other)? {
        7 => Ok((len, String::new())),
        code => Err(io::Error::other(format!("exit code {code}, not 7"))),
    }
}

/// What prints so many bytes, complains and fails with 7, in the words of this system.
#[cfg(unix)]
struct Talker(u64);

#[cfg(unix)]
impl Talker {
    fn new(len: u64) -> io::Result<Self> {
        Ok(Self(len))
    }

    fn words(&self) -> [String; 3] {
        let line = format!("head -c {} /dev/zero | tr '\\0' x; echo wrong >&2; exit 7", self.0);
        ["sh".to_owned(), "-c".to_owned(), line]
    }
}

#[cfg(windows)]
struct Talker(tempfile::TempPath);

#[cfg(windows)]
impl Talker {
    fn new(len: u64) -> io::Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        io::copy(&mut io::Read::take(io::repeat(b'x'), len), &mut file)?;
        // Closed: `type` shares no file with somebody who writes it.
        Ok(Self(file.into_temp_path()))
    }

    fn words(&self) -> Vec<String> {
        let file = self.0.display().to_string();
        let words = ["cmd", "/c", "type", &file, "&", "echo", "wrong>&2", "&", "exit", "7"];
        words.map(str::to_owned).into()
    }
}

/// The exit code of a command on a terminal.
pub(super) async fn command_on_terminal(node: &Node) -> Done {
    let marker = ExitMarker::random();
    let words = ["sh", "-c", "echo hello; exit 5"].map(str::to_owned);
    let wanted = Wanted { words: words.into(), ..Wanted::default() };
    let request = wanted.on_terminal(&marker).map_err(io::Error::other)?;
    let (output, mut shown) = duplex(BUFFER);
    let opening = opening(node, &request);
    let session = opening.shell(Some(marker), |_| Ok(console(output)));
    let mut text = String::new();
    let (ended, _) = tokio::join!(session, shown.read_to_string(&mut text));
    if text != "hello\r\n" {
        return Err(io::Error::other(format!("{text:?} was shown")));
    }
    match ended.map_err(io::Error::other)? {
        Some(Ended { exit_code: Some(5), .. }) => Ok((0, "exit code 5 arrived".to_owned())),
        _ => Err(io::Error::other("the exit code did not come")),
    }
}

/// A single stream carries a pattern there and back, until the destination ends it.
pub(super) async fn single_stream(node: &Node, port: u16, len: u64) -> Done {
    let request = Request {
        document: Some("AWS-StartSSHSession".into()),
        parameters: BTreeMap::from([("portNumber".to_owned(), vec![port.to_string()])]),
        reason: None,
    };
    let (near, far) = duplex(BUFFER);
    let opening = opening(node, &request);
    let session = async {
        let ends = || {
            let (input, output) = split(far);
            (input, output, never())
        };
        opening.stream(ends).await.map_err(io::Error::other)
    };
    let (mut from, mut to) = split(near);
    let giving = async {
        to.write_all(&peers::request(Operation::GiveBack, len)).await?;
        peers::give(&mut to, len).await
    };
    // The writing end stays until all has come: its end would be the end of the session.
    tokio::try_join!(giving, peers::take(&mut from, len), session)?;
    Ok((2 * len, String::new()))
}

fn opening<'a>(node: &'a Node, request: &'a Request) -> Opening<'a> {
    let (service, limits) = (node.service(), node.limits());
    Opening { service, request, limits, stop: &never, greet: &|_| () }
}

fn console(output: DuplexStream) -> Console {
    Console {
        input: None,
        output: Box::new(output),
        error: Box::new(sink()),
        sizes: Box::pin(stream::iter([TERMINAL])),
        signals: Box::pin(stream::empty()),
        raw_mode: None,
    }
}

async fn wait_for(shown: &mut Shell, text: &[u8]) -> io::Result<()> {
    let mut all = Vec::new();
    while !all.ends_with(text) {
        all.push(shown.read_u8().await?);
    }
    Ok(())
}

async fn count(mut shown: impl AsyncRead + Unpin) -> io::Result<u64> {
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

const SIZE: (u16, u16) = (132, 43);
const TERMINAL: TerminalSize = TerminalSize { cols: 132, rows: 43 };
const KEYS: usize = 500;
const BUFFER: usize = 64 * 1024;
