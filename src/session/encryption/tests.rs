use std::{future::pending, task::Waker};

use http::{HeaderMap, Uri};

use super::*;
use crate::{
    channel::{Config, EncryptionDemand, PROOF_LEN, Role},
    session::Ticket,
    wire::{Packet, PayloadType, handshake::SessionTypeParameters},
};

/// Answers the question for a data key, and no other.
struct Kms(fn() -> Pending<'static, Result<DataKey, Refusal>>);

impl ControlPlane for Kms {
    fn resume<'a>(&'a self, _: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        Box::pin(pending())
    }

    fn terminate<'a>(&'a self, _: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(pending())
    }

    fn sign<'a>(&'a self, _: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(pending())
    }

    fn data_key<'a>(
        &'a self,
        request: &'a DataKeyRequest,
    ) -> Pending<'a, Result<DataKey, Refusal>> {
        assert_eq!((&*request.session_id, &*request.key_id), ("s-1", "the-key"));
        assert_eq!(request.challenge.as_deref(), Some("random"));
        self.0()
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Notes(Vec<Event>);

impl Application for Notes {
    fn can_receive(&self) -> bool {
        true
    }

    fn is_drained(&self) -> bool {
        true
    }

    fn handle_event(
        &mut self,
        event: Event,
        _: &mut Channel,
        _: Instant,
    ) -> Result<(), ApplicationError> {
        self.0.push(event);
        Ok(())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Channel,
        _: Instant,
    ) -> Result<Turn, ApplicationError> {
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn data_key() -> DataKey {
    DataKey::new(&[3; 64], b"blob".to_vec()).unwrap()
}

fn agent(now: Instant) -> Channel {
    let session = SessionTypeParameters {
        session_type: "Standard_Stream".to_owned(),
        properties: serde_json::Value::Null,
    };
    let mut config = Config::new(Role::Agent { session: Some(session) }, "3.3.0.0", 1, 2);
    config.encryption = Some(EncryptionDemand {
        key_id: "the-key".to_owned(),
        challenge: Some("random".to_owned()),
        proof: [5; PROOF_LEN],
    });
    Channel::new(config, now)
}

/// The frames of both sides, there and back, until nothing more comes.
fn exchange<A: Application>(
    client: &mut Channel,
    agent: &mut Channel,
    application: &mut WithDataKey<'_, '_, A>,
    now: Instant,
) -> Turn {
    let mut cx = Context::from_waker(Waker::noop());
    let mut turn = Turn::Idle;
    for _ in 0..10 {
        turn = application.poll(&mut cx, client, now).unwrap();
        while let Some(frame) = agent.poll_transmit(now) {
            client.handle_frame(frame, now).unwrap();
        }
        while let Some(event) = client.poll_event() {
            application.handle_event(event, client, now).unwrap();
        }
        while let Some(frame) = client.poll_transmit(now) {
            // An agent that is refused ends the session.
            let _ = agent.handle_frame(frame, now);
        }
        while let Some(event) = agent.poll_event() {
            if let Event::DecryptDataKey { ciphertext, .. } = event {
                assert_eq!(ciphertext, b"blob");
                agent.handle_data_key(Ok(data_key()), [0; 12], now);
            }
        }
    }
    turn
}

#[tokio::test]
async fn the_application_learns_of_a_session_that_is_encrypted_already() {
    let kms = Kms(|| Box::pin(async { Ok(data_key()) }));
    let now = Instant::now();
    let mut client = Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), now);
    let (mut agent, mut notes) = (agent(now), Notes::default());
    let mut application = WithDataKey::new(&mut notes, &kms, "s-1");
    exchange(&mut client, &mut agent, &mut application, now);
    agent.send(PayloadType::Output, Packet::copy_from(b"$ "), now);
    exchange(&mut client, &mut agent, &mut application, now);
    assert_eq!(application.take_refusal(), None);
    let [Event::Ready(_), Event::Data { payload, .. }] = &notes.0[..] else {
        panic!("{:?}", notes.0)
    };
    assert_eq!(payload, "$ ");
}

#[tokio::test]
async fn a_refusal_is_told_to_the_agent_and_ends_the_session() {
    let kms = Kms(|| {
        let message = "KMS says no".to_owned();
        Box::pin(async { Err(Refusal { message, is_temporary: false }) })
    });
    let now = Instant::now();
    let mut client = Channel::new(Config::new(Role::Client, "1.2.764.0", 1, 1), now);
    let (mut agent, mut notes) = (agent(now), Notes::default());
    let mut application = WithDataKey::new(&mut notes, &kms, "s-1");
    let turn = exchange(&mut client, &mut agent, &mut application, now);
    assert_eq!(turn, Turn::Done);
    assert!(client.is_drained(), "the agent has heard");
    assert_eq!(application.take_refusal().unwrap().message, "KMS says no");
    assert_eq!(notes.0, []);
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_not_kept_waiting_for_ever() {
    let kms = Kms(|| Box::pin(pending()));
    let mut notes = Notes::default();
    let mut application = WithDataKey::new(&mut notes, &kms, "s-1");
    application.ask("the-key".to_owned(), Some("random".to_owned()));
    let began = tokio::time::Instant::now();
    let refusal = application.pending.take().unwrap().await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert_eq!(refusal.message, "no data key of the-key within 10 s, and the agent waits for 15");
    assert!(refusal.is_temporary);
}
