//! A channel of either role against a peer that may do anything: the input is a script of frames,
//! pauses, acknowledgements, times and connections, which is run several times on one channel, with
//! ever higher sequence numbers.
//!
//! Whatever the peer does, each message comes out once and in its turn (twice, where an agent is to
//! count late as the real one does), the handshake before any,
//! only what has come is acknowledged, what is sent are frames, and memory has a bound.
#![no_main]

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ssmport::{
    channel::{
        Channel, Cipher, Config, EarlyData, EncryptionDemand, Event, Habits, PROOF_LEN, Role,
        Window,
    },
    wire::{
        Acknowledgement, Base64, Frame, HEADER_LEN, MessageType, Packet, PayloadType,
        encryption::{DATA_KEY_LEN, DataKey, EncryptionChallenge},
        handshake::SessionTypeParameters,
    },
};
use ssmport_fuzz::{Frames, Script, start, within};

static FRAMES: Frames = Frames::new();

fuzz_target!(|input: &[u8]| {
    // The window, the reorder buffer, what one step sends; and what the bench keeps itself.
    within(4 * WINDOW.bytes + 64 * ROUNDS * input.len() + (128 << 10), || {
        let mut bench = Bench::new(Script(input).byte());
        for round in 0..ROUNDS {
            bench.base = STRIDE * round as i64;
            let mut script = Script(input.get(1..).unwrap_or_default());
            while script.goes_on() {
                if !bench.step(&mut script) {
                    return;
                }
                bench.drain();
            }
        }
    });
});

struct Bench {
    channel: Channel,
    now: Instant,
    /// What the script's numbers are counted from in this round.
    base: i64,
    incoming: MessageType,
    is_encrypted: bool,
    /// The last message may be delivered once more.
    counts_late: bool,
    /// The peer's, once the channel has its data key.
    cipher: Option<Cipher>,
    /// Numbers of all data that was handed in.
    sent: BTreeSet<i64>,
    ready: bool,
    last_delivered: Option<i64>,
}

impl Bench {
    fn new(setting: u8) -> Self {
        let now = start();
        let session_type = "Port".to_owned();
        let properties = serde_json::Value::Null;
        let session = SessionTypeParameters { session_type, properties };
        let (role, incoming) = match setting % 3 {
            0 => (Role::Client, MessageType::OutputStreamData),
            1 => (Role::Agent { session: Some(session) }, MessageType::InputStreamData),
            _ => (Role::Agent { session: None }, MessageType::InputStreamData),
        };
        let early = [EarlyData::Taken, EarlyData::Unacknowledged, EarlyData::Forgotten];
        // What one of them does the other one is to be safe from.
        let (is_guarded, counts_late) = match (setting & 0x10 != 0, &role) {
            (is_on, Role::Client) => (is_on, false),
            (is_on, Role::Agent { .. }) => (false, is_on),
        };
        let mut config = Config::new(role, "1.2.764.0", 1, 1);
        (config.window, config.reorder) = (WINDOW, WINDOW);
        config.habits = Habits {
            early_data: early[usize::from(setting) / 3 % early.len()],
            resend_slowly: setting & 0x40 != 0,
            drop_undated: setting & 0x80 != 0,
            counts_late,
            ..Habits::default()
        };
        let is_encrypted = setting & 0x20 != 0;
        config.encryption = is_encrypted.then(|| EncryptionDemand {
            key_id: "key".to_owned(),
            challenge: None,
            proof: [7; PROOF_LEN],
        });
        let mut channel = Channel::new(config, now);
        if is_guarded {
            channel.guard(FILLER);
        }
        Self {
            channel,
            now,
            base: 0,
            incoming,
            is_encrypted,
            counts_late,
            cipher: None,
            sent: BTreeSet::new(),
            ready: false,
            last_delivered: None,
        }
    }

    /// Does what the script says next; whether the session goes on.
    fn step(&mut self, script: &mut Script<'_>) -> bool {
        let passed = match script.byte() % 16 {
            0..=4 => self.data(script),
            5..=7 => self.acknowledge(script),
            8 => self.service_message(script),
            9 => {
                let garbage = Bytes::copy_from_slice(script.text());
                // By chance it may be data, without a number in it.
                let frame = Frame::decode(garbage.clone());
                let is_data = frame.is_ok_and(|it| it.header.message_type == self.incoming);
                is_data || self.hand_in(garbage)
            }
            10 => {
                self.now += script.time();
                self.channel.handle_timeout(self.now).is_ok()
            }
            11 => {
                self.now = self.channel.poll_timeout().map_or(self.now, |at| at.max(self.now));
                self.channel.handle_timeout(self.now).is_ok()
            }
            12 => {
                self.channel.handle_reconnected(self.now);
                true
            }
            13 => {
                self.channel.handle_unread(self.now);
                true
            }
            _ => {
                self.send(script);
                true
            }
        };
        assert!(self.channel.bytes_under_way() <= WINDOW.bytes + LARGEST + CONTROL + GUARDS);
        passed
    }

    fn hand_in(&mut self, message: Bytes) -> bool {
        FRAMES.count();
        self.channel.handle_frame(message, self.now).is_ok()
    }

