//! The program that runs the drop-in, and its end.
//!
//! The AWS CLI waits for the drop-in, with the keys of the terminal (SIGINT, SIGQUIT, SIGTSTP) ignored
//! for both of them. When it is killed, nobody is left who would end the session: so its end is ours,
//! whether `nohup` stands before the two or not. Nobody else starts the drop-in like that: one that a
//! shell, a script or another program has started goes on without it, as it may have been meant to, and
//! so does one whose caller was gone before it began.

use std::convert::Infallible;

use super::super::{
    attended::{Attended, Ending},
    signals::TERMINATE,
};

/// The caller, if it waits for us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    #[cfg(unix)]
    waiting: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Caller {
    /// To be asked at the start: one that has ended by then is replaced by a parent that never does.
    pub(super) fn of_this_process() -> Self {
        use super::super::signals::{KEYS, is_ignored};

        let waits = KEYS.into_iter().all(is_ignored);
        Self { waiting: waits.then(rustix::process::getppid).flatten() }
    }

    fn has_ended(self) -> bool {
        self.waiting.is_some() && rustix::process::getppid() != self.waiting
    }
}

#[cfg(not(unix))]
impl Caller {
    pub(super) fn of_this_process() -> Self {
        Self {}
    }

    fn has_ended(self) -> bool {
        false
    }
}

impl Caller {
    /// Ends the session when the caller has ended, as SIGTERM would.
    pub(super) async fn follow(self, attended: Attended) -> Infallible {
        // Not by a signal of the system's for it: that one comes when the caller's thread ends.
        while !self.has_ended() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        tracing::info!("the program that started this one has ended");
        attended.end(Ending::Signal(TERMINATE));
        std::future::pending().await
    }
}

const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
