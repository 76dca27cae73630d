use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::UNIX_EPOCH,
};

use super::*;

#[derive(Debug, Clone)]
enum Answer {
    /// A key that expires at this second.
    Key(&'static str, Option<u64>),
    Failure,
    Silence,
}
use Answer::{Failure, Key, Silence};

/// A source whose answers are written down beforehand, the last one repeated.
#[derive(Debug, Clone)]
struct Script {
    answers: Vec<Answer>,
    asked: Arc<AtomicUsize>,
}

impl Script {
    fn store(answers: &[Answer]) -> (CredentialStore, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let script = Self { answers: answers.to_vec(), asked: Arc::clone(&asked) };
        (CredentialStore::new(script), asked)
    }

    async fn next(&self) -> provider::Result {
        let turn = self.asked.fetch_add(1, Relaxed);
        match self.answers[turn.min(self.answers.len() - 1)] {
            Key(key, expiry) => {
                let expiry = expiry.map(second);
                Ok(Credentials::new(key, "secret", None, expiry, "test"))
            }
            Failure => Err(CredentialsError::provider_error("the source is broken")),
            Silence => std::future::pending().await,
        }
    }
}

impl ProvideCredentials for Script {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.next())
    }
}

fn second(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

async fn key(store: &CredentialStore, now: u64) -> String {
    store.at(second(now)).await.unwrap().access_key_id().to_owned()
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_they_expire() {
    let (store, asked) = Script::store(&[Key("first", Some(1000)), Key("second", None)]);
    assert_eq!(key(&store, 0).await, "first");
    assert_eq!(key(&store, 939).await, "first");
    assert_eq!(asked.load(Relaxed), 1);
    assert_eq!(key(&store, 940).await, "second");
}

#[tokio::test]
async fn short_lived_credentials_are_used_for_three_quarters_of_their_time() {
    let (store, _) = Script::store(&[Key("first", Some(40)), Key("second", None)]);
    assert_eq!(key(&store, 0).await, "first");
    assert_eq!(key(&store, 29).await, "first");
    assert_eq!(key(&store, 30).await, "second");
}

#[tokio::test]
async fn undated_credentials_are_looked_up_again_after_a_minute() {
    let (store, _) = Script::store(&[Key("first", None), Key("second", None)]);
    assert_eq!(key(&store, 100).await, "first");
    assert_eq!(key(&store, 159).await, "first");
    assert_eq!(key(&store, 160).await, "second");
}

#[tokio::test]
async fn a_failing_source_does_not_take_away_what_still_holds() {
    let (store, _) = Script::store(&[Key("first", Some(1000)), Failure]);
    assert_eq!(key(&store, 0).await, "first");
    assert_eq!(key(&store, 999).await, "first");
    let expired = store.at(second(1000)).await.unwrap_err();
    assert!(crate::aws::error::chain(&expired).ends_with("the source is broken"));
}

#[tokio::test]
async fn two_callers_ask_the_source_once() {
    let (store, asked) = Script::store(&[Key("first", None)]);
    let held = store.asking.lock().await;
    let both = async { tokio::join!(key(&store, 0), key(&store, 0)) };
    let release = async { drop(held) };
    let (keys, ()) = tokio::join!(both, release);
    assert_eq!(keys, ("first".to_owned(), "first".to_owned()));
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test]
async fn a_silent_source_is_given_up() {
    let (silent, _) = Script::store(&[Silence]);
    let error = silent.within(SHORT, second(0)).await.unwrap_err();
    assert!(matches!(error, CredentialsError::ProviderTimedOut(_)), "{error:?}");
    assert!(silent.at_hand(SHORT, second(0)).await.is_none());
}

#[tokio::test]
async fn who_does_not_wait_takes_what_still_holds() {
    let (store, _) = Script::store(&[Key("first", Some(1000)), Silence]);
    assert_eq!(key(&store, 0).await, "first");
    let at_hand = store.at_hand(SHORT, second(950)).await.unwrap();
    assert_eq!(at_hand.access_key_id(), "first");
    assert!(store.at_hand(SHORT, second(1000)).await.is_none());
}

const SHORT: Duration = Duration::from_millis(1);
