//! How other processes of the same user see and steer what is kept up: a socket that only they can open.
//!
//! A request is an object in a line, and so is each part of the answer; the first one is `heard`, which comes at
//! once, and the last one `done` or `refused`.

mod folder;
mod remote;
mod wire;

use std::{future::poll_fn, io, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::Upkeep;
use crate::{
    client::error::Error,
    net::Socket,
    streams::{Listener, SocketFile},
};
pub(crate) use remote::Remote;
pub(crate) use wire::{Answer, Request};

/// The socket of this process. Its file goes with it.
pub(crate) struct Control(Listener);

impl Control {
    /// Makes it; `None` where another process keeps tunnels up already. What a process that is gone has left
    /// there is replaced.
    ///
    /// # Errors
    /// When there is no folder for it, or something else is in its place.
    pub(crate) fn bind() -> Result<Option<Self>, Error> {
        let path = folder::made()?.join(folder::NAME);
        match SocketFile::bind(&path) {
            Ok(file) => Ok(Some(Self(Listener::Unix(file)))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// Answers until all is over, and those who have asked by then have their answers.
    pub(crate) async fn serve(mut self, upkeep: &Upkeep) {
        let mut visits = JoinSet::new();
        let places = Arc::new(Semaphore::new(MOST_VISITORS));
        let followers = Arc::new(Semaphore::new(MOST_FOLLOWERS));
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (poll_fn(|cx| self.0.poll_accept(cx)).await, place)
            };
            let (accepted, place) = tokio::select! {
                accepted = accepted => accepted,
                () = upkeep.over() => break,
            };
            while visits.try_join_next().is_some() {}
            let Ok((socket, _)) = accepted else {
                // There is no file descriptor for it, say.
                sleep(PAUSE).await;
                continue;
            };
            let (upkeep, followers) = (upkeep.clone(), Arc::clone(&followers));
            visits.spawn(async move {
                if let Err(error) = visit(socket, &upkeep, place.ok(), followers).await {
                    tracing::debug!("a visitor: {error}");
                }
            });
        }
        let _ = timeout(PARTING, async { while visits.join_next().await.is_some() {} }).await;
    }
}

/// One request, and its answer. Whoever stays to follow what happens gives his place up for one of theirs.
async fn visit(
    socket: Box<dyn Socket>,
    upkeep: &Upkeep,
    place: Option<OwnedSemaphorePermit>,
    followers: Arc<Semaphore>,
) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut line = Vec::new();
    let mut bounded = (&mut socket).take(LONGEST_REQUEST);
    timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
    let socket = &mut socket;
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => {
            let error =
                Error::local("the ssmport that keeps the tunnels up does not know this request")
                    .because(error)
                    .next("end it with ssmport down of its own version, and start it again");
            return say(socket, &Answer::refused(&error)).await;
        }
    };
    say(socket, &Answer::Heard).await?;
    let done = match request {
        Request::Status { names } => {
            for status in upkeep.statuses(&names) {
                say(socket, &Answer::Status(Box::new(status))).await?;
            }
            Ok(())
        }
        Request::Up { names, wait } => match upkeep.add(&names) {
            Ok(()) => {
                if wait {
                    upkeep.tried(&names).await;
                }
                for status in upkeep.statuses(&names) {
                    say(socket, &Answer::Status(Box::new(status))).await?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        },
        Request::Down { names } => match upkeep.down(&names).await {
            Ok(ended) => {
                say(socket, &Answer::Ended { names: ended }).await?;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Request::Restart { name } => upkeep.restart(&name),
        Request::Logs { names, last, follow: false } => match upkeep.has_seen(&names) {
            Ok(()) => {
                logs(socket, upkeep, &names, last, false).await?;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Request::Logs { names, last, follow: true } => match followers.try_acquire() {
            Ok(_follower) => {
                if let Err(error) = upkeep.has_seen(&names) {
                    return say(socket, &Answer::refused(&error)).await;
                }
                drop(place);
                logs(socket, upkeep, &names, last, true).await?;
                Ok(())
            }
            Err(_) => {
                Err(Error::local(format!("{MOST_FOLLOWERS} follow the tunnels' events already"))
                    .next("end a `ssmport logs --follow`, or an `ssmport up` that shows them"))
            }
        },
    };
    match done {
        Ok(()) => say(socket, &Answer::Done { pid: std::process::id() }).await,
        Err(error) => say(socket, &Answer::refused(&error)).await,
    }
}

/// The last events, and then those that come, until the reader goes or all is over.
async fn logs(
    socket: &mut BufReader<Box<dyn Socket>>,
    upkeep: &Upkeep,
    names: &[String],
    last: usize,
    follow: bool,
) -> io::Result<()> {
    let (before, mut coming) = upkeep.events(super::MOST);
    let before: Vec<_> = before.into_iter().filter(|event| event.is_of(names)).collect();
    for event in before.iter().skip(before.len().saturating_sub(last)) {
        say(socket, &Answer::Event(event.clone())).await?;
    }
    if !follow {
        return Ok(());
    }
    let mut nothing = [0];
    loop {
        tokio::select! {
            // All that has happened is told before the end is.
            biased;
            event = coming.recv() => match event {
                Ok(event) if event.is_of(names) => say(socket, &Answer::Event(event)).await?,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            () = upkeep.over() => return Ok(()),
            // It says nothing more, and goes when it wants to.
            _ = socket.read(&mut nothing) => return Ok(()),
        }
    }
}

async fn say(socket: &mut BufReader<Box<dyn Socket>>, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(PATIENCE, socket.write_all(&line)).await?
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::local(format!("cannot listen on {}", path.display()))
        .because(error)
        .next("check what is there, or set XDG_RUNTIME_DIR to a folder of your own")
}

/// Of whoever has connected, to ask and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of those who are being answered when all is over.
const PARTING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
/// In bytes: some hundred names.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// At a time; others wait.
const MOST_VISITORS: usize = 32;
/// Beside these.
const MOST_FOLLOWERS: usize = 128;
