//! What a faulty service costs: bulk through `ssmport forward` with every byte checked.
//!
//! `cargo bench --profile dev --bench reliability [-- --seed N] [--mib MIB]` prints a table in
//! Markdown. The service is `ssmport local --faults` in a process of its own; without the feature
//! `aws` it is that of `-t local`, in the client's. Everything shares this machine's cores.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::{
    env,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::AddAssign,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use support::Forward;

#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests")]
#[path = "../tests/e2e/support/mod.rs"]
mod support;

fn main() {
    let seed = argument("--seed").unwrap_or(1);
    let mib = argument("--mib").unwrap_or(64);
    println!(
        "Each time {mib} MiB up, then {mib} MiB down, on {STREAMS} connections of one session; seed {seed}\n"
    );
    println!(
        "| service | up, MB/s | down, MB/s | bytes lost | repeated | out of place | resumed | moves again, 50 % | 99 %, ms |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, faults, seconds) in ROWS {
        let list = format!("{faults}seed={seed}");
        let least = Duration::from_secs(seconds);
        row(name, &transfer(&tunnel(&list, 1), mib << 20, STREAMS, least));
    }
    let many = tunnel(&format!("seed={seed}"), SESSIONS);
    let name = format!("{SESSIONS} sessions at once");
    row(&name, &transfer(&many, mib << 20, SESSIONS, Duration::ZERO));
}

/// A service, its faults, and for how many seconds bytes go up and down again at least.
const ROWS: [(&str, &str, u64); 9] = [
    ("no fault", "", 0),
    ("1 % lost, 1 % repeated, 1 % overtaken", "drop=1%,dup=1%,reorder=1%,", 0),
    ("20 % lost", "drop=20%,", 0),
    ("cut every 2 s", "cut=2s,", 30),
    ("cut in the handshake", "cut=handshake,", 0),
    ("pauses for 10 s", "pause=11s/10s,", 22),
    ("away for 1 s every 4 s", "restart=4s/1s,", 20),
    ("200 ms round trip", "delay=100ms,", 0),
    (
        "all at once",
        "drop=1%,dup=1%,reorder=1%,delay=20ms,cut=handshake,cut=2s,bye=5s,pause=4s/300ms,\
         restart=6s/500ms,",
        30,
    ),
];
const STREAMS: usize = 8;
const SESSIONS: usize = 200;

fn argument(name: &str) -> Option<u64> {
    let mut words = env::args().skip_while(|word| word != name).skip(1);
    words.next().and_then(|word| word.parse().ok())
}

fn row(name: &str, run: &Run) {
    let Run { up, down, flaws, resumed, gaps, .. } = run;
    let gap = |percent: usize| {
        let at = gaps.len().saturating_sub(1) * percent / 100;
        gaps.get(at).map_or("-".to_owned(), |gap| gap.as_millis().to_string())
    };
    let Flaws { lost, repeated, misplaced } = flaws;
    println!(
        "| {name} | {up:.1} | {down:.1} | {lost} | {repeated} | {misplaced} | {resumed} | {} | {} |",
        gap(50),
        gap(99)
    );
}

/// What a transfer came to.
struct Run {
    /// MB/s.
    up: f64,
    down: f64,
    flaws: Flaws,
    resumed: usize,
    /// From a cut to the first payload behind it, in order.
    gaps: Vec<Duration>,
}

/// Bytes that did not arrive as they were sent.
#[derive(Clone, Copy, Default, Debug)]
struct Flaws {
    lost: u64,
    repeated: u64,
    misplaced: u64,
}

impl AddAssign for Flaws {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.misplaced += other.misplaced;
    }
}

/// A client and the ports that lead through it, all to the same server.
struct Tunnel {
    forward: Forward,
    #[cfg(feature = "aws")]
    _endpoint: support::Endpoint,
}

fn tunnel(faults: &str, sessions: usize) -> Tunnel {
    let spec = format!("0:{}", serve().port());
    let specs = vec![&*spec; sessions];
    #[cfg(feature = "aws")]
    {
        let endpoint = support::Endpoint::with(&["--faults", faults]);
        let arguments = ["--endpoint-url", &endpoint.url, "-v"];
        let forward = Forward::start(&specs, support::NODE, &arguments);
        Tunnel { forward, _endpoint: endpoint }
    }
    #[cfg(not(feature = "aws"))]
    Tunnel { forward: Forward::faulty(&specs, faults) }
}

