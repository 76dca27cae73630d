//! Sessions in which nothing happens: they cost nothing and last.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use serde_json::json;
use ssmport::{
    channel::{Channel, Config, Event, Role},
    net::{Application, ApplicationError, Driver, Turn, now},
    wire::{Packet, PayloadType},
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role as Side};

use super::support::{Endpoint, NODE, Plugin, Program, await_that, command, in_shell};

#[test]
fn a_shell_in_which_nothing_happens_uses_no_processor() {
    let endpoint = Endpoint::start();
    let (_, plugin) = Plugin::session(&endpoint, &json!({ "Target": NODE }));
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(["shell", "local"]);
    // The input stays open and nothing comes; `echo` shows that the shell is there.
    let idle = [plugin, ssmport].map(|client| {
        let script = r#"cd "$HOME"; mkfifo in; exec 3<>in; echo "echo rea''dy" >&3; exec "$@" <in"#;
        let program = Program::start(in_shell(script, &client));
        program.wait_for_stdout(|line| line.trim_end() == "ready");
        program
    });
    let times = || idle.each_ref().map(Program::cpu_time);
    // What came up to the prompt is still being worked on.
    let before = Cell::new(times());
    await_that("they have settled", || {
        std::thread::sleep(Duration::from_millis(200));
        before.replace(times()) == before.get()
    });
    let before = times();
    std::thread::sleep(Duration::from_secs(3));
    for (before, after) in before.into_iter().zip(times()) {
        let used = after - before;
        assert!(used <= Duration::from_millis(10), "{used:?} in 3 s");
    }
}

/// Sends what it is given and notes what comes.
struct Notes {
    to_send: mpsc::UnboundedReceiver<&'static [u8]>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Application for Notes {
    fn can_receive(&self) -> bool {
        true
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
        if let Event::Data { payload, .. } = event {
            self.received.lock().unwrap().extend_from_slice(&payload);
        }
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        while channel.can_send() {
            match self.to_send.poll_recv(cx) {
                Poll::Ready(Some(bytes)) => {
                    channel.send(PayloadType::Output, Packet::copy_from(bytes), now);
                }
                Poll::Ready(None) => return Ok(Turn::Done),
                Poll::Pending => return Ok(Turn::Idle),
            }
        }
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// One end of a session.
struct End {
    send: mpsc::UnboundedSender<&'static [u8]>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl End {
    /// An end, and what drives it until it is over.
    async fn new(
        socket: DuplexStream,
        side: Side,
        role: Role,
    ) -> (Self, Pin<Box<dyn Future<Output = String>>>) {
        let websocket = WebSocketStream::from_raw_socket(socket, side, None).await;
        let (send, to_send) = mpsc::unbounded_channel();
        let received = Arc::default();
        let mut notes = Notes { to_send, received: Arc::clone(&received) };
        let mut channel = Channel::new(Config::new(role, "3.3.3050.0", 1, 1), now());
        let run = Box::pin(async move {
            format!("{:?}", Driver::new(websocket, &mut channel, &mut notes).run().await)
        });
        (Self { send, received }, run)
    }

    fn has(&self, text: &[u8]) -> bool {
        *self.received.lock().unwrap() == text
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_lasts_a_day_without_a_word() {
    let (ours, theirs) = duplex(1 << 16);
    let (client, mut client_run) = End::new(ours, Side::Client, Role::Client).await;
    let (agent, mut agent_run) =
        End::new(theirs, Side::Server, Role::Agent { session: None }).await;
    let began = now();
    let scenario = async {
        agent.send.send(b"$ ").unwrap();
        until(|| client.has(b"$ ")).await;
        client.send.send(b"before").unwrap();
        until(|| agent.has(b"before")).await;
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        client.send.send(b" and after").unwrap();
        until(|| agent.has(b"before and after")).await;
        agent.send.send(b"still here").unwrap();
        until(|| client.has(b"$ still here")).await;
    };
    tokio::select! {
        () = scenario => {}
        ended = &mut client_run => panic!("the client's side ended: {ended}"),
        ended = &mut agent_run => panic!("the agent's side ended: {ended}"),
    }
    assert!(now() - began < Duration::from_secs(24 * 3600 + 5), "nothing was waited for");
}

async fn until(is_so: impl Fn() -> bool) {
    let give_up_at = now() + Duration::from_secs(10);
    while !is_so() {
        assert!(now() < give_up_at, "it does not arrive");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
