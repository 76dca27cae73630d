//! Companions as they run on a node, in each of the languages.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use bytes::BytesMut;

use super::{
    super::{
        blocks::{Block, Blocks},
        frames::{Answer, Frame},
    },
    *,
};

#[test]
fn a_stranger_gets_nothing_and_behind_the_client_there_is_nobody_to_ask() {
    each_language(|mut companion| {
        let stranger = companion.connect(&[b'x'; 33]);
        assert_eq!(end_of(stranger), b"");
        let silent = companion.connect(b"");
        let _uplink = companion.uplink();
        assert_eq!(end_of(silent), b"", "it is not waited for any more");
        TcpStream::connect(("127.0.0.1", companion.hello.port)).expect_err("it listens no more");
    });
}

#[test]
fn strangers_do_not_keep_the_client_out() {
    each_language(|mut companion| {
        let _silent: Vec<_> = (0..20).map(|_| companion.connect(b"0123")).collect();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Ping(7));
        assert_eq!(companion.next(), Said::Other("Pong(7)".into()));
        let mut echo = [0; Answer::LEN];
        uplink.0.read_exact(&mut echo).unwrap();
        assert_eq!(Answer::read(echo), Some(Answer::Echo(7)));
    });
}

/// The agent may take `localhost` for either address.
#[test]
fn nobody_else_is_at_its_port_of_either_address_and_it_is_reached_by_both() {
    each_language(|mut companion| {
        let port = companion.hello.port;
        if TcpListener::bind("[::1]:0").is_err() {
            return;
        }
        let taken = TcpListener::bind(("::1", port)).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        let mut socket = TcpStream::connect(("::1", port)).unwrap();
        socket.write_all(&companion.hello.greeting()).unwrap();
        let mut uplink = companion.proven(socket);
        uplink.say(Frame::Ping(1));
        assert_eq!(companion.next(), Said::Other("Pong(1)".into()));
    });
}

#[test]
fn who_says_nothing_is_waited_for_some_seconds() {
    each_language(|mut companion| {
        let silent = companion.connect(b"0123");
        assert_eq!(end_of(silent), b"");
        companion.uplink();
    });
}

/// What a destination says is for nobody who happens to be at another companion's port.
#[test]
fn output_goes_to_nobody_who_does_not_prove_to_be_another_companion() {
    each_language(|mut companion| {
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = stranger.local_addr().unwrap().port();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Ping(1));
        assert_eq!(companion.next(), Said::Other("Pong(1)".into()));
        let secret = companion.hello.secret.clone();
        for answer in [&secret[..WORD_LEN], b"short"] {
            uplink.say(Frame::Move { port, secret: &secret });
            uplink.say(Frame::Ping(2));
            let (mut socket, _) = stranger.accept().unwrap();
            socket.read_exact(&mut [0; WORD_LEN + 1]).unwrap();
            socket.write_all(answer).unwrap();
            assert_eq!(end_of(socket), b"");
        }
    });
}

#[test]
fn the_client_is_let_in_though_strangers_go_on_coming() {
    each_language(|mut companion| {
        let mut uplink = companion.connect(&companion.hello.greeting()[..20]);
        let _silent: Vec<_> = (0..5).map(|_| companion.connect(b"0123")).collect();
        uplink.write_all(&companion.hello.greeting()[20..]).unwrap();
        let _more: Vec<_> =
            (0..20).map(|_| TcpStream::connect(("127.0.0.1", companion.hello.port))).collect();
        let mut uplink = companion.proven(uplink);
        uplink.say(Frame::Ping(1));
        assert_eq!(companion.next(), Said::Other("Pong(1)".into()));
    });
}

#[test]
fn all_that_a_destination_has_taken_is_told_once_it_has_the_end() {
    each_language(|mut companion| {
        let destination = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = destination.local_addr().unwrap().port();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Open { stream: 3, credit: 100, host: "127.0.0.1", port });
        uplink.say(Frame::Data { stream: 3, bytes: b"request" });
        uplink.say(Frame::End { stream: 3 });
        let mut told = [0; Answer::LEN];
        uplink.0.read_exact(&mut told).unwrap();
        assert_eq!(Answer::read(told), Some(Answer::Taken { stream: 3, count: 7 }));
    });
}

#[test]
fn bytes_that_the_agent_would_change_are_sent_in_letters() {
    let text = "caf\u{fffd} \u{fffd}".as_bytes();
    each_language(|mut companion| {
        let destination = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = destination.local_addr().unwrap().port();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Open { stream: 9, credit: 100, host: "localhost", port });
        let (mut socket, _) = destination.accept().unwrap();
        socket.write_all(text).unwrap();
        assert_eq!(companion.next(), Said::Data(9, text.to_vec()));
        assert!(!companion.raw.windows(3).any(|part| part == "\u{fffd}".as_bytes()));
        uplink.say(Frame::Data { stream: 9, bytes: b"request" });
        uplink.say(Frame::End { stream: 9 });
        let mut heard = Vec::new();
        socket.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"request");
        drop(socket);
        let total = text.len();
        assert_eq!(
            companion.next(),
            Said::Other(format!("Finished {{ stream: 9, total: {total} }}"))
        );
    });
}

