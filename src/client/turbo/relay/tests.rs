use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::Instant,
};

use super::*;
use crate::client::turbo::frames::Answer;

/// A program, and what runs its connection.
fn connection() -> (DuplexStream, Arc<Shared>, Relay) {
    let shared = Arc::<Shared>::default();
    let (program, socket) = duplex(1 << 10);
    let relay = Relay::open(Arc::clone(&shared), Box::new(socket), "db", 5432);
    (program, shared, relay)
}

fn say(shared: &Shared, text: &str) {
    shared.with(|exchange| exchange.read(0, text.as_bytes(), now())).unwrap();
}

#[tokio::test]
async fn a_destination_that_answers_early_and_is_gone_cuts_the_program_off_that_still_sends() {
    let (mut program, shared, relay) = connection();
    let running = tokio::spawn(relay.run());
    program.write_all(b"the first part").await.unwrap();
    say(&shared, "E0000000100000000");
    assert_eq!(program.read(&mut [0]).await.unwrap(), 0);
    say(&shared, "R0000000100000004gone");
    let (relayed, end) = running.await.unwrap();
    assert!(relayed.is_cut);
    assert_eq!(end, ConnectionEnd::Destination);
}

/// A socket whose program has gone when its end is read, or later.
struct Parted {
    socket: DuplexStream,
    parting: Arc<std::sync::Mutex<Parting>>,
}

impl Socket for Parted {
    fn parting(&self) -> Parting {
        *self.parting.lock().unwrap()
    }
}

crate::streams::delegate!(Parted, socket, read);

#[tokio::test(start_paused = true)]
async fn what_a_program_has_sent_that_is_gone_is_not_thrown_away_while_it_is_taken() {
    for takes_all in [true, false] {
        let shared = Arc::<Shared>::default();
        let (mut program, socket) = duplex(1 << 10);
        let parting = Arc::new(std::sync::Mutex::new(Parting::HalfClosed));
        let socket = Box::new(Parted { socket, parting: Arc::clone(&parting) });
        let relay = Relay::open(Arc::clone(&shared), socket, "db", 5432);
        let running = tokio::spawn(relay.run());
        program.write_all(b"request").await.unwrap();
        program.shutdown().await.unwrap();
        // As long as it may only have finished it is waited for.
        sleep(10 * LAST_BYTES).await;
        *parting.lock().unwrap() = Parting::Closed;
        let gone = Instant::now();
        for _ in 0..if takes_all { 7 } else { 6 } {
            sleep(LAST_BYTES / 2).await;
            let taken = Answer::Taken { stream: 1, count: 1 };
            shared.with(|exchange| exchange.answered(taken, now())).unwrap();
        }
        let (relayed, end) = running.await.unwrap();
        assert_eq!((relayed.is_cut, end), (!takes_all, ConnectionEnd::Program));
        assert!(gone.elapsed() > 3 * LAST_BYTES);
    }
}
