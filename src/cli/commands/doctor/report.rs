//! What the doctor says.

use std::{borrow::Cow, collections::HashMap};

use crate::cli::{
    counted::counted,
    failure::{Code, Failure},
    output::{ERROR, GOOD, Output, WARNING},
    report::{self, Event, State},
};
use crate::{client::Error, term::size_of_stdout, wire::foreign_text::one_line};

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
        Self { name, state: State::Failure, found, remedy: Failure::from(error.clone()).next }
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
    /// Of the terminal, if there is one.
    width: Option<usize>,
    /// What is to be done, and the check that said so first.
    said: HashMap<String, &'static str>,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        let width = size_of_stdout().map(|size| size.cols.into());
        Self { output, failures: 0, warnings: 0, width, said: HashMap::new() }
    }

    pub(super) fn add(&mut self, check: Check) {
        self.failures += usize::from(check.state == State::Failure);
        self.warnings += usize::from(check.state == State::Warning);
        if self.output.is_json() {
            let Check { name, state, found, remedy } = &check;
            let (state, next) = (*state, remedy.as_deref());
            return self.output.report(&Event::Check(report::Check {
                check: name,
                state,
                found,
                next,
            }));
        }
        for line in self.lines(check) {
            self.output.line(&line);
        }
    }

    /// What people read: no more than they need, in lines that fit the terminal.
    fn lines(&mut self, check: Check) -> Vec<String> {
        let Check { name, state, found, remedy } = check;
        let (word, style) = match state {
            State::Ok => ("ok", GOOD),
            State::Warning => ("warning", WARNING),
            State::Failure => ("failure", ERROR),
            State::Skipped => ("-", anstyle::Style::new()),
        };
        let found = self.wrapped(&brief(&one_line(&found), state == State::Skipped), INDENT);
        let mut lines: Vec<_> =
            found.into_iter().map(|line| format!("{:INDENT$}{line}", "")).collect();
        if let Some(first) = lines.first_mut() {
            *first = format!("{style}{word:<8}{style:#}{name:<14}{}", first.trim_start());
        }
        let remedy = remedy.map(|remedy| match self.said.get(first_step(&remedy)) {
            Some(before) => format!("as for {before}"),
            None => {
                let step = first_step(&remedy).to_owned();
                self.said.insert(step.clone(), name);
                one_line(&step)
            }
        });
        let remedy = remedy.map(|remedy| self.wrapped(&remedy, INDENT + ARROW.len()));
        for (number, line) in remedy.into_iter().flatten().enumerate() {
            let mark = if number == 0 { ARROW } else { "" };
            lines.push(format!("{:INDENT$}{mark:<3}{line}", ""));
        }
        lines
    }

    fn wrapped(&self, text: &str, indent: usize) -> Vec<String> {
        let Some(width) = self.width else { return vec![text.to_owned()] };
        let options = textwrap::Options::new(width.saturating_sub(indent).max(NARROWEST));
        textwrap::wrap(text, options).into_iter().map(Cow::into_owned).collect()
    }

    /// What it came to: a failure if there was one.
    pub(super) fn end(self) -> Result<(), Failure> {
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

/// Without what is to be done if that was not it: another look at the chain says so.
fn first_step(remedy: &str) -> &str {
    remedy.split("; else ").next().unwrap_or_default()
}

/// AWS says at length who may not do what on what; people know who they are. Of what was not looked at the
/// reason need not be said again.
fn brief(found: &str, is_skipped: bool) -> String {
    let shorter = || {
        let (before, refusal) = found.split_once(" is not authorized to perform: ")?;
        let (intro, _) = before.split_once(" was refused: ")?;
        let intro =
            intro.rsplit_once(": ").map_or(String::new(), |(intro, _)| format!("{intro}: "));
        let (action, rest) = refusal.split_once(" on resource: ")?;
        let reason = rest.split_once(' ').map_or("", |(_, reason)| reason);
        let (reason, tail) = reason.rsplit_once(" (").unwrap_or((reason, ""));
        let tail = tail.split_once(')').map_or("", |(_, tail)| tail);
        Some(match is_skipped {
            true => format!("{intro}{action} is denied"),
            false => format!("{intro}{action} is denied {reason}{tail}"),
        })
    };
    shorter().unwrap_or_else(|| found.to_owned())
}

/// In front of what was found: state and name.
const INDENT: usize = 22;
const ARROW: &str = "-> ";
/// Words have to fit it.
const NARROWEST: usize = 20;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    fn report(width: usize) -> Report {
        let global = Cli::try_parse_from(["ssmport", "doctor"]).expect("a command").global;
        Report { width: Some(width), ..Report::new(Output::new(&global, false)) }
    }

    fn refused(action: &str) -> Check {
        let found = format!(
            "Describe was refused: User: arn:aws:iam::123456789012:user/alice is not authorized to perform: \
             {action} on resource: * with an explicit deny in an identity-based policy \
             (AccessDeniedException): without it there are no names"
        );
        Check::broken(
            "nodes",
            found,
            format!("run `ssmport login`; else ask why {action} is denied"),
        )
    }

    #[test]
    fn one_cause_is_said_once_in_lines_that_fit() {
        let mut report = report(60);
        let plain =
            |lines: Vec<String>| anstream::adapter::strip_str(&lines.join("\n")).to_string();
        assert_eq!(
            plain(report.lines(refused("ssm:A"))),
            "failure nodes         ssm:A is denied with an explicit deny\n\
             \x20                     in an identity-based policy: without\n\
             \x20                     it there are no names\n\
             \x20                     -> run `ssmport login`"
        );
        let again = plain(report.lines(Check { name: "names", ..refused("ec2:B") }));
        assert!(again.ends_with("\n                      -> as for nodes"), "{again}");
        let skipped = Check { state: State::Skipped, remedy: None, ..refused("ssm:A") };
        assert_eq!(plain(report.lines(skipped)), "-       nodes         ssm:A is denied");
        assert_eq!(
            plain(report.lines(Check::ok("clock", "agrees"))),
            "ok      clock         agrees"
        );
    }
}
