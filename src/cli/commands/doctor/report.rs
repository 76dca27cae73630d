//! What the doctor says.

use crate::cli::{
    failure::{Code, Failure},
    output::{ERROR, GOOD, Output, WARNING},
    report::{self, Event, State},
};
use crate::{client::Error, wire::foreign_text::one_line};

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    name: &'static str,
    state: State,
    found: String,
    /// What to do about it.
    remedy: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), remedy: None }
    }

    pub(super) fn warning(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (found, remedy) = (found.into(), Some(remedy.into()));
        Self { name, state: State::Warning, found, remedy }
    }

    pub(super) fn broken(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { state: State::Failure, ..Self::warning(name, found, remedy) }
    }

    /// Something failed as it would have for any other command.
    pub(super) fn failure(name: &'static str, error: &Error) -> Self {
        let why = error.why.iter().map(|why| format!(": {why}"));
        let found = std::iter::once(error.what.clone()).chain(why).collect();
        Self { name, state: State::Failure, found, remedy: error.next.clone() }
    }

    /// Something failed without which the rest still works.
    pub(super) fn weakness(name: &'static str, error: &Error) -> Self {
        Self { state: State::Warning, ..Self::failure(name, error) }
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, state: State::Skipped, found: why.into(), remedy: None }
    }

    pub(super) fn is_failure(&self) -> bool {
        self.state == State::Failure
    }
}

/// Shows each check as soon as it is done.
pub(super) struct Report {
    output: Output,
    failures: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { output, failures: 0, warnings: 0 }
    }

    pub(super) fn add(&mut self, check: Check) {
        self.failures += usize::from(check.state == State::Failure);
        self.warnings += usize::from(check.state == State::Warning);
        let Check { name, state, found, remedy } = check;
        let (word, style) = match state {
            State::Ok => ("ok", GOOD),
            State::Warning => ("warning", WARNING),
            State::Failure => ("failure", ERROR),
            State::Skipped => ("-", anstyle::Style::new()),
        };
        if self.output.is_json() {
            let next = remedy.as_deref();
            let check = report::Check { check: name, state, found: &found, next };
            return self.output.report(&Event::Check(check));
        }
        let found = one_line(&found);
        self.output.line(&format!("{style}{word:<8}{style:#} {name:<16} {found}"));
        if let Some(remedy) = remedy {
            self.output.line(&format!("{:<25} -> {}", "", one_line(&remedy)));
        }
    }

    /// What it came to: a failure if there was one.
    pub(super) fn end(self) -> Result<(), Failure> {
        let counted = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            count => format!("{count} {noun}s"),
        };
        let warnings = counted(self.warnings, "warning");
        if self.failures > 0 {
            let what = format!("{}, {warnings}", counted(self.failures, "failure"));
            return Err(Failure::new(Code::Check, what));
        }
        if self.warnings > 0 {
            self.output.note(&warnings);
        } else {
            self.output.note("All is well.");
        }
        Ok(())
    }
}
