use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    mux::HEADER_LEN,
    streams::{Chosen, Listener, harness::Pair},
};

/// Both ends, the port to connect to, and what is told. The sockets are real, the time is not.
struct Fixture {
    pair: Pair,
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

async fn fixture() -> (Fixture, Chosen<'static>) {
    limited(MAX_CONNECTIONS).await
}

async fn limited(max_connections: usize) -> (Fixture, Chosen<'static>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: ForwardEvent| told.lock().unwrap().push(format!("{event:?}"))
    };
    let listeners = Listeners::new(vec![Listener::Tcp(listener)]);
    let choose = move |peer: &Ready| -> Result<Box<dyn Application + Send>, ApplicationError> {
        let mut forward = Forward::new(listeners, peer, Box::pin(pending()), observer);
        forward.max_connections = max_connections;
        Ok(Box::new(forward))
    };
    let mut forward = Chosen::new(Box::pin(pending()), Box::new(choose));
    let mut pair = Pair::port();
    pair.run(&mut forward);
    pair.advance(Duration::from_millis(10), &mut forward);
    (Fixture { pair, port, told }, forward)
}

impl Fixture {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Runs until `done`; the sockets' events take real time.
    async fn run_until(
        &mut self,
        forward: &mut Chosen<'_>,
        done: impl Fn(&Self, &Chosen<'_>) -> bool,
    ) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while !done(self, forward) {
                self.pair.run(forward);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("it comes to that");
    }
}

/// A frame of the first stream.
fn frame(command: u8, payload: &[u8]) -> Vec<u8> {
    let header = [1, command, payload.len() as u8, 0, 3, 0, 0, 0];
    assert_eq!(header.len(), HEADER_LEN);
    [&header, payload].concat()
}

const SYN: u8 = 0;
const FIN: u8 = 1;
const PSH: u8 = 2;

#[tokio::test]
async fn the_time_without_a_connection_is_no_silence_of_the_destination() {
    let (mut fixture, mut forward) = fixture().await;
    let mut program = fixture.connect().await;
    program.write_all(b"request").await.unwrap();
    program.shutdown().await.unwrap();
    // The FIN is held, and has its time.
    fixture.run_until(&mut forward, |_, forward| forward.poll_timeout().is_some()).await;
    let request = [frame(SYN, b""), frame(PSH, b"request")].concat();
    assert_eq!(fixture.pair.output(), request);
    fixture.pair.now += Duration::from_secs(300);
    fixture.pair.client.handle_reconnected(fixture.pair.now);
    forward.handle_reconnected(fixture.pair.now);
    fixture.pair.advance(WAITS, &mut forward);
    assert_eq!(fixture.pair.output(), request, "no FIN, at which the agent would close");
    fixture.pair.send(PayloadType::Output, &[frame(PSH, b"reply"), frame(FIN, b"")].concat());
    fixture.pair.run(&mut forward);
    let mut reply = String::new();
    program.read_to_string(&mut reply).await.unwrap();
    assert_eq!(reply, "reply");
    fixture.pair.run(&mut forward);
    assert_eq!(fixture.pair.output(), [request, frame(FIN, b"")].concat());
    assert!(fixture.told.lock().unwrap()[0].starts_with("Accepted"));
}

#[tokio::test]
async fn one_connection_more_than_there_is_room_for_is_told_of_and_has_its_turn() {
    let (mut fixture, mut forward) = limited(2).await;
    let mut programs = Vec::new();
    for _ in 0..3 {
        programs.push(fixture.connect().await);
    }
    let told = |fixture: &Fixture| fixture.told.lock().unwrap().clone();
    let count = |fixture: &Fixture, what: &str| {
        told(fixture).iter().filter(|event| event.starts_with(what)).count()
    };
    fixture.run_until(&mut forward, |fixture, _| count(fixture, "Full") == 1).await;
    assert_eq!(told(&fixture).last().unwrap(), "Full { connections: 2 }");
    assert_eq!(count(&fixture, "Accepted"), 2);
    drop(programs.remove(0));
    fixture.run_until(&mut forward, |fixture, _| count(fixture, "Accepted") == 3).await;
    fixture.pair.run(&mut forward);
    assert_eq!(count(&fixture, "Full"), 1, "it is as full as before");
}

#[tokio::test]
async fn how_long_the_agent_has_tried_is_told_when_it_closes_what_it_could_not_connect() {
    let (mut fixture, mut forward) = fixture().await;
    let told = |fixture: &Fixture, words: &str| {
        fixture.told.lock().unwrap().iter().filter(|event| *event == words).count()
    };
    let mut program = fixture.connect().await;
    fixture.run_until(&mut forward, |fixture, _| fixture.told.lock().unwrap().len() == 1).await;
    fixture.pair.advance(Duration::from_secs(20), &mut forward);
    let now = fixture.pair.now;
    fixture.pair.agent.send_flag(Flag::ConnectToPortError, now);
    fixture.pair.run(&mut forward);
    assert_eq!(told(&fixture, "DestinationRefused"), 1);
    fixture.pair.send(PayloadType::Output, &frame(FIN, b""));
    fixture.pair.run(&mut forward);
    let error = program.read(&mut [0]).await;
    assert!(error.is_err() || error.is_ok_and(|len| len == 0));
    drop(program);
    fixture.run_until(&mut forward, |fixture, _| fixture.told.lock().unwrap().len() == 4).await;
    assert_eq!(
        told(&fixture, "NotReached { after: Some(20s), why: None }"),
        1,
        "{:?}",
        fixture.told
    );

    // Of a stream that its program has closed before.
    let now = fixture.pair.now;
    fixture.pair.agent.send_flag(Flag::ConnectToPortError, now);
    fixture.pair.run(&mut forward);
    fixture.pair.advance(CLOSES_WITHIN, &mut forward);
    assert_eq!(told(&fixture, "NotReached { after: None, why: None }"), 1, "{:?}", fixture.told);
}

/// Less than a program is kept waiting for the first byte.
const WAITS: Duration = Duration::from_secs(119);
