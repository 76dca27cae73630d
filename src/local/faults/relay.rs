//! Moves frames between two WebSockets as a [`Connection`] decides.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{Sink, Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    sync::mpsc,
    time::{Sleep, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};
use tokio_util::sync::PollSender;

use super::{
    Connection, Side,
    way::{Departure, Farewell},
};
use crate::net::{now, websocket_config};

/// One task's work: both directions of one connection. The client's WebSocket stays the same, the
/// agent has one after the other.
///
/// Pings are answered here, as the real service does: neither side hears those of the other.
pub struct Relay<S> {
    client: WebSocketStream<S>,
    /// `None` while the agent is away.
    agent: Option<AgentSocket>,
    /// Where the agent gets its ends.
    agent_ends: PollSender<AgentSocket>,
    connection: Connection,
    sleep: Pin<Box<Sleep>>,
    /// Since when the client has taken nothing of what is left for it behind the agent's end.
    stuck_since: Option<Instant>,
}

/// A WebSocket in memory.
pub type AgentSocket = WebSocketStream<DuplexStream>;

/// What the relay has come to.
enum Step {
    /// The agent makes a connection.
    AgentConnects,
    /// The client's connection is over.
    Over,
}

impl<S> Relay<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// A relay for the client's WebSocket, and where the agent takes its connections: the next one
    /// comes when the one before has broken, and none when the client's is over.
    pub fn new(
        client: WebSocketStream<S>,
        connection: Connection,
    ) -> (Self, mpsc::Receiver<AgentSocket>) {
        let (sender, agent_ends) = mpsc::channel(1);
        let (agent, stuck_since) = (None, None);
        let (sleep, sender) = (Box::pin(sleep(Duration::ZERO)), PollSender::new(sender));
        (Self { client, agent, agent_ends: sender, connection, sleep, stuck_since }, agent_ends)
    }

    /// Runs until the connection breaks, or both sides have been told farewell. A client that reads
    /// nothing has [`PATIENCE`] to hear it, or it would hold the session for ever.
    pub async fn run(mut self) {
        while let Step::AgentConnects = poll_fn(|cx| self.poll(cx)).await {
            self.connect_agent().await;
        }
        if !self.connection.is_broken() {
            // A socket that is closed with something unread in it resets the connection, and the
            // client would not hear the last words.
            let rest = async { while let Some(Ok(_)) = self.client.next().await {} };
            let _ = timeout(LINGER, rest).await;
        }
    }

    /// There is room for the agent's end.
    async fn connect_agent(&mut self) {
        let (ours, theirs) = duplex(PIPE_LEN);
        let config = Some(websocket_config());
        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, config).await;
        // An agent that is gone by now is seen to have closed it.
        let _ = self.agent_ends.send_item(theirs);
        self.agent = Some(WebSocketStream::from_raw_socket(ours, Role::Client, config).await);
        self.connection.handle_agent_connected(now());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Self { client, agent, agent_ends, connection, sleep, stuck_since } = self;
        loop {
            let now = now();
            connection.handle_timeout(now);
            if connection.is_agent_due(now) {
                match agent_ends.poll_reserve(cx) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Step::AgentConnects),
                    Poll::Ready(Err(_)) => connection.handle_agent_over(now),
                    // It has not noticed yet that its last one is broken.
                    Poll::Pending => {}
                }
            }
            let from_client = poll_read(client, Side::Client, connection, cx, now);
            let from_agent = match agent {
                Some(agent) => poll_read(agent, Side::Agent, connection, cx, now),
                None => Reading::Idle,
            };
            let left = connection.frames_from(Side::Agent);
            let to_client = poll_write(client, Side::Client, connection, cx, now);
            let has_moved = connection.frames_from(Side::Agent) != left;
            let is_last = to_client.is_pending() && !connection.is_open(Side::Agent);
            *stuck_since = is_last.then(|| stuck_since.filter(|_| !has_moved).unwrap_or(now));
            let give_up_at = stuck_since.map(|since| since + PATIENCE);
            let to_agent = match agent {
                Some(agent) => poll_write(agent, Side::Agent, connection, cx, now),
                None => Poll::Ready(()),
            };
            // Behind the writing: what has arrived by now can still be read, and not be answered.
            if connection.poll_agent_cut(now) {
                *agent = None;
                continue;
            }
            let is_flushed = to_client.is_ready() && to_agent.is_ready();
            let is_given_up = give_up_at.is_some_and(|at| now >= at);
            if connection.is_broken() || (connection.is_over() && is_flushed) || is_given_up {
                return Poll::Ready(Step::Over);
            }
            // Nothing wakes the task when a way has room again: look.
            let again = |reading, side| match reading {
                Reading::More => true,
                Reading::Held => connection.can_receive(side),
                Reading::Idle => false,
            };
            if again(from_client, Side::Client) || again(from_agent, Side::Agent) {
                continue;
            }
            let next = connection.poll_timeout(now).into_iter().chain(give_up_at).min();
            let Some(next) = next else { return Poll::Pending };
            sleep.as_mut().reset(tokio::time::Instant::from_std(next));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// What reading came to.
