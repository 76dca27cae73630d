//! Uploads while the agent's own connection to the service breaks, again and again: each byte reaches
//! its destination once.
//!
//! The agent delivers a message that comes in its turn before it acknowledges it, and counts it last:
//! `count-after-ack` in protocol-docs/sessions.md. What it could not acknowledge comes again, as it
//! must, and is delivered again.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use super::support::{DEADLINE, Forward, Program, faulty, in_shell};

/// Multiplexed: several connections of one session.
#[test]
fn uploads_through_a_forward_arrive_once() {
    upload_until_cut(2, |seed| {
        let destination = Destination::start();
        let forward = Forward::faulty(&[&format!("0:{}", destination.port)], &faults(seed));
        let address = forward.address();
        thread::scope(|scope| {
            for stream in 1..=CONNECTIONS {
                scope.spawn(move || upload(address, stream).expect("the upload is taken"));
            }
        });
        let flaws = (0..CONNECTIONS).flat_map(|_| destination.flaws(LEN / CONNECTIONS)).collect();
        Uploaded { cuts: cuts(&forward.program.stderr()), flaws }
    });
}

/// A single stream, as ssh has it.
#[test]
fn an_upload_through_the_proxy_arrives_once() {
    upload_until_cut(3, |seed| {
        let destination = Destination::start();
        let folder = tempfile::TempDir::new().expect("a folder");
        let input = folder.path().join("input");
        fs::write(&input, [words(1, LEN), END.to_vec()].concat()).expect("the input");
        let mut proxy = faulty(&faults(seed));
        proxy.args(["-v", "proxy", "local", &destination.port.to_string()]);
        proxy.env("INPUT", input);
        let ended = Program::run_within(PATIENCE, in_shell(r#"exec "$@" <"$INPUT""#, &proxy));
        let flaws = destination.flaws(LEN);
        assert_eq!((ended.code(), &*ended.stdout), (0, GREETING), "{}", ended.stderr);
        Uploaded { cuts: cuts(&ended.stderr), flaws }
    });
}

/// What came of one session's uploads.
struct Uploaded {
    /// How often the agent's connection broke.
    cuts: usize,
    /// What is wrong with what arrived.
    flaws: Vec<String>,
}

/// Uploads in `sessions` at a time, each with a seed of its own, until the agents' connections have
/// broken often enough.
fn upload_until_cut(sessions: u64, session: impl Fn(u64) -> Uploaded + Sync) {
    let (mut cuts, mut flaws, mut seeds) = (0, Vec::new(), 1..);
    let session = &session;
    while cuts < CUTS {
        thread::scope(|scope| {
            let round = seeds.by_ref().take(sessions as usize);
            let round: Vec<_> = round.map(|seed| scope.spawn(move || session(seed))).collect();
            for session in round {
                let uploaded = session.join().expect("the session ends well");
                assert!(uploaded.cuts > 0, "the agent's connection never broke");
                cuts += uploaded.cuts;
                flaws.extend(uploaded.flaws);
            }
        });
    }
    let list = flaws.join("\n");
    assert!(flaws.is_empty(), "the agents' connections broke {cuts} times, and:\n{list}");
}

/// With a rate, so that something is on its way whenever a connection breaks.
fn faults(seed: u64) -> String {
    format!("agent-cut=200ms,rate=10MB,delay=2ms,seed={seed}")
}

fn cuts(log: &str) -> usize {
    log.matches("the agent's own connection lost").count()
}

/// Sends its part of the bytes, and waits until the other end has had them all: it closes behind
/// [`END`], as an end of file would be kept back for its answer's sake.
fn upload(address: SocketAddr, stream: u64) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_write_timeout(Some(DEADLINE))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.write_all(&words(stream, LEN / CONNECTIONS))?;
    socket.write_all(&END)?;
    io::copy(&mut socket, &mut io::sink()).map(drop)
}

/// Where uploads go, in this process.
struct Destination {
    port: u16,
    received: Receiver<Vec<u8>>,
}

impl Destination {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let (tell, received) = mpsc::channel();
        // Lives as long as the process, which is the test's.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let tell = tell.clone();
                // Where nobody waits for it any more the test has failed already.
                thread::spawn(move || drop(tell.send(receive(socket))));
            }
        });
        Self { port, received }
    }

    /// What is wrong with the next upload of `len` bytes that has come to its end.
    fn flaws(&self, len: u64) -> Vec<String> {
        let received = self.received.recv_timeout(PATIENCE).expect("an upload's end");
        flaws(&received, len)
    }
}

