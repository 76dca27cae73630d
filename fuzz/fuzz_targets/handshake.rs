//! The handshake of both roles with documents of any content: a client answers each action that
//! it was asked for, an agent completes or refuses, and neither takes data before.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::from_slice;
use ssmport::{
    channel::{Channel, ChannelError, Config, EncryptionDemand, Event, NoDataKey, PROOF_LEN, Role},
    wire::{
        Frame, MessageType, PayloadType,
        encryption::{DATA_KEY_LEN, DataKey},
        handshake::{
            HandshakeComplete, HandshakeRequest, HandshakeResponse, SessionType,
            SessionTypeParameters,
        },
    },
};
use ssmport_fuzz::{Script, start, within};

fuzz_target!(|input: &[u8]| {
    let Some((role, documents)) = input.split_first() else { return };
    // A line each.
    let mut lines = documents.split(|byte| *byte == b'\n');
    let documents: [&[u8]; 3] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    within(FIXED + FACTOR * input.len(), || match role % 4 {
        0 => client(documents, true),
        1 => client(documents, false),
        2 => agent(documents),
        _ => encrypting_agent(documents),
    });
});

/// The documents are the agent's request, its challenge and its last word.
fn client([request, challenge, complete]: [&[u8]; 3], kms_answers: bool) {
    let mut channel = Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), start());
    let passed = hand_in(&mut channel, 0, PayloadType::HandshakeRequest, request);
    let Ok(asked) = HandshakeRequest::read(request) else {
        assert!(matches!(passed, Err(ChannelError::HandshakeUnreadable(_))), "{passed:?}");
        return;
    };
    passed.expect("a readable request is answered");
    let key = match channel.poll_event() {
        Some(Event::GenerateDataKey { .. }) if kms_answers => Some(Ok(key())),
        Some(Event::GenerateDataKey { .. }) => Some(Err(NoDataKey("denied".to_owned()))),
        Some(Event::Ready(ready)) if matches!(ready.session_type, SessionType::Unknown(_)) => {
            return refused(&mut channel);
        }
        event => {
            assert_eq!(event, None, "nothing before the handshake is complete");
            None
        }
    };
    let (is_encrypted, is_refused) = (key.is_some(), matches!(key, Some(Err(_))));
    if let Some(key) = key {
        channel.handle_data_key(key, [2; 12], start());
    }
    let answer = sent(&mut channel, PayloadType::HandshakeResponse).expect("an answer");
    let answer: HandshakeResponse = from_slice(&answer).expect("it is readable");
    let types = asked.requested_client_actions.iter().map(|action| &action.action_type);
    assert!(types.eq(answer.processed_client_actions.iter().map(|action| &action.action_type)));

    let passed = hand_in(&mut channel, 1, PayloadType::EncChallengeRequest, challenge);
    // Nobody without the key has made one that passes.
    assert_eq!(passed.is_err(), is_encrypted && !is_refused, "{passed:?}");
    if passed.is_err() {
        return;
    }
    hand_in(&mut channel, 2, PayloadType::HandshakeComplete, complete).expect("it is over");
    let Some(Event::Ready(ready)) = channel.poll_event() else {
        assert!(is_refused, "it is complete");
        return;
    };
    assert!(!is_refused);
    assert_eq!(ready.peer_version, asked.agent_version);
    let (_, _) = (ready.version(), ready.property("portNumber"));
}

/// A session that carries what is not known is over with the answer, which says so.
fn refused(channel: &mut Channel) {
    let answer = sent(channel, PayloadType::HandshakeResponse).expect("an answer");
    let answer: HandshakeResponse = from_slice(&answer).expect("it is readable");
    assert!(answer.errors.is_some_and(|errors| !errors.is_empty()));
    assert!(answer.processed_client_actions.iter().all(|action| action.action_status != 1));
}

fn agent([response, ..]: [&[u8]; 3]) {
    let mut channel = agent_channel(None);
    match hand_in(&mut channel, 0, PayloadType::HandshakeResponse, response) {
        Ok(()) => {
            let complete = sent(&mut channel, PayloadType::HandshakeComplete);
            let complete = complete.expect("the last word");
            from_slice::<HandshakeComplete>(&complete).expect("it is readable");
            let Some(Event::Ready(ready)) = channel.poll_event() else { panic!("complete") };
            assert_eq!(ready.session_type, SessionType::Port);
            let response: HandshakeResponse = from_slice(response).expect("it was read");
            assert!(response.processed_client_actions.iter().all(|it| it.action_status == 1));
        }
        Err(error) => {
            let _ = error.to_string();
            assert_eq!(channel.poll_event(), None);
        }
    }
}

/// A client that does not have the key does not come further than the challenge.
fn encrypting_agent([response, challenge, _]: [&[u8]; 3]) {
    let (key_id, proof) = ("key".to_owned(), [7; PROOF_LEN]);
    let mut channel = agent_channel(Some(EncryptionDemand { key_id, challenge: None, proof }));
    if hand_in(&mut channel, 0, PayloadType::HandshakeResponse, response).is_err() {
        return;
    }
    let asked = channel.poll_event();
    assert!(matches!(asked, Some(Event::DecryptDataKey { .. })), "{asked:?}");
    channel.handle_data_key(Ok(key()), [2; 12], start());
    sent(&mut channel, PayloadType::EncChallengeRequest).expect("a challenge");
    let passed = hand_in(&mut channel, 1, PayloadType::EncChallengeResponse, challenge);
    passed.expect_err("nobody without the key passes");
    assert_eq!(channel.poll_event(), None);
}

fn agent_channel(encryption: Option<EncryptionDemand>) -> Channel {
    let properties = serde_json::Value::Null;
    let session = SessionTypeParameters { session_type: "Port".to_owned(), properties };
    let role = Role::Agent { session: Some(session) };
    let config = Config { encryption, ..Config::new(role, "3.3.3050.0", 1, 1) };
    let mut channel = Channel::new(config, start());
    let request = sent(&mut channel, PayloadType::HandshakeRequest).expect("a request");
    from_slice::<HandshakeRequest>(&request).expect("it is readable");
    channel
}

fn key() -> DataKey {
    DataKey::new(&[7; DATA_KEY_LEN], b"ciphertext".to_vec()).expect("its length")
}

fn hand_in(
    channel: &mut Channel,
    number: i64,
    payload_type: PayloadType,
    document: &[u8],
) -> Result<(), ChannelError> {
    // The channel itself knows whose messages are not for it.
    for kind in [MessageType::InputStreamData, MessageType::OutputStreamData] {
        let message: Bytes = Script(&[]).message(kind, number, payload_type, document);
        channel.handle_frame(message, start())?;
    }
    Ok(())
}

/// The payload of the first message of that kind that the channel sends.
fn sent(channel: &mut Channel, payload_type: PayloadType) -> Option<Bytes> {
    let messages = std::iter::from_fn(|| channel.poll_transmit(start()));
    let frames = messages.map(|message| Frame::decode(message).expect("a frame"));
    let mut wanted = frames.filter(|frame| frame.header.payload_type == payload_type);
    wanted.next().map(|frame| frame.payload)
}

const FIXED: usize = 256 << 10;
const FACTOR: usize = 600;