#[derive(Clone, Copy)]
enum Reading {
    /// There may be more.
    More,
    /// The socket wakes the task.
    Idle,
    /// There is no room.
    Held,
}

fn poll_read<S>(
    socket: &mut WebSocketStream<S>,
    side: Side,
    connection: &mut Connection,
    cx: &mut Context<'_>,
    now: Instant,
) -> Reading
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..READ_BATCH {
        if !connection.can_receive(side) {
            return Reading::Held;
        }
        let Poll::Ready(next) = Pin::new(&mut *socket).poll_next(cx) else { return Reading::Idle };
        match next {
            Some(Ok(Message::Binary(frame))) => connection.handle_frame(side, frame, now),
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                connection.handle_closed(side);
                return Reading::Idle;
            }
            // tungstenite answers pings; text has no meaning after the opening.
            Some(Ok(_)) => {}
        }
    }
    Reading::More
}

/// Ready when all that is due is on its way.
fn poll_write<S>(
    socket: &mut WebSocketStream<S>,
    side: Side,
    connection: &mut Connection,
    cx: &mut Context<'_>,
    now: Instant,
) -> Poll<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let sent = match Pin::new(&mut *socket).poll_ready(cx) {
            Poll::Ready(Ok(())) => match connection.poll_transmit(side, now) {
                Some(departure) => Pin::new(&mut *socket).start_send(message(departure)),
                None => break,
            },
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => return Poll::Pending,
        };
        if sent.is_err() {
            connection.handle_deaf(side);
            return Poll::Ready(());
        }
    }
    // Also when nothing was added: an earlier flush may have been cut short.
    match Pin::new(socket).poll_flush(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(()),
        Poll::Ready(Err(_)) => {
            connection.handle_deaf(side);
            Poll::Ready(())
        }
        Poll::Pending => Poll::Pending,
    }
}

fn message(departure: Departure) -> Message {
    match departure {
        Departure::Frame(frame) => Message::Binary(frame),
        Departure::Farewell(Farewell::Plain) => Message::Close(None),
        Departure::Farewell(Farewell::Bye) => {
            Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "Bye".into() }))
        }
    }
}

/// As much as a socket's buffers take.
const PIPE_LEN: usize = 256 << 10;
/// Frames that are read before the write side has its turn.
const READ_BATCH: usize = 64;
const LINGER: Duration = Duration::from_secs(1);
/// More than a reader needs that is only slow.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::SinkExt;
    use tokio::sync::watch;

    use super::*;
    use crate::{
        local::{
            document::Workload,
            faults::{Faults, FaultyService, way::message_type},
            session::{DataChannel, SessionState},
        },
        wire::MessageType,
    };

    fn connection(faults: &str) -> Connection {
        let data_channel = DataChannel {
            session_id: "local-0123456789abcdef0".to_owned(),
            number: 1,
            target: "i-0123456789abcdef0".to_owned(),
            workload: Workload::Ssh { port: 22 },
            opening: 1,
            state: watch::channel(SessionState::Connected).1,
        };
        let service = FaultyService::new(Faults::parse(faults).unwrap(), now());
        service.connection(&data_channel, now(), 1).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_does_not_hold_a_session_that_is_over() {
        let (client, _never_read) = duplex(1024);
        let client = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
        let (relay, mut agent_ends) = Relay::new(client, connection("delay=1ms"));
        let agent = async move {
            let mut agent = agent_ends.recv().await.unwrap();
            for _ in 0..64 {
                agent.send(Message::Binary(Bytes::from(vec![7; 32 << 10]))).await.unwrap();
            }
            agent.close(None).await.unwrap();
        };
        let both = async { tokio::join!(relay.run(), agent) };
        timeout(Duration::from_secs(3600), both).await.expect("an end");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_whose_connection_breaks_gets_another_one_until_it_is_over() {
        let (theirs, ours) = duplex(1 << 20);
        let ours = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
        let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        let (relay, mut agent_ends) = Relay::new(ours, connection("agent-cut=1s"));
        let sides = async {
            for round in 0..10 {
                let mut agent = agent_ends.recv().await.unwrap();
                let frame = Message::Binary(vec![round; 100].into());
                client.send(frame.clone()).await.unwrap();
                while agent.send(Message::Pong(Bytes::new())).await.is_ok() {
                    sleep(Duration::from_millis(10)).await;
                }
                // What had arrived can still be read.
                assert_eq!(agent.next().await.unwrap().unwrap(), frame);
                assert!(!matches!(agent.next().await, Some(Ok(_))), "nothing more comes");
            }
            drop(agent_ends);
            let Some(Ok(Message::Binary(last))) = client.next().await else { panic!("a frame") };
            assert_eq!(message_type(&last), Some(MessageType::ChannelClosed));
            assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        };
        let both = async { tokio::join!(relay.run(), sides) };
        timeout(Duration::from_secs(3600), both).await.expect("an end");
    }
}
