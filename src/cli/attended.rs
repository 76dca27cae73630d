//! A session that has this process's terminal, or its standard streams: who steers it and ends it.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::stream;
use tokio::sync::{mpsc, watch};

use super::{
    failure::{Code, Failure},
    signals::{self, Heeded, INTERRUPT, Signals},
};
use crate::client::{Client, Stop, service::SessionSource, target::Target};

/// What is to end the session, and which signals the session gets as bytes instead.
#[derive(Clone)]
pub(super) struct Attended(Arc<Inner>);

struct Inner {
    ending: watch::Sender<Option<Ending>>,
    /// A signal came behind the one that ends the session.
    is_insisted: watch::Sender<bool>,
    keys: mpsc::Sender<u8>,
    keys_for_session: Mutex<Option<mpsc::Receiver<u8>>>,
    /// How many signals may still become bytes.
    passes: AtomicU8,
}

/// Why a session is ended from this side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// A signal of this number.
    Signal(u8),
    /// The user typed `~.`.
    Escape,
    /// It took longer than the user wanted.
    Timeout,
}

/// Which signals become bytes once the session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keys {
    /// Every one that a terminal makes of a key.
    All,
    /// The first Ctrl-C; the second one ends the session.
    FirstInterrupt,
}

impl Attended {
    pub(super) fn new() -> Self {
        let (keys, for_session) = mpsc::channel(KEYS);
        Self(Arc::new(Inner {
            ending: watch::Sender::new(None),
            is_insisted: watch::Sender::new(false),
            keys,
            keys_for_session: Mutex::new(Some(for_session)),
            passes: AtomicU8::new(0),
        }))
    }

    /// Watches for signals, for as long as it is polled.
    ///
    /// # Errors
    /// When the system lets no signal be watched.
    pub(super) fn route(&self) -> Result<impl Future<Output = Infallible> + use<>, Failure> {
        self.route_heeding(Heeded::AsInherited)
    }

    /// As [`route`](Self::route), of signals that may have been ignored from the start.
    pub(super) fn route_heeding(
        &self,
        heeded: Heeded,
    ) -> Result<impl Future<Output = Infallible> + use<>, Failure> {
        let mut signals = Signals::of_terminal(heeded)
            .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
        let this = self.clone();
        Ok(async move {
            loop {
                let number = signals.next().await;
                this.signal(number);
            }
        })
    }

    fn signal(&self, number: u8) {
        let character = signals::control_character(number);
        let passes = match self.0.passes.load(Ordering::Relaxed) {
            ALL => character.is_some(),
            0 => false,
            _ => number == INTERRUPT,
        };
        if passes && let Some(character) = character {
            if self.0.passes.load(Ordering::Relaxed) == FIRST {
                self.0.passes.store(0, Ordering::Relaxed);
            }
            // When so many wait unsent, one more makes no difference.
            let _ = self.0.keys.try_send(character);
        } else if character == Some(SUSPEND_CHARACTER) {
            // A caller that ignores keys, as the AWS CLI does, waits: its shell would not hear that the job has
            // stopped. Not every system tells of this signal, and of Ctrl-C each.
            #[cfg(unix)]
            if !signals::is_ignored(number) && !signals::is_ignored(INTERRUPT) {
                crate::term::stop();
            }
        } else {
            self.end(Ending::Signal(number));
        }
    }

    /// Signals become bytes from now on, which this stream gives.
    pub(super) fn take_keys(&self, keys: Keys) -> impl stream::Stream<Item = u8> + Send + use<> {
        let passes = match keys {
            Keys::All => ALL,
            Keys::FirstInterrupt => FIRST,
        };
        self.0.passes.store(passes, Ordering::Relaxed);
        let mut keys =
            self.0.keys_for_session.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::poll_fn(move |cx| match &mut keys {
            Some(keys) => keys.poll_recv(cx),
            None => std::task::Poll::Ready(None),
        })
    }

    /// Ends the session; the first reason counts.
    pub(super) fn end(&self, ending: Ending) {
        let is_first = self.0.ending.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(ending);
            is_first
        });
        if !is_first && matches!(ending, Ending::Signal(_)) {
            self.0.is_insisted.send_replace(true);
        }
    }

    /// Resolves when somebody does not want to wait for the end that is under way.
    pub(super) async fn insisted(&self) {
        let mut is_insisted = self.0.is_insisted.subscribe();
        if is_insisted.wait_for(|is_insisted| *is_insisted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why it was ended from this side, if it was.
    pub(super) fn ending(&self) -> Option<Ending> {
        *self.0.ending.borrow()
    }

    /// Whether an interrupt has gone to the session.
    pub(super) fn has_interrupted(&self) -> bool {
        self.0.passes.load(Ordering::Relaxed) == 0
    }

    /// Resolves when the session is to end.
    pub(super) fn stop(&self) -> Stop {
        let mut ending = self.0.ending.subscribe();
        Box::pin(async move {
            // An error means that nobody can end it any more: then it is to end, too.
            let _ = ending.wait_for(Option::is_some).await;
        })
    }

    /// The service that `target` is reached through, unless it is ended before that is known.
    pub(super) async fn service(
        &self,
        target: &Target,
        client: &Client,
    ) -> Result<SessionSource, Failure> {
        tokio::select! {
            service = SessionSource::of(target, client) => Ok(service?),
            () = self.stop() => Err(self.interrupted()),
        }
    }

    /// What is to be said and told by the exit code when nothing else is.
    pub(super) fn interrupted(&self) -> Failure {
        match self.ending() {
            Some(Ending::Signal(number)) => Failure::new(Code::Signal(number), "interrupted"),
            Some(Ending::Timeout) => {
                Failure::new(Code::TimedOut, "the command was not over within --timeout")
            }
            Some(Ending::Escape) | None => Failure::new(Code::Lost, "ended"),
        }
    }
}

/// Signals that may wait for the session.
const KEYS: usize = 16;
const ALL: u8 = 2;
const FIRST: u8 = 1;
const SUSPEND_CHARACTER: u8 = 0x1a;
