//! Bytes on many connections at once, up and then down, again and again.

use std::{
    io::{self, Read, Write},
    mem,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    bytes::{Flaws, WORD_LEN, receive, send},
    silence::{Away, Cut, Timeline},
    support::{Forward, Program},
    verdict::Run,
};

/// What is to be carried.
#[derive(Clone, Copy)]
pub struct Amount {
    /// Each way, each time.
    pub bytes: u64,
    pub streams: usize,
    /// Again and again, until so many connections to the service broke,
    pub cuts: usize,
    /// and for so long.
    pub least: Duration,
}

/// Carries `amount` through `forward`, whose service began at `began` and is `away` now and then.
///
/// # Errors
/// When it does not come to an end.
pub fn transfer(
    forward: &Forward,
    amount: Amount,
    began: Instant,
    away: Option<Away>,
) -> Result<Run, String> {
    mem::take(&mut *timeline());
    let mut words = Words::default();
    words.hear(&forward.program);
    // One that was lost in the handshake is not among the cuts in the transfer.
    words.cuts.clear();
    let mut run = Run::default();
    let mut took = [Duration::ZERO; 2];
    let (first, mut rounds) = (Instant::now(), 0);
    while rounds == 0 || first.elapsed() < amount.least || words.lost < amount.cuts {
        if first.elapsed() > PATIENCE_FOR_CUTS {
            return Err(format!("{} connections broke in {PATIENCE_FOR_CUTS:?}", words.lost));
        }
        for (took, direction) in took.iter_mut().zip([Direction::Up, Direction::Down]) {
            let first_stream = (2 * rounds + direction as u64) * amount.streams as u64;
            let begin = Instant::now();
            run.flaws += carry_all(forward, amount, direction, first_stream, &mut words)?;
            *took += begin.elapsed();
        }
        rounds += 1;
        // What cannot be relied on any more does not get better.
        if !run.flaws.is_none() {
            break;
        }
    }
    let carried = (amount.each() * amount.streams as u64 * rounds) as f64 / 1e6;
    [run.up, run.down] = took.map(|took| carried / took.as_secs_f64());
    (run.lost, run.resumed) = (words.lost, words.resumed);

    let timeline = mem::take(&mut *timeline());
    let end = timeline.end();
    // Behind the last byte nothing is awaited, if it was the last one.
    words.cuts.retain(|cut| run.flaws.lost > 0 || end.is_some_and(|end| *cut < end));
    let cuts = words.cuts.iter().map(|cut| Cut::of_service(*cut, began, away));
    run.silences = timeline.silences(&cuts.collect::<Vec<_>>());
    Ok(run)
}

impl Amount {
    /// Bytes of one connection.
    fn each(&self) -> u64 {
        (self.bytes / self.streams as u64).next_multiple_of(WORD_LEN)
    }
}

/// One way on all connections: what was wrong with what came.
fn carry_all(
    forward: &Forward,
    amount: Amount,
    direction: Direction,
    first_stream: u64,
    words: &mut Words,
) -> Result<Flaws, String> {
    let addresses = forward.addresses();
    let begin = Instant::now();
    let all: Vec<_> = (first_stream..)
        .zip(addresses.into_iter().cycle())
        .take(amount.streams)
        .map(|(stream, address)| {
            timeline().begin(stream, begin);
            thread::spawn(move || carry(address, direction, amount.each(), stream))
        })
        .collect();
    while !all.iter().all(|one| one.is_finished()) {
        thread::sleep(Duration::from_millis(1));
        words.hear(&forward.program);
        if begin.elapsed() > PATIENCE_FOR_ALL {
            let left = all.iter().filter(|one| !one.is_finished()).count();
            return Err(format!(
                "{left} connections did not end within {PATIENCE_FOR_ALL:?}, {direction:?}"
            ));
        }
    }
    words.hear(&forward.program);
    let mut flaws = Flaws::default();
    for one in all {
        flaws += one.join().map_err(|_| "a connection's thread panicked")?;
    }
    Ok(flaws)
}

