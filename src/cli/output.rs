//! What the user sees: progress and errors on stderr, reports as JSON on stdout.

use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anstyle::{AnsiColor, Style};
use tokio::sync::Notify;

#[cfg(feature = "aws")]
use super::counter::Counter;
use super::{
    args::Global,
    failure::{Code, Failure},
    report::{self, Event, Line},
    times,
};
use crate::{
    net::{too_many_open_files, with_open_files},
    wire::foreign_text,
};

/// Where and how much is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    is_quiet: bool,
    is_json: bool,
    /// The command has begun and goes on for long.
    is_lasting: bool,
    /// What it says is about this forwarded port.
    port: Option<u16>,
}

impl Output {
    /// Of a command whose standard output is for something else, or not.
    pub(super) fn new(global: &Global, has_stdout: bool) -> Self {
        Self {
            is_quiet: global.quiet,
            is_json: global.json && !has_stdout,
            is_lasting: false,
            port: None,
        }
    }

    /// Where there are no options yet.
    pub(super) fn without_options(is_json: bool) -> Self {
        Self { is_quiet: false, is_json, is_lasting: false, port: None }
    }

    /// For what comes once the command has begun, and goes on for long: it has a time.
    pub(super) fn lasting(self) -> Self {
        times::begin();
        IS_LASTING.store(true, Ordering::Relaxed);
        Self { is_lasting: true, ..self }
    }

    /// For what is said of one forwarded port among several.
    pub(super) fn of_port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Whether people want to see how it goes.
    pub(super) fn is_for_people(&self) -> bool {
        !self.is_json && !self.is_quiet
    }

    /// Progress, for people.
    pub(super) fn note(&self, text: &str) {
        if !self.is_quiet {
            let time = if self.is_lasting { times::of_day() } else { String::new() };
            line(&format!("{time}{}", foreign_text::visible(text)));
        }
    }

    /// What a question is about; it is not asked without.
    #[cfg(feature = "aws")]
    pub(super) fn asked(&self, text: &str) {
        line(&foreign_text::visible(text));
    }

    /// A session has begun. Its account's owner, or the node, may want its user to read something.
    pub(super) fn customer_message(&self, text: &str) {
        times::begin();
        if !text.is_empty() {
            self.note(&foreign_text::paragraph_within(LONGEST_MESSAGE, text));
        }
    }

    /// Something that went wrong while the program goes on.
    pub(super) fn warn(&self, text: &str) {
        self.warn_people(text);
        if self.is_lasting && !self.is_quiet {
            let (time, what) = (times::utc(times::now()), with_open_files(text));
            self.report(&Event::Warning(report::Warning { time, port: self.port, what: &what }));
        }
    }

    /// As [`warn`](Self::warn), of what the report has an event of its own for.
    pub(super) fn warn_people(&self, text: &str) {
        if !self.is_quiet {
            let text = foreign_text::paragraph(&with_open_files(text));
            line(&format!("{}{WARNING}warning:{WARNING:#} {text}", times::of_line()));
        }
    }

    /// How far the counting of `noun` has come, until it is dropped.
    #[cfg(feature = "aws")]
    pub(super) fn counter(&self, noun: &'static str) -> Counter {
        Counter::new(noun, self.is_quiet)
    }

    /// A line of what was asked for, on stdout; what others have said in it is in
    /// one line by [`foreign_text`].
    pub(super) fn line(&self, text: &str) {
        note(writeln!(anstream::stdout(), "{text}"));
    }

    /// A line of the report; only when JSON was asked for.
    pub(super) fn report(&self, event: &Event<'_>) {
        if self.is_json {
            let json = Self::json(event);
            let mut stdout = std::io::stdout().lock();
            note(writeln!(stdout, "{json}").and_then(|()| stdout.flush()));
        }
    }

    /// What such a line holds.
    pub(super) fn json(event: &Event<'_>) -> String {
        foreign_text::json(&serde_json::to_string(&Line::of(event)).unwrap_or_default())
    }

    /// Fails if something on standard output could not be written, a full disk's for one.
    pub(super) fn written(&self) -> Result<(), Failure> {
        match UNWRITTEN.get() {
            Some(why) => Err(Failure::local("cannot write to standard output").because(why)),
            None => Ok(()),
        }
    }

    /// Waits for that. Whoever is to read a report would wait for ever.
    pub(super) async fn unwritten(&self) -> Failure {
        loop {
            let told = TOLD.notified();
            if let Err(failure) = self.written() {
                return failure;
            }
            told.await;
        }
    }

    /// The error that ends the program.
    pub(super) fn failure(&self, failure: &Failure) {
        if matches!(failure.code, Code::Signal(_)) {
            return;
        }
        self.report(&Event::Error(report::Error {
            exit_code: failure.code.number(),
            what: if failure.what.is_empty() { BROKEN } else { &failure.what },
            why: failure.why.as_deref(),
            next: failure.next.as_deref(),
        }));
        // A command that failed has said so itself.
        if !failure.what.is_empty() {
            let is_lasting = IS_LASTING.load(Ordering::Relaxed);
            let time = if is_lasting { times::of_day() } else { String::new() };
            let what = foreign_text::paragraph(&failure.what);
            line(&format!("{time}{ERROR}ssmport:{ERROR:#} {what}"));
        }
        // Whatever was being done, it is the limit that has to be raised.
        let why = failure.why.as_deref().unwrap_or(&failure.what);
        let next = too_many_open_files(why).or_else(|| failure.next.clone());
        for detail in [&failure.why, &next].into_iter().flatten() {
            line(&format!("  {}", foreign_text::paragraph(detail)));
        }
    }
}

/// Keeps why something was not written. A reader that has gone away needs no report.
fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first one is enough.
        let _ = UNWRITTEN.set(error.to_string());
        TOLD.notify_waiters();
    }
}

/// The command has begun to last; of the whole process, for its error.
static IS_LASTING: AtomicBool = AtomicBool::new(false);
/// Of the whole process, as standard output is.
static UNWRITTEN: OnceLock<String> = OnceLock::new();
static TOLD: Notify = Notify::const_new();

fn line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// What has been told by then in words of its own.
const BROKEN: &str = "a fault of ssmport itself";
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const HEADING: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// In characters, of a message that greets the user.
pub(super) const LONGEST_MESSAGE: usize = 2000;
