//! Encrypted sessions: two channels, a network between them, and a key service, in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    link::{Faults, Link},
    *,
};
use crate::wire::{
    Base64, Frame, Header, Packet, PayloadType,
    encryption::{DataKey, EncryptionChallenge},
    handshake::{HandshakeResponse, SessionTypeParameters},
};

fn data_key(first: u8) -> DataKey {
    let bytes: Vec<u8> = (0..64).map(|i| first.wrapping_add(i)).collect();
    DataKey::new(&bytes, vec![first; 8]).unwrap()
}

fn encrypted_agent(challenge: Option<&str>, now: Instant) -> Channel {
    let session = SessionTypeParameters {
        session_type: "Standard_Stream".to_owned(),
        properties: Value::Null,
    };
    let mut config = Config::new(Role::Agent { session: Some(session) }, "3.3.0.0", 1, 2);
    config.encryption = Some(EncryptionDemand {
        key_id: "the-key".to_owned(),
        challenge: challenge.map(str::to_owned),
        proof: [5; PROOF_LEN],
    });
    Channel::new(config, now)
}

struct Pair {
    client: Channel,
    agent: Channel,
    up: Link,
    down: Link,
    start: Instant,
    now: Instant,
    /// What the key service gives to each.
    keys: [Result<u8, NoDataKey>; 2],
    /// Every frame that either side has sent.
    sent: Vec<Frame>,
    /// What has come out of each, data and all else.
    data: [Vec<(PayloadType, Bytes)>; 2],
    events: [Vec<Event>; 2],
    /// Of client and agent.
    errors: Vec<ChannelError>,
}

impl Pair {
    fn new(challenge: Option<&str>) -> Self {
        Self::with_faults(challenge, Faults::NONE, 1)
    }

    fn with_faults(challenge: Option<&str>, faults: Faults, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            client: Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), now),
            agent: encrypted_agent(challenge, now),
            up: Link::new(faults, seed),
            down: Link::new(faults, seed ^ 0xffff),
            start: now,
            now,
            keys: [Ok(0), Ok(0)],
            sent: Vec::new(),
            data: Default::default(),
            events: Default::default(),
            errors: Vec::new(),
        }
    }

    fn step(&mut self) {
        let now = self.now;
        for (index, channel) in [&mut self.client, &mut self.agent].into_iter().enumerate() {
            let (inbound, outbound) = match index {
                0 => (&mut self.down, &mut self.up),
                _ => (&mut self.up, &mut self.down),
            };
            while let Some(frame) = inbound.receive(now) {
                self.errors.extend(channel.handle_frame(frame, now).err());
            }
            self.errors.extend(channel.handle_timeout(now).err());
            while let Some(event) = channel.poll_event() {
                match event {
                    Event::Data { payload_type, payload } => {
                        self.data[index].push((payload_type, payload));
                    }
                    Event::GenerateDataKey { .. } | Event::DecryptDataKey { .. } => {
                        let key = self.keys[index].clone().map(data_key);
                        channel.handle_data_key(key, [index as u8 + 1; 12], now);
                        self.events[index].push(event);
                    }
                    other => self.events[index].push(other),
                }
            }
            while let Some(frame) = channel.poll_transmit(now) {
                self.sent.push(Frame::decode(frame.clone()).unwrap());
                outbound.send(frame, now);
            }
        }
    }

    /// Lets time pass until `done` or an error.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            self.step();
            if done(self) || !self.errors.is_empty() {
                return;
            }
            let next = [
                self.client.poll_timeout(),
                self.agent.poll_timeout(),
                self.up.next_arrival(),
                self.down.next_arrival(),
            ];
            self.now = next.into_iter().flatten().min().expect("something happens").max(self.now);
            assert!(self.now - self.start < Duration::from_secs(3600), "no end in sight");
        }
    }

    fn ready(challenge: Option<&str>) -> Self {
        let mut pair = Self::new(challenge);
        pair.run_until(|pair| pair.client.can_send() && pair.agent.can_send());
        assert_eq!(pair.errors, []);
        pair
    }

    fn sent_of(&self, payload_type: PayloadType) -> Vec<&Frame> {
        self.sent.iter().filter(|frame| frame.header.payload_type == payload_type).collect()
    }

    fn response(&self) -> HandshakeResponse {
        let frames = self.sent_of(PayloadType::HandshakeResponse);
        serde_json::from_slice(&frames[0].payload).unwrap()
    }

    /// Hands a frame to the client that the agent did not send, in the place of its next one.
    fn forge_to_client(&mut self, payload_type: PayloadType, payload: &[u8]) {
        let last = self.sent.iter().rfind(|frame| is_data_of_agent(&frame.header)).unwrap();
        let sequence_number = last.header.sequence_number + 1;
        let header = Header { sequence_number, payload_type, ..last.header };
        let frame = header.encode(Packet::copy_from(payload));
        self.errors.extend(self.client.handle_frame(frame, self.now).err());
    }
}

