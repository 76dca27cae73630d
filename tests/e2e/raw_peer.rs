//! One end of a data channel, by hand: it does by the book what it is told to do, and nothing
//! behind the test's back but to skip pings.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::raw_frame::*;

/// Either end; the direction of its data frames makes the difference.
pub struct RawPeer {
    socket: WebSocketStream<TcpStream>,
    own: &'static str,
    theirs: &'static str,
    /// The number of the next data frame from here.
    pub next: i64,
    /// The number of the next data frame from there.
    pub expected: i64,
    /// Data frames that wait for their turn.
    early: BTreeMap<i64, RawFrame>,
    /// Bytes of the multiplexer that are no whole frame yet.
    received: Vec<u8>,
    /// Flags that came in between.
    pub flags: Vec<u32>,
}

/// What came.
#[derive(Debug)]
pub enum Arrival {
    Frame(RawFrame),
    Text(String),
    /// The WebSocket is over, with the text of its close frame or its error.
    End(String),
}

impl RawPeer {
    pub fn client(socket: WebSocketStream<TcpStream>) -> Self {
        Self::new(socket, INPUT, OUTPUT)
    }

    pub fn agent(socket: WebSocketStream<TcpStream>) -> Self {
        Self::new(socket, OUTPUT, INPUT)
    }

    fn new(socket: WebSocketStream<TcpStream>, own: &'static str, theirs: &'static str) -> Self {
        let (received, flags) = (Vec::new(), Vec::new());
        let early = BTreeMap::new();
        Self { socket, own, theirs, next: 0, expected: 0, early, received, flags }
    }

    /// The same end of the same session on another connection.
    pub fn moved_to(self, other: Self) -> Self {
        Self { socket: other.socket, ..self }
    }

    // --- sending ---

    pub async fn send_message(&mut self, message: Message) {
        let sent = timeout(PATIENCE, self.socket.send(message)).await;
        sent.expect("the peer takes the message in time").expect("sent");
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.send_message(Message::binary(bytes)).await;
    }

    pub async fn send_frame(&mut self, frame: &RawFrame) {
        self.send_bytes(frame.encode()).await;
    }

    /// The next data frame, not sent yet.
    pub fn data_frame(&mut self, payload_type: u32, payload: &[u8]) -> RawFrame {
        self.next += 1;
        RawFrame::new(self.own, self.next - 1, payload_type, payload)
    }

    /// Sends the next data frame.
    pub async fn send(&mut self, payload_type: u32, payload: &[u8]) -> RawFrame {
        let frame = self.data_frame(payload_type, payload);
        self.send_frame(&frame).await;
        frame
    }

    /// As `send`, however long it takes.
    pub async fn send_patiently(&mut self, payload_type: u32, payload: &[u8]) {
        let frame = self.data_frame(payload_type, payload);
        self.socket.send(Message::binary(frame.encode())).await.expect("sent");
    }

    /// Writes without a flush; `false` when the way stays blocked for `patience`.
    pub async fn feed(&mut self, frame: &RawFrame, patience: Duration) -> bool {
        let fed = timeout(patience, self.socket.feed(Message::binary(frame.encode()))).await;
        fed.is_ok_and(|fed| fed.is_ok())
    }

    pub async fn flush(&mut self, patience: Duration) -> bool {
        timeout(patience, self.socket.flush()).await.is_ok_and(|flushed| flushed.is_ok())
    }

    pub async fn acknowledge(&mut self, frame: &RawFrame) {
        self.send_frame(&RawFrame::acknowledgement(frame)).await;
    }

    // --- receiving ---

