use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Instant,
};

use futures_util::StreamExt;
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::{
    channel::Event,
    net::{ApplicationError, Turn},
    session::Pending,
    wire::{Packet, PayloadType, control::Flag},
};

/// A service with one session: its message gateway, and what it says to ResumeSession.
struct Service {
    gateway: TcpListener,
    /// `Ok(true)` gives a ticket; without any more answers the session is over.
    answers: Mutex<VecDeque<Result<bool, Refusal>>>,
}

impl Service {
    async fn new(answers: impl IntoIterator<Item = Result<bool, Refusal>>) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { gateway, answers: Mutex::new(answers.into_iter().collect()) }
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            session_id: "s-1".to_owned(),
            stream_url: format!("ws://{}/v1/data-channel/s-1", self.gateway.local_addr().unwrap()),
            token: Token::new("token"),
        }
    }

    async fn run(&self, application: &mut Reader) -> Result<SessionEnd, SessionError> {
        Session::new("s-1", "1.2.835.0", self).run(self.ticket(), application).await
    }

    /// Refuses a WebSocket with an HTTP status.
    async fn refuse(&self, status: u16) {
        let (mut socket, _) = self.gateway.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.unwrap());
        }
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn accept(&self) -> Socket {
        let mut socket = accept_async(self.gateway.accept().await.unwrap().0).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Text(_)))));
        socket
    }
}

impl ControlPlane for Service {
    fn resume<'a>(&'a self, _: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(false));
        Box::pin(async move { Ok(answer?.then(|| self.ticket())) })
    }

    fn terminate<'a>(&'a self, _: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn sign<'a>(&'a self, _: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async { HeaderMap::new() })
    }
}

type Socket = WebSocketStream<TcpStream>;

/// An agent without a handshake, on whichever connection there is.
struct Agent(Channel);

impl Agent {
    fn new() -> Self {
        let role = Role::Agent { session: None };
        Self(Channel::new(Config::new(role, "3.3.3050.0", 0, 1), now()))
    }

    async fn say(&mut self, payload: &[u8], socket: &mut Socket) {
        self.0.send(PayloadType::Output, Packet::copy_from(payload), now());
        self.send(socket).await;
    }

    async fn send(&mut self, socket: &mut Socket) {
        while let Some(frame) = self.0.poll_transmit(now()) {
            socket.send(Message::Binary(frame)).await.unwrap();
        }
    }

    /// Lets the client go on until it has acknowledged everything.
    async fn drain(&mut self, socket: &mut Socket) {
        while !self.0.is_drained() {
            if let Message::Binary(frame) = socket.next().await.unwrap().unwrap() {
                self.0.handle_frame(frame, now()).unwrap();
            }
            self.send(socket).await;
        }
    }
}

/// Passes on what it received when its reader has rested.
struct Reader {
    rest: Pin<Box<Sleep>>,
    is_patient: bool,
    received: Vec<u8>,
    passed_on: Vec<u8>,
    is_stopped_with: Option<&'static [u8]>,
    /// Has enough when nothing has come for ten seconds of a connection.
    quiet_until: Option<Instant>,
}

impl Reader {
    fn resting(rest: Duration) -> Self {
        Self {
            rest: Box::pin(sleep(rest)),
            is_patient: true,
            received: Vec::new(),
            passed_on: Vec::new(),
            is_stopped_with: None,
            quiet_until: None,
        }
    }
}

impl Application for Reader {
    fn can_receive(&self) -> bool {
        true
    }

    fn is_drained(&self) -> bool {
        self.received.is_empty()
    }

    fn is_patient(&self) -> bool {
        self.is_patient
    }

    fn handle_event(
        &mut self,
        event: Event,
        _: &mut Channel,
        _: Instant,
    ) -> Result<(), ApplicationError> {
        if let Event::Data { payload, .. } = event {
            self.received.extend_from_slice(&payload);
        }
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if self.rest.is_elapsed() || self.rest.as_mut().poll(cx) == Poll::Ready(()) {
            self.passed_on.append(&mut self.received);
        }
        let is_quiet = self.quiet_until.is_some_and(|until| now >= until);
        if is_quiet || self.is_stopped_with.is_some_and(|word| self.passed_on == word) {
            channel.send_flag(Flag::TerminateSession, now);
            return Ok(Turn::Done);
        }
        Ok(Turn::Idle)
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.quiet_until = self.quiet_until.map(|_| now + QUIET);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.quiet_until
    }
}

const QUIET: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

fn refusal(is_temporary: bool) -> Refusal {
    Refusal { message: "no".to_owned(), is_temporary }
}

