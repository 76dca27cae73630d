//! Nodes that no session can be had with yet: stopped instances, and those whose agent is on its way.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    error::{Error, Kind},
    service::{Request, SessionSource},
};
#[cfg(feature = "aws")]
use crate::aws::{Account, AwsError, ManagedNode};
use crate::{net::now, session::Ticket};

/// What is done about a node that is not connected when a session is to be started. Without more that is
/// an error, at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Readiness {
    starts: bool,
    is_agreed: bool,
    patience: Option<Duration>,
}

impl Readiness {
    /// Nothing is done.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for so long until its agent is there, after a reboot for one.
    pub fn wait(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Starts it if it is an instance of EC2 that is stopped, and waits for five minutes unless
    /// [`wait`](Self::wait) says otherwise. The client's [`Guide`](super::Guide) is asked first.
    pub fn start(self) -> Self {
        Self { starts: true, ..self }
    }

    /// As [`start`](Self::start), and nobody is asked.
    pub fn start_unasked(self) -> Self {
        Self { starts: true, is_agreed: true, ..self }
    }

    /// Whether there is a use for nodes that are not connected.
    pub(crate) fn is_given(self) -> bool {
        self.starts || self.patience.is_some()
    }

    fn patience(self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    /// StartSession, once the node is there that has `refused` it.
    pub(super) async fn start_session(
        self,
        service: &SessionSource,
        request: &Request,
        mut refused: Error,
    ) -> Result<Ticket, Error> {
        let mut waiting = Waiting::begin(self, service).await?;
        loop {
            waiting.pause(&refused).await?;
            match service.start_once(request).await {
                Err(error) if error.is_unconnected() => refused = error,
                started => {
                    if started.is_ok() {
                        waiting.is_over();
                    }
                    return started;
                }
            }
        }
    }

    /// Has the node there before somebody else starts sessions on it; as far as this may be asked.
    #[cfg(feature = "aws")]
    pub(crate) async fn make_ready(self, service: &SessionSource) -> Result<(), Error> {
        let SessionSource::Aws { control, .. } = service else { return Ok(()) };
        let (account, id) = (control.account().await?, service.target());
        if is_there(account, &id).await? {
            return Ok(());
        }
        let mut waiting = Waiting::begin(self, service).await?;
        let refused = Error::new(Kind::Target, "its agent is not there");
        while !is_there(account, &id).await? {
            waiting.pause(&refused).await?;
        }
        waiting.is_over();
        Ok(())
    }
}

/// Whether a node's agent is there, as far as that may be asked: else whoever starts the session will see.
#[cfg(feature = "aws")]
async fn is_there(account: &Account, id: &str) -> Result<bool, AwsError> {
    match account.is_connected(id).await {
        Err(AwsError::Refused { .. }) => {}
        told => return told,
    }
    match account.nodes(&[("InstanceIds", &[id])], |_| ()).await {
        Err(AwsError::Refused { .. }) => Ok(true),
        nodes => Ok(nodes?.first().is_some_and(ManagedNode::is_online)),
    }
}

/// A node that is waited for.
struct Waiting<'a> {
    readiness: Readiness,
    service: &'a SessionSource,
    id: String,
    began: Instant,
    deadline: Instant,
    pause: Duration,
}

impl<'a> Waiting<'a> {
    fn new(readiness: Readiness, service: &'a SessionSource) -> Self {
        let began = now();
        let deadline = began + readiness.patience();
        Self { readiness, service, id: service.target(), began, deadline, pause: FIRST_PAUSE }
    }

    /// Starts the node, if it is stopped and may be started.
    async fn begin(readiness: Readiness, service: &'a SessionSource) -> Result<Self, Error> {
        let waiting = Self::new(readiness, service);
        waiting.started().await?;
        // Whoever was asked may have taken their time.
        let waiting = Self::new(readiness, service);
        waiting.note(&format!(
            "{} is not connected: waiting until it is, for {} at most",
            waiting.id,
            humantime::format_duration(readiness.patience())
        ));
        Ok(waiting)
    }

    async fn started(&self) -> Result<(), Error> {
        if !self.readiness.starts || !self.id.starts_with("i-") {
            return Ok(());
        }
        let mut is_told = false;
        loop {
            match self.service.instance_state().await?.as_deref() {
                Some("stopped") => break,
                // It cannot be started before it has stopped.
                Some("stopping") if now() < self.deadline => {
                    if !std::mem::replace(&mut is_told, true) {
                        self.note(&format!("{} is stopping: waiting until it has", self.id));
                    }
                    sleep(LONGEST_PAUSE).await;
                }
                Some("stopping") => {
                    let what = format!("{} is still stopping", self.id);
                    return Err(
                        Error::new(Kind::Target, what).next("try again when it has stopped")
                    );
                }
                None => {
                    let what = format!("EC2 knows no instance {}", self.id);
                    return Err(Error::new(Kind::Target, what)
                        .next("check the id, the profile and the region"));
                }
                Some(_) => return Ok(()),
            }
        }
        self.agree().await?;
        self.service.start_instance().await?;
        self.note(&format!("{} was stopped, and starts now", self.id));
        Ok(())
    }

    async fn agree(&self) -> Result<(), Error> {
        if self.readiness.is_agreed {
            return Ok(());
        }
        let stopped = || Error::new(Kind::Target, format!("{} is stopped", self.id));
        let agreed = match self.service.guide() {
            Some(guide) if guide.can_choose() => {
                guide.agree(format!("{} is stopped. Start it?", self.id)).await?
            }
            _ => {
                return Err(stopped()
                    .because("there is no terminal to ask on whether it is to be started")
                    .next("give --yes, or start it"));
            }
        };
        if agreed { Ok(()) } else { Err(stopped().because("it was not to be started")) }
    }

    /// Until it is worth asking again.
    async fn pause(&mut self, refused: &Error) -> Result<(), Error> {
        let left = self.deadline.saturating_duration_since(now());
        if left.is_zero() {
            let patience = humantime::format_duration(self.readiness.patience());
            let what = format!("{} was not connected within {patience}", self.id);
            return Err(Error::new(Kind::Target, what)
                .because(&refused.what)
                .next(format!("`ssmport doctor {}` says what to check", self.id)));
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Ok(())
    }

    fn is_over(&self) {
        let took = now().saturating_duration_since(self.began).as_secs();
        self.note(&format!("{} is connected, after {took} s", self.id));
    }

    fn note(&self, text: &str) {
        match self.service.guide() {
            Some(guide) => guide.note(text),
            None => tracing::info!("{text}"),
        }
    }
}

/// An instance takes one to three minutes from its start to its agent's.
const PATIENCE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