/// All that comes until the end of the file, or until [`END`].
fn receive(mut socket: TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket.write_all(GREETING.as_bytes()).expect("the client is there");
    let (mut received, mut part) = (Vec::new(), vec![0; 64 << 10]);
    // What has come until it breaks is what there is to look at.
    while !received.ends_with(&END)
        && let Ok(len @ 1..) = socket.read(&mut part)
    {
        received.extend_from_slice(&part[..len]);
    }
    received.truncate(received.strip_suffix(&END).map_or(received.len(), <[u8]>::len));
    received
}

/// What an upload consists of: words that say whose they are, and their place.
fn words(stream: u64, len: u64) -> Vec<u8> {
    (0..len / WORD_LEN).flat_map(|index| word(stream, index).to_be_bytes()).collect()
}

fn word(stream: u64, index: u64) -> u64 {
    stream << PLACE_BITS | index
}

/// How `received` differs from the upload of `len` bytes that it begins as.
fn flaws(received: &[u8], len: u64) -> Vec<String> {
    let Some(first) = received.first_chunk() else { return vec!["nothing has come".to_owned()] };
    let stream = u64::from_be_bytes(*first) >> PLACE_BITS;
    let sent = words(stream, len);
    let (mut at, mut expected, mut flaws) = (0, 0, Vec::new());
    loop {
        let pairs = received[at..].iter().zip(&sent[expected..]);
        let same = pairs.take_while(|(received, sent)| received == sent).count();
        (at, expected) = (at + same, expected + same);
        let rest = &received[at..];
        if rest.is_empty() {
            let missing = sent.len() - expected;
            flaws.extend((missing > 0).then(|| format!("the last {missing} bytes never came")));
            break;
        }
        let Some(came) = place(rest, stream).filter(|came| *came <= sent.len()) else {
            flaws.push(format!("{} bytes behind the {at}th are none of it", rest.len()));
            break;
        };
        flaws.push(match expected.checked_sub(came) {
            Some(again) => format!("the {again} bytes from {came} to {expected} came again"),
            None => format!("the {} bytes from {expected} to {came} never came", came - expected),
        });
        expected = came;
    }
    flaws.iter().map(|flaw| format!("stream {stream}: {flaw}")).collect()
}

/// Where in the upload these bytes stand. They may begin within a word.
fn place(bytes: &[u8], stream: u64) -> Option<usize> {
    let word_at = |skip: usize| Some(u64::from_be_bytes(*bytes.get(skip..)?.first_chunk()?));
    (0..WORD_LEN as usize).find_map(|skip| {
        let (one, next) = (word_at(skip)?, word_at(skip + WORD_LEN as usize)?);
        let index = one.checked_sub(word(stream, 0)).filter(|_| next == one.wrapping_add(1))?;
        usize::try_from(index * WORD_LEN).ok()?.checked_sub(skip)
    })
}

/// Bytes of a session's uploads.
const LEN: u64 = 30_000_000;
const CONNECTIONS: u64 = 3;
/// Breaks of the agents' connections in one test.
const CUTS: usize = 50;
const WORD_LEN: u64 = 8;
const PLACE_BITS: u32 = 40;
/// A single stream has no end of file; no word is like this.
const END: [u8; 8] = [0xff; 8];
/// A single stream to which nothing was said is taken for one that led nowhere.
const GREETING: &str = "ready\n";
/// Many times what the uploads take.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn what_is_wrong_with_an_upload_is_told() {
    let sent = words(3, 800);
    let told = |received: &[&[u8]]| flaws(&received.concat(), 800);
    assert_eq!(told(&[&sent]), [""; 0]);
    assert_eq!(
        told(&[&sent[..160], &sent[80..]]),
        ["stream 3: the 80 bytes from 87 to 167 came again"]
    );
    assert_eq!(
        told(&[&sent[..163], &sent[80..]]),
        ["stream 3: the 83 bytes from 82 to 165 came again"]
    );
    assert_eq!(
        told(&[&sent[..400], &sent[480..]]),
        ["stream 3: the 80 bytes from 407 to 487 never came"]
    );
    assert_eq!(told(&[&sent[..790]]), ["stream 3: the last 10 bytes never came"]);
    assert_eq!(told(&[&sent, &[7; 100]]), ["stream 3: 100 bytes behind the 800th are none of it"]);
    assert_eq!(told(&[&sent, &sent[720..]]), ["stream 3: the 80 bytes from 720 to 800 came again"]);
    assert_eq!(told(&[]), ["nothing has come"]);
}