#[tokio::test(start_paused = true)]
async fn what_was_received_is_passed_on_though_the_session_cannot_be_had_again() {
    for answer in [Ok(false), Err(refusal(false))] {
        let is_over = answer.is_ok();
        let service = Service::new([answer]).await;
        let mut reader = Reader::resting(HOUR);
        let agent = async {
            let (mut agent, mut socket) = (Agent::new(), service.accept().await);
            agent.say(b"all of it", &mut socket).await;
            agent.drain(&mut socket).await;
        };
        let (end, ()) = tokio::join!(service.run(&mut reader), agent);
        match end {
            Ok(SessionEnd::TimedOut) => assert!(is_over),
            Err(SessionError::Lost { .. }) => assert!(!is_over),
            end => panic!("{end:?}"),
        }
        assert_eq!(reader.passed_on, b"all of it");
    }
}

/// What comes before the frame that nobody can take was acknowledged.
#[tokio::test(start_paused = true)]
async fn what_was_received_is_passed_on_though_the_session_fails() {
    let service = Service::new([]).await;
    let mut reader = Reader::resting(HOUR);
    let agent = async {
        let (mut agent, mut socket) = (Agent::new(), service.accept().await);
        agent.say(b"all of it", &mut socket).await;
        agent.drain(&mut socket).await;
        for _ in 0..16 {
            socket.send(Message::binary(&b"garbage"[..])).await.unwrap();
        }
        socket
    };
    let (end, _socket) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Err(SessionError::Failed { .. })), "{end:?}");
    assert_eq!(reader.passed_on, b"all of it");
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_patience_has_two_seconds() {
    for (rest, expected) in [(1, &b"all of it"[..]), (3, b"")] {
        let service = Service::new([]).await;
        let mut reader = Reader::resting(Duration::from_secs(rest));
        reader.is_patient = false;
        let agent = async {
            let (mut agent, mut socket) = (Agent::new(), service.accept().await);
            agent.say(b"all of it", &mut socket).await;
            agent.drain(&mut socket).await;
        };
        let (end, ()) = tokio::join!(service.run(&mut reader), agent);
        assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
        assert_eq!(reader.passed_on, expected);
    }
}

/// Ten minutes without a connection: the reader has what had come, and its word ends the session.
#[tokio::test(start_paused = true)]
async fn an_application_goes_on_while_the_session_is_resumed() {
    let refused = std::iter::repeat_with(|| Err(refusal(true)));
    let service = Service::new(refused.take(1000)).await;
    let mut reader = Reader::resting(Duration::from_secs(600));
    reader.is_stopped_with = Some(b"enough");
    let began = now();
    let agent = async {
        let (mut agent, mut socket) = (Agent::new(), service.accept().await);
        agent.say(b"enough", &mut socket).await;
        agent.drain(&mut socket).await;
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::Done)), "{end:?}");
    assert!((590..630).contains(&(now() - began).as_secs()), "{:?}", now() - began);
}

