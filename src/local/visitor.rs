//! A WebSocket whose client has shown no token yet. Little is kept for it: it may be anyone's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WebSocketError, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::io::InspectReader;

use super::strangers::Place;
use crate::{net::websocket_config, wire::control::OpenDataChannel};

/// A data channel's WebSocket, directly on its TCP connection.
pub type LocalWebSocket = WebSocketStream<TcpStream>;

/// Whoever has asked for a WebSocket, until it has a token.
pub struct Visitor {
    socket: WebSocketStream<InspectReader<TcpStream, Record>>,
    /// All that has come, for the larger WebSocket that follows: this one's buffer is its own.
    received: Arc<Mutex<Vec<u8>>>,
    place: Place,
}

type Record = Box<dyn FnMut(&[u8]) + Send>;

impl Visitor {
    /// On a connection on which `early` came right behind the handshake.
    pub async fn new(stream: TcpStream, early: Vec<u8>, place: Place) -> Self {
        let received = Arc::new(Mutex::new(early.clone()));
        let record = {
            let received = Arc::clone(&received);
            Box::new(move |bytes: &[u8]| lock(&received).extend_from_slice(bytes)) as Record
        };
        let stream = InspectReader::new(stream, record);
        let socket =
            WebSocketStream::from_partially_read(stream, early, Role::Server, Some(small()));
        Self { socket: socket.await, received, place }
    }

    /// The request that shows the token, which must be the first message.
    ///
    /// # Errors
    /// Something else comes, or nothing in time, or its place is lost to a newcomer.
    pub async fn opening(&mut self) -> Result<OpenDataChannel, NoOpening> {
        let Self { socket, received, place } = self;
        let reading = timeout(OPENING_TIMEOUT, async {
            loop {
                let message = socket.next().await;
                if lock(received).len() > LONGEST_OPENING {
                    return Err(NoOpening::TooMuch);
                }
                match message {
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str(&text).map_err(|_| NoOpening::AnotherText);
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_)) => return Err(NoOpening::NoText),
                    Some(Err(error)) => return Err(NoOpening::Broken(error.into())),
                    None => return Err(NoOpening::Closed),
                }
            }
        });
        match place.keep_while(reading).await {
            Some(Ok(opening)) => opening,
            Some(Err(_)) => Err(NoOpening::TooLate),
            None => Err(NoOpening::Crowded),
        }
    }

    /// The WebSocket, behind the opening, of a client that is known now.
    pub async fn admit(self) -> Option<LocalWebSocket> {
        let stream = self.socket.into_inner().into_inner();
        let received = std::mem::take(&mut *lock(&self.received));
        let config = Some(websocket_config());
        let mut socket =
            WebSocketStream::from_partially_read(stream, received, Role::Server, config).await;
        // They have all come already.
        while let Message::Ping(_) | Message::Pong(_) = socket.next().await?.ok()? {}
        Some(socket)
    }

    /// Says why not.
    pub async fn refuse(self, why: &str) {
        let Self { mut socket, mut place, .. } = self;
        // A close frame's reason has room for 123 bytes.
        let reason: String = why.chars().filter(char::is_ascii).take(120).collect();
        let frame = CloseFrame { code: CloseCode::Policy, reason: reason.into() };
        let closing = timeout(CLOSE_TIMEOUT, socket.close(Some(frame)));
        let _ = place.keep_while(closing).await;
    }
}

/// Why a visitor is not let in: what a close frame says, in the order of the ways to fail.
#[derive(Debug, Error)]
pub enum NoOpening {
    /// More than a request has.
    #[error("too much came before the OpenDataChannel request")]
    TooMuch,
    /// Text that is no request.
    #[error("the first message is no OpenDataChannel request")]
    AnotherText,
    /// A frame, before its token.
    #[error("the first message is not text")]
    NoText,
    /// Its connection is gone.
    #[error(transparent)]
    Broken(Box<WebSocketError>),
    /// It has left.
    #[error("closed before the OpenDataChannel request")]
    Closed,
    /// It says nothing.
    #[error("no OpenDataChannel request came in time")]
    TooLate,
    /// Its place went to a newcomer.
    #[error("no OpenDataChannel request came before many others")]
    Crowded,
}

fn small() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * LONGEST_OPENING)
        .max_message_size(Some(LONGEST_OPENING))
        .max_frame_size(Some(LONGEST_OPENING))
}

fn lock(received: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In bytes. A request has some 300.
const READ_BUFFER: usize = 1024;
/// In bytes, with what comes around it.
const LONGEST_OPENING: usize = 16 << 10;
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