fn transfer(tunnel: &Tunnel, bytes: u64, streams: usize, least: Duration) -> Run {
    let each = bytes / streams as u64 / WORD_LEN * WORD_LEN;
    let addresses = tunnel.forward.addresses();
    ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let lost_so_far = || tunnel.forward.program.stderr().matches(RESUMING).count();
    // One that was lost in the handshake is not among the cuts in the transfer.
    let before = lost_so_far();
    let (mut seen, mut cuts) = (before, Vec::new());
    let mut flaws = Flaws::default();
    let mut took = [Duration::ZERO; 2];
    let (first, mut rounds) = (Instant::now(), 0);
    while rounds == 0 || first.elapsed() < least {
        rounds += 1;
        for (took, direction) in took.iter_mut().zip([Direction::Up, Direction::Down]) {
            let begin = Instant::now();
            let all: Vec<_> = (0..streams)
                .map(|stream| {
                    let address = addresses[stream % addresses.len()];
                    thread::spawn(move || carry(address, direction, each, stream as u64))
                })
                .collect();
            while !all.iter().all(|one| one.is_finished()) {
                thread::sleep(Duration::from_millis(1));
                let lost = lost_so_far();
                cuts.extend((seen..lost).map(|_| Instant::now()));
                seen = lost;
            }
            for one in all {
                flaws += one.join().expect("a result");
            }
            *took += begin.elapsed();
        }
    }
    let carried = (each * streams as u64 * rounds) as f64 / 1e6;
    let rates = took.map(|took| carried / took.as_secs_f64());
    let mut gaps: Vec<_> = cuts.iter().filter_map(|cut| gap_at(*cut)).collect();
    gaps.sort_unstable();
    Run { up: rates[0], down: rates[1], flaws, resumed: before + cuts.len(), gaps }
}

/// What the client says when it has lost a connection.
const RESUMING: &str = "; resuming session";

/// The longest silence among all connections that began when the connection was lost or, while what
/// had arrived before was still being passed on, soon after.
fn gap_at(cut: Instant) -> Option<Duration> {
    let mut arrivals = ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner);
    arrivals.sort_unstable();
    let pairs = arrivals
        .windows(2)
        .filter(|pair| pair[1] >= cut && pair[0] <= cut + Duration::from_millis(250));
    pairs.map(|pair| pair[1] - pair[0]).max()
}

/// When payload came out of the tunnel, at either end.
static ARRIVALS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

// --- what goes through ---

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

/// Carries `len` bytes one way; whoever receives them says what was wrong with them.
fn carry(address: SocketAddr, direction: Direction, len: u64, stream: u64) -> Flaws {
    let lost = Flaws { lost: len, ..Flaws::default() };
    let carried = || -> io::Result<Flaws> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let request = [u64::from(direction == Direction::Up), len, stream].map(u64::to_be_bytes);
        socket.write_all(&request.concat())?;
        if direction == Direction::Down {
            return Ok(receive(&mut socket, len, stream));
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
        eprintln!("connection {stream}: {error}");
        lost
    })
}

/// A server that receives or sends, as it is asked to.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || answer(socket));
        }
    });
    address
}

fn answer(mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut request = [[0; 8]; 3];
    for field in &mut request {
        socket.read_exact(field)?;
    }
    let [is_up, len, stream] = request.map(u64::from_be_bytes);
    if is_up == 0 {
        return send(&mut socket, len, stream);
    }
    let Flaws { lost, repeated, misplaced } = receive(&mut socket, len, stream);
    socket.write_all(&[lost, repeated, misplaced].map(u64::to_be_bytes).concat())
}

/// Each word says to which connection it belongs, and its place there.
fn send(socket: &mut TcpStream, len: u64, stream: u64) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_LEN);
    for index in 0..len / WORD_LEN {
        buffer.extend((stream << 48 | index).to_be_bytes());
        if buffer.len() >= BUFFER_LEN {
            socket.write_all(&buffer)?;
            buffer.clear();
        }
    }
    socket.write_all(&buffer)
}

fn receive(socket: &mut TcpStream, len: u64, stream: u64) -> Flaws {
    let count = len / WORD_LEN;
    let mut seen = vec![false; count as usize];
    let (mut flaws, mut expected, mut taken) = (Flaws::default(), 0, 0);
    let mut buffer = Vec::new();
    while taken < count {
        let mut part = vec![0; BUFFER_LEN];
        let Ok(read @ 1..) = socket.read(&mut part) else { break };
        ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        buffer.extend_from_slice(&part[..read]);
        let whole = buffer.len() / 8 * 8;
        for word in buffer.drain(..whole).collect::<Vec<_>>().chunks_exact(8) {
            let word = u64::from_be_bytes(word.try_into().expect("eight bytes"));
            let index = word & ((1 << 48) - 1);
            taken += 1;
            match seen.get_mut(index as usize) {
                Some(seen) if word >> 48 == stream => {
                    let again = std::mem::replace(seen, true);
                    flaws.repeated += if again { WORD_LEN } else { 0 };
                    flaws.misplaced += if !again && index != expected { WORD_LEN } else { 0 };
                }
                _ => flaws.misplaced += WORD_LEN,
            }
            expected = index + 1;
        }
    }
    flaws.lost = seen.iter().filter(|seen| !**seen).count() as u64 * WORD_LEN;
    flaws
}

const WORD_LEN: u64 = 8;
const BUFFER_LEN: usize = 64 << 10;
/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(60);
