use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::streams::{Listener, harness::Pair};

/// One connection at a time, the port to connect to, and what is told.
struct Fixture {
    pair: Pair,
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

async fn fixture() -> (Fixture, Basic<Listeners, impl FnMut(ForwardEvent)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: ForwardEvent| {
            let name = format!("{event:?}");
            told.lock().unwrap().push(name.split('(').next().unwrap().to_owned());
        }
    };
    let mut basic =
        Basic::new(Listeners::new(vec![Listener::Tcp(listener)]), Box::pin(pending()), observer);
    let mut pair = Pair::port();
    pair.run(&mut basic);
    pair.advance(Duration::from_millis(10), &mut basic);
    (Fixture { pair, port, told }, basic)
}

impl Fixture {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Runs until `done`; the sockets are real, so their events take real time.
    async fn run_until(
        &mut self,
        basic: &mut Basic<Listeners, impl FnMut(ForwardEvent)>,
        done: impl Fn(&Self) -> bool,
    ) {
        self.run_until_both(basic, |fixture, _| done(fixture)).await;
    }

    async fn run_until_both<F: FnMut(ForwardEvent)>(
        &mut self,
        basic: &mut Basic<Listeners, F>,
        done: impl Fn(&Self, &Basic<Listeners, F>) -> bool,
    ) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while !done(self, basic) {
                self.pair.run(basic);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("it comes to that");
    }

    fn accepted(&self) -> usize {
        self.told.lock().unwrap().iter().filter(|event| *event == "Accepted").count()
    }
}

#[tokio::test]
async fn connections_have_the_session_one_after_the_other() {
    let (mut fixture, mut basic) = fixture().await;
    let mut first = fixture.connect().await;
    let mut second = fixture.connect().await;
    first.write_all(b"one").await.unwrap();
    second.write_all(b"two").await.unwrap();
    fixture.run_until(&mut basic, |fixture| fixture.pair.output() == b"one").await;
    assert_eq!(fixture.accepted(), 1);
    drop(first);
    fixture.run_until(&mut basic, |fixture| !fixture.pair.flags.is_empty()).await;
    assert_eq!(fixture.pair.flags, [Flag::DisconnectToPort]);
    assert_eq!(fixture.accepted(), 1, "not so soon");
    fixture.pair.advance(RECONNECT_PAUSE, &mut basic);
    fixture.run_until(&mut basic, |fixture| fixture.pair.output() == b"onetwo").await;
    fixture.pair.send(PayloadType::Output, b"reply");
    fixture.pair.run(&mut basic);
    let mut reply = [0; 5];
    second.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"reply");
}

#[tokio::test]
async fn a_greeting_that_comes_first_is_kept_for_the_connection() {
    let (mut fixture, mut basic) = fixture().await;
    fixture.pair.send(PayloadType::Output, b"220 ready\r\n");
    fixture.pair.run(&mut basic);
    let mut local = fixture.connect().await;
    fixture.run_until(&mut basic, |fixture| fixture.accepted() == 1).await;
    fixture.pair.run(&mut basic);
    let mut greeting = [0; 11];
    local.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
}

#[tokio::test]
async fn what_belongs_to_the_connection_before_does_not_reach_the_next() {
    for is_acknowledged in [false, true] {
        let (mut fixture, mut basic) = fixture().await;
        let first = fixture.connect().await;
        fixture.run_until(&mut basic, |fixture| fixture.accepted() == 1).await;
        fixture.pair.is_agent_deaf = !is_acknowledged;
        first.set_zero_linger().unwrap();
        drop(first);
        let is_told = |fixture: &Fixture| match is_acknowledged {
            false => fixture.pair.client.bytes_under_way() > 0,
            true => !fixture.pair.flags.is_empty(),
        };
        fixture.run_until(&mut basic, is_told).await;
        // The rest of the old reply is still under way.
        fixture.pair.send(PayloadType::Output, b"old");
        fixture.pair.run(&mut basic);
        fixture.pair.is_agent_deaf = false;
        fixture.run_until(&mut basic, |fixture| !fixture.pair.flags.is_empty()).await;
        fixture.pair.advance(RECONNECT_PAUSE, &mut basic);
        let mut second = fixture.connect().await;
        fixture.run_until(&mut basic, |fixture| fixture.accepted() == 2).await;
        fixture.pair.send(PayloadType::Output, b"new");
        fixture.pair.run(&mut basic);
        let mut reply = [0; 3];
        second.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"new");
    }
}

