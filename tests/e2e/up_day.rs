//! A day of `ssmport up`, in short: connections break and the service goes away, while each tunnel carries data all
//! the time. Every byte is there, and in the end nothing is left of it: no session, descriptor, thread or memory.
//!
//! `SSMPORT_TEST_UP_SECONDS=86400 cargo test --test e2e up_day -- --nocapture` is a whole one.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    support::{Endpoint, NODE, Program, Signal, await_that},
    targets::TcpTarget,
    up::{User, connect, to, tunnel},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test(flavor = "multi_thread")]
async fn under_faults_no_byte_is_lost_and_nothing_is_left() {
    let seconds = env::var("SSMPORT_TEST_UP_SECONDS");
    let seconds = seconds.map_or(8, |seconds| seconds.parse().expect("a number of seconds"));
    let echo = TcpTarget::echo().await;
    // Each has as many sessions as can be counted on.
    let config: String =
        NAMES.iter().map(|name| to(name, NODE, echo.port, 0) + "lanes = 1\n").collect();
    let mut user = User::with(&config);
    user.endpoint = Endpoint::with(&["--faults", "cut=0.4s,restart=2s/0.3s,seed=11"]);
    let at_endpoint = Taken::by(&user.endpoint.program);
    let up = user.start(&["up", "--json"]);
    let told: Vec<Value> = NAMES.iter().map(|name| tunnel(&up, name, "up")).collect();
    let (mut connections, mut bytes) = carry(&told, Duration::ZERO).await;
    await_closed(&user);
    let before = Taken::by(&up);
    await_that("each tunnel has one session", || sessions(&user.endpoint) == Some(NAMES.len()));

    let more = carry(&told, Duration::from_secs(seconds)).await;
    connections += more.0;
    bytes += more.1;
    await_closed(&user);
    let statuses: Vec<_> = NAMES.iter().map(|name| user.status(name)).collect();
    for field in ["bytes_sent", "bytes_received"] {
        assert_eq!(sum(&statuses, field), bytes, "{statuses:#?}");
    }
    assert_eq!(sum(&statuses, "taken"), connections, "{statuses:#?}");
    // A data channel that is being dialled again takes some for a moment.
    await_that("descriptors are closed", || Taken::by(&up).descriptors <= before.descriptors);
    await_that("each tunnel has one session", || sessions(&user.endpoint) == Some(NAMES.len()));
    let after = Taken::by(&up);
    let more = after.memory.saturating_sub(before.memory);
    assert!(more < MOST_MEMORY, "{more} bytes more: {before:?}, {after:?}");
    assert!(after.threads <= before.threads + SPARE_THREADS, "{before:?}, {after:?}");
    eprintln!("{connections} connections, {bytes} bytes each way: {before:?}, then {after:?}");

    up.signal(Signal::TERM);
    assert_eq!(up.finish().code(), 143);
    await_that("no session is left", || sessions(&user.endpoint) == Some(0));
    await_that("the endpoint has closed all of it", || {
        Taken::by(&user.endpoint.program).descriptors <= at_endpoint.descriptors
    });
}

/// Keeps all tunnels busy for so long: how many connections that were, and bytes each way.
async fn carry(tunnels: &[Value], time: Duration) -> (u64, u64) {
    let until = Instant::now() + time;
    let mut busy = JoinSet::new();
    for (number, tunnel) in (0..).zip(tunnels.to_vec()) {
        busy.spawn(async move {
            let mut connections = 0;
            loop {
                there_and_back(&tunnel, number << 32 | connections).await;
                connections += 1;
                if Instant::now() >= until {
                    return connections;
                }
            }
        });
    }
    let connections = busy.join_all().await.into_iter().sum();
    (connections, connections * (CHUNKS * CHUNK) as u64)
}

/// One connection: what it sends comes back while it goes on sending.
async fn there_and_back(tunnel: &Value, seed: u64) {
    let (mut from, mut to) = connect(tunnel).await.into_split();
    let sending = async {
        let (mut random, mut sent) = (SmallRng::seed_from_u64(seed), Sha256::new());
        let mut chunk = vec![0; CHUNK];
        for _ in 0..CHUNKS {
            random.fill(&mut chunk[..]);
            to.write_all(&chunk).await.expect("sent");
            sent.update(&chunk);
            sleep(PAUSE).await;
        }
        sent.finalize()
    };
    let receiving = async {
        let (mut received, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        for _ in 0..CHUNKS {
            let read = timeout(PATIENCE, from.read_exact(&mut chunk)).await;
            read.expect("something in time").expect("the rest");
            received.update(&chunk);
        }
        received.finalize()
    };
    let (sent, received) = tokio::join!(sending, receiving);
    assert_eq!(sent, received, "of seed {seed}");
}

fn await_closed(user: &User) {
    await_that("connections are closed", || {
        NAMES.iter().all(|name| user.status(name)["connections"] == 0)
    });
}

fn sum(statuses: &[Value], field: &str) -> u64 {
    statuses.iter().map(|status| status[field].as_u64().expect("a number")).sum()
}

/// How many there are, unless the service is away.
fn sessions(endpoint: &Endpoint) -> Option<usize> {
    let (status, answer) = endpoint.call("DescribeSessions", &json!({ "State": "Active" }));
    (status == 200).then(|| answer["Sessions"].as_array().map(Vec::len)).flatten()
}

/// What a process has of the system.
#[derive(Debug)]
struct Taken {
    descriptors: usize,
    threads: usize,
    /// Resident, in bytes.
    memory: u64,
}

impl Taken {
    fn by(program: &Program) -> Self {
        let folder = format!("/proc/{}", program.pid().as_raw_nonzero());
        let entries = |name| {
            let entries = fs::read_dir(format!("{folder}/{name}"));
            entries.expect("the process is there").count()
        };
        let status = fs::read_to_string(format!("{folder}/status")).expect("its status");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Self {
            descriptors: entries("fd"),
            threads: entries("task"),
            memory: memory.expect("its memory") << 10,
        }
    }
}

/// A connection is a few seconds long, and longer than the one to the service.
const CHUNKS: usize = 80;
const CHUNK: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_MEMORY: u64 = 16 << 20;
/// Those that block for somebody stay for ten seconds.
const SPARE_THREADS: usize = 8;
