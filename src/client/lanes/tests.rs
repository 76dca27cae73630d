use std::{collections::BTreeSet, sync::atomic::Ordering};

use tokio::time::sleep;

use super::*;
use crate::client::throttling::Throttling;

struct Fixture {
    service: Arc<Throttling>,
    lanes: Lanes,
    told: Arc<Mutex<Vec<String>>>,
}

async fn fixture(sessions: usize, idle: Duration) -> Fixture {
    let service = Throttling::start().await;
    let node = service.node().await;
    let told = Arc::<Mutex<Vec<String>>>::default();
    let observer = {
        let told = Arc::clone(&told);
        move |destination: &str, event: DestinationEvent| {
            let event = match event {
                DestinationEvent::Session(event) => event.to_string(),
                other => format!("{other:?}"),
            };
            told.lock().unwrap().push(format!("{destination} {event}"));
        }
    };
    let lanes = Lanes::new(node, LaneLimits { sessions, idle }, observer);
    Fixture { service, lanes, told }
}

fn to(port: u16) -> Spec {
    format!("0:{port}").parse().unwrap()
}

impl Fixture {
    fn active(&self) -> usize {
        self.service.control.endpoint.active_sessions()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.expect(what);
    }

    fn told(&self, words: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.contains(words)).count()
    }
}

#[tokio::test]
async fn a_destination_has_one_session_until_it_is_idle() {
    let fixture = fixture(4, Duration::from_millis(50)).await;
    let spec = to(1);
    let leases = (0..5).map(|_| fixture.lanes.reserve(&spec, now() + PATIENCE));
    let leases = futures_util::future::join_all(leases).await;
    let numbers: BTreeSet<_> = leases.iter().map(|lease| lease.as_ref().unwrap().number).collect();
    assert_eq!(numbers.len(), 1);
    for lease in &leases {
        lease.as_ref().unwrap().lane.stands().await.unwrap();
    }
    let keeping = fixture.lanes.clone();
    let keeper = tokio::spawn(async move { keeping.keep().await });
    sleep(Duration::from_millis(150)).await;
    assert_eq!(fixture.active(), 1, "it is in use");
    drop(leases);
    fixture.until("it is closed", |fixture| fixture.active() == 0).await;
    assert_eq!(fixture.told("Idle"), 1);
    assert_eq!(fixture.service.asked.load(Ordering::Relaxed), 1);
    keeper.abort();
}

/// A name that is misspelt has a session, too.
#[tokio::test]
async fn a_destination_that_says_nothing_is_let_go_sooner() {
    let fixture = fixture(4, IDLE).await;
    let lease = fixture.lanes.lease(&to(1)).await.unwrap();
    let close = |now| fixture.lanes.state().close_idle(IDLE, now).0;
    assert!(close(now() + IDLE).is_empty(), "it is in use");
    drop(lease);
    assert!(close(now() + SILENT / 2).is_empty());
    assert_eq!(close(now() + SILENT), [("localhost:1".to_owned(), SILENT)]);
    fixture.until("it is closed", |fixture| fixture.active() == 0).await;
}

#[tokio::test]
async fn where_there_is_no_room_the_one_that_is_idle_longest_makes_some() {
    let fixture = fixture(2, IDLE).await;
    let first = fixture.lanes.lease(&to(1)).await.unwrap();
    let second = fixture.lanes.lease(&to(2)).await.unwrap();
    drop((first, second));
    let again = fixture.lanes.lease(&to(1)).await.unwrap();
    drop(again);
    let third = fixture.lanes.lease(&to(3)).await.unwrap();
    assert_eq!(fixture.told("localhost:2 MadeRoom"), 1, "{:?}", fixture.told);
    assert_eq!(fixture.active(), 2);

    // Whoever finds all of them in use waits until one is not.
    let first = fixture.lanes.lease(&to(1)).await.unwrap();
    let lanes = fixture.lanes.clone();
    let waiting = tokio::spawn(async move { lanes.lease(&to(4)).await });
    sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(first);
    waiting.await.unwrap().unwrap();
    assert!(fixture.active() <= 2);
    drop(third);
}

#[tokio::test]
async fn sessions_are_started_a_few_at_a_time() {
    let fixture = fixture(32, IDLE).await;
    let destinations: Vec<_> = (1..=20).map(to).collect();
    let leases = destinations.iter().map(|spec| fixture.lanes.lease(spec));
    let leases = futures_util::future::join_all(leases).await;
    assert!(leases.iter().all(Result::is_ok));
    assert!(fixture.service.most_at_once.load(Ordering::Relaxed) <= STARTING);
    assert_eq!(fixture.active(), 20);
    fixture.lanes.end();
    fixture.until("all end", |fixture| fixture.active() == 0).await;
    let late = fixture.lanes.lease(&to(1)).await.map(drop).unwrap_err();
    assert_eq!(late.kind(), Kind::Interrupted);
}

#[tokio::test]
async fn throttling_is_waited_for_and_the_service_not_asked_by_everybody() {
    let fixture = fixture(32, IDLE).await;
    fixture.service.throttles.store(true, Ordering::Relaxed);
    let lanes = fixture.lanes.clone();
    let waiting: Vec<_> = (1..=20)
        .map(|port| {
            let lanes = lanes.clone();
            tokio::spawn(async move { lanes.lease(&to(port)).await.map(drop) })
        })
        .collect();
    fixture.until("it is asked", |fixture| fixture.service.asked.load(Ordering::Relaxed) > 0).await;
    sleep(FIRST_PAUSE / 2).await;
    assert!(fixture.service.asked.load(Ordering::Relaxed) <= STARTING);
    fixture.service.throttles.store(false, Ordering::Relaxed);
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_told_and_the_next_lease_has_another() {
    let fixture = fixture(4, IDLE).await;
    let lease = fixture.lanes.lease(&to(1)).await.unwrap();
    let id = fixture.service.ids.lock().unwrap()[0].clone();
    fixture.service.control.endpoint.terminate_session(&id).unwrap();
    fixture.until("it is told", |fixture| fixture.told("the session has ended") == 1).await;
    let next = fixture.lanes.lease(&to(1)).await.unwrap();
    assert_ne!(next.number, lease.number);
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
