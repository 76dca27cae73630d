//! Lines with a rate: how much of it bulk gets, and how long a key waits beside it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    bytes::WORD_LEN,
    support::Forward,
    transfer::{Direction, carry, echo},
    verdict::OneWay,
};

/// A service that so much passes through.
#[derive(Clone, Copy)]
pub struct Line {
    /// Bytes a second, each way.
    rate: u64,
    /// Each way.
    delay: Duration,
}

/// All of them, the slowest first.
pub fn lines() -> impl Iterator<Item = Line> {
    let lines = RATES.iter().flat_map(|rate| DELAYS.map(|delay| (*rate, delay)));
    lines.map(|(rate, delay)| Line { rate, delay })
}

impl Line {
    /// The row's name.
    pub fn name(&self) -> String {
        let Self { rate, delay } = self;
        let rate = match rate {
            ..1_000_000 => format!("{} KB/s", rate / 1000),
            _ => format!("{:.2} MB/s", *rate as f64 / 1e6),
        };
        format!("rate {rate}, {} ms each way", delay.as_millis())
    }

    /// The list of faults.
    pub fn faults(&self, seed: u64) -> String {
        format!("rate={}KB,delay={}ms,seed={seed}", self.rate / 1000, self.delay.as_millis())
    }

    /// Carries [`WORTH`] of the rate, and at most `most` bytes, up and then down on one connection
    /// of `forward`, with keys on another one.
    ///
    /// # Errors
    /// When it does not come to an end, or a key does not come back.
    pub fn measure(&self, forward: &Forward, most: u64) -> Result<[OneWay; 2], String> {
        let bytes = (self.rate * WORTH.as_secs()).min(most).next_multiple_of(WORD_LEN);
        let mut keyboard = Keyboard::connect(forward.address())?;
        let up = self.one_way(forward.address(), Direction::Up, bytes, &mut keyboard)?;
        let down = self.one_way(forward.address(), Direction::Down, bytes, &mut keyboard)?;
        Ok([up, down])
    }

    fn one_way(
        &self,
        address: SocketAddr,
        direction: Direction,
        bytes: u64,
        keyboard: &mut Keyboard,
    ) -> Result<OneWay, String> {
        let begin = Instant::now();
        let carried = thread::spawn(move || {
            let flaws = carry(address, direction, bytes, direction as u64);
            (flaws, begin.elapsed())
        });
        let mut keys = Vec::new();
        while !carried.is_finished() {
            if begin.elapsed() > PATIENCE {
                return Err(format!("{bytes} bytes did not pass in {PATIENCE:?}, {direction:?}"));
            }
            keys.push(keyboard.strike().map_err(|error| format!("{direction:?}: {error}"))?);
        }
        let (flaws, took) = carried.join().map_err(|_| "the connection's thread panicked")?;
        keys.sort_unstable();
        let goodput = bytes as f64 / took.as_secs_f64();
        Ok(OneWay { share: goodput / self.rate as f64, keys, flaws })
    }
}

/// Somebody who types on a connection that is quiet otherwise.
struct Keyboard {
    socket: TcpStream,
    /// When the next key is struck, unless the one before has not come back.
    next: Instant,
    key: u8,
}

impl Keyboard {
    fn connect(address: SocketAddr) -> Result<Self, String> {
        let socket = echo(address).map_err(|error| format!("a connection for keys: {error}"))?;
        let mut keyboard = Self { socket, next: Instant::now(), key: 0 };
        // The connection is there when the first one is back.
        keyboard.strike()?;
        Ok(keyboard)
    }

    /// How long a key takes there and back, when its time has come.
    fn strike(&mut self) -> Result<Duration, String> {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        self.next = begin + BETWEEN_KEYS;
        self.key = self.key.wrapping_add(1);
        let mut echo = [0];
        let struck = self.socket.write_all(&[self.key]);
        let returned = struck.and_then(|()| self.socket.read_exact(&mut echo));
        returned.map_err(|error| format!("a key did not come back: {error}"))?;
        match echo == [self.key] {
            true => Ok(begin.elapsed()),
            false => Err(format!("key {} came back as {}", self.key, echo[0])),
        }
    }
}

const RATES: [u64; 4] = [60_000, 125_000, 300_000, 1_250_000];
const DELAYS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];
/// As long as the bytes of one way take where all of the rate is theirs.
pub const WORTH: Duration = Duration::from_secs(8);
pub const BETWEEN_KEYS: Duration = Duration::from_millis(250);
/// For the bytes of one way.
const PATIENCE: Duration = Duration::from_secs(60);