/// What the client says of its connections.
#[derive(Default)]
struct Words {
    /// Bytes of it.
    heard: usize,
    lost: usize,
    resumed: usize,
    /// When it lost them.
    cuts: Vec<Instant>,
}

impl Words {
    fn hear(&mut self, client: &Program) {
        let news = client.stderr_from(self.heard);
        let whole = news.rfind('\n').map_or(0, |end| end + 1);
        for line in news[..whole].lines() {
            if line.contains("; resuming session=") {
                self.lost += 1;
                self.cuts.push(Instant::now());
            }
            let is_resumed =
                ["info: resumed", "warning: resumed"].iter().any(|it| line.contains(it));
            self.resumed += usize::from(is_resumed);
        }
        self.heard += whole;
    }
}

// --- one connection ---

/// Which way bytes go, seen from the client.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Direction {
    Up,
    Down,
}

/// Carries `len` bytes one way; whoever receives them says what was wrong with them.
pub fn carry(address: SocketAddr, direction: Direction, len: u64, stream: u64) -> Flaws {
    let carried = || -> io::Result<Flaws> {
        let wish = if direction == Direction::Up { RECEIVE } else { SEND };
        let mut socket = ask(address, [wish, len, stream])?;
        if direction == Direction::Down {
            let mut flaws = received(&mut socket, len, stream);
            if flaws.is_none() && socket.read(&mut [0])? > 0 {
                flaws.repeated += WORD_LEN;
            }
            return Ok(flaws);
        }
        send(&mut socket, len, stream)?;
        let mut report = [[0; 8]; 3];
        for figure in &mut report {
            socket.read_exact(figure)?;
        }
        let [lost, repeated, misplaced] = report.map(u64::from_be_bytes);
        Ok(Flaws { lost, repeated, misplaced })
    };
    carried().unwrap_or_else(|error| {
        eprintln!("connection {stream}, {direction:?}: {error}");
        Flaws { lost: len, ..Flaws::default() }
    })
}

/// A connection on which each byte comes back.
///
/// # Errors
/// When there is none.
pub fn echo(address: SocketAddr) -> io::Result<TcpStream> {
    ask(address, [ECHO, 0, 0])
}

fn ask(address: SocketAddr, request: [u64; 3]) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    be_patient_with(&socket)?;
    socket.write_all(&request.map(u64::to_be_bytes).concat())?;
    Ok(socket)
}

/// A server that receives, sends or gives back, as it is asked to.
pub fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // Whoever was served badly sees it at the other end.
            thread::spawn(move || answer(socket));
        }
    });
    address
}

fn answer(mut socket: TcpStream) -> io::Result<()> {
    be_patient_with(&socket)?;
    let mut request = [[0; 8]; 3];
    for field in &mut request {
        socket.read_exact(field)?;
    }
    let [wish, len, stream] = request.map(u64::from_be_bytes);
    match wish {
        SEND => send(&mut socket, len, stream),
        RECEIVE => {
            let Flaws { lost, repeated, misplaced } = received(&mut socket, len, stream);
            socket.write_all(&[lost, repeated, misplaced].map(u64::to_be_bytes).concat())
        }
        _ => io::copy(&mut socket.try_clone()?, &mut socket).map(drop),
    }
}

fn received(socket: &mut TcpStream, len: u64, stream: u64) -> Flaws {
    receive(socket, len, stream, || timeline().arrive(stream, Instant::now()))
}

/// A byte that does not move for so long never will.
fn be_patient_with(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))
}

/// When what came, on the connections of a transfer.
fn timeline() -> MutexGuard<'static, Timeline> {
    static TIMELINE: LazyLock<Mutex<Timeline>> = LazyLock::new(Mutex::default);
    TIMELINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the server is asked for.
const SEND: u64 = 0;
const RECEIVE: u64 = 1;
const ECHO: u64 = 2;
/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(60);
/// For all bytes to have gone one way: those of a row with 200 ms take seconds, on a busy machine a
/// minute.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(600);
/// For as many cuts as a row must have.
const PATIENCE_FOR_CUTS: Duration = Duration::from_secs(900);
