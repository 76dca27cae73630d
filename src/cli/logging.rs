//! Log lines on stderr, as many as are asked for, and none that shows a secret.

use std::{
    fmt::{self, Debug},
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anstyle::Style;
use tracing::{Event, Level, Metadata, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterExt, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Writer},
    },
    layer::{Layer, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{
    args::Global,
    output::{ERROR, WARNING},
    times,
    trace::Trace,
};
use crate::{client::WAITING, net::PAYLOADS, term, wire::foreign_text::one_line};

/// For `ssmport`: warnings by default, more with `-v`, or what SSMPORT_LOG says.
pub(super) fn for_people(global: &Global, trace: Option<Trace>) {
    let filter = match (global.quiet, global.verbose) {
        (true, _) => "error",
        // What goes wrong at the embedded agent, its client tells too.
        (_, 0) => "ssmport=warn,ssmport::local=error",
        (_, 1) => "ssmport=info",
        _ => "ssmport=debug,aws_config=debug,info",
    };
    init(filter, global.verbose == 0, trace);
}

/// Whether more log lines are wanted than warnings: for them there has to be a place.
pub(super) fn is_asked_for() -> bool {
    HAS_INFO.load(Ordering::Relaxed)
}

/// For the drop-in: nothing unless SSMPORT_LOG says so, since callers read its output; but that a node
/// or the service keeps its user waiting.
pub(super) fn for_programs() {
    init(&format!("off,{WAITING}=warn"), true, Trace::of_environment());
}

/// What is said by `default` is `brief`, and for people who have not asked for more.
fn init(default: &str, brief: bool, trace: Option<Trace>) {
    let filter = std::env::var("SSMPORT_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let is_brief = brief && filter.is_none();
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let has_info = filter.max_level_hint().is_some_and(|most| most >= LevelFilter::INFO);
    HAS_INFO.store(has_info, Ordering::Relaxed);
    let fields = move |out: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        write_field(out, field, value, is_brief)
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Lines(std::io::stderr()))
        .fmt_fields(format::debug_fn(fields))
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .event_format(Words)
        .with_filter(filter.and(filter_fn(may_be_shown)));
    let trace = trace.map(|trace| {
        let filter = trace.filter();
        trace.with_filter(filter)
    });
    // Set before only by a program that has its own logging.
    let _ = tracing_subscriber::registry().with(lines).with(trace).try_init();
}

/// A log line is one line, whatever a node or a service has said in it.
fn write_field(
    out: &mut Writer<'_>,
    field: &Field,
    value: &dyn Debug,
    is_brief: bool,
) -> fmt::Result {
    let value = one_line(&format!("{value:?}"));
    match field.name() {
        MESSAGE => out.write_str(&value),
        _ if is_brief => Ok(()),
        name => write!(out, " {name}={value}"),
    }
}

/// Lines as everything else that is said: `warning: ...`.
struct Words;

impl<S, N> FormatEvent<S, N> for Words
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, style) = match *event.metadata().level() {
            Level::ERROR => ("error", ERROR),
            Level::WARN => ("warning", WARNING),
            Level::INFO => ("info", Style::new()),
            Level::DEBUG => ("debug", Style::new()),
            Level::TRACE => ("trace", Style::new()),
        };
        let style = if out.has_ansi_escapes() { style } else { Style::new() };
        write!(out, "{}{style}{word}:{style:#} ", times::of_line())?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// More than warnings is wanted. (`enabled!` disturbs the filters of single layers.)
static HAS_INFO: AtomicBool = AtomicBool::new(false);
/// tracing's own name for the text of a line.
const MESSAGE: &str = "message";

/// Standard error, on which lines begin at the left: a terminal in raw mode does not see to that.
struct Lines(io::Stderr);

impl Write for Lines {
    /// Takes whole lines, as they are logged.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if term::is_raw() && self.0.is_terminal() {
            let text = String::from_utf8_lossy(lines).replace('\n', "\r\n");
            let text = format!("\r{text}");
            if !term::hold_back(&text) {
                self.0.write_all(text.as_bytes())?;
            }
        } else {
            self.0.write_all(lines)?;
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a line may be shown, whatever the filter asks for. Other people's crates show requests
/// and answers in their details: the AWS SDK at `trace` an answer of StartSession with its token. Where
/// credentials come from is told at `debug`, without any secret.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let origin = metadata.target().split("::").next().unwrap_or_default();
    let most = match origin {
        "ssmport" => Level::TRACE,
        "aws_config" => Level::DEBUG,
        _ => Level::INFO,
    };
    *metadata.level() <= most && metadata.target() != PAYLOADS
}
