//! What the drop-in says, and where.

use std::io::Write;

use super::super::output::LONGEST_MESSAGE;
use crate::{
    net::with_open_files,
    session::SessionEnd,
    wire::foreign_text::{one_line, paragraph_within, visible},
};

/// The drop-in's voice: stdout, as callers expect it, or stderr if SSMPORT_QUIET=1 asks for an
/// stdout that holds nothing but the session. Whatever others have said in it rules no terminal; to keep
/// it on one line is the business of whoever puts it in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    to_stderr: bool,
}

impl Words {
    pub(super) fn from_environment() -> Self {
        Self { to_stderr: std::env::var("SSMPORT_QUIET").is_ok_and(|value| value == "1") }
    }

    /// Whether they leave stdout to the session.
    pub(super) fn are_elsewhere(self) -> bool {
        self.to_stderr
    }

    /// Says something at once. A caller that does not listen any more misses nothing.
    pub(super) fn say(self, text: &str) {
        if self.to_stderr {
            let _ = std::io::stderr().write_all(visible(text).as_bytes());
        } else {
            self.answer(text);
        }
    }

    /// What the reference plugin has no words for: on stderr, which no caller reads for an answer.
    pub(super) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "session-manager-plugin: {}", one_line(text));
    }

    /// As [`note`](Self::note), of what is not as it should be.
    pub(super) fn warn(self, text: &str) {
        self.note(&format!("warning: {}", with_open_files(text)));
    }

    /// What was asked for, on stdout in any case.
    pub(super) fn answer(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(visible(text).as_bytes()).and_then(|()| stdout.flush());
    }

    pub(super) fn starting(self, session_id: &str) {
        self.say(&format!("\nStarting session with SessionId: {}\n", one_line(session_id)));
    }

    /// The text that the account's owner wants shown.
    pub(super) fn customer_message(self, text: &str) {
        if !text.is_empty() {
            self.say(&format!("{}\n", paragraph_within(LONGEST_MESSAGE, text)));
        }
    }

    pub(super) fn signalled(self) {
        self.say("Terminate signal received, exiting.\n");
    }

    pub(super) fn exiting(self, session_id: &str) {
        self.say(&format!("\n\nExiting session with sessionId: {}.\n\n", one_line(session_id)));
    }

    /// The end that came from the other side.
    pub(super) fn ended(self, session_id: &str, end: &SessionEnd) {
        let id = one_line(session_id);
        match end {
            SessionEnd::Done => {}
            SessionEnd::Closed { reason } if reason.is_empty() => self.exiting(session_id),
            SessionEnd::Closed { reason } => {
                let reason = paragraph_within(LONGEST_MESSAGE, reason);
                self.say(&format!("\n\nSessionId: {id} : {reason}\n\n"));
            }
            SessionEnd::TimedOut => self.say(&format!("Session: {id} timed out.\n")),
        }
    }
}
