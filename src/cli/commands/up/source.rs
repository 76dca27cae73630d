//! Where what is shown comes from: this process, or the one that keeps the tunnels up.

use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::cli::failure::{Code, Failure};
#[cfg(unix)]
use crate::client::upkeep::control::{Answer, Remote, Request};
use crate::client::upkeep::{Event, Status, Upkeep};

/// Whoever keeps them up.
pub(super) enum Source {
    Here(Upkeep),
    #[cfg(unix)]
    There,
}

/// What happens, one after the other.
pub(super) enum Events {
    Here {
        upkeep: Upkeep,
        before: std::vec::IntoIter<Event>,
        coming: Receiver<Event>,
    },
    #[cfg(unix)]
    There(Remote),
}

impl Source {
    /// How these are, or all; `None` when nobody keeps them up any more.
    pub(super) async fn statuses(&self, names: &[String]) -> Result<Option<Vec<Status>>, Failure> {
        match self {
            Self::Here(upkeep) => Ok(Some(upkeep.statuses(names))),
            #[cfg(unix)]
            Self::There => {
                let names = names.to_vec();
                Ok(Remote::statuses(&Request::Status { names }).await?)
            }
        }
    }

    /// Has a tunnel's session give way to another.
    pub(super) async fn restart(&self, name: &str) -> Result<(), Failure> {
        match self {
            Self::Here(upkeep) => Ok(upkeep.restart(name)?),
            #[cfg(unix)]
            Self::There => {
                let request = Request::Restart { name: name.to_owned() };
                if let Some(mut remote) = Remote::ask(&request).await? {
                    remote.next().await?;
                }
                Ok(())
            }
        }
    }

    /// Whether another process keeps them up.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self, Self::Here(_))
    }

    /// The last events, and those to come; `None` when nobody keeps them up any more.
    pub(super) async fn events(
        &self,
        names: &[String],
        last: usize,
    ) -> Result<Option<Events>, Failure> {
        match self {
            Self::Here(upkeep) => {
                let _ = names;
                let (before, coming) = upkeep.events(last);
                let upkeep = upkeep.clone();
                Ok(Some(Events::Here { upkeep, before: before.into_iter(), coming }))
            }
            #[cfg(unix)]
            Self::There => {
                let request = Request::Logs { names: names.to_vec(), last, follow: true };
                Ok(Remote::ask(&request).await?.map(Events::There))
            }
        }
    }
}

/// Whoever kept the tunnels up does so no more.
///
/// # Errors
/// They have not all been ended: its process has gone without a word.
pub(super) fn gone(are_all_ended: bool) -> Result<(), Failure> {
    match are_all_ended {
        true => Ok(()),
        false => Err(Failure::new(Code::Lost, "the ssmport that kept the tunnels up is gone")
            .because("it was killed, or has crashed")
            .next("start it again: ssmport up")),
    }
}

impl Events {
    /// The next one; `None` when all is over.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        match self {
            Self::Here { upkeep, before, coming } => {
                if let Some(event) = before.next() {
                    return Ok(Some(event));
                }
                loop {
                    let event = tokio::select! {
                        // All that has happened is told before the end is.
                        biased;
                        event = coming.recv() => event,
                        () = upkeep.over() => return Ok(None),
                    };
                    match event {
                        Ok(event) => return Ok(Some(event)),
                        // Some have not been seen: the next ones are.
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Ok(None),
                    }
                }
            }
            #[cfg(unix)]
            Self::There(remote) => loop {
                match remote.next().await? {
                    Some(Answer::Event(event)) => return Ok(Some(event)),
                    Some(_) => {}
                    None => return Ok(None),
                }
            },
        }
    }
}