fn is_data_of_agent(header: &Header) -> bool {
    header.message_type == crate::wire::MessageType::OutputStreamData
}

fn has_ready(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Ready(_)))
}

#[test]
fn errors_that_anyone_could_have_written_are_not_shown() {
    let mut pair = Pair::ready(None);
    let now = pair.now;
    // No agent encrypts this type: the relay could have written it.
    pair.agent.send(PayloadType::Error, Packet::copy_from(b"forged"), now);
    pair.agent.send(PayloadType::Output, Packet::copy_from(b"true"), now);
    pair.run_until(|pair| !pair.data[0].is_empty() && pair.agent.is_drained());
    assert_eq!(pair.errors, []);
    assert_eq!(pair.data[0], [(PayloadType::Output, Bytes::from_static(b"true"))]);
}

#[test]
fn both_ask_for_the_key_and_show_that_it_is_the_same() {
    for (challenge, acknowledges_challenge) in [(None, false), (Some("random"), true)] {
        let pair = Pair::ready(challenge);
        assert_eq!(
            pair.events[0][0],
            Event::GenerateDataKey {
                key_id: "the-key".to_owned(),
                challenge: challenge.map(str::to_owned)
            }
        );
        let ciphertext = vec![0; 8];
        assert_eq!(pair.events[1][0], Event::DecryptDataKey { ciphertext, acknowledges_challenge });
        let Some(Event::Ready(ready)) = pair.events[0].get(1) else { panic!("not ready") };
        assert_eq!(ready.customer_message, "This session is encrypted using AWS KMS.");
        assert_eq!(ready.peer_version, "3.3.0.0");
        assert!(has_ready(&pair.events[1]));
        // Neither of the two is what the other sent, nor the bytes themselves.
        let challenges: Vec<_> =
            [PayloadType::EncChallengeRequest, PayloadType::EncChallengeResponse]
                .map(|kind| pair.sent_of(kind)[0].payload.clone())
                .into();
        assert_ne!(challenges[0], challenges[1]);
    }
}

#[test]
fn the_result_has_the_captured_form() {
    let response = Pair::ready(Some("random")).response();
    let action = &response.processed_client_actions[1];
    assert_eq!((&*action.action_type, action.action_status), ("KMSEncryption", 1));
    let expected = json!({"KMSCipherTextKey": "AAAAAAAAAAA=", "KMSCipherTextHash": null,
        "ChallengeAcknowledgement": true});
    assert_eq!(action.action_result, expected);
    let response = Pair::ready(None).response();
    let result = &response.processed_client_actions[1].action_result;
    assert_eq!(result.get("ChallengeAcknowledgement"), None);
}

#[test]
fn what_is_secret_is_encrypted_and_nothing_else() {
    let mut pair = Pair::ready(None);
    let packet = || Packet::copy_from(b"secret");
    let up = [(PayloadType::Output, true), (PayloadType::Size, false), (PayloadType::Flag, false)];
    let down = [
        (PayloadType::Output, true),
        (PayloadType::StdErr, true),
        (PayloadType::ExitCode, true),
        (PayloadType::Flag, false),
    ];
    pair.sent.clear();
    for (kind, _) in up {
        pair.client.send(kind, packet(), pair.now);
    }
    for (kind, _) in down {
        pair.agent.send(kind, packet(), pair.now);
    }
    pair.run_until(|pair| pair.client.is_drained() && pair.agent.is_drained());
    assert_eq!(pair.errors, []);
    let data = |is_of_agent| {
        let frames = pair.sent.iter().filter(move |frame| {
            frame.header.payload_type != PayloadType::None
                && is_data_of_agent(&frame.header) == is_of_agent
        });
        frames.map(|frame| (frame.header.payload_type, frame.payload != "secret")).collect()
    };
    let (sent_up, sent_down): (Vec<_>, Vec<_>) = (data(false), data(true));
    assert_eq!((&sent_up[..], &sent_down[..]), (&up[..], &down[..]));
    let received = |index: usize| pair.data[index].iter().map(|(_, payload)| payload);
    assert!(received(0).chain(received(1)).all(|payload| payload == "secret"));
    assert_eq!((pair.data[0].len(), pair.data[1].len()), (3, 2), "all but flags");
}

