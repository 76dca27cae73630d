use std::task::Waker;

use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use crate::{
    channel::{Config, Role},
    local::{EndpointConfig, session::SessionState},
    wire::{Frame, Packet, PayloadType},
};

/// An agent that requires the challenge, and a client of it.
struct Pair {
    kms: Arc<Kms>,
    agent: Channel,
    application: Box<dyn Application + Send>,
    client: Channel,
    now: Instant,
    /// What the client has heard.
    heard: Vec<Event>,
    _endpoint: watch::Sender<SessionState>,
}

impl Pair {
    fn new() -> Self {
        let config = EndpointConfig { requires_challenge: true, ..EndpointConfig::default() };
        let kms = Arc::new(Kms::new(Some("the-key")).unwrap());
        let parameters = [("command".to_owned(), vec!["true".to_owned()])].into();
        let (endpoint, state) = watch::channel(SessionState::Connected);
        let data_channel = DataChannel {
            session_id: "s-1".to_owned(),
            target: "i-1".to_owned(),
            workload: Workload::from_document("AWS-StartNonInteractiveCommand", &parameters)
                .unwrap(),
            opening: 1,
            number: 0,
            state,
        };
        let (agent, application) = Agents::new(&config, Arc::clone(&kms)).serve(&data_channel);
        let now = crate::net::now();
        let client = Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), now);
        Self { kms, agent, application, client, now, heard: Vec::new(), _endpoint: endpoint }
    }

    /// Lets both sides talk; the client's key is one of `session_id`, and `change` stands between.
    fn run(&mut self, session_id: &str, change: fn(Bytes) -> Bytes) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            self.application.poll(&mut cx, &mut self.agent, self.now).unwrap();
            while let Some(frame) = self.agent.poll_transmit(self.now) {
                self.client.handle_frame(frame, self.now).unwrap();
            }
            self.agent.handle_written(self.now);
            while let Some(event) = self.client.poll_event() {
                if let Event::GenerateDataKey { key_id, challenge } = &event {
                    let context = encryption_context(session_id, "i-1", challenge.as_deref());
                    let key = self.kms.generate_data_key(key_id, 64, &context).unwrap();
                    let key = DataKey::new(&key.plaintext, key.ciphertext).unwrap();
                    self.client.handle_data_key(Ok(key), [0; 12], self.now);
                }
                self.heard.push(event);
            }
            while let Some(frame) = self.client.poll_transmit(self.now) {
                self.agent.handle_frame(change(frame), self.now).unwrap();
            }
            while let Some(event) = self.agent.poll_event() {
                self.application.handle_event(event, &mut self.agent, self.now).unwrap();
            }
        }
    }

    fn reason(&self) -> &str {
        match self.heard.last() {
            Some(Event::Closed { reason }) => reason,
            other => panic!("not closed: {other:?}"),
        }
    }
}

/// What a client sends that does not know of the challenge.
fn without_acknowledgement(frame: Bytes) -> Bytes {
    let frame = Frame::decode(frame).unwrap();
    let mut payload = frame.payload.to_vec();
    if frame.header.payload_type == PayloadType::HandshakeResponse {
        let text = String::from_utf8(payload).unwrap();
        assert!(text.contains(",\"ChallengeAcknowledgement\":true"), "{text}");
        payload = text.replace(",\"ChallengeAcknowledgement\":true", "").into_bytes();
    }
    frame.header.encode(Packet::copy_from(&payload))
}

#[tokio::test]
async fn the_application_begins_when_the_session_is_encrypted() {
    let mut pair = Pair::new();
    pair.run("s-1", |frame| frame);
    assert!(pair.heard.iter().any(|event| matches!(event, Event::Ready(_))), "{:?}", pair.heard);
}

#[tokio::test]
async fn a_key_of_another_session_is_refused() {
    let mut pair = Pair::new();
    pair.run("s-2", |frame| frame);
    assert_eq!(pair.reason(), "Session encryption failed: KMS says InvalidCiphertextException");
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_the_challenge_is_refused() {
    let mut pair = Pair::new();
    pair.run("s-1", without_acknowledgement);
    assert_eq!(
        pair.reason(),
        "Session encryption failed: the client did not acknowledge the challenge"
    );
}
