//! The worked examples of `protocol-docs` are what the crate reads and writes.
//!
//! An example is a block of hex and, next after it, a block of JSON with the same name:
//!
//! ```text
//!   ```hex name=NAME      bytes; `;` begins a comment
//!   ```json name=NAME     the fields that they decode to
//! ```

use std::{collections::BTreeSet, fs, path::Path, time::Instant};

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use ssmport::{
    channel::Cipher,
    mux::{self, Event, Mux, StreamId},
    wire::{
        Acknowledgement, Flags, Frame, Header, MessageType, Packet, PayloadType,
        control::{Flag, ServiceMessage},
        encryption::DataKey,
        handshake::{HandshakeComplete, HandshakeRequest, HandshakeResponse},
    },
};
use uuid::Uuid;

#[test]
fn the_chapters_have_examples() {
    let examples = examples();
    assert!(examples.len() >= 15, "only {} examples found", examples.len());
    let mut names = BTreeSet::new();
    for example in &examples {
        assert!(names.insert(&example.name), "{} stands twice", example.name);
    }
}

#[test]
fn frames_decode_to_what_the_chapters_say() {
    for (name, bytes, told) in frames() {
        let frame = Frame::decode(bytes.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(frame.header, told.header(), "{name}");
        assert_eq!(frame.payload, told.payload(), "{name}");
        assert_eq!(frame.payload.len(), told.payload_length, "{name}");
        assert_eq!(hex(&frame.digest), told.digest, "{name}");
        assert!(frame.digest_matches(), "{name}");
        assert_eq!(hex(&Sha256::digest(told.payload())), told.digest, "{name}");
        assert_eq!(bytes[36..40], told.schema_version.to_be_bytes(), "{name}");
    }
}

#[test]
fn frames_are_written_as_the_chapters_say() {
    for (name, bytes, told) in frames() {
        let encoded = told.header().encode(Packet::copy_from(&told.payload()));
        assert_eq!(hex(&encoded), hex(&bytes), "{name}");
    }
}

#[test]
fn payloads_are_what_their_frames_say_they_are() {
    for (name, bytes, _) in frames() {
        let frame = Frame::decode(bytes).expect("checked above");
        let payload = &frame.payload[..];
        match (frame.header.message_type, frame.header.payload_type) {
            (MessageType::Acknowledge, _) => {
                let mut written = Vec::new();
                Acknowledgement::read(payload).expect(&name).write(&mut written);
                assert_eq!(hex(&written), hex(payload), "{name}");
            }
            (MessageType::StartPublication | MessageType::ChannelClosed, _) => {
                parse::<ServiceMessage>(&name, payload);
            }
            (_, PayloadType::HandshakeRequest) => drop(parse::<HandshakeRequest>(&name, payload)),
            (_, PayloadType::HandshakeResponse) => {
                drop(parse::<HandshakeResponse>(&name, payload));
            }
            (_, PayloadType::HandshakeComplete) => {
                drop(parse::<HandshakeComplete>(&name, payload));
            }
            (_, PayloadType::Flag) => {
                let flag = Flag::read(payload).expect(&name);
                assert!(!matches!(flag, Flag::Unknown(_)), "{name}");
            }
            _ => {}
        }
    }
}

/// With the chapter's data key: the bytes 00 to 3f.
#[test]
fn encrypted_payloads_are_what_the_chapter_says() {
    let bytes: Vec<u8> = (0..64).collect();
    let key = DataKey::new(&bytes, Vec::new()).expect("64 bytes");
    let mut decrypted = 0;
    for (name, _, told) in frames() {
        let Some(plaintext) = &told.plaintext else { continue };
        let payload = told.payload();
        let nonce = *payload.first_chunk().expect(&name);
        let opened = Cipher::of_agent(&key, nonce).decrypt(payload.clone().into());
        assert_eq!(opened.as_deref(), Some(plaintext.as_bytes()), "{name}");
        let mut packet = Packet::copy_from(plaintext.as_bytes());
        Cipher::of_client(&key, nonce).encrypt(&mut packet);
        assert_eq!(hex(packet.payload()), hex(&payload), "{name}");
        decrypted += 1;
    }
    assert_eq!(decrypted, 1);
}

fn parse<'a, T: Deserialize<'a>>(name: &str, payload: &'a [u8]) -> T {
    serde_json::from_slice(payload).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn mux_bytes_are_what_the_chapters_say() {
    for (name, bytes, told) in mux_examples() {
        let spelled: Vec<u8> = told.frames.iter().flat_map(MuxFrame::bytes).collect();
        assert_eq!(hex(&spelled), hex(&bytes), "{name}");
    }
}

/// Whole and byte by byte, by the end that accepts streams.
#[test]
fn mux_bytes_are_read_as_the_chapters_say() {
    for (name, bytes, told) in mux_examples() {
        for step in [1, bytes.len()] {
            let now = start();
            let mut server = Mux::new(mux::Config::new(mux::Role::Server));
            let mut events = Vec::new();
            // Examples that begin in the middle of a stream's life find it open.
            if let Some(open) = told.stream_open_before() {
                let syn =
                    MuxFrame { command: "SYN".into(), stream_id: open, ..MuxFrame::default() };
                server.handle_bytes(syn.bytes().into(), now).expect(&name);
                assert_eq!(server.poll_event(), Some(Event::Opened(StreamId(open))), "{name}");
            }
            for start in (0..bytes.len()).step_by(step) {
                server.handle_bytes(bytes.slice(start..start + step), now).expect(&name);
                events.extend(std::iter::from_fn(|| server.poll_event()));
            }
            assert_eq!(events, told.events(), "{name}");
            for frame in told.frames.iter().filter(|frame| frame.command == "PSH") {
                let stream = StreamId(frame.stream_id);
                let pieces = std::iter::from_fn(|| {
                    let piece = server.front(stream)?.clone();
                    server.consume(stream, piece.len());
                    Some(piece)
                });
                let data: Vec<u8> = pieces.flatten().collect();
                assert_eq!(hex(&data), frame.data_hex, "{name}");
            }
            assert!(!server.has_control(), "{name}: nothing of this is refused");
        }
    }
}

/// What the examples spell is what a client writes from its first stream on.
#[test]
fn mux_bytes_are_written_as_the_chapters_say() {
    let examples = mux_examples();
    let bytes_of = |wanted: &str| {
        let found = examples.iter().find(|(name, ..)| name == wanted);
        found.unwrap_or_else(|| panic!("no example {wanted}")).1.clone()
    };
    let now = start();
    let mut client = Mux::new(mux::Config::new(mux::Role::Client));

    let stream = client.open().expect("the first stream");
    let syn = client.poll_control().expect("its SYN");
    assert_eq!(hex(&syn), hex(&bytes_of("smux-syn")));
    let data = client.data_header(stream, 1).expect("an open stream");
    assert_eq!(hex(&[&data[..], b"x"].concat()), hex(&bytes_of("smux-psh")));
    assert_eq!(hex(&[&syn[..], &data, b"E"].concat()), hex(&bytes_of("smux-syn-and-psh")));
    client.send_keepalive();
    assert_eq!(client.poll_control().map(|nop| hex(&nop)), Some(hex(&bytes_of("smux-nop"))));
    // The peer's FIN lets ours go at once.
    client.handle_bytes(bytes_of("smux-fin"), now).expect("a FIN");
    client.finish(stream);
    assert_eq!(client.poll_control().map(|fin| hex(&fin)), Some(hex(&bytes_of("smux-fin"))));
}

#[test]
fn blocks_that_break_the_grammar_are_reported() {
    let hex = "```hex name=a\n00 ; zero\n```\n";
    let json = "```json name=a\n{}\n```\n";
    assert_eq!(read_examples(&[hex, json].concat()).map(|found| found.len()), Ok(1));
    assert_eq!(read_examples("```\n```hex name=a\n```\n").map(|found| found.len()), Ok(0));
    for broken in [
        hex.to_owned(),
        json.to_owned(),
        [hex, hex, json, json].concat(),
        [json, hex].concat(),
        [hex, &json.replace("=a", "=b")].concat(),
        [hex, json].concat().replace("=a", "=A_1"),
        [hex, json].concat().replace("hex name", "hex  name"),
        [hex, json].concat().replace("00", "0"),
        [hex, json].concat().replace("00", "0G"),
        [hex, json].concat().replace("00", "FF"),
        [hex, "```json name=a\n{}\n"].concat(),
    ] {
        assert!(read_examples(&broken).is_err(), "{broken}");
    }
}

// --- what the JSON says ---

/// The fields of a frame.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldFrame {
    message_type: String,
    schema_version: u32,
    created_ms: u64,
    sequence_number: i64,
    flags: u64,
    message_id: String,
    payload_type: u32,
    payload_length: usize,
    payload: Option<String>,
    payload_hex: Option<String>,
    plaintext: Option<String>,
    digest: String,
}

impl ToldFrame {
    fn header(&self) -> Header {
        let name = &self.message_type;
        Header {
            message_type: MessageType::from_name(name).expect("a name of the protocol"),
            created_ms: self.created_ms,
            sequence_number: self.sequence_number,
            flags: Flags(self.flags),
            message_id: Uuid::try_parse(&self.message_id).expect("a UUID"),
            payload_type: payload_type(self.payload_type),
        }
    }

    fn payload(&self) -> Vec<u8> {
        match (&self.payload, &self.payload_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(digits)) => unhex(digits).expect("pairs of digits"),
            _ => panic!("exactly one of payload and payload_hex: {}", self.message_id),
        }
    }
}