#[test]
fn a_payload_that_was_changed_or_never_encrypted_ends_the_session() {
    for forged in [&b""[..], b"plain", &[0; 28], &[1; 100]] {
        let mut pair = Pair::ready(None);
        pair.forge_to_client(PayloadType::Output, forged);
        let [ChannelError::NotAuthentic { payload_type: PayloadType::Output, .. }] =
            pair.errors[..]
        else {
            panic!("{:?}", pair.errors)
        };
        assert_eq!(pair.client.poll_event(), None, "nothing of it is delivered");
    }
}

#[test]
fn nothing_is_taken_in_the_clear_once_encryption_was_asked_for() {
    let mut pair = Pair::new(None);
    // The client waits for its key service.
    while !pair.sent.iter().any(|frame| frame.header.payload_type == PayloadType::HandshakeRequest)
    {
        pair.step();
    }
    let request = pair.down.next_arrival().unwrap();
    let frame = pair.down.receive(request).unwrap();
    pair.client.handle_frame(frame, pair.now).unwrap();
    pair.forge_to_client(PayloadType::Output, b"$ ");
    assert!(matches!(pair.errors[..], [ChannelError::NotAuthentic { .. }]), "{:?}", pair.errors);
}

#[test]
fn without_a_key_the_agent_is_told_why() {
    let mut pair = Pair::new(None);
    pair.keys[0] = Err(NoDataKey("KMS says no".to_owned()));
    pair.run_until(|pair| !pair.errors.is_empty());
    let [ChannelError::HandshakeRefused(why)] = &pair.errors[..] else {
        panic!("{:?}", pair.errors)
    };
    assert!(why.contains("KMSEncryption has status 2 KMS says no"), "{why}");
    assert_eq!(pair.response().errors, Some(vec!["KMS says no".to_owned()]));
    assert!(!has_ready(&pair.events[0]) && !pair.client.can_send());
}

#[test]
fn different_keys_are_found_out_before_any_data() {
    let mut pair = Pair::new(None);
    pair.keys[1] = Ok(1);
    pair.run_until(|pair| !pair.errors.is_empty());
    assert_eq!(pair.errors, [ChannelError::ChallengeFailed]);
    assert!(!has_ready(&pair.events[0]) && !has_ready(&pair.events[1]));
}

#[test]
fn an_agent_believes_no_other_answer_to_its_challenge() {
    let answer = |key: u8, proof: &[u8]| {
        let mut packet = Packet::copy_from(proof);
        Cipher::of_client(&data_key(key), [8; 12]).encrypt(&mut packet);
        packet.payload().to_vec()
    };
    let right = answer(0, &[5; PROOF_LEN]);
    let wrong = [answer(0, &[6; PROOF_LEN]), answer(0, b""), answer(1, &[5; PROOF_LEN]), vec![]];
    for (bytes, is_right) in [(right, true)].into_iter().chain(wrong.map(|bytes| (bytes, false))) {
        let mut pair = Pair::new(None);
        pair.run_until(|pair| !pair.sent_of(PayloadType::EncChallengeRequest).is_empty());
        let response = pair.sent_of(PayloadType::HandshakeResponse)[0].header;
        let header = Header {
            sequence_number: 1,
            payload_type: PayloadType::EncChallengeResponse,
            ..response
        };
        let challenge = EncryptionChallenge { challenge: Base64(bytes) };
        let document = serde_json::to_vec(&challenge).unwrap();
        let frame = header.encode(Packet::copy_from(&document));
        let believed = pair.agent.handle_frame(frame, pair.now);
        let expected = if is_right { Ok(()) } else { Err(ChannelError::ChallengeFailed) };
        assert_eq!(believed, expected);
        assert_eq!(pair.agent.poll_event().is_some(), is_right);
    }
}

