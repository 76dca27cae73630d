//! Choosing one of several on a terminal.

use std::{
    fmt::{self, Display, Formatter},
    io::{IsTerminal, stderr, stdin},
};

use inquire::{InquireError, Select};

use crate::{
    client::{Error, Kind},
    wire::foreign_text::one_line,
};

/// Whether there is somebody to choose from a list.
pub(super) fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Lets the user choose one of `choices` by typing a part of it, or with the arrow keys; gives its
/// place.
pub(super) async fn pick(question: String, choices: Vec<String>) -> Result<usize, Error> {
    let choices = choices.into_iter().map(Shown).collect();
    let asked = tokio::task::spawn_blocking(move || {
        Select::new(&question, choices)
            .with_page_size(PAGE)
            .with_help_message("type to filter, arrows to move, Enter to choose, Esc to leave")
            .raw_prompt()
    });
    let asked = asked.await.map_err(|error| Error::local("cannot ask").because(error))?;
    asked.map(|chosen| chosen.index).map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Error::new(Kind::Interrupted, "nothing was chosen")
        }
        error => Error::local("cannot ask on this terminal").because(error),
    })
}

/// Names that others have given, on a line each.
struct Shown(String);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.0))
    }
}

const PAGE: usize = 15;