/// As the table of payload types has it.
fn payload_type(number: u32) -> PayloadType {
    match number {
        0 => PayloadType::None,
        1 => PayloadType::Output,
        2 => PayloadType::Error,
        3 => PayloadType::Size,
        4 => PayloadType::Parameter,
        5 => PayloadType::HandshakeRequest,
        6 => PayloadType::HandshakeResponse,
        7 => PayloadType::HandshakeComplete,
        8 => PayloadType::EncChallengeRequest,
        9 => PayloadType::EncChallengeResponse,
        10 => PayloadType::Flag,
        11 => PayloadType::StdErr,
        12 => PayloadType::ExitCode,
        other => PayloadType::Unknown(other),
    }
}

/// The frames of a multiplexer's bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldMux {
    frames: Vec<MuxFrame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MuxFrame {
    version: u8,
    command: String,
    length: u16,
    stream_id: u32,
    data_hex: String,
}

impl Default for MuxFrame {
    fn default() -> Self {
        let (command, data_hex) = ("NOP".to_owned(), String::new());
        Self { version: 1, command, length: 0, stream_id: 0, data_hex }
    }
}

impl ToldMux {
    /// The stream that must be there before these frames mean anything.
    fn stream_open_before(&self) -> Option<u32> {
        let first = self.frames.first()?;
        matches!(first.command.as_str(), "PSH" | "FIN").then_some(first.stream_id)
    }