#[test]
fn a_client_encrypts_for_one_challenge_only() {
    let mut pair = Pair::new(None);
    pair.run_until(|pair| !pair.sent_of(PayloadType::EncChallengeResponse).is_empty());
    let request = pair.sent_of(PayloadType::EncChallengeRequest)[0].payload.clone();
    pair.sent.retain(|frame| is_data_of_agent(&frame.header));
    pair.forge_to_client(PayloadType::EncChallengeRequest, &request);
    pair.run_until(|pair| pair.client.is_drained());
    assert!(pair.sent_of(PayloadType::EncChallengeResponse).is_empty(), "{:?}", pair.sent);
}

#[test]
fn what_is_sent_again_is_the_same_bytes() {
    let mut pair = Pair::ready(None);
    pair.sent.clear();
    pair.client.send(PayloadType::Output, Packet::copy_from(b"once"), pair.now);
    pair.step();
    pair.up.cut();
    pair.client.handle_reconnected(pair.now);
    pair.run_until(|pair| pair.client.is_drained());
    let [first, second] = pair.sent_of(PayloadType::Output)[..] else { panic!("{:?}", pair.sent) };
    assert_eq!(first.payload, second.payload);
    assert_eq!(pair.data[1], [(PayloadType::Output, Bytes::from("once"))]);
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut pair = Pair::ready(None);
    for channel in [&mut pair.client, &mut pair.agent] {
        channel.handle_data_key(Ok(data_key(9)), [0; 12], pair.now);
        channel.handle_data_key(Err(NoDataKey("no".to_owned())), [0; 12], pair.now);
    }
    pair.client.send(PayloadType::Output, Packet::copy_from(b"still"), pair.now);
    pair.run_until(|pair| pair.client.is_drained());
    assert_eq!((&pair.errors[..], pair.data[1].len()), (&[][..], 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_arrives_whatever_the_network_does(
        seed: u64, drop in 0u32..200, duplicate in 0u32..200, reorder in 0u32..300,
        count in 1usize..60, len in 0usize..400, cut_after in 0usize..60,
    ) {
        let faults = Faults { drop, duplicate, reorder, delay: Duration::from_millis(10), ..Faults::NONE };
        let mut pair = Pair::with_faults(Some("random"), faults, seed);
        let message = |i: usize| -> Vec<u8> { (0..len).map(|j| (i * 31 + j) as u8).collect() };
        let mut sent = 0;
        let mut cut = false;
        loop {
            pair.step();
            prop_assert_eq!(&pair.errors, &[]);
            let both = pair.client.can_send() && pair.agent.can_send();
            if both && sent < count {
                let packet = || Packet::copy_from(&message(sent));
                pair.client.send(PayloadType::Output, packet(), pair.now);
                pair.agent.send(PayloadType::StdErr, packet(), pair.now);
                sent += 1;
                continue;
            }
            if sent > cut_after && !cut {
                cut = true;
                pair.up.cut();
                pair.down.cut();
                pair.client.handle_reconnected(pair.now);
                pair.agent.handle_reconnected(pair.now);
                continue;
            }
            if sent == count && pair.client.is_drained() && pair.agent.is_drained() {
                break;
            }
            let next = [
                pair.client.poll_timeout(),
                pair.agent.poll_timeout(),
                pair.up.next_arrival(),
                pair.down.next_arrival(),
            ];
            pair.now = next.into_iter().flatten().min().expect("something happens").max(pair.now);
            prop_assert!(pair.now - pair.start < Duration::from_secs(3600));
        }
        for received in &pair.data {
            prop_assert_eq!(received.len(), count);
            for (i, (_, payload)) in received.iter().enumerate() {
                prop_assert_eq!(&payload[..], &message(i)[..]);
            }
        }
    }
}

/// Whoever cannot show the key must not open the channel.
#[test]
fn an_open_challenge_is_not_passed_over() {
    let mut pair = Pair::new(None);
    pair.run_until(|pair| !pair.sent_of(PayloadType::HandshakeResponse).is_empty());
    pair.forge_to_client(PayloadType::HandshakeComplete, b"{}");
    assert!(!pair.client.can_send());
    while let Some(event) = pair.client.poll_event() {
        assert!(!matches!(event, Event::Ready(_)), "{event:?}");
    }
}
