//! Choosing one of several on a terminal.

use std::fmt::{self, Display, Formatter};

use inquire::{InquireError, Select};

use super::{
    failure::{Code, Failure},
    signals::INTERRUPT,
};
use crate::wire::foreign_text::one_line;

/// Lets the user choose one of `choices` by typing a part of it, or with the arrow keys.
pub(super) async fn pick<T>(question: String, choices: Vec<T>) -> Result<T, Failure>
where
    T: Display + Send + 'static,
{
    let choices = choices.into_iter().map(Shown).collect();
    let asked = tokio::task::spawn_blocking(move || {
        Select::new(&question, choices)
            .with_page_size(PAGE)
            .with_help_message("type to filter, arrows to move, Enter to choose, Esc to leave")
            .prompt()
    });
    let asked = asked.await.map_err(|error| Failure::local("cannot ask").because(error))?;
    asked.map(|Shown(choice)| choice).map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::new(Code::Signal(INTERRUPT), "nothing was chosen")
        }
        error => Failure::local("cannot ask on this terminal").because(error),
    })
}

/// Names that others have given, on a line each.
struct Shown<T>(T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.0.to_string()))
    }
}

const PAGE: usize = 15;