    /// The next thing that is no ping or pong, if one comes within `wait`.
    pub async fn arrival_within(&mut self, wait: Duration) -> Option<Arrival> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => {
                        return Arrival::Frame(RawFrame::parse(&bytes));
                    }
                    Some(Ok(Message::Text(text))) => return Arrival::Text(text.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        return Arrival::End(
                            frame.map(|f| f.reason.to_string()).unwrap_or_default(),
                        );
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Arrival::End(error.to_string()),
                    None => return Arrival::End(String::new()),
                }
            }
        };
        timeout(wait, next).await.ok()
    }

    /// The next frame of any type.
    pub async fn frame(&mut self) -> RawFrame {
        match self.arrival_within(PATIENCE).await {
            Some(Arrival::Frame(frame)) => frame,
            other => panic!("expected a frame, found {other:?}"),
        }
    }

    /// The next frame of a type; others are skipped.
    pub async fn frame_of(&mut self, message_type: &str) -> RawFrame {
        loop {
            let frame = self.frame().await;
            if frame.message_type == message_type {
                return frame;
            }
        }
    }

    /// The next data frame in order; all are acknowledged, early ones wait, repeats are skipped, and
    /// so is what only keeps the order: a payload of no bytes, or of a NOP alone.
    pub async fn data(&mut self) -> RawFrame {
        loop {
            while let Some(frame) = self.early.remove(&self.expected) {
                self.expected += 1;
                let is_guard = frame.payload.is_empty() || frame.payload == smux(NOP, 0, b"");
                if frame.payload_type != STREAM || !is_guard {
                    return frame;
                }
            }
            let frame = self.frame_of(self.theirs).await;
            self.acknowledge(&frame).await;
            if frame.sequence_number >= self.expected {
                self.early.insert(frame.sequence_number, frame);
            }
        }
    }

    /// The next data frame of a payload type; flags are noted, others skipped.
    pub async fn data_of(&mut self, payload_type: u32) -> RawFrame {
        loop {
            let frame = self.data().await;
            if frame.payload_type == FLAG {
                self.flags.push(u32::from_be_bytes(frame.payload[..].try_into().unwrap()));
            }
            if frame.payload_type == payload_type {
                return frame;
            }
        }
    }

    /// The next frame of the multiplexer.
    pub async fn smux(&mut self) -> (u8, u32, Vec<u8>) {
        loop {
            if let Some(frame) = take_smux(&mut self.received) {
                return frame;
            }
            let payload = self.data_of(STREAM).await.payload;
            self.received.extend(payload);
        }
    }

    /// The next `len` bytes of a stream; nothing else may come for it meanwhile.
    pub async fn stream_bytes(&mut self, stream: u32, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let (command, id, payload) = self.smux().await;
            if id == stream {
                assert_eq!(command, PSH, "after {} of {len} bytes", bytes.len());
                bytes.extend(payload);
            }
        }
        bytes
    }

    /// Waits for the acknowledgement of `frame` and checks it byte for byte.
    pub async fn acknowledgement_of(&mut self, frame: &RawFrame) {
        let expected = acknowledgement_text(frame);
        loop {
            let acknowledgement = self.frame_of(ACKNOWLEDGE).await;
            assert_eq!(acknowledgement.sequence_number, 0);
            assert_eq!(acknowledgement.flags, 3);
            assert_eq!(acknowledgement.payload_type, 0);
            if acknowledgement.text() == expected {
                return;
            }
        }
    }

    /// Checks that `frame` is not acknowledged within `wait`.
    pub async fn no_acknowledgement_of(&mut self, frame: &RawFrame, wait: Duration) {
        let (unwanted, end) = (acknowledgement_text(frame), tokio::time::Instant::now() + wait);
        while let Some(arrival) =
            self.arrival_within(end.saturating_duration_since(tokio::time::Instant::now())).await
        {
            match arrival {
                Arrival::Frame(frame) if frame.message_type == ACKNOWLEDGE => {
                    assert_ne!(frame.text(), unwanted);
                }
                Arrival::End(why) => panic!("the connection ended: {why}"),
                _ => {}
            }
        }
    }

    /// Reads until the WebSocket ends; gives the frames before it, and how it ended.
    pub async fn until_end(&mut self) -> (Vec<RawFrame>, String) {
        let mut frames = Vec::new();
        loop {
            match self.arrival_within(PATIENCE).await {
                Some(Arrival::Frame(frame)) => frames.push(frame),
                Some(Arrival::Text(text)) => panic!("unexpected text {text}"),
                Some(Arrival::End(why)) => return (frames, why),
                None => panic!("the connection did not end in time"),
            }
        }
    }

    pub fn socket(&mut self) -> &mut WebSocketStream<TcpStream> {
        &mut self.socket
    }
}

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(10);
