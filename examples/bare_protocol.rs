//! A client of the bare protocol, on a WebSocket of its own: opens a data channel with a session's token,
//! types a line into the shell behind it and prints what is shown. `ssmport::channel` is a state machine
//! without sockets, tasks or a clock, so that it fits into any loop; this is the smallest.
//!
//! ```sh
//! cargo run --example bare_protocol -- local 'uname -sr'                     # without AWS
//! cargo run --example bare_protocol -- i-0123456789abcdef0 'uname -sr'
//! ```
//!
//! What is left out, and [`Session`](ssmport::session::Session) does: to resume a session whose connection
//! is lost, proxies, the signature of the upgrade, encryption with KMS.

use std::{env, error::Error, io::Write};

use futures_util::{SinkExt, StreamExt};
use ssmport::{
    Client,
    channel::{Channel, Config, Event, Role},
    client::{Request, Ticket},
    net::{epoch_ms, now},
    wire::{Packet, PayloadType, Token, control::OpenDataChannel},
};
use tokio::{net::TcpStream, time::sleep_until};
use tokio_tungstenite::{client_async_tls, tungstenite::Message};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (Some(target), Some(line)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err("usage: bare_protocol TARGET LINE".into());
    };
    let node = Client::from_env().await?.node(&target).await?;
    let Ticket { stream_url, token, .. } = node.start_session(&Request::default()).await?;
    type_line(&stream_url, token, &line).await
}

/// Types `line` and the end of the shell, and prints what it shows until it is over.
async fn type_line(url: &str, token: Token, line: &str) -> Result<(), Box<dyn Error>> {
    let address: http::Uri = url.parse()?;
    let host = address.host().ok_or("a stream URL without a host")?;
    let tcp = TcpStream::connect((host, address.port_u16().unwrap_or(443))).await?;
    tcp.set_nodelay(true)?;
    let (mut websocket, _) = client_async_tls(url, tcp).await?;

    let open = OpenDataChannel::new(Uuid::from_u128(rand::random()), token, Uuid::nil(), VERSION);
    websocket.send(Message::text(serde_json::to_string(&open)?)).await?;
    let config = Config::new(Role::Client, VERSION, epoch_ms(), rand::random());
    let mut channel = Channel::new(config, now());
    // Taken when the handshake is done.
    let mut typed = Some(format!("{line}\rexit\r"));
    loop {
        while let Some(event) = channel.poll_event() {
            match event {
                Event::Data { payload_type: PayloadType::Output, payload } => {
                    std::io::stdout().write_all(&payload)?;
                    std::io::stdout().flush()?;
                }
                Event::GenerateDataKey { .. } => return Err("the session is encrypted".into()),
                Event::Closed { reason } if reason.is_empty() => return Ok(()),
                Event::Closed { reason } => return Err(reason.into()),
                _ => {}
            }
        }
        if let Some(text) = typed.take_if(|_| channel.can_send()) {
            channel.send(PayloadType::Output, Packet::copy_from(text.as_bytes()), now());
        }
        while let Some(frame) = channel.poll_transmit(now()) {
            websocket.feed(Message::Binary(frame)).await?;
        }
        websocket.flush().await?;
        channel.handle_written(now());
        let timeout = channel.poll_timeout();
        tokio::select! {
            message = websocket.next() => {
                // Pings are answered by the WebSocket itself.
                if let Message::Binary(frame) = message.ok_or("the connection was closed")?? {
                    channel.handle_frame(frame, now())?;
                }
            }
            () = sleep_until(timeout.unwrap_or_else(now).into()), if timeout.is_some() => {
                channel.handle_timeout(now())?;
            }
        }
    }
}

/// Ours, for the handshake: agents look at it to know what we understand.
const VERSION: &str = "1.2.835.0";