/// A minute without a connection is not the destination's silence.
#[tokio::test(start_paused = true)]
async fn no_deadline_of_the_applications_is_due_while_the_session_is_resumed() {
    let refused = std::iter::repeat_with(|| Err(refusal(true))).take(40);
    let service = Service::new(refused.chain([Ok(true)])).await;
    let mut reader = Reader::resting(Duration::ZERO);
    reader.quiet_until = Some(now() + QUIET);
    let began = now();
    let agent = async {
        drop(service.accept().await);
        let (mut agent, mut socket) = (Agent::new(), service.accept().await);
        assert!(now() - began > 2 * QUIET, "{:?}", now() - began);
        agent.say(b"reply", &mut socket).await;
        agent.drain(&mut socket).await;
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
    assert_eq!(reader.passed_on, b"reply");
}

/// A service that is being deployed, or has too much to do.
#[tokio::test(start_paused = true)]
async fn a_first_connection_that_is_refused_for_now_is_tried_again() {
    for status in [429, 502, 503, 504] {
        let service = Service::new([Ok(true)]).await;
        let mut reader = Reader::resting(Duration::ZERO);
        let agent = async {
            service.refuse(status).await;
            let (mut agent, mut socket) = (Agent::new(), service.accept().await);
            agent.say(b"here", &mut socket).await;
            agent.drain(&mut socket).await;
        };
        let (end, ()) = tokio::join!(service.run(&mut reader), agent);
        assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{status}: {end:?}");
        assert_eq!(reader.passed_on, b"here", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_connection_that_stays_refused_is_told_of() {
    // Five attempts with the first token; what is refused for now alone gets others.
    for (status, most) in [(403, 3), (404, 3), (500, 3), (503, 35), (302, 0)] {
        let service = Service::new(std::iter::repeat_with(|| Ok(true)).take(1000)).await;
        let mut reader = Reader::resting(Duration::ZERO);
        let (began, mut dials) = (now(), 0);
        let refusing = async {
            loop {
                service.refuse(status).await;
                dials += 1;
            }
        };
        let end = tokio::select! {
            end = service.run(&mut reader) => end,
            () = refusing => unreachable!(),
        };
        let Err(SessionError::Dial(DialError::Refused { status: told, .. })) = end else {
            panic!("{status}: {end:?}")
        };
        assert_eq!(told.as_u16(), status);
        let took = (now() - began).as_secs();
        assert!((most / 3..=most).contains(&took), "{status}: {took} s");
        match status {
            302 => assert_eq!(dials, 1),
            503 => assert!(dials > 5, "{dials}"),
            _ => assert_eq!(dials, 5),
        }
    }
}

/// Nobody has to be allowed to resume sessions for that.
#[tokio::test(start_paused = true)]
async fn a_first_connection_that_fails_is_tried_again_with_the_same_token() {
    for how in ["reset", "400", "403", "500", "503"] {
        let service = Service::new([Err(refusal(false))]).await;
        let mut reader = Reader::resting(Duration::ZERO);
        let agent = async {
            for _ in 0..2 {
                match how.parse() {
                    Ok(status) => service.refuse(status).await,
                    Err(_) => drop(service.gateway.accept().await.unwrap()),
                }
            }
            let (mut agent, mut socket) = (Agent::new(), service.accept().await);
            agent.say(b"here", &mut socket).await;
            agent.drain(&mut socket).await;
        };
        let (end, ()) = tokio::join!(service.run(&mut reader), agent);
        assert!(matches!(end, Err(SessionError::Lost { .. })), "{how}: {end:?}");
        assert_eq!(reader.passed_on, b"here", "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_before_the_agents_first_word_is_resumed() {
    let service = Service::new(std::iter::repeat_with(|| Ok(true)).take(4)).await;
    let mut reader = Reader::resting(Duration::ZERO);
    let agent = async {
        for _ in 0..3 {
            service.accept().await.close(None).await.unwrap();
        }
        let (mut agent, mut socket) = (Agent::new(), service.accept().await);
        agent.say(b"here", &mut socket).await;
        agent.drain(&mut socket).await;
        drop(socket);
        drop(service.accept().await);
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
    assert_eq!(reader.passed_on, b"here");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_closes_every_connection_at_once_has_its_reasons() {
    for (answers, dials, why) in [(100, 5, "5 times in a row"), (0, 1, "the session is over")] {
        let service = Service::new(std::iter::repeat_with(|| Ok(true)).take(answers)).await;
        let mut reader = Reader::resting(Duration::ZERO);
        let closing = async {
            for _ in 0..dials {
                service.accept().await.close(None).await.unwrap();
            }
        };
        let (end, ()) = tokio::join!(service.run(&mut reader), closing);
        let Err(error @ SessionError::Refused { .. }) = end else { panic!("{end:?}") };
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// The first session after a boot.
#[tokio::test(start_paused = true)]
async fn a_node_that_takes_minutes_is_waited_for() {
    let service = Service::new([]).await;
    let mut reader = Reader::resting(Duration::ZERO);
    let agent = async {
        let mut socket = service.accept().await;
        let late = now() + Duration::from_secs(240);
        // It is alive, and answers pings.
        while timeout(late - now(), socket.next()).await.is_ok() {
            socket.flush().await.unwrap();
        }
        let mut agent = Agent::new();
        agent.say(b"here", &mut socket).await;
        agent.drain(&mut socket).await;
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
    assert_eq!(reader.passed_on, b"here");
}

/// What heals is waited for.
#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_for_now_is_asked_again() {
    let service = Service::new([Err(refusal(true)), Err(refusal(true)), Ok(true)]).await;
    let mut reader = Reader::resting(Duration::ZERO);
    let agent = async {
        let (mut agent, mut socket) = (Agent::new(), service.accept().await);
        agent.say(b"first ", &mut socket).await;
        agent.drain(&mut socket).await;
        drop(socket);
        let mut socket = service.accept().await;
        agent.0.handle_reconnected(now());
        agent.say(b"second", &mut socket).await;
        agent.drain(&mut socket).await;
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
    assert_eq!(reader.passed_on, b"first second");
}

/// The first connection has told that pings are answered; the second one is dead from its beginning.
#[tokio::test(start_paused = true)]
async fn a_resumed_connection_that_is_dead_is_noticed_before_its_first_pong() {
    let service = Service::new([Ok(true), Ok(true)]).await;
    let mut reader = Reader::resting(Duration::ZERO);
    let agent = async {
        let (mut agent, mut first) = (Agent::new(), service.accept().await);
        agent.say(b"$ ", &mut first).await;
        while !matches!(first.next().await, Some(Ok(Message::Ping(_)))) {}
        first.flush().await.unwrap();
        first.close(None).await.unwrap();
        let _dead = service.accept().await;
        let third = timeout(Duration::from_secs(65), service.accept()).await;
        assert!(third.is_ok(), "nobody minds the silence");
    };
    let (end, ()) = tokio::join!(service.run(&mut reader), agent);
    assert!(matches!(end, Ok(SessionEnd::TimedOut)), "{end:?}");
}
