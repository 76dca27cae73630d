//! What the drop-in says, and where.

use std::io::Write;

use crate::{net::with_open_files, session::SessionEnd};

/// The drop-in's voice: stdout, as callers expect it, or stderr if SSMPORT_QUIET=1 asks for an
/// stdout that holds nothing but the session.
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
            let _ = std::io::stderr().write_all(text.as_bytes());
        } else {
            self.answer(text);
        }
    }

    /// What the reference plugin has no words for: on stderr, which no caller reads for an answer.
    pub(super) fn warn(self, text: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "session-manager-plugin: warning: {}",
            with_open_files(text)
        );
    }

    /// What was asked for, on stdout in any case.
    pub(super) fn answer(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    pub(super) fn starting(self, session_id: &str) {
        self.say(&format!("\nStarting session with SessionId: {session_id}\n"));
    }

    /// The text that the account's owner wants shown.
    pub(super) fn customer_message(self, text: &str) {
        if !text.is_empty() {
            self.say(&format!("{text}\n"));
        }
    }

    pub(super) fn signalled(self) {
        self.say("Terminate signal received, exiting.\n");
    }

    pub(super) fn exiting(self, session_id: &str) {
        self.say(&format!("\n\nExiting session with sessionId: {session_id}.\n\n"));
    }

    /// The end that came from the other side.
    pub(super) fn ended(self, session_id: &str, end: &SessionEnd) {
        match end {
            SessionEnd::Done => {}
            SessionEnd::Closed { reason } if reason.is_empty() => self.exiting(session_id),
            SessionEnd::Closed { reason } => {
                self.say(&format!("\n\nSessionId: {session_id} : {reason}\n\n"));
            }
            SessionEnd::TimedOut => self.say(&format!("Session: {session_id} timed out.\n")),
        }
    }
}
