//! The application while its session has no connection: between two of them, and behind the last.
//!
//! What was received is acknowledged, so nobody will send it again: it is passed on, whatever
//! became of the connection.

use std::{
    future::{pending, poll_fn},
    task::Poll,
    time::Duration,
};

use tokio::time::{sleep_until, timeout};

use crate::{
    channel::Channel,
    net::{Application, ApplicationError, Turn, now},
};

/// Lets an application go on that passes on to a patient reader. Others wait: what comes from
/// their side is better served by another session if this one cannot be resumed.
///
/// Resolves when the application wants the session to end, with its error if it has one.
pub(super) async fn go_on<A: Application>(
    application: &mut A,
    channel: &mut Channel,
) -> Result<(), ApplicationError> {
    if !application.is_patient() {
        return pending().await;
    }
    loop {
        let turn = poll_fn(|cx| {
            // The time without a connection is held against nobody: no deadline is due in it.
            application.handle_reconnected(now());
            match application.poll(cx, channel, now()) {
                Ok(Turn::Idle) => Poll::Pending,
                turn => Poll::Ready(turn),
            }
        });
        if turn.await? == Turn::Done {
            return Ok(());
        }
    }
}

/// Passes on what was received of a session that is over, for as long as its reader takes or the
/// user lets it, or for two seconds where nobody is so patient.
pub(super) async fn drain<A: Application>(application: &mut A, channel: &mut Channel) {
    channel.handle_lost();
    while let Some(event) = channel.poll_event() {
        if application.handle_event(event, channel, now()).is_err() {
            return;
        }
    }
    let limit = if application.is_patient() { Duration::MAX } else { IMPATIENT };
    let drained = async {
        while !application.is_drained() {
            let turn = turn(application, channel).await;
            if !matches!(turn, Ok(Turn::Idle | Turn::More)) {
                return;
            }
        }
    };
    let _ = timeout(limit, drained).await;
}

/// Polls until everything is passed on, or something was moved, or a deadline has come.
async fn turn<A: Application>(
    application: &mut A,
    channel: &mut Channel,
) -> Result<Turn, ApplicationError> {
    let deadline = application.poll_timeout();
    let polled = poll_fn(|cx| match application.poll(cx, channel, now()) {
        Ok(Turn::Idle) if !application.is_drained() => Poll::Pending,
        turn => Poll::Ready(turn),
    });
    tokio::select! {
        biased;
        turn = polled => turn,
        () = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => pending().await,
            }
        } => Ok(Turn::Idle),
    }
}

/// As long as the driver waits when the service has closed the session.
const IMPATIENT: Duration = Duration::from_secs(2);
