//! A command without a terminal: both of its outputs, its exit code, and its input.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    cli::{
        attended::Attended,
        console,
        ends::Over,
        failure::{Code, Failure},
        output::Output,
    },
    client::{CommandEvent, Way, opening::Opening},
};

/// What a command has told beside its exit code.
#[derive(Clone, Copy, Default)]
pub(super) struct Account {
    /// It ran, or was tried.
    pub(super) has_begun: bool,
    lacks_tools: bool,
    is_short: bool,
    is_line_open: bool,
}

/// Runs a command that was started in this way until its session is over.
pub(super) async fn without_terminal(
    opening: Opening<'_>,
    way: Way,
    attended: &Attended,
    output: &Output,
) -> Result<(Over, Account), Failure> {
    let account = Arc::new(Mutex::new(Account::default()));
    let takes_input = matches!(way, Way::WithInput(_));
    let observer = {
        let account = Arc::clone(&account);
        move |event: &CommandEvent| lock(&account).note(event, output)
    };
    let console = || console::without_terminal(attended, takes_input);
    let ended = Over::of(opening.command(way, console, observer).await?, attended)?;
    let account = *lock(&account);
    if account.is_line_open && io::stdout().is_terminal() {
        // What comes next, the shell's prompt as a rule, begins a line.
        let _ = writeln!(io::stdout());
    }
    Ok((ended, account))
}

impl Account {
    fn note(&mut self, event: &CommandEvent, output: &Output) {
        match event {
            CommandEvent::Begun => self.has_begun = true,
            CommandEvent::LacksTools => self.lacks_tools = true,
            CommandEvent::Exited { is_whole, is_line_open, .. } => {
                (self.is_short, self.is_line_open) = (!is_whole, *is_line_open);
            }
            CommandEvent::Silent(time) => output.warn(&format!(
                "nothing has come for {} s, since the connection was interrupted: the command is \
                 silent, or the node's agent has stopped reading what it writes, for good; Ctrl-C \
                 ends it, and --timeout TIME by itself",
                time.as_secs()
            )),
            _ => {}
        }
    }

    /// Whether all came that was to come, however the command has ended.
    pub(super) fn check(self, way: Way, ended: &Over) -> Result<(), Failure> {
        let for_input = matches!(way, Way::WithInput(_));
        if self.lacks_tools || (for_input && !self.has_begun && ended.is_closed()) {
            let what = "the node cannot give the command its input";
            return Err(Failure::new(Code::Target, what)
                .because(
                    "it takes sh, stty, dd, od, tr and base64 there, and one of them is missing",
                )
                .next("run it without input: -n"));
        }
        if self.is_short && ended.is_complete && ended.output_failed.is_none() {
            let lost = Failure::new(Code::Lost, "the command's output may not be whole");
            return Err(match self.has_begun && way == Way::Plain {
                true => lost
                    .because("it is not UTF-8 text, and the agent cuts off what is none")
                    .next("have the node encode it: -- sh -c 'COMMAND | base64'"),
                false => lost
                    .because("the node did not send its end, or it is not UTF-8 text and the node lacks dd, base64, tr or cksum")
                    .next("start it again; -v shows more"),
            });
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
