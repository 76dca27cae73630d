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
    time::{Sleep, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{
    Connection, Side,
    way::{Departure, Farewell},
};
use crate::net::{now, websocket_config};

/// One task's work: both directions of one connection.
///
/// Pings are answered here, as the real service does: neither side hears those of the other.
pub struct Relay<S> {
    client: WebSocketStream<S>,
    agent: WebSocketStream<DuplexStream>,
    connection: Connection,
    sleep: Pin<Box<Sleep>>,
}

impl<S> Relay<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// A relay for the client's WebSocket, and the agent's end of the other one.
    pub async fn new(
        client: WebSocketStream<S>,
        connection: Connection,
    ) -> (Self, WebSocketStream<DuplexStream>) {
        let (ours, theirs) = duplex(PIPE_LEN);
        let config = Some(websocket_config());
        let agent = WebSocketStream::from_raw_socket(ours, Role::Client, config).await;
        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, config).await;
        let sleep = Box::pin(sleep(Duration::ZERO));
        (Self { client, agent, connection, sleep }, theirs)
    }

    /// Runs until the connection breaks, or both sides have been told farewell.
    pub async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        if !self.connection.is_broken() {
            // A socket that is closed with something unread in it resets the connection, and the
            // client would not hear the last words.
            let rest = async { while let Some(Ok(_)) = self.client.next().await {} };
            let _ = timeout(LINGER, rest).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { client, agent, connection, sleep } = self;
        loop {
            let now = now();
            connection.handle_timeout(now);
            let from_client = poll_read(client, Side::Client, connection, cx, now);
            let from_agent = poll_read(agent, Side::Agent, connection, cx, now);
            let to_client = poll_write(client, Side::Client, connection, cx, now);
            let to_agent = poll_write(agent, Side::Agent, connection, cx, now);
            let is_flushed = to_client.is_ready() && to_agent.is_ready();
            if connection.is_broken() || (connection.is_over() && is_flushed) {
                return Poll::Ready(());
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
            let Some(next) = connection.poll_timeout(now) else { return Poll::Pending };
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