#[test]
fn no_more_comes_than_may_come_and_a_cut_is_no_end() {
    each_language(|mut companion| {
        let destination = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = destination.local_addr().unwrap().port();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Open { stream: 1, credit: 3, host: "127.0.0.1", port });
        let (mut socket, _) = destination.accept().unwrap();
        socket.write_all(b"hello").unwrap();
        assert_eq!(companion.next(), Said::Data(1, b"hel".to_vec()));
        uplink.say(Frame::Ping(1));
        assert_eq!(companion.next(), Said::Other("Pong(1)".into()));
        uplink.say(Frame::Credit { stream: 1, count: 10 });
        assert_eq!(companion.next(), Said::Data(1, b"lo".to_vec()));
        // Whoever cuts the client off cuts the destination off.
        drop(uplink);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let error = socket.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(companion.child.wait().unwrap().success());
    });
}

#[test]
fn output_goes_on_where_it_was_by_another_companion() {
    each_language(|mut companion| {
        let mut other = Companion::start(companion.language);
        let destination = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = destination.local_addr().unwrap().port();
        let mut uplink = companion.uplink();
        uplink.say(Frame::Open { stream: 1, credit: 1 << 30, host: "127.0.0.1", port });
        let (mut socket, _) = destination.accept().unwrap();
        socket.write_all(b"hello").unwrap();
        assert_eq!(companion.next(), Said::Data(1, b"hello".to_vec()));
        // Of its 25 bytes 20 have come.
        let hello = other.hello.clone();
        uplink.say(Frame::Received(20));
        uplink.say(Frame::Move { port: hello.port, secret: &hello.secret });
        socket.write_all(b" there").unwrap();
        let mut rest = [0; 5 + 17 + 6];
        other.output.read_exact(&mut rest).unwrap();
        assert_eq!(&rest[..], b"lo~~~D0000000100000006 there");
        drop(uplink);
        assert!(other.child.wait().unwrap().success(), "it goes with the one that it serves");
    });
}

#[test]
fn a_companion_whose_output_nobody_has_ends() {
    for language in ["python3", "perl"] {
        let mut companion = Companion::start(language);
        let mut uplink = companion.uplink();
        drop(companion.output);
        uplink.say(Frame::Ping(1));
        assert!(companion.child.wait().unwrap().success());
    }
}

fn each_language(test: impl Fn(Companion)) {
    for language in ["python3", "perl"] {
        test(Companion::start(language));
    }
}

/// One that runs. It is killed with this.
struct Companion {
    language: &'static str,
    child: Reaped,
    output: BufReader<ChildStdout>,
    hello: Hello,
    blocks: Blocks,
    /// All that it has written behind its first line.
    raw: Vec<u8>,
}

struct Reaped(Child);

impl std::ops::Deref for Reaped {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Reaped {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Uplink(TcpStream);

impl Uplink {
    fn say(&mut self, frame: Frame<'_>) {
        let mut bytes = BytesMut::new();
        frame.write(&mut bytes);
        self.0.write_all(&bytes).unwrap();
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Said {
    Data(u32, Vec<u8>),
    Other(String),
}

impl Companion {
    fn start(language: &'static str) -> Self {
        let words = shlex::split(&request(None).parameters["command"][0]).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        // The shell takes the other one where this one is not to be had.
        if language == "perl" {
            command.env("PATH", without_python());
        }
        let mut child = Reaped(command.spawn().unwrap());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let hello = Hello::read(line.trim_end().as_bytes()).unwrap();
        let running = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        let runs = running.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        assert!(runs.ends_with(language.as_bytes()), "{}", runs.escape_ascii());
        Self { language, child, output, hello, blocks: Blocks::default(), raw: Vec::new() }
    }

    fn connect(&self, begin: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(("127.0.0.1", self.hello.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(begin).unwrap();
        socket
    }

    fn uplink(&mut self) -> Uplink {
        self.proven(self.connect(&self.hello.greeting()))
    }

    /// Nobody else can have answered so.
    fn proven(&self, mut socket: TcpStream) -> Uplink {
        let mut proof = [0; WORD_LEN];
        socket.read_exact(&mut proof).unwrap();
        assert_eq!(proof, self.hello.proof());
        Uplink(socket)
    }

    fn next(&mut self) -> Said {
        let mut said: Option<Said> = None;
        loop {
            let bytes = self.output.fill_buf().unwrap().to_vec();
            assert!(!bytes.is_empty(), "it has ended");
            self.output.consume(bytes.len());
            self.raw.extend_from_slice(&bytes);
            let read = self.blocks.read(&bytes, |block| {
                match (block, &mut said) {
                    (Block::Data { bytes, .. }, Some(Said::Data(_, all))) => {
                        all.extend_from_slice(bytes);
                    }
                    (Block::Data { stream, bytes }, said) => {
                        *said = Some(Said::Data(stream, bytes.to_vec()));
                    }
                    (other, said) => *said = Some(Said::Other(format!("{other:?}"))),
                }
                Ok(())
            });
            read.unwrap();
            if let Some(said) = said.take() {
                return said;
            }
        }
    }
}

/// All that comes; a reset is an end as good as any.
fn end_of(mut socket: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match socket.read_to_end(&mut all) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => all,
    }
}

/// A PATH on which there is a perl, and no python3.
fn without_python() -> std::path::PathBuf {
    static FOLDER: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let perl = std::env::split_paths(&path).map(|part| part.join("perl"));
        let perl = perl.into_iter().find(|perl| perl.exists()).expect("perl");
        std::os::unix::fs::symlink(perl, folder.path().join("perl")).unwrap();
        folder
    });
    folder.path().to_owned()
}

const PATIENCE: Duration = Duration::from_secs(30);
