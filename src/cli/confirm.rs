//! A question on a terminal that is answered by yes or no.

use inquire::{Confirm, InquireError};

use crate::client::{Error, Kind};

/// Whether the user wants it; Enter alone is a no.
pub(super) async fn confirmed(question: String) -> Result<bool, Error> {
    let asked =
        tokio::task::spawn_blocking(move || Confirm::new(&question).with_default(false).prompt());
    let asked = asked.await.map_err(|error| Error::local("cannot ask").because(error))?;
    asked.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Error::new(Kind::Interrupted, "nothing was answered")
        }
        error => Error::local("cannot ask on this terminal").because(error),
    })
}