    /// A message of the stream. What is to come out has its number in front.
    fn data(&mut self, script: &mut Script<'_>) -> bool {
        let (kind, number) = (script.byte(), self.number(script));
        let text = script.text();
        let usual_request = if self.is_encrypted { ENCRYPTED_REQUEST } else { REQUEST };
        let usual_response = if self.is_encrypted { ENCRYPTED_RESPONSE } else { RESPONSE };
        let (payload_type, payload) = match kind % 14 {
            0 => (PayloadType::HandshakeRequest, or(text, usual_request)),
            1 => (PayloadType::HandshakeResponse, or(text, usual_response)),
            2 => (PayloadType::HandshakeComplete, or(text, b"{}")),
            3 => (PayloadType::Flag, text.to_vec()),
            4 => (PayloadType::EncChallengeRequest, self.challenge(text)),
            5 => (PayloadType::EncChallengeResponse, self.challenge(text)),
            6 => (PayloadType::Unknown(100 + u32::from(kind)), text.to_vec()),
            7 => (PayloadType::Error, numbered(number, text)),
            8 => (PayloadType::Output, numbered(number, text)),
            9 if self.incoming == MessageType::OutputStreamData => {
                (PayloadType::ExitCode, self.encrypted(&numbered(number, text)))
            }
            _ => (PayloadType::Output, self.encrypted(&numbered(number, text))),
        };
        self.sent.insert(number);
        let message = script.message(self.incoming, number, payload_type, &payload);
        self.hand_in(message)
    }

    fn number(&self, script: &mut Script<'_>) -> i64 {
        script.number().saturating_add(self.base)
    }

    fn encrypted(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut packet = Packet::copy_from(payload);
        if let Some(cipher) = &mut self.cipher {
            cipher.encrypt(&mut packet);
        }
        packet.payload().to_vec()
    }

    /// The right one, unless the script has another.
    fn challenge(&mut self, text: &[u8]) -> Vec<u8> {
        let challenge = Base64(self.encrypted(&[7; PROOF_LEN]));
        or(text, &serde_json::to_vec(&EncryptionChallenge { challenge }).expect("JSON"))
    }

    /// KMS gives the channel its key, and the peer has it too.
    fn share_key(&mut self) {
        let key = || DataKey::new(&[7; DATA_KEY_LEN], b"ciphertext".to_vec()).expect("its length");
        self.cipher = Some(match self.incoming {
            MessageType::OutputStreamData => Cipher::of_agent(&key(), [1; 12]),
            _ => Cipher::of_client(&key(), [1; 12]),
        });
        self.channel.handle_data_key(Ok(key()), [2; 12], self.now);
    }

    fn acknowledge(&mut self, script: &mut Script<'_>) -> bool {
        let number = self.number(script);
        let json = format!(
            r#"{{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"","AcknowledgedMessageSequenceNumber":{number}}}"#
        );
        let kind = MessageType::Acknowledge;
        let message = script.message(kind, 0, PayloadType::None, json.as_bytes());
        self.hand_in(message)
    }

    fn service_message(&mut self, script: &mut Script<'_>) -> bool {
        let kind = match script.byte() % 8 {
            0..3 => MessageType::PausePublication,
            3..6 => MessageType::StartPublication,
            6 => MessageType::AgentSessionState,
            _ => MessageType::ChannelClosed,
        };
        let text = script.text();
        let message = script.message(kind, 0, PayloadType::None, text);
        self.hand_in(message)
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let len = usize::from(script.byte()) * LARGEST / 256;
        let is_last = script.byte() % 2 == 0;
        if self.channel.can_send() {
            let packet = Packet::copy_from(&vec![0; len]);
            self.channel.send_part(PayloadType::Output, packet, self.now);
        }
        if is_last {
            self.channel.seal();
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Ready(_) => assert!(!std::mem::replace(&mut self.ready, true)),
                Event::Data { payload, .. } => {
                    let number = payload.first_chunk().copied().map(i64::from_be_bytes);
                    assert!(self.ready, "data before the handshake");
                    let is_again = self.counts_late && number == self.last_delivered;
                    assert!(is_again || number > self.last_delivered, "{number:?} comes again");
                    self.last_delivered = number;
                }
                Event::GenerateDataKey { .. } | Event::DecryptDataKey { .. } => self.share_key(),
                Event::Flag(_)
                | Event::Paused
                | Event::Resumed
                | Event::Unacknowledged { .. }
                | Event::Closed { .. } => {}
            }
        }
        let mut frames = 0;
        while let Some(message) = self.channel.poll_transmit(self.now) {
            let frame = Frame::decode(message).expect("what is sent is a frame");
            assert!(frame.digest_matches());
            if frame.header.message_type == MessageType::Acknowledge {
                let one = Acknowledgement::read(&frame.payload).expect("an acknowledgement");
                assert!(self.sent.contains(&one.sequence_number), "{one:?} never came");
            }
            frames += 1;
        }
        assert!(frames <= 3 * WINDOW.messages, "{frames} frames at once");
    }
}

fn numbered(number: i64, text: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes(), text].concat()
}

fn or(text: &[u8], usual: &[u8]) -> Vec<u8> {
    if text.is_empty() { usual.to_vec() } else { text.to_vec() }
}

const WINDOW: Window = Window { bytes: 64 << 10, messages: 64 };
const ROUNDS: usize = 8;
const STRIDE: i64 = 8;
const LARGEST: usize = 8 << 10;
/// The handshake's own documents.
const CONTROL: usize = 2 << 10;
/// One for each message at the most.
const GUARDS: usize = WINDOW.messages * (HEADER_LEN + FILLER.len());
/// As a multiplexer's.
const FILLER: &[u8] = &[0; 8];
const REQUEST: &[u8] = br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"22"}}}]}"#;
const RESPONSE: &[u8] = br#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1}],"Errors":null}"#;
const ENCRYPTED_REQUEST: &[u8] = br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"key"}}]}"#;
const ENCRYPTED_RESPONSE: &[u8] = br#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":{"KMSCipherTextKey":"YQ==","KMSCipherTextHash":null}}],"Errors":null}"#;