    fn events(&self) -> Vec<Event> {
        let event = |frame: &MuxFrame| {
            let stream = StreamId(frame.stream_id);
            match frame.command.as_str() {
                "SYN" => Some(Event::Opened(stream)),
                "PSH" => Some(Event::Readable(stream)),
                "FIN" => Some(Event::Finished(stream)),
                _ => None,
            }
        };
        self.frames.iter().filter_map(event).collect()
    }
}

impl MuxFrame {
    fn bytes(&self) -> Vec<u8> {
        let names = ["SYN", "FIN", "PSH", "NOP"];
        let command = names.iter().position(|name| *name == self.command).expect("a command");
        let mut bytes = vec![self.version, command as u8];
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.stream_id.to_le_bytes());
        bytes.extend(unhex(&self.data_hex).expect("pairs of digits"));
        bytes
    }
}

// --- the examples in the chapters ---

struct Example {
    name: String,
    bytes: Bytes,
    json: String,
}

fn frames() -> Vec<(String, Bytes, ToldFrame)> {
    told(|name| !name.starts_with("smux-"))
}

fn mux_examples() -> Vec<(String, Bytes, ToldMux)> {
    told(|name| name.starts_with("smux-"))
}

fn told<T: for<'a> Deserialize<'a>>(wanted: fn(&str) -> bool) -> Vec<(String, Bytes, T)> {
    let wanted = examples().into_iter().filter(|example| wanted(&example.name));
    let told: Vec<_> = wanted
        .map(|Example { name, bytes, json }| {
            let told = parse(&name, json.as_bytes());
            (name, bytes, told)
        })
        .collect();
    assert!(!told.is_empty());
    told
}

fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-docs");
    let chapters = fs::read_dir(folder).expect("the chapters");
    let chapters = chapters.map(|entry| entry.expect("a chapter").path());
    let mut found = Vec::new();
    for chapter in chapters.filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&chapter).expect("a readable chapter");
        let examples = read_examples(&text);
        found.extend(examples.unwrap_or_else(|error| panic!("{}: {error}", chapter.display())));
    }
    found
}

fn read_examples(text: &str) -> Result<Vec<Example>, String> {
    let mut examples = Vec::new();
    let mut waiting: Option<(String, Bytes)> = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut body = Vec::new();
        loop {
            match lines.next() {
                Some("```") => break,
                Some(inside) => body.push(inside),
                None => return Err(format!("{line}: not closed")),
            }
        }
        if !info.starts_with("hex") && !info.contains("name=") {
            continue;
        }
        let (language, name) = split_info(info).ok_or(format!("{line}: not the grammar"))?;
        match (language, waiting.take()) {
            ("hex", None) => waiting = Some((name.to_owned(), read_hex(name, &body)?)),
            ("json", Some((waiting, bytes))) if waiting == name => {
                examples.push(Example { name: waiting, bytes, json: body.join("\n") });
            }
            (_, Some((waiting, _))) => return Err(format!("{waiting}: no JSON follows")),
            (_, None) => return Err(format!("{name}: no hex before")),
        }
    }
    match waiting {
        Some((name, _)) => Err(format!("{name}: no JSON follows")),
        None => Ok(examples),
    }
}

/// `hex name=a-name` or `json name=a-name`.
fn split_info(info: &str) -> Option<(&str, &str)> {
    let (language, name) = info.split_once(" name=")?;
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let fits = matches!(language, "hex" | "json") && !name.is_empty() && name.bytes().all(letter);
    fits.then_some((language, name))
}

fn read_hex(name: &str, lines: &[&str]) -> Result<Bytes, String> {
    let bytes = lines.iter().flat_map(|line| line.split(';').next());
    let digits: String = bytes.flat_map(str::split_whitespace).collect();
    unhex(&digits).map(Bytes::from).ok_or(format!("{name}: not pairs of lowercase digits"))
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let lowercase = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !lowercase || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "tests choose where time begins")]
fn start() -> Instant {
    Instant::now()
}
