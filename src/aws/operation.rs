//! What is asked of AWS, and its words in one line.

use std::fmt;

use super::service::Service;
use crate::wire::foreign_text;

/// An operation and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Whose operation it is.
    pub service: Service,
    /// The name in the AWS API.
    pub name: &'static str,
    /// The target, the session, the key or the task; empty when it is about everything.
    pub subject: String,
}

impl Operation {
    /// An operation of `service` about `subject`.
    pub(super) fn new(service: Service, name: &'static str, subject: &str) -> Self {
        Self { service, name, subject: subject.to_owned() }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.subject {
            "" => f.write_str(self.name),
            subject => write!(f, "{} on {}", self.name, one_line(subject)),
        }
    }
}

/// Text from outside, fit for a terminal's single line, and with an end to it.
pub(super) fn one_line(text: &str) -> String {
    foreign_text::one_line_within(LONGEST_MESSAGE, text)
}

/// In characters. AWS's longest, a denied access with its reason, has about 500.
const LONGEST_MESSAGE: usize = 1000;