#[tokio::test]
async fn a_reader_that_is_slow_after_its_own_end_of_file_gets_the_whole_reply() {
    let (mut fixture, mut basic) = fixture().await;
    let mut local = fixture.connect().await;
    local.write_all(b"question").await.unwrap();
    local.shutdown().await.unwrap();
    fixture.run_until_both(&mut basic, |_, basic| basic.poll_timeout().is_some()).await;
    let payload = vec![7; 64 * 1024];
    for _ in 0..256 {
        fixture.pair.send(PayloadType::Output, &payload);
        fixture.pair.run(&mut basic);
    }
    assert!(!basic.is_drained(), "more than the sockets hold");
    assert!(!basic.can_receive(), "the rest waits with the agent");
    fixture.pair.advance(PAUSE_IN_ANSWER * 3, &mut basic);
    assert_eq!(fixture.pair.flags, []);
    let reading = tokio::spawn(async move {
        let mut part = vec![0; 256 * (64 << 10)];
        local.read_exact(&mut part).await.unwrap();
        part
    });
    fixture.run_until(&mut basic, |_| reading.is_finished()).await;
    assert!(reading.await.unwrap().iter().all(|byte| *byte == 7));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_has_finished_is_answered_late_or_told() {
    for is_answered in [true, false] {
        let (mut fixture, mut basic) = fixture().await;
        let mut local = fixture.connect().await;
        local.write_all(b"question").await.unwrap();
        local.shutdown().await.unwrap();
        fixture.run_until_both(&mut basic, |_, basic| basic.poll_timeout().is_some()).await;
        let first = ANSWER_PATIENCE * FIRST_ANSWER;
        fixture.pair.advance(first - Duration::from_secs(1), &mut basic);
        assert_eq!(fixture.pair.flags, []);
        if is_answered {
            fixture.pair.send(PayloadType::Output, b"answer");
            fixture.pair.run(&mut basic);
            // Of the answer's end this agent says nothing.
            fixture.pair.advance(PAUSE_IN_ANSWER, &mut basic);
        } else {
            fixture.pair.advance(Duration::from_secs(1), &mut basic);
        }
        assert_eq!(fixture.pair.flags, [Flag::DisconnectToPort]);
        let mut answer = Vec::new();
        let end = local.read_to_end(&mut answer).await.map_err(|error| error.kind());
        let told = fixture.told.lock().unwrap().clone();
        if is_answered {
            assert_eq!(
                (end, &answer[..], told),
                (Ok(6), &b"answer"[..], vec!["Accepted".to_owned(), "Closed".to_owned()])
            );
        } else {
            assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
            assert_eq!(told, ["Accepted", "Unanswered", "Closed"]);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_goes_while_it_waits_is_noticed() {
    let (mut fixture, mut basic) = fixture().await;
    let mut local = fixture.connect().await;
    local.shutdown().await.unwrap();
    fixture.run_until_both(&mut basic, |_, basic| basic.poll_timeout().is_some()).await;
    fixture.pair.advance(Duration::from_secs(20), &mut basic);
    assert_eq!(fixture.pair.flags, []);
    drop(local);
    fixture.pair.advance(LOOK_INTERVAL, &mut basic);
    assert_eq!(fixture.pair.flags, [Flag::DisconnectToPort]);
}
