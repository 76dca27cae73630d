//! A companion, and the two ways to it and back.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::{sleep, timeout},
};

use super::{
    carrier::Carrier,
    companion::WORD_LEN,
    exchange::{Dead, Exchange},
    frames::Answer,
};
use crate::{
    channel::Ready,
    client::{
        error::{Error, Kind},
        lane::{Lane, Lasting},
        node::Node,
        spec::Spec,
        tunnel::TunnelEvent,
    },
    net::now,
    streams::Connection,
};

/// One companion, which lives as long as this, and its streams.
pub(super) struct Link {
    node: Node,
    shared: Arc<Shared>,
    main: Carrier,
    lane: Lane,
    answers: ReadHalf<Connection>,
    frames: WriteHalf<Connection>,
}

/// The streams, as all those see them who have a part in them.
#[derive(Default)]
pub(super) struct Shared(Mutex<Exchange>);

impl Shared {
    /// Does something with them, and wakes whom that concerns.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut exchange = self.lock();
        let done = work(&mut exchange);
        let woken = exchange.woken();
        drop(exchange);
        woken.into_iter().for_each(std::task::Waker::wake);
        done
    }

    /// The same without waking anybody, for more is to come.
    pub(super) fn quietly<T>(&self, work: impl FnOnce(&mut Exchange) -> T) -> T {
        work(&mut self.lock())
    }

    /// Wakes whom all that concerns.
    pub(super) fn wake(&self) {
        self.with(|_| ());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Starts a companion on `node` and connects to it; also what the agent says of itself.
    pub(super) async fn start(node: &Node) -> Result<(Self, Option<Ready>), Error> {
        let shared = Arc::<Shared>::default();
        let main = Carrier::start(node, 0, &shared);
        let hello = main.stands().await?;
        let ready = Arc::<Mutex<Option<Ready>>>::default();
        let observer = {
            let noted = Arc::clone(&ready);
            move |event| match event {
                TunnelEvent::Ready(ready) => {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(ready);
                }
                event => tracing::debug!("the port of turbo: {event}"),
            }
        };
        let spec: Spec = format!("0:{}", hello.port)
            .parse()
            .map_err(|why| Error::new(Kind::Lost, "the companion on the node").because(why))?;
        let lane = Lane::start(node, &spec, Lasting::Once, observer, |_, _| {});
        let (mut answers, mut frames) = split(lane.connect().await?);
        frames.write_all(&hello.greeting()).await.map_err(|_| lost())?;
        frames.flush().await.map_err(|_| lost())?;
        let mut proof = [0; WORD_LEN];
        let proven = timeout(PROOF_WITHIN, answers.read_exact(&mut proof)).await;
        proven.map_err(|_| lost())?.map_err(|_| lost())?;
        if proof != hello.proof() {
            return Err(lost().because("somebody else is at its port"));
        }
        let mut ready = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Of two sessions that are one to their user.
        if let Some(ready) = ready.as_mut().filter(|ready| ready.customer_message.is_empty()) {
            ready.customer_message = main.message();
        }
        Ok((Self { node: node.clone(), shared, main, lane, answers, frames }, ready))
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Carries the streams until there is no companion any more, and why.
    pub(super) async fn run(&mut self) -> Error {
        let Self { node, shared, main, answers, frames, .. } = self;
        let error = tokio::select! {
            error = main.over() => error,
            () = write(shared, frames) => lost(),
            () = hear(shared, answers) => lost(),
            error = keep_output(node, shared) => error,
        };
        shared.with(Exchange::end);
        error
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.with(Exchange::end);
        self.lane.end();
    }
}

fn lost() -> Error {
    Error::new(Kind::Lost, "the way to the companion on the node was lost")
}

/// Writes what is to be written, until that is not possible any more.
async fn write(shared: &Shared, frames: &mut (impl AsyncWrite + Unpin)) {
    loop {
        let next = poll_fn(|cx| match shared.with(|exchange| exchange.transmit(cx)) {
            Some(frames) => Poll::Ready(frames),
            None => Poll::Pending,
        });
        if frames.write_all(&next.await).await.is_err() || frames.flush().await.is_err() {
            return;
        }
    }
}

/// Hears what comes back by the port, until that makes no sense any more.
async fn hear(shared: &Shared, answers: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; Answer::LEN];
    while answers.read_exact(&mut bytes).await.is_ok()
        && let Some(answer) = Answer::read(bytes)
        && shared.with(|exchange| exchange.answered(answer, now())).is_ok()
    {}
}

/// Sees to it that the output comes, by other sessions when one of them is dead.
async fn keep_output(node: &Node, shared: &Arc<Shared>) -> Error {
    let mut spare: Option<Carrier> = None;
    for number in 1.. {
        match &spare {
            None => dead(shared).await,
            Some(carrier) => tokio::select! {
                () = dead(shared) => {}
                error = carrier.over() => tracing::debug!("turbo: {error}"),
            },
        }
        tracing::info!("the output of turbo has stopped, and goes on in another session");
        match replace(node, number, shared).await {
            Ok(carrier) => spare = Some(carrier),
            Err(error) => return error,
        }
    }
    lost()
}

/// Has the output go on in another session. Whatever comes in the old one until then counts.
async fn replace(node: &Node, number: u32, shared: &Arc<Shared>) -> Result<Carrier, Error> {
    let (began, mut pause) = (now(), FIRST_PAUSE);
    loop {
        let carrier = Carrier::start(node, number, shared);
        match carrier.stands().await {
            Ok(hello) => {
                shared.with(|exchange| exchange.move_to(&hello, number, now()));
                return Ok(carrier);
            }
            Err(error) if now() > began + PATIENCE => return Err(error),
            Err(error) => tracing::info!("no other session for it: {error}"),
        }
        sleep(pause).await;
        pause *= 2;
    }
}

/// Waits until the output is dead.
async fn dead(shared: &Shared) {
    let mut timer = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let next: Result<Option<Instant>, Dead> =
                shared.with(|exchange| exchange.look(cx, now()));
            match next {
                Err(Dead) => return Poll::Ready(()),
                Ok(None) => return Poll::Pending,
                Ok(Some(next)) => timer.as_mut().reset(next.into()),
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// A companion answers at once; the way to it may be slow.
const PROOF_WITHIN: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long another session is tried to be had for the output.
const PATIENCE: Duration = Duration::from_secs(60);
