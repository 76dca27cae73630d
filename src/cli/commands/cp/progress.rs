//! How a copy goes, as its user sees it.

use std::{
    io::{IsTerminal, stderr, stdout},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr;

use crate::{
    cli::{
        amounts,
        cut::cut,
        failure::Failure,
        output::Output,
        report::{self, Event},
    },
    client::{Copied, CopyEvent, Error},
    term::can_be_redrawn,
    wire::foreign_text,
};

/// What is shown: a bar on a terminal, events for programs, and a line at the end.
pub(super) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    source: String,
    destination: String,
    size: Option<u64>,
    /// Of the source.
    resumed_at: u64,
    at: u64,
    began: Instant,
    reported: Instant,
    sum: Sum,
    is_slower: bool,
}

/// Of all sources.
#[derive(Clone, Copy, Default)]
struct Sum {
    sources: u64,
    files: u64,
    bytes: u64,
    resumed: u64,
    seconds: f64,
}

impl Progress {
    pub(super) fn new(output: Output) -> Self {
        let now = Instant::now();
        Self {
            output,
            bar: None,
            source: String::new(),
            destination: String::new(),
            size: None,
            resumed_at: 0,
            at: 0,
            began: now,
            reported: now,
            sum: Sum::default(),
            is_slower: false,
        }
    }

    pub(super) fn begin(&mut self, source: String, destination: String) {
        (self.source, self.destination) = (source, destination);
        (self.size, self.resumed_at, self.at) = (None, 0, 0);
        (self.began, self.reported) = (Instant::now(), Instant::now());
    }

    pub(super) fn event(&mut self, event: CopyEvent) {
        match event {
            CopyEvent::Begun { size, resumed_at } => self.begun(size, resumed_at),
            CopyEvent::Progress(at) => self.progress(at),
            CopyEvent::Slower(why) => {
                // Once for all sources.
                if !std::mem::replace(&mut self.is_slower, true) {
                    self.warn(&format!("it goes by a terminal session, which is slower: {why}"));
                }
            }
            CopyEvent::Resumed(why) => self.warn(&format!("{why}; it goes on by another session")),
            CopyEvent::Grown => {
                let what = format!("{} has changed its time or grown meanwhile", self.source);
                self.warn(&format!("{what}; what it had at the beginning is copied"));
            }
            CopyEvent::LeftOut(path) => {
                self.warn(&format!("{path} is left out: neither a file, a folder nor a link"));
            }
        }
    }

    fn begun(&mut self, size: Option<u64>, resumed_at: u64) {
        (self.size, self.resumed_at, self.at) = (size, resumed_at, resumed_at);
        (self.began, self.reported) = (Instant::now(), Instant::now());
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        // Between the lines of what is shown it would be in the way.
        let is_shown = self.destination == "-" && stdout().is_terminal();
        if self.output.is_for_people() && stderr().is_terminal() && can_be_redrawn() && !is_shown {
            self.bar = Some(bar(&self.source, size, resumed_at));
        }
        if resumed_at > 0 {
            let of = size.map(|size| format!(" of {}", amounts::bytes(size))).unwrap_or_default();
            self.note(&format!(
                "going on at {}{of} of {}",
                amounts::bytes(resumed_at),
                self.source
            ));
        }
        self.output.report(&Event::Copying(report::Copying {
            source: &self.source,
            destination: &self.destination,
            size,
            resumed_at,
        }));
    }

    fn progress(&mut self, at: u64) {
        self.at = at;
        if let Some(bar) = &self.bar {
            bar.set_position(at);
        }
        if self.output.is_json() && self.reported.elapsed() >= A_SECOND {
            self.reported = Instant::now();
            self.output.report(&Event::CopyProgress(report::CopyProgress {
                source: &self.source,
                bytes: at,
                size: self.size,
                bytes_per_second: self.rate(self.began.elapsed()),
            }));
        }
    }

    fn rate(&self, time: Duration) -> u64 {
        let bytes = self.at.saturating_sub(self.resumed_at);
        (bytes as f64 / time.as_secs_f64().max(0.001)) as u64
    }

    /// One source is done with.
    pub(super) fn end(&mut self, done: Result<Copied, Error>) -> Result<(), Failure> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let copied = done?;
        let time = self.began.elapsed();
        let Copied { path, bytes, resumed_at, files, sha256, .. } = &copied;
        self.output.report(&Event::FileCopied(report::FileCopied {
            source: &self.source,
            path,
            bytes: *bytes,
            resumed_at: *resumed_at,
            files: *files,
            sha256,
            seconds: time.as_secs_f64(),
        }));
        self.sum.sources += 1;
        self.sum.files += files;
        self.sum.bytes += bytes;
        self.sum.resumed += resumed_at;
        self.sum.seconds += time.as_secs_f64();
        let sum = Sum {
            sources: 1,
            files: *files,
            bytes: *bytes,
            resumed: *resumed_at,
            seconds: time.as_secs_f64(),
        };
        let destination = if self.destination == "-" { "standard output" } else { path };
        // A name may have a newline, which is no line of this program's.
        let destination = foreign_text::one_line(destination);
        self.output.note(&format!("{}, as {destination}", sum.told()));
        Ok(())
    }

    /// All of them are.
    pub(super) fn finish(&self) {
        let Sum { sources, files, bytes, seconds, .. } = self.sum;
        if sources > 1 {
            self.output.note(&self.sum.told());
        }
        self.output.report(&Event::CopySummary(report::CopySummary { files, bytes, seconds }));
    }

    fn warn(&self, text: &str) {
        self.aside(|| self.output.warn(text));
    }

    fn note(&self, text: &str) {
        self.aside(|| self.output.note(text));
    }

    /// Says something while the bar is there.
    fn aside(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Sum {
    fn told(self) -> String {
        let Self { files, bytes, resumed, seconds, .. } = self;
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        let rate = (bytes.saturating_sub(resumed)) as f64 / seconds.max(0.001);
        let (bytes, rate) = (amounts::bytes(bytes), amounts::bytes(rate as u64));
        format!("copied {files}, {bytes} in {seconds:.1} s, {rate}/s")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(source: &str, size: Option<u64>, resumed_at: u64) -> ProgressBar {
    let template = match size {
        Some(_) => KNOWN,
        None => UNKNOWN,
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(8));
    bar.set_style(style);
    let name = source.rsplit(['/', ':']).find(|name| !name.is_empty()).unwrap_or(source);
    let name = cut(&foreign_text::one_line(name), NAME_WIDTH);
    bar.set_message(format!("{name}{}", " ".repeat(NAME_WIDTH.saturating_sub(name.width()))));
    bar.set_position(resumed_at);
    bar.reset_eta();
    bar
}

/// Columns.
const NAME_WIDTH: usize = 16;
const KNOWN: &str = "{msg} [{wide_bar}] {decimal_bytes:>9} of {decimal_total_bytes} \
                     {decimal_bytes_per_sec:>10} {eta:>4}";
const UNKNOWN: &str = "{msg} {decimal_bytes:>9} {decimal_bytes_per_sec:>10} {elapsed:>4}";
const A_SECOND: Duration = Duration::from_secs(1);
