//! A session of a command: a companion, and the way of its output.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{
    companion::{self, Hello, LONGEST_LINE},
    link::Shared,
};
use crate::{
    client::{
        error::{Error, Kind},
        node::Node,
        opening::Opening,
    },
    net::{ApplicationError, now},
    session::SessionEnd,
    streams::{Stop, TapEvent},
};

/// One of them. It ends with this value.
pub(super) struct Carrier {
    state: watch::Receiver<State>,
    message: Arc<Mutex<String>>,
    _stop: watch::Sender<bool>,
}

#[derive(Clone, Debug)]
enum State {
    Starting,
    Stands(Hello),
    Over(Error),
}

impl Carrier {
    /// Starts one on `node`; what its companion writes is read by `shared` as that of `number`.
    pub(super) fn start(node: &Node, number: u32, shared: &Arc<Shared>) -> Self {
        let (state, shown) = watch::channel(State::Starting);
        let (stop, stopped) = watch::channel(false);
        let request = companion::request(node.reason().map(str::to_owned));
        let (service, limits) = (node.service().clone(), node.limits());
        let message = Arc::<Mutex<String>>::default();
        let greeted = Arc::clone(&message);
        let reader = Mutex::new(Reader {
            number,
            shared: Arc::clone(shared),
            state: state.clone(),
            first: Some(Vec::new()),
            errors: Vec::new(),
            failure: None,
        });
        node.spawn(async move {
            let stop = move || -> Stop {
                let mut stopped = stopped.clone();
                Box::pin(async move {
                    // An error means that the carrier is gone.
                    let _ = stopped.wait_for(|stopped| *stopped).await;
                })
            };
            let opening = Opening {
                service: &service,
                request: &request,
                limits,
                stop: &stop,
                greet: &|ready| lock(&greeted).clone_from(&ready.customer_message),
            };
            let ended = opening.tap(|event| lock(&reader).read(event)).await;
            let error = lock(&reader).why_over(ended);
            tracing::debug!("output {number} of turbo: {error}");
            state.send_replace(State::Over(error));
        });
        Self { state: shown, message, _stop: stop }
    }

    /// What its user is to read, in the words of the account's owner.
    pub(super) fn message(&self) -> String {
        lock(&self.message).clone()
    }

    /// Waits until its companion has said where it listens.
    pub(super) async fn stands(&self) -> Result<Hello, Error> {
        let mut state = self.state.clone();
        let stands = state.wait_for(|state| !matches!(state, State::Starting));
        let state = match timeout(PATIENCE, stands).await {
            Ok(state) => state.map(|state| state.clone()),
            Err(_) => return Err(companion::impossible("what it was to run says nothing")),
        };
        match state {
            Ok(State::Stands(hello)) => Ok(hello),
            Ok(State::Over(error)) => Err(error),
            Ok(State::Starting) | Err(_) => Err(gone()),
        }
    }

    /// Waits until it has ended.
    pub(super) async fn over(&self) -> Error {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| matches!(state, State::Over(_))).await;
        match state.map(|state| state.clone()) {
            Ok(State::Over(error)) => error,
            _ => gone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> Error {
    Error::new(Kind::Lost, "the session of the companion is over")
}

/// Reads the first line, and hands on what comes behind it.
struct Reader {
    number: u32,
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    /// As long as that is not whole.
    first: Option<Vec<u8>>,
    /// What came on standard error before it.
    errors: Vec<u8>,
    failure: Option<Error>,
}

impl Reader {
    fn read(&mut self, event: TapEvent<'_>) -> Result<(), ApplicationError> {
        match event {
            TapEvent::Output(bytes) => self.output(bytes),
            TapEvent::Error(bytes) => {
                tracing::debug!("turbo: {}", bytes.escape_ascii());
                let room = LONGEST_LINE.saturating_sub(self.errors.len());
                self.errors.extend_from_slice(&bytes[..room.min(bytes.len())]);
                Ok(())
            }
            TapEvent::Paused => {
                self.shared.with(|exchange| exchange.paused(self.number, now()));
                Ok(())
            }
            TapEvent::Interrupted => {
                self.shared.with(|exchange| exchange.interrupted(self.number, now()));
                Ok(())
            }
            TapEvent::Turn => {
                self.shared.wake();
                Ok(())
            }
            // Its session ends behind it.
            TapEvent::Exited => Ok(()),
        }
    }

    fn output(&mut self, mut bytes: &[u8]) -> Result<(), ApplicationError> {
        if let Some(first) = &mut self.first {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            first.extend_from_slice(line);
            let is_too_long = first.len() > LONGEST_LINE;
            if end.is_none() && !is_too_long {
                return Ok(());
            }
            let hello = match is_too_long {
                true => Err(companion::unknown()),
                false => Hello::read(first),
            };
            let hello = hello.map_err(|error| {
                let why = error.to_string();
                self.failure = Some(error);
                why
            })?;
            self.state.send_replace(State::Stands(hello));
            self.first = None;
            bytes = &rest[1..];
        }
        let read = self.shared.quietly(|exchange| exchange.read(self.number, bytes, now()));
        read.map_err(|garbled| garbled.to_string().into())
    }

    /// Why it has ended.
    fn why_over(&mut self, ended: Result<Option<SessionEnd>, Error>) -> Error {
        let said = String::from_utf8_lossy(&self.errors);
        match (self.failure.take(), ended) {
            (Some(error), _) | (None, Err(error)) => error,
            (None, Ok(_)) if self.first.is_some() => companion::impossible(match said.trim() {
                "" => "what it was to run ended without a word",
                said => said,
            }),
            (None, Ok(end)) => {
                let over = Error::new(Kind::Lost, "the companion on the node has ended");
                match end {
                    Some(end) => over.because(end),
                    None => over,
                }
            }
        }
    }
}

/// How long a session may take to begin, and its companion to say where it listens.
const PATIENCE: Duration = Duration::from_secs(60);
