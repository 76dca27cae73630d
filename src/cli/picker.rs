//! Choosing one of several on a terminal.

use std::fmt::Display;

use inquire::{InquireError, Select};

use super::{
    failure::{Code, Failure},
    signals::INTERRUPT,
};

/// Lets the user choose one of `choices` by typing a part of it, or with the arrow keys.
pub(super) async fn pick<T>(question: String, choices: Vec<T>) -> Result<T, Failure>
where
    T: Display + Send + 'static,
{
    let asked = tokio::task::spawn_blocking(move || {
        Select::new(&question, choices)
            .with_page_size(PAGE)
            .with_help_message("type to filter, arrows to move, Enter to choose, Esc to leave")
            .prompt()
    });
    let asked = asked.await.map_err(|error| Failure::local("cannot ask").because(error))?;
    asked.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::new(Code::Signal(INTERRUPT), "nothing was chosen")
        }
        error => Failure::local("cannot ask on this terminal").because(error),
    })
}

const PAGE: usize = 15;
