use futures_util::SinkExt;
use tokio::{
    io::{DuplexStream, duplex, join, simplex},
    time::timeout,
};
use tokio_tungstenite::tungstenite::protocol::Role as Side;

use super::{ending::LAST_WORDS, reading::READ_BATCH, *};
use crate::{
    channel::{Config, Role},
    wire::{MessageType, Packet, PayloadType},
};

/// Carries nothing, and takes its time to pass on what it has received.
struct Slow {
    rest: Pin<Box<Sleep>>,
    is_drained: bool,
    is_patient: bool,
    has_last_word: bool,
}

impl Slow {
    fn drained_after(rest: Duration, is_patient: bool) -> Self {
        let is_drained = rest.is_zero();
        let rest = Box::pin(tokio::time::sleep(rest));
        Self { rest, is_drained, is_patient, has_last_word: false }
    }
}

impl Application for Slow {
    fn can_receive(&self) -> bool {
        true
    }

    fn is_drained(&self) -> bool {
        self.is_drained
    }

    fn is_patient(&self) -> bool {
        self.is_patient
    }

    fn has_last_word(&self) -> bool {
        self.has_last_word
    }

    fn handle_event(
        &mut self,
        _: Event,
        _: &mut Channel,
        _: Instant,
    ) -> Result<(), ApplicationError> {
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut Channel,
        _: Instant,
    ) -> Result<Turn, ApplicationError> {
        if !self.is_drained && self.rest.as_mut().poll(cx).is_ready() {
            self.is_drained = true;
        }
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

type Peer = WebSocketStream<DuplexStream>;

async fn connected() -> (Peer, Peer) {
    let (ours, theirs) = duplex(1 << 16);
    let ours = WebSocketStream::from_raw_socket(ours, Side::Client, None).await;
    (ours, WebSocketStream::from_raw_socket(theirs, Side::Server, None).await)
}

fn client() -> Channel {
    Channel::new(Config::new(Role::Client, "1.2.764.0", 0, 2), now())
}

/// Says `times` times that the session is over.
async fn say_closed<S>(service: &mut WebSocketStream<S>, times: usize)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let role = Role::Agent { session: None };
    let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
    for _ in 0..times {
        agent.announce(MessageType::ChannelClosed, "s-1", "i-1", now());
    }
    while let Some(frame) = agent.poll_transmit(now()) {
        service.send(Message::Binary(frame)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closed_twice_is_closed() {
    for times in [1, 2] {
        let (ours, mut theirs) = connected().await;
        say_closed(&mut theirs, times).await;
        let mut slow = Slow::drained_after(Duration::ZERO, false);
        let outcome = Driver::new(ours, &mut client(), &mut slow).run().await.unwrap();
        assert!(matches!(outcome, Outcome::Closed { .. }), "{times}: {outcome:?}");
    }
}

/// The service hangs up right behind its word that the session is over.
#[tokio::test(start_paused = true)]
async fn what_was_received_is_passed_on_after_the_end() {
    const HOUR: Duration = Duration::from_secs(3600);
    for (hangs_up, is_patient, rest, expected) in [
        (true, true, HOUR, HOUR),
        (false, true, HOUR, HOUR),
        (true, false, Duration::from_secs(1), Duration::from_secs(1)),
        (true, false, HOUR, ENDING_TIMEOUT),
        (false, false, HOUR, ENDING_TIMEOUT),
    ] {
        let (ours, mut theirs) = connected().await;
        say_closed(&mut theirs, 1).await;
        let kept_open = (!hangs_up).then_some(theirs);
        let before = now();
        let mut slow = Slow::drained_after(rest, is_patient);
        let outcome = Driver::new(ours, &mut client(), &mut slow).run().await.unwrap();
        assert!(matches!(outcome, Outcome::Closed { .. }), "{outcome:?}");
        let took = now() - before;
        let slack = Duration::from_secs(1);
        assert!(
            (expected..expected + slack).contains(&took),
            "hangs up: {hangs_up}, patient: {is_patient}, rest {rest:?}: took {took:?}"
        );
        drop(kept_open);
    }
}

/// The service's word that the session is over is not numbered: what was sent before may be behind it,
/// or never come.
#[tokio::test(start_paused = true)]
async fn the_end_waits_for_what_it_has_overtaken() {
    const CLOSED: usize = usize::MAX;
    for (order, hangs_up, received, is_whole, most) in [
        (&[0, 1, CLOSED][..], false, 2, true, LAST_WORDS),
        (&[0, CLOSED, 1], false, 2, true, LAST_WORDS),
        (&[0, CLOSED, 1], true, 2, true, Duration::ZERO),
        (&[0, 2, CLOSED, 1], false, 3, true, LAST_WORDS),
        (&[0, 2, CLOSED], false, 1, false, ENDING_TIMEOUT),
        (&[0, 2, CLOSED], true, 1, false, Duration::ZERO),
    ] {
        let (ours, mut theirs) = connected().await;
        let role = Role::Agent { session: None };
        let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
        for _ in 0..3 {
            agent.send(PayloadType::Output, Packet::copy_from(b"line\n"), now());
        }
        let frames: Vec<_> = std::iter::from_fn(|| agent.poll_transmit(now())).collect();
        for index in order {
            match frames.get(*index) {
                Some(frame) => theirs.send(Message::Binary(frame.clone())).await.unwrap(),
                None => say_closed(&mut theirs, 1).await,
            }
        }
        let kept_open = (!hangs_up).then_some(theirs);
        let (began, mut keeping) = (now(), Keeping::default());
        let outcome = Driver::new(ours, &mut client(), &mut keeping).run().await;
        let was_whole = match outcome {
            Ok(Outcome::Closed { .. }) => true,
            Ok(Outcome::Truncated { .. }) => false,
            outcome => panic!("{order:?}: {outcome:?}"),
        };
        assert_eq!((keeping.payloads.len(), was_whole), (received, is_whole), "{order:?}");
        let took = now() - began;
        assert!(took <= most + CLOSE_TIMEOUT + Duration::from_millis(5), "{order:?}: {took:?}");
        drop(kept_open);
    }
}

#[tokio::test(start_paused = true)]
async fn behind_the_last_word_nothing_is_waited_for() {
    for (has_last_word, expected) in [(true, Duration::ZERO), (false, LAST_WORDS)] {
        let (ours, mut theirs) = connected().await;
        say_closed(&mut theirs, 1).await;
        let mut slow = Slow::drained_after(Duration::ZERO, true);
        slow.has_last_word = has_last_word;
        let began = now();
        let outcome = Driver::new(ours, &mut client(), &mut slow).drive().await.unwrap();
        assert!(matches!(outcome, Outcome::Closed { .. }), "{outcome:?}");
        let took = now() - began;
        assert!((expected..=expected + Duration::from_millis(5)).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_without_a_word_may_be_had_again() {
    let (ours, theirs) = connected().await;
    drop(theirs);
    let mut slow = Slow::drained_after(Duration::from_secs(9), true);
    let outcome = Driver::new(ours, &mut client(), &mut slow).run().await.unwrap();
    assert!(matches!(outcome, Outcome::Disconnected(_)), "{outcome:?}");
}

/// A client that says that it has had enough does not wait for what the agent has to say to that.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_asked_for_the_end_and_leaves_is_not_waited_for() {
    let (mut theirs, ours) = connected().await;
    let mut client = client();
    let role = Role::Agent { session: None };
    let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
    agent.send(PayloadType::Output, Packet::copy_from(b"$ "), now());
    while let Some(frame) = agent.poll_transmit(now()) {
        client.handle_frame(frame, now()).unwrap();
    }
    client.send_flag(Flag::TerminateSession, now());
    while let Some(frame) = client.poll_transmit(now()) {
        theirs.send(Message::Binary(frame)).await.unwrap();
    }
    drop(theirs);
    let mut slow = Slow::drained_after(Duration::from_secs(9), true);
    let outcome = Driver::new(ours, &mut agent, &mut slow).run().await.unwrap();
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
}

/// What ends a session is its being closed; an agent's own flag says nothing to a client.
#[tokio::test(start_paused = true)]
async fn a_client_is_not_ended_by_a_flag() {
    let (ours, mut theirs) = connected().await;
    let role = Role::Agent { session: None };
    let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
    agent.send_flag(Flag::TerminateSession, now());
    while let Some(frame) = agent.poll_transmit(now()) {
        theirs.send(Message::Binary(frame)).await.unwrap();
    }
    drop(theirs);
    let mut keeping = Keeping::default();
    let outcome = Driver::new(ours, &mut client(), &mut keeping).run().await.unwrap();
    assert!(matches!(outcome, Outcome::Disconnected(_)), "{outcome:?}");
}

/// Can be read, but not be written: the other side has gone, and has left something behind.
struct Left(DuplexStream);

impl AsyncRead for Left {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Left {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_service_has_left_behind_is_read_though_nothing_can_be_written() {
    const MESSAGES: usize = 5 * READ_BATCH;
    let (ours, theirs) = duplex(1 << 20);
    let ours = WebSocketStream::from_raw_socket(Left(ours), Side::Client, None).await;
    let mut theirs = WebSocketStream::from_raw_socket(theirs, Side::Server, None).await;
    let role = Role::Agent { session: None };
    let mut agent = Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now());
    for _ in 0..MESSAGES {
        agent.send(PayloadType::Output, Packet::copy_from(b"line\n"), now());
    }
    while let Some(frame) = agent.poll_transmit(now()) {
        theirs.send(Message::Binary(frame)).await.unwrap();
    }
    say_closed(&mut theirs, 1).await;
    drop(theirs);
    let mut keeping = Keeping::default();
    let outcome = Driver::new(ours, &mut client(), &mut keeping).run().await.unwrap();
    assert!(matches!(outcome, Outcome::Closed { .. }), "{outcome:?}");
    assert_eq!(keeping.payloads.len(), MESSAGES);
}

/// Between a look at the socket and the writing that fails, more may have come.
#[tokio::test(start_paused = true)]
async fn what_comes_as_writing_fails_is_read_too() {
    let (ours, theirs) = duplex(1 << 16);
    let ours = WebSocketStream::from_raw_socket(Left(ours), Side::Client, None).await;
    let mut theirs = WebSocketStream::from_raw_socket(theirs, Side::Server, None).await;
    let (mut channel, mut keeping) = (client(), Keeping::default());
    let began = now();
    // The first ping, after a second, cannot be written.
    let service = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        say_closed(&mut theirs, 1).await;
    };
    let mut driver = Driver::new(ours, &mut channel, &mut keeping);
    let (outcome, ()) = tokio::join!(driver.run(), service);
    assert!(matches!(outcome, Ok(Outcome::Closed { .. })), "{outcome:?}");

    // Nothing comes: then it is lost.
    let (ours, _theirs) = duplex(1 << 16);
    let ours = WebSocketStream::from_raw_socket(Left(ours), Side::Client, None).await;
    let outcome = Driver::new(ours, &mut client(), &mut keeping).run().await;
    assert!(matches!(outcome, Ok(Outcome::Disconnected(_))), "{outcome:?}");
    assert!(now() < began + Duration::from_secs(6), "it is not waited for much longer");
}

/// Such an agent reads nothing while an acknowledgement waits, and would never hear of the end.
#[tokio::test(start_paused = true)]
async fn an_agent_that_counts_late_finds_out_that_it_cannot_write() {
    let (ours, mut theirs) = connected().await;
    let mut peer = client();
    for _ in 0..3 {
        peer.send(PayloadType::Output, Packet::copy_from(b"line\n"), now());
    }
    while let Some(frame) = peer.poll_transmit(now()) {
        theirs.send(Message::Binary(frame)).await.unwrap();
    }
    drop(theirs);
    let mut config = Config::new(Role::Agent { session: None }, "3.3.3050.0", 0, 1);
    config.habits.counts_late = true;
    let mut agent = Channel::new(config, now());
    let mut slow = Slow::drained_after(Duration::ZERO, false);
    let mut driver = Driver::new(ours, &mut agent, &mut slow);
    let outcome = tokio::time::timeout(LAST_READING / 2, driver.run()).await.expect("an end");
    assert!(matches!(outcome, Ok(Outcome::Disconnected(_))), "{outcome:?}");
    drop(driver);
    assert_eq!(agent.messages_done(), 0, "the first one is delivered, and does not count");
}

/// Takes what comes while it wants to, and keeps it.
#[derive(Default)]
struct Keeping {
    is_deaf: bool,
    payloads: Vec<Bytes>,
    /// What else it was told.
    told: Vec<Event>,
}

impl Application for Keeping {
    fn can_receive(&self) -> bool {
        !self.is_deaf
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
        match event {
            Event::Data { payload, .. } => self.payloads.push(payload),
            other => self.told.push(other),
        }
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

/// The other side reads nothing, so that an acknowledgement cannot be written: then nothing is read
/// either, for as long as that takes.
#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_the_channel_takes_nothing_and_nothing_is_lost() {
    const MESSAGES: u64 = 3 * READ_BATCH as u64;
    let ((inbound, to_us), (from_us, outbound)) = (simplex(1 << 20), simplex(16));
    let ours = WebSocketStream::from_raw_socket(join(inbound, outbound), Side::Server, None).await;
    let theirs = join(from_us, to_us);
    let mut theirs = WebSocketStream::from_raw_socket(theirs, Side::Client, None).await;
    let mut peer = client();
    for number in 0..MESSAGES {
        peer.send(PayloadType::Output, Packet::copy_from(&number.to_be_bytes()), now());
    }
    while let Some(frame) = peer.poll_transmit(now()) {
        theirs.send(Message::Binary(frame)).await.unwrap();
    }
    let mut config = Config::new(Role::Agent { session: None }, "3.3.3050.0", 0, 1);
    config.habits.counts_late = true;
    let (mut agent, mut keeping) = (Channel::new(config, now()), Keeping::default());
    let mut driver = Driver::new(ours, &mut agent, &mut keeping).with_pings_answered(true);
    timeout(10 * SILENCE_LIMIT, driver.drive()).await.expect_err("an end");
    assert_eq!(driver.channel.frames_received(), 1);

    let began = now();
    // In a task of its own, which wakes the driver only by what it reads.
    let reads = tokio::spawn(async move {
        while !peer.is_drained() {
            if let Message::Binary(frame) = theirs.next().await.unwrap().unwrap() {
                peer.handle_frame(frame, now()).unwrap();
            }
        }
    });
    tokio::select! {
        outcome = driver.drive() => panic!("{outcome:?}"),
        read = reads => read.unwrap(),
    }
    assert!(now() < began + LAST_READING, "it goes on at once");
    assert_eq!(driver.channel.frames_received(), MESSAGES, "each came once");
    let numbers = (0..MESSAGES).map(|number| Bytes::copy_from_slice(&number.to_be_bytes()));
    assert_eq!(keeping.payloads, numbers.collect::<Vec<_>>());
}

/// Answers to pings are there, and unread; the acknowledgement is found by reading ahead.
#[tokio::test(start_paused = true)]
async fn what_the_application_leaves_unread_is_not_held_against_the_other_side() {
    for answers_pings in [true, false] {
        let (ours, mut theirs) = connected().await;
        let mut agent =
            Channel::new(Config::new(Role::Agent { session: None }, "3.3.3050.0", 0, 1), now());
        agent.send(PayloadType::Output, Packet::copy_from(b"$ "), now());
        let mut client = client();
        client.handle_frame(agent.poll_transmit(now()).unwrap(), now()).unwrap();
        client.send(PayloadType::Output, Packet::copy_from(b"ls"), now());
        let answers = async {
            loop {
                while let Some(frame) = agent.poll_transmit(now()) {
                    theirs.send(Message::Binary(frame)).await.unwrap();
                }
                if let Message::Binary(frame) = theirs.next().await.unwrap().unwrap() {
                    agent.handle_frame(frame, now()).unwrap();
                }
            }
        };
        let mut keeping = Keeping { is_deaf: true, ..Keeping::default() };
        let mut driver =
            Driver::new(ours, &mut client, &mut keeping).with_pings_answered(answers_pings);
        let drives = async {
            timeout(10 * SILENCE_LIMIT, driver.drive()).await.expect_err("an end");
            assert!(driver.channel.is_drained(), "the acknowledgement is not data");
            driver.application.is_deaf = false;
            timeout(LAST_WORDS, driver.drive()).await.expect_err("an end");
        };
        tokio::select! {
            () = answers => {}
            () = drives => {}
        }
        assert!(client.is_drained());
        let [Event::Ready(_)] = &keeping.told[..] else { panic!("{:?}", keeping.told) };
    }
}

/// A laptop is opened an hour later: the other side may have gone, and nothing says so.
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_finds_out_soon_whether_anybody_is_there() {
    const HOUR: Duration = Duration::from_secs(3600);
    let fate = async |slept: Duration, is_there: bool| {
        let (ours, mut theirs) = connected().await;
        let answers = async {
            while is_there && theirs.next().await.is_some_and(|read| read.is_ok()) {
                theirs.flush().await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let (mut channel, mut keeping, began) = (client(), Keeping::default(), now());
        let mut driver = Driver::new(ours, &mut channel, &mut keeping);
        driver.liveness = Liveness::new(SILENCE_LIMIT, began, SystemTime::now() - slept);
        driver.liveness.handle_pong();
        tokio::select! {
            () = answers => unreachable!(),
            outcome = timeout(SILENCE_LIMIT / 4, driver.drive()) => match outcome {
                Ok(Ok(Outcome::Disconnected(Disconnect::Idle(_)))) => Some(now() - began),
                Ok(outcome) => panic!("{outcome:?}"),
                Err(_) => None,
            },
        }
    };
    let noticed = fate(HOUR, false).await.expect("an end");
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    assert_eq!(fate(HOUR, true).await, None, "it answers");
    assert_eq!(fate(Duration::ZERO, false).await, None, "it has not slept");
}
